"""How large a stored pixel is on the ground."""

from types import SimpleNamespace

import numpy as np
import pytest

from gym.data.framing import Placement
from gym.data.ground import pixel_size


def record(crs, transform, shown=(40, 60)):
    """A pair that shows a whole scene of 40x60 pixels."""
    placement = Placement((40, 60), (0, 0, 40, 60), shown, (0, 0))
    return SimpleNamespace(grid={"crs": crs, "transform": transform}, placement=placement)


def test_a_projected_pixel_is_as_large_as_its_grid_says():
    """Height and width in metres; of a scene that was shrunk to half, twice as large."""
    utm = [20, 0, 5e5, 0, -10, 4e6]

    assert pixel_size(record("EPSG:32610", utm)) == pytest.approx((10, 20))
    assert pixel_size(record("EPSG:32610", utm, shown=(20, 30))) == pytest.approx((20, 40))


def test_a_scene_that_was_squeezed_has_pixels_with_other_sides():
    """Rows to half, columns to a third."""
    utm = [10, 0, 5e5, 0, -10, 4e6]

    assert pixel_size(record("EPSG:32610", utm, shown=(20, 20))) == pytest.approx((20, 30))


def test_feet_become_metres_and_turned_pixels_keep_their_sides():
    """California counts in survey feet; steps of (3, 4) and (8, -6) metres are 5 and 10 long."""
    assert pixel_size(record("EPSG:2225", [20, 0, 0, 0, -10, 0])) == pytest.approx((10 * 0.3048006, 20 * 0.3048006))
    assert pixel_size(record("EPSG:32610", [3, 8, 5e5, 4, -6, 4e6])) == pytest.approx((10, 5))


def test_a_pixel_in_degrees_is_measured_at_its_latitude():
    """One second of arc at 60 degrees north: 30.95 m by 15.5 m; at the equator 30.7 m by 30.9 m."""
    step = 1 / 3600

    for north, sides in ((60, (30.95, 15.50)), (0, (30.72, 30.92))):
        found = pixel_size(record("EPSG:4326", [step, 0, 0, 0, -step, north]))
        assert found == pytest.approx(sides, abs=0.02)


def test_without_a_grid_nothing_is_known():
    """Nor on a grid that says nothing of lengths, nor where pixels are no rectangles."""
    bare = SimpleNamespace(grid={}, placement=None)

    for one in (
        bare,
        record("", [1, 0, 0, 0, 1, 0]),
        record("EPSG:3857", [10, 0, 0, 0, -10, 0]),
        record("EPSG:32610", [10, 5, 0, 0, -10, 0]),
    ):
        assert np.isnan(pixel_size(one)).all()

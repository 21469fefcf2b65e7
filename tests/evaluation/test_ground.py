"""How large a stored pixel is on the ground."""

from types import SimpleNamespace

import numpy as np
import pytest

from gym.data.frame import Placement
from gym.evaluation.ground import pixel_side


def record(crs, transform, shown=(40, 60)):
    """A pair that shows a whole scene of 40x60 pixels."""
    placement = Placement((40, 60), (0, 0, 40, 60), shown, (0, 0))
    return SimpleNamespace(grid={"crs": crs, "transform": transform}, placement=placement)


def test_a_projected_pixel_is_as_large_as_its_grid_says():
    """In metres; of a scene that was shrunk to half, twice as large."""
    utm = [10, 0, 5e5, 0, -10, 4e6]

    assert pixel_side(record("EPSG:32610", utm)) == pytest.approx(10)
    assert pixel_side(record("EPSG:32610", utm, shown=(20, 30))) == pytest.approx(20)


def test_a_pixel_in_degrees_has_the_side_of_a_square_as_large():
    """One second of arc at 60 degrees north: 31.0 m by 15.5 m."""
    step = 1 / 3600

    assert pixel_side(record("EPSG:4326", [step, 0, 0, 0, -step, 60])) == pytest.approx(21.9, abs=0.1)


def test_without_a_grid_nothing_is_known():
    """Nor on a grid that says nothing of areas."""
    bare = SimpleNamespace(grid={}, placement=None)

    assert np.isnan(pixel_side(bare))
    assert np.isnan(pixel_side(record("", [1, 0, 0, 0, 1, 0])))
    assert np.isnan(pixel_side(record("EPSG:3857", [10, 0, 0, 0, -10, 0])))

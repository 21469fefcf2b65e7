"""Tests of pixel sizes and areas on the ground."""

from types import SimpleNamespace

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from gym.data.framing import Placement
from gym.data.ground import class_areas, pixel_areas, pixel_size
from gym.data.labels import IGNORE
from gym.data.readers.raster import Grid

DEGREES = CRS.from_epsg(4326)
METRES = CRS.from_epsg(32610)
US_SURVEY_FOOT = 1200 / 3937


def record(crs, transform, size=(40, 60)):
    """A pair that covers a whole scene of 40x60 pixels."""
    placement = Placement((40, 60), (0, 0, 40, 60), size, (0, 0))
    return SimpleNamespace(grid={"crs": crs, "transform": transform}, placement=placement)


def test_a_projected_pixel_has_the_size_of_its_grid():
    """Height and width are in metres; shrinking a scene to half doubles them."""
    utm = [20, 0, 5e5, 0, -10, 4e6]

    assert pixel_size(record("EPSG:32610", utm)) == pytest.approx((10, 20))
    assert pixel_size(record("EPSG:32610", utm, size=(20, 30))) == pytest.approx((20, 40))


def test_a_distorted_scene_has_pixels_of_another_shape():
    """Half of the rows and a third of the columns are left."""
    utm = [10, 0, 5e5, 0, -10, 4e6]

    assert pixel_size(record("EPSG:32610", utm, size=(20, 20))) == pytest.approx((20, 30))


def test_feet_become_metres_and_rotated_pixels_keep_their_size():
    """California uses survey feet; steps of (3, 4) and (8, -6) metres are 5 m and 10 m long."""
    assert pixel_size(record("EPSG:2225", [20, 0, 0, 0, -10, 0])) == pytest.approx((10 * 0.3048006, 20 * 0.3048006))
    assert pixel_size(record("EPSG:32610", [3, 8, 5e5, 4, -6, 4e6])) == pytest.approx((10, 5))


def test_a_pixel_in_degrees_is_measured_at_its_latitude():
    """One arc second is 30.95 m by 15.5 m at 60 degrees north, and 30.7 m by 30.9 m at the equator."""
    step = 1 / 3600

    for north, sides in ((60, (30.95, 15.50)), (0, (30.72, 30.92))):
        found = pixel_size(record("EPSG:4326", [step, 0, 0, 0, -step, north]))
        assert found == pytest.approx(sides, abs=0.02)


def test_the_pixel_size_may_be_unknown():
    """A pair without a grid, a grid that does not preserve lengths and skewed pixels have no size."""
    bare = SimpleNamespace(grid={}, placement=None)

    for one in (
        bare,
        record("", [1, 0, 0, 0, 1, 0]),
        record("EPSG:3857", [10, 0, 0, 0, -10, 0]),
        record("EPSG:32610", [10, 5, 0, 0, -10, 0]),
    ):
        assert np.isnan(pixel_size(one)).all()


def zone_cell(south, north, width):
    """Closed form of the area between two parallels over ``width`` degrees, in square metres on WGS 84."""
    polar, eccentricity = 6_356_752.314245, 0.0818191908426
    half, middle = np.radians(north - south) / 2, np.radians((north + south) / 2)
    low, high = eccentricity * np.sin(np.radians([south, north]))
    # Each difference is written as a product, because subtracting parallels 1e-5 degrees apart loses nine digits.
    between = eccentricity * 2 * np.cos(middle) * np.sin(half)
    quotients = between * (1 + low * high) / ((1 - low**2) * (1 - high**2))
    logarithms = np.arctanh(between / (1 - low * high))
    return np.radians(width) * polar**2 / 2 * (quotients + logarithms) / eccentricity


def test_a_projected_pixel_has_the_area_of_width_times_height():
    """Every row of 10 m by 5 m pixels has 50 square metres per pixel."""
    grid = Grid(METRES, Affine(10, 0, 500_000, 0, -5, 4_000_000))

    np.testing.assert_array_equal(pixel_areas(grid, 3), [50, 50, 50])


@pytest.mark.parametrize(("code", "foot"), [(2225, US_SURVEY_FOOT), (2222, 0.3048)])
def test_areas_in_feet_become_square_metres(code, foot):
    """California uses survey feet, Arizona international feet."""
    grid = Grid(CRS.from_epsg(code), Affine(10, 0, 0, 0, -20, 0))

    np.testing.assert_allclose(pixel_areas(grid, 2), 200 * foot**2, rtol=1e-9)


def test_a_rotated_grid_keeps_its_pixel_area():
    """Steps of (3, 4) and (4, -3) metres span squares of 25 square metres."""
    np.testing.assert_allclose(pixel_areas(Grid(METRES, Affine(3, 4, 0, 4, -3, 0)), 2), 25)


def test_a_grid_with_south_at_the_top_has_reversed_areas():
    """The rows are the same, in the opposite order."""
    down = pixel_areas(Grid(DEGREES, Affine(0.5, 0, 0, 0, -0.5, 60)), 8)
    up = pixel_areas(Grid(DEGREES, Affine(0.5, 0, 0, 0, 0.5, 56)), 8)

    np.testing.assert_allclose(up, down[::-1], rtol=1e-12)


@pytest.mark.parametrize(
    ("latitude", "north_south", "east_west"),
    [(0, 110.574, 111.320), (30, 110.852, 96.486), (45, 111.132, 78.847), (60, 111.412, 55.800), (75, 111.618, 28.902)],
)
def test_a_geographic_pixel_has_the_published_length_of_a_degree(latitude, north_south, east_west):
    """Kilometres per degree on WGS 84 agree with tables to the digits these print."""
    for sign in (1, -1):
        grid = Grid(DEGREES, Affine(1e-3, 0, 7, 0, -1e-3, sign * latitude + 0.5e-3))

        np.testing.assert_allclose(pixel_areas(grid, 1), north_south * east_west, rtol=2.5e-5)


@pytest.mark.parametrize(
    ("grads", "north_south", "east_west"), [(0, 110.574, 111.320), (50, 111.132, 78.847), (-50, 111.132, 78.847)]
)
def test_a_grid_in_grads_has_nine_tenths_of_the_length_of_degrees(grads, north_south, east_west):
    """French maps divide the circle into 400 grads, so 50 grads are 45 degrees."""
    grid = Grid(CRS.from_epsg(4807), Affine(1e-3, 0, 7, 0, -1e-3, grads + 0.5e-3))

    np.testing.assert_allclose(pixel_areas(grid, 1), 0.81 * north_south * east_west, rtol=2.5e-5)


@pytest.mark.parametrize(
    "crs",
    [CRS.from_epsg(3857), CRS.from_wkt('LOCAL_CS["site grid",UNIT["metre",1]]'), CRS.from_epsg(4978), None],
    ids=["Web Mercator", "local", "geocentric", "none"],
)
def test_a_grid_that_does_not_preserve_areas_has_none(crs):
    """At 60 degrees, 1000 m of Web Mercator are 500 m on the ground; the other grids are not tied to the Earth."""
    grid = Grid(crs, Affine(1000, 0, 0, 0, -1000, 8_399_738))

    np.testing.assert_array_equal(pixel_areas(grid, 3), [np.nan] * 3)
    np.testing.assert_array_equal(class_areas(np.zeros((3, 2), np.uint8), 2, grid), [np.nan] * 2)


@pytest.mark.parametrize("south", [-0.5, 44.5, 45, -46, 88])
def test_a_cell_of_one_degree_has_the_area_of_the_closed_form(south):
    """A cell on the equator has the well-known 12,309 square kilometres."""
    area = pixel_areas(Grid(DEGREES, Affine(0.01, 0, 7, 0, -0.01, south + 1)), 100).sum() * 100

    assert area == pytest.approx(zone_cell(south, south + 1, 1), rel=1e-8)
    if south == -0.5:
        assert round(area / 1e6) == 12_309


def test_the_rows_of_the_whole_earth_sum_to_its_area():
    """All cells of a tenth of a degree cover the 510,065,622 square kilometres of the ellipsoid."""
    grid = Grid(DEGREES, Affine(0.1, 0, -180, 0, -0.1, 90))

    assert pixel_areas(grid, 1800).sum() * 3600 / 1e6 == pytest.approx(510_065_622, rel=1e-6)


@given(north=st.floats(-84, 85), height=st.floats(1e-5, 0.01), width=st.floats(1e-5, 1.0))
def test_geographic_rows_agree_with_the_closed_form(north, height, width):
    """The areas agree at any latitude and pixel size."""
    tops = north - height * np.arange(4)
    expected = [zone_cell(top - height, top, width) for top in tops]

    # At 1e-5 degrees, the edges of a row determine its height to about nine digits only.
    np.testing.assert_allclose(
        pixel_areas(Grid(DEGREES, Affine(width, 0, 0, 0, -height, north)), 4), expected, rtol=1e-8
    )


def test_class_areas_are_pixels_times_area():
    """Three pixels are of class 0, two of class 1, none of class 2, and one has no data."""
    label = np.array([[0, 0, 1], [0, 1, IGNORE]], np.uint8)
    grid = Grid(METRES, Affine(10, 0, 0, 0, -10, 0))

    np.testing.assert_array_equal(class_areas(label, 3, grid), [300, 200, 0])


def test_a_class_nearer_to_the_pole_covers_less():
    """Each row of a geographic grid is weighted by its own area."""
    label = np.repeat([[0], [1]], 5, axis=1).astype(np.uint8)
    grid = Grid(DEGREES, Affine(1, 0, 0, 0, -1, 61))
    north, south = pixel_areas(grid, 2)

    np.testing.assert_allclose(class_areas(label, 2, grid), [5 * north, 5 * south])
    assert north < south


def test_without_a_grid_no_class_has_an_area():
    """The size of the pixels is unknown."""
    areas = class_areas(np.zeros((2, 2), np.uint8), 4, None)

    assert areas.shape == (4,)
    assert np.isnan(areas).all()


@given(seed=st.integers(0, 1000), rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_class_areas_sum_to_the_ground_with_data(seed, rows, columns):
    """No pixel is counted twice or lost."""
    label = np.random.default_rng(seed).choice([0, 1, 2, IGNORE], (rows, columns)).astype(np.uint8)
    grid = Grid(DEGREES, Affine(0.5, 0, 0, 0, -0.5, 70))
    ground = pixel_areas(grid, rows) @ (label != IGNORE).sum(axis=1)

    np.testing.assert_allclose(class_areas(label, 3, grid).sum(), ground, rtol=1e-12)

"""The water index: values by hand, the threshold compared with an exhaustive search, and when there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.filters import threshold_otsu

from gym.config.spectral_index import parse_index
from gym.evaluation.water_index import WaterIndex, find_threshold, find_water_class, plan_water_index

NDWI = WaterIndex(parse_index("NDWI"), ("red", "Green", "NIR"), water=1)


def image_of(green, nir, red=5):
    """An image of one row with one pixel per value."""
    return np.stack([np.full(len(green), red), green, nir], axis=-1)[None].astype(np.float32)


def test_two_pixels_by_hand():
    """(30 - 10) / 40 = 0.5 is water, (10 - 30) / 40 = -0.5 is not."""
    image = image_of([30, 10], [10, 30])

    np.testing.assert_array_equal(NDWI.compute(image), [[0.5, -0.5]])
    predicted = NDWI.predict(image)
    assert predicted.dtype == np.uint8
    np.testing.assert_array_equal(predicted, [[1, 0]])


def test_0_over_0_is_0_and_negative_values_count_as_0():
    """Otherwise (1 - -0.9) / (1 + -0.9) would be 19, outside [-1, 1]."""
    index = NDWI.compute(image_of([0, 1, -0.5, -2], [0, -0.9, 2, -3]))

    np.testing.assert_array_equal(index, [[0, 1, -1, 0]])


def test_unsigned_bands_do_not_wrap_around():
    """10 - 30 is -20 in uint16, too."""
    np.testing.assert_array_equal(NDWI.compute(image_of([10], [30]).astype(np.uint16)), [[-0.5]])


def test_the_threshold_agrees_with_scikit_image():
    """It differs by half a bin, which hardly changes the prediction for two humps that nearly meet."""
    rng = np.random.default_rng(0)
    green = np.concatenate([rng.normal(1200, 150, 700), rng.normal(500, 150, 500)])
    image = image_of(green, np.full(1200, 800.0))
    index = (image[..., 1] - image[..., 2]) / (image[..., 1] + image[..., 2])

    predicted = NDWI.predict(image)

    threshold, half_a_bin = threshold_otsu(index), np.ptp(index) / 512
    assert predicted[index > threshold + 1.01 * half_a_bin].all()
    assert not predicted[index < threshold + 0.99 * half_a_bin].any()
    assert (predicted != (index > threshold)).mean() < 0.01
    assert predicted[0, :700].mean() > 0.95
    assert predicted[0, 700:].mean() < 0.05


def test_the_lower_side_keeps_its_last_bin():
    """Of 0, 1 and 140, the first two are one side, although 1 lies above the centre of its bin (0.55 to 1.09)."""
    values = np.array([0.0, 1.0, 140.0])

    assert threshold_otsu(values) == pytest.approx(140 / 256 * 1.5)
    assert find_threshold(values) == pytest.approx(140 / 256 * 2)


@settings(deadline=None)
@given(
    low=st.lists(st.integers(0, 60), min_size=1, max_size=30),
    high=st.lists(st.integers(140, 200), min_size=1, max_size=30),
)
def test_no_other_threshold_separates_two_humps_better(low, high):
    """The between-class variance is the largest of all thresholds."""
    # With green + nir = 200 the index is a straight line in green, and a bin is narrower than a step of green.
    green = np.array(low + high, np.float64)
    is_water = NDWI.predict(image_of(green, 200 - green))[0].astype(bool)

    def between(above):
        return above.mean() * (1 - above.mean()) * (green[above].mean() - green[~above].mean()) ** 2

    cuts = [between(green > cut) for cut in np.unique(green)[:-1]]
    assert between(is_water) == pytest.approx(max(cuts), rel=1e-3)
    assert green[is_water].min() > green[~is_water].max()


def test_pixels_without_data_do_not_affect_the_threshold():
    """They are 0 in every band, and would otherwise form a hump of their own."""
    image = image_of([30, 28, 10, 12], [20, 20, 20, 20])
    padded = np.concatenate([image, np.zeros((1, 4, 3), np.float32)])

    np.testing.assert_array_equal(NDWI.predict(image), [[1, 1, 0, 0]])
    np.testing.assert_array_equal(NDWI.predict(padded), [[1, 1, 0, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize("image", [image_of([30, 60, 90], [10, 20, 30]), np.zeros((1, 3, 3)), np.zeros((0, 0, 3))])
def test_a_constant_or_empty_image_has_no_water(image):
    """There is nothing to separate."""
    predicted = NDWI.predict(image)

    assert predicted.shape == image.shape[:2]
    assert not predicted.any()


def test_a_nearly_constant_image_is_separated():
    """Six float32 values leave no room for 256 bins, but float64 does."""
    image = image_of([1, 1], [0.25, 0.25 + 2e-7])

    assert 0 < np.ptp(NDWI.compute(image)) < 4e-7
    np.testing.assert_array_equal(NDWI.predict(image), [[1, 0]])


@settings(deadline=None)
@given(order=st.permutations(range(12)), seed=st.integers(0, 1000))
def test_moved_pixels_move_the_prediction(order, seed):
    """The threshold depends on the values, not on their positions."""
    green, nir = np.random.default_rng(seed).integers(1, 200, (2, 12))
    image = image_of(green, nir)

    moved = NDWI.predict(image[:, list(order)].reshape(3, 4, 3))

    np.testing.assert_array_equal(moved.ravel(), NDWI.predict(image)[0, list(order)])


@settings(deadline=None)
@given(power=st.integers(-6, 6), seed=st.integers(0, 1000))
def test_a_common_scale_of_the_bands_does_not_matter(power, seed):
    """Ratios of counts and reflectance are equal; powers of two avoid rounding."""
    image = image_of(*np.random.default_rng(seed).integers(1, 200, (2, 12)))

    np.testing.assert_array_equal(NDWI.predict(image * 2.0**power), NDWI.predict(image))


@pytest.mark.parametrize(
    ("bands", "name"),
    [(["red", "green", "blue", "nir", "swir"], "MNDWI"), (["SWIR", "GREEN"], "MNDWI"), (["NIR", "Green"], "NDWI")],
)
def test_mndwi_is_preferred_to_ndwi(bands, name):
    """Names of bands may be in any case and order."""
    planned = plan_water_index(bands, ["land", "water"], "none")

    assert (planned.index.name, planned.water) == (name, 1)
    image = np.zeros((1, 2, len(bands)))
    image[0, 0, [band.lower() for band in bands].index("green")] = 9
    image[0, 1, [band.lower() for band in bands].index("swir" if name == "MNDWI" else "nir")] = 9
    np.testing.assert_array_equal(planned.compute(image), [[1, -1]])
    np.testing.assert_array_equal(planned.predict(image), [[1, 0]])


@pytest.mark.parametrize(
    ("bands", "classes", "scaling", "reason"),
    [
        (
            ["red", "green", "blue"],
            ["water", "land"],
            "none",
            "No water index: MNDWI needs green and swir, NDWI needs green and nir, but the bands are red, green, blue.",
        ),
        (["green", "nir"], ["sea", "land"], "none", "No water index: none of the classes sea, land is named water."),
        (
            ["green", "nir"],
            ["deep water", "shallow water", "land"],
            "none",
            "No water index: several classes are named water (deep water, shallow water), but a threshold can "
            "detect only one.",
        ),
        (
            ["green", "nir"],
            ["water", "land"],
            "percentile",
            "No water index: after data.scaling=percentile, ratios of bands are meaningless.",
        ),
    ],
)
def test_a_sentence_explains_why_there_is_no_index(bands, classes, scaling, reason):
    """Bands, classes or the scaling do not allow one."""
    assert plan_water_index(bands, classes, scaling) == reason


@pytest.mark.parametrize(
    ("classes", "water"),
    [
        (["whitewater", "water", "sand"], 1),
        (["white water", "Open Water"], 1),
        (["not water", "water"], 1),
        (["no-water", "non_water", "surface_water"], 2),
        (["WATER"], 0),
    ],
)
def test_the_water_class_is_found_by_its_name(classes, water):
    """The word may be in any case and part of a name, but not part of a word or negated."""
    assert find_water_class(classes) == water

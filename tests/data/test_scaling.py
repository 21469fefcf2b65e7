"""Tests of scalings and spectral indices against values worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gym.config.spectral_index import Index, parse_index
from gym.data.scaling import STEP, Scaling, add_indices, scale_image, unscale_image

METHODS = ("none", "dtype", "percentile", "reflectance")
TYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOATS = ("float16", "float32", "float64")

# These offsets and factors produce reflectances of exactly 0.
scalings = st.builds(
    Scaling,
    method=st.sampled_from(METHODS),
    low=st.sampled_from([0, 2, 49]),
    high=st.sampled_from([50, 98, 100]),
    factor=st.sampled_from([1.0, 0.5, -1.0]),
    offset=st.sampled_from([0.0, -1.0, -0.5]),
)
shapes = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
within_float32 = {"min_value": -(2.0**127), "max_value": 2.0**127}
elements = {
    "float16": {"allow_nan": False, "allow_infinity": False},
    "float32": within_float32,
    "float64": within_float32,
}
images = st.sampled_from(TYPES + FLOATS).flatmap(
    lambda dtype: (
        arrays.arrays(dtype, shapes, elements=elements.get(dtype))
        | arrays.arrays(dtype, shapes, elements=st.sampled_from([0, 1]))
    )
)


def ramp(dtype="uint16", first=1):
    """A column of 101 pixels with one band whose values rise by 1."""
    return np.arange(first, first + 101, dtype=dtype).reshape(101, 1, 1)


@given(image=images, scaling=scalings)
def test_scaling_keeps_data_and_nodata_apart(image, scaling):
    """Nodata stays 0 in every band, no pixel with data becomes nodata, and the input is not modified."""
    before, with_data = image.copy(), (image != 0).any(axis=2)

    scaled = scale_image(image, scaling)

    np.testing.assert_array_equal((scaled != 0).any(axis=2), with_data)
    np.testing.assert_array_equal(image, before)
    assert np.isfinite(scaled).all()


@pytest.mark.parametrize(
    ("dtype", "expected"),
    {
        "bool": "uint8",
        "int8": "int16",
        "uint8": "uint8",
        "int16": "int16",
        "uint16": "uint16",
        "float16": "float32",
        "float32": "float32",
    }.items(),
)
def test_unscaled_values_are_unchanged(dtype, expected):
    """Narrow types keep every value exactly, and types that TensorFlow cannot read are widened."""
    image = np.array([[[0, 1], [1, 1]]], dtype)

    scaled = scale_image(image, Scaling())

    assert scaled.dtype == expected
    np.testing.assert_array_equal(scaled, image.astype(float))
    assert (scaled is image) == (dtype == expected)


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64", "float64"])
def test_wide_types_become_float32(dtype):
    """Each value keeps 24 significant bits."""
    image = np.array([[[2**24 - 1, 10**9 + 1]]], dtype)

    scaled = scale_image(image, Scaling())

    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, [[[2**24 - 1, 10**9]]])


def test_a_value_beyond_float32_is_nodata():
    """Files often use the lowest float64 as nodata without declaring it."""
    lowest = np.finfo(np.float64).min
    image = np.array([[[lowest, 5.0], [3.0, 4.0], [6.0, lowest]]])

    for method in METHODS[:2]:
        np.testing.assert_array_equal(scale_image(image, Scaling(method)), [[[0, 0], [3, 4], [0, 0]]])


def test_a_value_that_overflows_in_scaling_is_nodata():
    """The lowest float32 is another common nodata value; no scaling turns it into infinity or NaN."""
    image = np.array([[[-3.4e38, 5.0], [3.0, 4.0], [3.4e38, 4.0]]], np.float32)

    reflectance = scale_image(image, Scaling("reflectance", factor=10.0))
    stretched = scale_image(image, Scaling("percentile", low=0, high=100))

    np.testing.assert_array_equal(reflectance, [[[0, 0], [30, 40], [0, 0]]])
    assert np.isfinite(stretched).all()


def test_a_value_that_underflows_becomes_one_step():
    """The pixel still has data."""
    scaled = scale_image(np.array([[[1e-60, 0.0], [1e-60, 2.0]]]), Scaling())

    np.testing.assert_array_equal(scaled, np.float32([[[STEP, STEP], [0, 2]]]))


@pytest.mark.parametrize(
    ("dtype", "least"), [("uint8", 0), ("uint16", 0), ("uint32", 0), ("uint64", 0), ("int8", -1), ("int16", -1)]
)
def test_scaling_by_type_divides_by_its_largest_value(dtype, least):
    """The largest value becomes 1, half of it 0.5, and the lowest 0 or -1."""
    info = np.iinfo(dtype)
    image = np.array([[[info.max, info.max // 2, info.min]]], dtype)

    scaled = scale_image(image, Scaling("dtype"))

    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, [[[1, 0.5, least]]], atol=1 / info.max)
    assert scaled.max() == 1


@pytest.mark.parametrize("dtype", ["bool", *FLOATS])
def test_scaling_by_type_leaves_floats_and_bool_unchanged(dtype):
    """Their types do not imply a range."""
    scaled = scale_image(np.array([[[1, 0]]], dtype), Scaling("dtype"))

    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, [[[1, 0]]])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_percentiles_span_the_unit_interval(dtype):
    """For 1 to 101, the 10th and 90th percentiles are 11 and 91; 51 becomes 0.5, and values beyond are clipped."""
    scaled = scale_image(ramp(dtype), Scaling("percentile", low=10, high=90))[:, 0, 0]

    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled[11:91], (np.arange(12, 92) - 11) / 80, rtol=1e-6)
    np.testing.assert_array_equal(scaled[:11], np.float32(STEP))
    np.testing.assert_array_equal(scaled[90:], 1)


def test_percentiles_are_taken_per_band_over_valid_pixels():
    """Padding is left out, and a band ten times as bright gives the same result."""
    image = np.concatenate([ramp(), 10 * ramp()], axis=2)
    padded = np.concatenate([np.zeros((900, 1, 2), np.uint16), image])

    scaled = scale_image(padded, Scaling("percentile"))

    np.testing.assert_array_equal(scaled[:900], 0)
    np.testing.assert_array_equal(scaled[900:], scale_image(image, Scaling("percentile")))
    np.testing.assert_allclose(scaled[..., 0], scaled[..., 1], atol=1e-6)


def test_a_flat_band_becomes_a_step_function():
    """With equal percentiles, values up to them become 0 and greater ones 1; a dark pixel is lifted by one step."""
    flat, rising = [-9, 1, 1, 1, 1.5], [1, 5, 4, 3, 2]
    image = np.stack([flat, rising], axis=1).astype(np.float32)[np.newaxis]

    scaled = scale_image(image, Scaling("percentile", low=30, high=70))

    np.testing.assert_array_equal(scaled[0, :, 0], np.float32([STEP, 0, 0, 0, 1]))
    np.testing.assert_allclose(scaled[0, :, 1], np.float32([STEP, 1, 1, 0.5, 0]), atol=1e-6)


@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_a_stretch_is_independent_of_units(unit):
    """A band of tiny numbers that varies is not treated as flat."""
    scaled = scale_image(unit * ramp("float32"), Scaling("percentile"))

    np.testing.assert_allclose(scaled, scale_image(ramp(), Scaling("percentile")), atol=1e-6)


def test_an_image_without_data_stays_empty():
    """It is stretched without a warning."""
    scaled = scale_image(np.zeros((3, 4, 2), np.uint16), Scaling("percentile"))

    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, np.zeros((3, 4, 2)))


@given(
    image=arrays.arrays(np.uint16, st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))),
    low=st.floats(0, 49),
    high=st.floats(51, 100),
)
def test_a_stretch_stays_in_bounds_and_in_order(image, low, high):
    """Values lie in [0, 1], and a brighter pixel is never darker afterwards."""
    scaled = scale_image(image, Scaling("percentile", low=low, high=high))

    assert scaled.min() >= 0
    assert scaled.max() <= 1
    valid = image.any(axis=2)
    for band in range(image.shape[2]):
        order = np.argsort(image[valid][:, band])
        # A pixel with the lowest value in every band is lifted by one step.
        assert (np.diff(scaled[valid][order, band]) >= -np.float32(STEP)).all()


def test_reflectance_is_factor_times_count_plus_offset():
    """Sentinel-2 counts with the offset used since 2022 are not clipped, and nodata does not become -0.1."""
    image = np.array([[[1000, 3500], [500, 12000], [0, 0], [1000, 1000]]], np.uint16)

    scaled = scale_image(image, Scaling("reflectance", factor=1e-4, offset=-0.1))

    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled[0, :3], [[0, 0.25], [-0.05, 1.1], [0, 0]], atol=1e-7)
    assert scaled[0, 3].any()


def test_a_reflectance_of_0_in_every_band_becomes_one_step():
    """A value of exactly 0 would mean nodata."""
    image = np.array([[[2, 2], [2, 4], [0, 0]]], np.uint8)

    scaled = scale_image(image, Scaling("reflectance", factor=0.5, offset=-1.0))

    np.testing.assert_array_equal(scaled, np.float32([[[STEP, STEP], [0, 1], [0, 0]]]))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_indices_are_stacked_behind_the_bands(dtype):
    """They keep the requested order and do not wrap around, and the bands are unchanged."""
    image = np.array([[[1, 3, 7], [9, 3, 1], [0, 0, 0]]], dtype)
    indices = [parse_index("NDVI"), parse_index("difference=Green-NIR")]

    stacked = add_indices(image, ["red", "GREEN", "nir"], indices)

    assert stacked.dtype == np.float32
    np.testing.assert_allclose(stacked, [[[1, 3, 7, 0.75, -4], [9, 3, 1, -0.8, 2], [0, 0, 0, 0, 0]]], rtol=1e-6)


def test_a_division_by_0_is_0():
    """So do nested divisions by 0, and roots and powers without a finite value."""
    image = np.array([[[0, 0, 5], [1, -1, 0], [1, 0, 0]]], np.float32)
    expressions = ["(a - b) / (a + b)", "a / b - 1 / b", "b ** 0.5 / b", "(1 + c) * b ** -1 + a"]

    stacked = add_indices(image, "abc", [Index(f"x{at}", text) for at, text in enumerate(expressions)])

    np.testing.assert_array_equal(stacked[0, :, 3:], [[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]])


def test_an_index_over_nodata_is_0():
    """Even an index that has a value there is 0."""
    stacked = add_indices(np.zeros((1, 2, 1), np.uint8), ["nir"], [parse_index("x=nir+3")])

    np.testing.assert_array_equal(stacked, np.zeros((1, 2, 2)))


def test_without_indices_the_bands_are_returned():
    """The result is a float32 copy."""
    image = np.ones((2, 3, 4), np.float32)

    stacked = add_indices(image, "abcd", [])

    np.testing.assert_array_equal(stacked, image)
    assert not np.shares_memory(stacked, image)


@given(image=images)
def test_indices_keep_data_and_nodata_apart(image):
    """No value of an image leads to confusion."""
    bands = ["red", "nir", "blue"][: image.shape[2]]
    index = Index("x", "red / (red - 1) ** 2" if image.shape[2] == 1 else "(nir - red) / (nir + red)")

    stacked = add_indices(image, bands, [index])

    np.testing.assert_array_equal((stacked != 0).any(axis=2), (image != 0).any(axis=2))
    assert np.isfinite(stacked).all()


def test_an_index_over_a_missing_band_raises():
    """Configuration checks reject it earlier with a better message; here, it must not pick another band."""
    with pytest.raises(KeyError, match="swir"):
        add_indices(np.ones((1, 1, 2)), ["red", "green"], [parse_index("MNDWI")])


@given(image=images, scaling=scalings)
def test_unscaled_values_scale_to_the_same_image(image, scaling):
    """The round trip is exact for none and dtype, and up to rounding for reflectance; nodata stays nodata."""
    scaled = scale_image(image, scaling)
    again = scale_image(unscale_image(scaled, scaling), scaling)

    np.testing.assert_array_equal((again != 0).any(axis=2), (scaled != 0).any(axis=2))
    if scaling.method in ("none", "dtype"):
        np.testing.assert_array_equal(again, scaled)
    if scaling.method == "reflectance":
        np.testing.assert_allclose(again, scaled, rtol=1e-6, atol=2e-6)


def test_unscaled_reflectances_are_counts():
    """(0.05 + 0.1) / 1e-4 is 1500; a pixel without data stays without."""
    reflectances = np.array([[[0.05, 0.2], [0, 0]]], np.float32)

    counts = unscale_image(reflectances, Scaling("reflectance", factor=1e-4, offset=-0.1))

    assert counts.dtype == np.float32
    np.testing.assert_allclose(counts, [[[1500, 3000], [0, 0]]], rtol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(2, 98), (0, 100), (5, 90)])
def test_a_second_stretch_changes_values_by_less_than_one_of_255_steps(low, high):
    """Values that the first stretch clips are the percentiles of the second."""
    image, scaling = np.random.default_rng(0).gamma(2, 500, (64, 64, 3)), Scaling("percentile", low, high)
    stretched = scale_image(image, scaling)

    np.testing.assert_allclose(scale_image(unscale_image(stretched, scaling), scaling), stretched, atol=1 / 255)

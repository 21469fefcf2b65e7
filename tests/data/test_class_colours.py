"""Tests of pictures: the stretch, the choice of bands, class colours and overlays."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gym.data.class_colours import class_colours, colour_codes, overlay, pick_rgb_bands, render_errors, render_rgb
from gym.data.labels import IGNORE

pictures = hnp.arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5)))


def unknown_names(count):
    """Class names without a word that implies a colour."""
    return [f"kind {number}" for number in range(count)]


@pytest.mark.parametrize(
    "names",
    [
        ["water", "whitewater", "sand", "other"],
        ["Ocean", "surf", "wet_sand", "dry_sand_and_land"],
        ["surface water", "white water", "beach", "vegetation"],
    ],
)
def test_names_get_the_colours_of_the_paper(names):
    """Water is blue, whitewater red, sediment yellow and other green, under any of their usual names."""
    water, whitewater, sediment, other = class_colours(names)

    assert water.argmax() == 2
    assert whitewater.argmax() == 0
    assert sediment[:2].min() > 3 * sediment[2]
    assert other.argmax() == 1


def test_the_colour_of_a_name_is_independent_of_the_class_order():
    """With land first and water second, water is still blue and land green."""
    land, water = class_colours(["land", "water"])

    np.testing.assert_allclose(water * 255, [0x00, 0x72, 0xB2])
    assert land.argmax() == 1


@pytest.mark.parametrize(("classes", "apart"), [(10, 0.15), (20, 0.1), (30, 0.06)])
def test_classes_have_distinct_colours(classes, apart):
    """No two classes share a colour, and a colour does not change as classes are added."""
    colours = class_colours(unknown_names(classes))

    assert colours.shape == (classes, 3)
    assert all(np.abs(one - other).max() > apart for one, other in combinations(colours, 2))
    np.testing.assert_array_equal(class_colours(unknown_names(classes + 5))[:classes], colours)


def test_colours_repeat_darker_after_ten_classes():
    """The eleventh class has 0.65 of the brightness of the first, the twenty-first 0.65 squared."""
    colours = class_colours(unknown_names(21))

    np.testing.assert_allclose(colours[10], 0.65 * colours[0])
    np.testing.assert_allclose(colours[20], 0.65**2 * colours[0])


@pytest.mark.parametrize(
    ("bands", "shown"),
    [
        (["red", "green", "blue", "nir"], [0, 1, 2]),
        (["nir", "Blue", "GREEN", "swir", "Red"], [4, 2, 1]),
        (["a", "b", "c", "d"], [0, 1, 2]),
        (["red", "green", "nir"], [0, 1, 2]),
        (["red", "nir"], [0, 1, 1]),
        (["grey"], [0, 0, 0]),
    ],
)
def test_bands_are_chosen_by_name(bands, shown):
    """Red, green and blue are found anywhere; else the first three bands are used, and fewer are repeated."""
    assert pick_rgb_bands(bands) == shown


def test_a_picture_shows_red_green_and_blue_in_this_order():
    """Bands stored as blue, green, red, NIR are reordered, and NIR is not rendered."""
    image = np.zeros((2, 2, 4), np.uint16)
    image[..., 3] = [[1, 900], [30, 7]]
    image[0, 0, 2], image[0, 1, 1], image[1, 0, 0] = 50, 60, 70

    picture = render_rgb(image, ["blue", "green", "red", "nir"])

    np.testing.assert_array_equal(picture.argmax(axis=-1)[[0, 0, 1], [0, 1, 0]], [0, 1, 2])
    np.testing.assert_array_equal(picture[1, 1], 0)


def test_the_2nd_and_98th_percentile_span_the_stretch():
    """Of 1 to 101, 3 becomes 0, 99 becomes 1, and 51 becomes 0.5."""
    image = np.arange(1, 102, dtype=np.uint16).reshape(1, 101, 1)

    red = render_rgb(image, ["grey"])[0, :, 0]

    np.testing.assert_allclose(red, np.clip((np.arange(1, 102) - 3) / 96, 0, 1))


def test_nodata_is_black_and_excluded_from_the_stretch():
    """A scene surrounded by nodata is as bright as without."""
    image = np.random.default_rng(0).integers(1000, 3000, (8, 8, 3)).astype(np.uint16)
    padded = np.pad(image, ((3, 3), (5, 5), (0, 0)))

    picture = render_rgb(padded, ["red", "green", "blue"])

    np.testing.assert_allclose(picture[3:-3, 5:-5], render_rgb(image, ["red", "green", "blue"]))
    picture[3:-3, 5:-5] = 0
    assert not picture.any()


def test_nodata_is_black_among_negative_values():
    """Backscatter in decibels is below 0, so 0 itself would be the brightest value."""
    image = np.linspace(-25, -5, 24).reshape(4, 6, 1)
    image[1, 2] = 0

    picture = render_rgb(image, ["vv"])

    np.testing.assert_array_equal(picture[1, 2], 0)
    np.testing.assert_array_equal(picture[-1, -1], 1)


@given(image=pictures, kind=st.sampled_from([np.uint16, np.int16, np.float32]))
def test_a_picture_of_any_image_is_in_range(image, kind):
    """The picture has three bands in [0, 1], even of a flat, dark, negative or empty image."""
    image = image.astype(kind)

    picture = render_rgb(image, [f"band_{number}" for number in range(image.shape[2])])

    assert picture.shape == (*image.shape[:2], 3)
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert not picture[~image.any(axis=-1)].any()


@given(gain=st.floats(0.01, 100), offset=st.floats(1, 1000))
def test_a_picture_is_independent_of_units(gain, offset):
    """Reflectance, radiance and counts of one scene look the same."""
    image = np.random.default_rng(3).uniform(1, 100, (6, 7, 3))

    np.testing.assert_allclose(render_rgb(image * gain + offset, "rgb"), render_rgb(image, "rgb"), atol=1e-6)


def test_an_overlay_is_a_weighted_mean_with_the_class_colour():
    """A quarter of the colour is mixed with three quarters of the picture; ignored pixels are not changed."""
    picture = np.full((1, 3, 3), 0.4)
    label = np.array([[0, 1, IGNORE]], np.uint8)
    colours = class_colours(["a", "b"])

    mixed = overlay(picture, label, ["a", "b"], strength=0.25)

    np.testing.assert_allclose(mixed[0, 0], 0.3 + 0.25 * colours[0])
    np.testing.assert_allclose(mixed[0, 1], 0.3 + 0.25 * colours[1])
    np.testing.assert_array_equal(mixed[0, 2], 0.4)
    np.testing.assert_array_equal(picture, 0.4)


@given(seed=st.integers(0, 99), strength=st.floats(0, 1))
def test_an_overlay_stays_in_range(seed, strength):
    """It is in [0, 1] for any strength, picture and class, and ignored pixels are not changed."""
    rng = np.random.default_rng(seed)
    picture, label = rng.random((5, 6, 3)), rng.choice([0, 1, 2, IGNORE], (5, 6)).astype(np.uint8)

    mixed = overlay(picture, label, unknown_names(3), strength)

    assert mixed.min() >= 0
    assert mixed.max() <= 1 + 1e-12
    np.testing.assert_array_equal(mixed[label == IGNORE], picture[label == IGNORE])


def test_colours_are_formatted_as_hexadecimal_codes():
    """Blue and red are those of the paper, and a repeated colour is darkened in each channel."""
    many = colour_codes(unknown_names(11))

    assert colour_codes(["water", "surf"]) == ["#0072b2", "#d55e00"]
    assert many[10] == "#854f6d"  # #cc79a7 times 0.65


def test_wrong_pixels_are_white():
    """An ignored pixel is never wrong, and nothing is drawn over it."""
    image = np.full((1, 3, 3), 50, np.uint8)
    truth, predicted = np.array([[0, 1, IGNORE]], np.uint8), np.array([[0, 0, 1]], np.uint8)

    picture, as_labelled, as_predicted, errors = render_errors(
        image, truth, predicted, ["a", "b", "c"], ["sea", "land"]
    )

    np.testing.assert_array_equal(errors[0, 1], 1)
    np.testing.assert_allclose(errors[0, [0, 2]], 0.35 * picture[0, [0, 2]])
    np.testing.assert_array_equal(as_predicted[0, 0], as_labelled[0, 0])
    np.testing.assert_array_equal(as_predicted[0, 1], as_predicted[0, 0])
    assert (as_labelled[0, 1] != as_predicted[0, 1]).any()
    for laid_over in (as_labelled, as_predicted):
        np.testing.assert_array_equal(laid_over[0, 2], picture[0, 2])

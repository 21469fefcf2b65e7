"""Pictures to see by: the stretch, the bands shown, the class colours and the overlay."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gym.data.class_colours import class_colours, colour_codes, overlay, pick_rgb_bands, render_errors, render_rgb
from gym.data.labels import IGNORE

pictures = hnp.arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5)))


def kinds(count):
    """Class names that say nothing."""
    return [f"kind {number}" for number in range(count)]


@pytest.mark.parametrize(
    "names",
    [
        ["water", "whitewater", "sand", "other"],
        ["Ocean", "surf", "wet_sand", "dry_sand_and_land"],
        ["surface water", "white water", "beach", "vegetation"],
    ],
)
def test_names_have_the_colours_of_the_paper(names):
    """Blue water, red whitewater, yellow sediment, green other, whatever exactly they are called."""
    water, whitewater, sediment, other = class_colours(names)

    assert water.argmax() == 2
    assert whitewater.argmax() == 0
    assert sediment[:2].min() > 3 * sediment[2]
    assert other.argmax() == 1


def test_the_order_of_the_classes_does_not_matter_to_a_name():
    """Land first and water second: water is still blue, and land still green."""
    land, water = class_colours(["land", "water"])

    np.testing.assert_allclose(water * 255, [0x00, 0x72, 0xB2])
    assert land.argmax() == 1


@pytest.mark.parametrize(("classes", "apart"), [(10, 0.15), (20, 0.1), (30, 0.06)])
def test_colours_of_classes_are_apart(classes, apart):
    """No two classes of one map share a colour, and each stays the same however many there are."""
    colours = class_colours(kinds(classes))

    assert colours.shape == (classes, 3)
    assert all(np.abs(one - other).max() > apart for one, other in combinations(colours, 2))
    np.testing.assert_array_equal(class_colours(kinds(classes + 5))[:classes], colours)


def test_after_ten_the_colours_come_again_darker():
    """The eleventh class is the first at 0.65 of its brightness, the twenty-first at 0.65 squared."""
    colours = class_colours(kinds(21))

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
    """Red, green and blue wherever they stand; the first three where one is missing; fewer are repeated."""
    assert pick_rgb_bands(bands) == shown


def test_a_picture_shows_red_green_and_blue_in_this_order():
    """Bands stored as blue, green, red, NIR are turned round, and NIR is not seen."""
    image = np.zeros((2, 2, 4), np.uint16)
    image[..., 3] = [[1, 900], [30, 7]]
    image[0, 0, 2], image[0, 1, 1], image[1, 0, 0] = 50, 60, 70

    picture = render_rgb(image, ["blue", "green", "red", "nir"])

    np.testing.assert_array_equal(picture.argmax(axis=-1)[[0, 0, 1], [0, 1, 0]], [0, 1, 2])
    np.testing.assert_array_equal(picture[1, 1], 0)


def test_the_stretch_by_hand():
    """Of the values 1 to 101 the 2nd percentile is 3 and the 98th 99: they become 0 and 1, 51 the half."""
    image = np.arange(1, 102, dtype=np.uint16).reshape(1, 101, 1)

    red = render_rgb(image, ["grey"])[0, :, 0]

    np.testing.assert_allclose(red, np.clip((np.arange(1, 102) - 3) / 96, 0, 1))


def test_nodata_is_black_and_out_of_the_stretch():
    """A scene with nodata around it is shown as brightly as without."""
    image = np.random.default_rng(0).integers(1000, 3000, (8, 8, 3)).astype(np.uint16)
    padded = np.pad(image, ((3, 3), (5, 5), (0, 0)))

    picture = render_rgb(padded, ["red", "green", "blue"])

    np.testing.assert_allclose(picture[3:-3, 5:-5], render_rgb(image, ["red", "green", "blue"]))
    picture[3:-3, 5:-5] = 0
    assert not picture.any()


def test_nodata_is_black_among_negative_values():
    """Backscatter in decibels lies below 0, so that 0 itself would be the brightest of all."""
    image = np.linspace(-25, -5, 24).reshape(4, 6, 1)
    image[1, 2] = 0

    picture = render_rgb(image, ["vv"])

    np.testing.assert_array_equal(picture[1, 2], 0)
    np.testing.assert_array_equal(picture[-1, -1], 1)


@given(image=pictures, kind=st.sampled_from([np.uint16, np.int16, np.float32]))
def test_a_picture_of_any_image_lies_between_0_and_1(image, kind):
    """Three bands in range, whatever the image holds: flat, dark, negative, or nothing at all."""
    image = image.astype(kind)

    picture = render_rgb(image, [f"band_{number}" for number in range(image.shape[2])])

    assert picture.shape == (*image.shape[:2], 3)
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert not picture[~image.any(axis=-1)].any()


@given(gain=st.floats(0.01, 100), offset=st.floats(1, 1000))
def test_a_picture_does_not_depend_on_units(gain, offset):
    """Reflectance, radiance and counts of one scene look the same."""
    image = np.random.default_rng(3).uniform(1, 100, (6, 7, 3))

    np.testing.assert_allclose(render_rgb(image * gain + offset, "rgb"), render_rgb(image, "rgb"), atol=1e-6)


def test_an_overlay_by_hand():
    """A quarter of the class colour and three quarters of the picture; what is ignored stays as it is."""
    picture = np.full((1, 3, 3), 0.4)
    label = np.array([[0, 1, IGNORE]], np.uint8)
    colours = class_colours(["a", "b"])

    mixed = overlay(picture, label, ["a", "b"], strength=0.25)

    np.testing.assert_allclose(mixed[0, 0], 0.3 + 0.25 * colours[0])
    np.testing.assert_allclose(mixed[0, 1], 0.3 + 0.25 * colours[1])
    np.testing.assert_array_equal(mixed[0, 2], 0.4)
    np.testing.assert_array_equal(picture, 0.4)


@given(seed=st.integers(0, 99), strength=st.floats(0, 1))
def test_an_overlay_stays_between_0_and_1(seed, strength):
    """Of any strength, over any picture, with any class; ignored pixels are untouched."""
    rng = np.random.default_rng(seed)
    picture, label = rng.random((5, 6, 3)), rng.choice([0, 1, 2, IGNORE], (5, 6)).astype(np.uint8)

    mixed = overlay(picture, label, kinds(3), strength)

    assert mixed.min() >= 0
    assert mixed.max() <= 1 + 1e-12
    np.testing.assert_array_equal(mixed[label == IGNORE], picture[label == IGNORE])


def test_colours_as_codes():
    """The blue and the red of the paper, and a colour that was darkened, digit by digit."""
    many = colour_codes(kinds(11))

    assert colour_codes(["water", "surf"]) == ["#0072b2", "#d55e00"]
    assert many[10] == "#854f6d"  # #cc79a7 times 0.65


def test_errors_by_hand():
    """White where a counted pixel is wrong; what is ignored is never wrong, and nothing is laid over it."""
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

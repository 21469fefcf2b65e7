"""A network that is a known function shows what segmentation adds: frame, way back, nodata."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.data.labels import IGNORE
from gym.errors import DataError
from gym.prediction.segment import segment
from gym.saved_model import ModelDescription, SavedModel

FRAME = (16, 24)


def saved(scores, bands=3, classes=("low", "high")):
    """A saved model whose network is a function of the framed images."""
    images = keras.Input((*FRAME, bands))
    description = ModelDescription(list(FRAME), ["red", "green", "blue", "nir"][:bands], list(classes))
    return SavedModel(keras.Model(images, scores(images)), description)


def bright(images):
    """Score class 1 where the first band is above 100."""
    above = keras.ops.cast(images[..., :1] > 100, "float32")
    return keras.ops.concatenate([1 - above, above], axis=-1)


def right_of_the_middle(images):
    """Score class 1 in the right half of the frame, whatever is there."""
    ramp = keras.ops.cast(keras.ops.arange(FRAME[1]) >= FRAME[1] // 2, "float32")[None, None, :, None]
    above = ramp + 0 * images[..., :1]
    return keras.ops.concatenate([1 - above, above], axis=-1)


@pytest.fixture(scope="module")
def threshold_model():
    return saved(bright)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_an_image_of_the_frames_size_is_labelled_pixel_by_pixel(threshold_model, dtype):
    """Every type of imagery reaches the network with its own values."""
    image = np.random.default_rng(0).integers(1, 127, (*FRAME, 3)).astype(dtype)

    label = segment(threshold_model, image)

    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, image[..., 0] > 100)


def test_values_above_255_are_not_squeezed(threshold_model):
    """Sixteen-bit imagery: 356 is 100 modulo 256, and above 100."""
    image = np.full((*FRAME, 3), 356, np.uint16)

    np.testing.assert_array_equal(segment(threshold_model, image), 1)


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 16), columns=st.integers(1, 24), seed=st.integers(0, 99))
def test_a_smaller_image_is_labelled_to_the_pixel(threshold_model, rows, columns, seed):
    """It is padded, never enlarged, so nothing is lost on the way."""
    image = np.random.default_rng(seed).integers(1, 255, (rows, columns, 3), dtype=np.uint8)

    np.testing.assert_array_equal(segment(threshold_model, image), image[..., 0] > 100)


def test_a_smaller_image_lies_in_the_middle_of_the_frame():
    """Eight columns lie at 8 to 15 of 24: the right four of them are right of the frame's middle."""
    label = segment(saved(right_of_the_middle), np.ones((4, 8, 3), np.uint8))

    np.testing.assert_array_equal(label, np.tile([0, 0, 0, 0, 1, 1, 1, 1], (4, 1)))


@pytest.mark.parametrize("shape", [(64, 48), (32, 48), (16, 96), (64, 24), (100, 37), (15, 200)])
def test_a_larger_image_comes_back_at_its_own_size_and_aspect(threshold_model, shape):
    """Left and right half keep their labels but for the pixels that shrinking mixes at the edge."""
    rows, columns = shape
    middle, mixed = columns // 2, int(np.ceil(max(rows / FRAME[0], columns / FRAME[1]))) + 1
    image = np.full((rows, columns, 3), 50, np.uint8)
    image[:, middle:] = 200

    label = segment(threshold_model, image)

    assert label.shape == shape
    np.testing.assert_array_equal(label[:, : middle - mixed], 0)
    np.testing.assert_array_equal(label[:, middle + mixed :], 1)


def test_a_larger_image_is_shrunk_with_the_mean_of_its_pixels(threshold_model):
    """A fine chequerboard of 50 and 250 is 150 everywhere in the frame, so all of it is class 1."""
    image = np.where(np.add.outer(np.arange(64), np.arange(96)) % 2, 250, 50)[..., None].repeat(3, axis=2)

    np.testing.assert_array_equal(segment(threshold_model, image.astype(np.uint8)), 1)


def test_nodata_is_ignored_and_a_dark_band_is_not_nodata(threshold_model):
    """Only what is 0 in every band has no data."""
    image = np.full((4, 6, 3), 200, np.uint8)
    image[0] = 0
    image[1, :, 0] = 0
    image[2, :, 1:] = 0

    label = segment(threshold_model, image)

    np.testing.assert_array_equal(label[:, 0], [IGNORE, 0, 1, 1])
    assert (label == label[:, :1]).all()


def test_nodata_of_a_larger_image_is_exact(threshold_model):
    """Nodata is taken from the image as read, so shrinking cannot move its edge."""
    image = np.random.default_rng(0).integers(1, 255, (70, 50, 3), dtype=np.uint8)
    image[13:29, 7:31] = 0
    empty = ~image.any(axis=2)

    np.testing.assert_array_equal(segment(threshold_model, image) == IGNORE, empty)


def test_an_image_without_any_data_is_ignored_everywhere(threshold_model):
    """There is nothing to label."""
    np.testing.assert_array_equal(segment(threshold_model, np.zeros((9, 40, 3), np.uint16)), IGNORE)


def test_the_class_of_the_highest_score_is_taken():
    """Three classes by the brightest of three bands."""
    model = saved(lambda images: images / 255, classes=("red", "green", "blue"))
    image = np.array([[[9, 1, 2], [1, 9, 2], [1, 2, 9]]], np.uint8)

    np.testing.assert_array_equal(segment(model, image), [[0, 1, 2]])


def test_an_image_with_other_bands_is_refused(threshold_model):
    """The message has both counts and the names in order."""
    with pytest.raises(
        DataError,
        match=r"has 4 bands and the model takes 3 \(red, green, blue\); give the same bands in the same order",
    ):
        segment(threshold_model, np.ones((8, 8, 4), np.uint8))

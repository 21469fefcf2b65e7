"""Scenes of any size go into the frame undistorted and come back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.data.frame import frame_image, frame_label, place, resample_label, unframe_scores
from gym.data.labels import IGNORE

sides = st.integers(1, 90)


def test_a_small_scene_is_centred_and_padded():
    """Zeros around the image, IGNORE around the label: padding is no class."""
    framed = frame_image(np.full((2, 4, 3), 9, np.uint16), (4, 8))
    label = frame_label(np.ones((2, 4), np.uint8), (4, 8))

    assert framed.dtype == np.uint16
    np.testing.assert_array_equal(framed[1:3, 2:6], 9)
    assert framed.sum() == 9 * 2 * 4 * 3
    assert (label == 1).sum() == 8
    assert (label == IGNORE).sum() == 24


@given(rows=sides, columns=sides)
def test_aspect_is_kept_to_the_pixel(rows, columns):
    """A scene is shrunk by one factor, never enlarged, and lies inside the frame."""
    placement = place((rows, columns), (32, 48))
    shown, corner = placement.shown, placement.corner
    scale = min(1, 32 / rows, 48 / columns)

    assert abs(shown[0] - rows * scale) <= 1
    assert abs(shown[1] - columns * scale) <= 1
    assert 0 <= corner[0] <= 32 - shown[0]
    assert 0 <= corner[1] <= 48 - shown[1]


@given(rows=st.integers(1, 32), columns=st.integers(1, 48))
def test_a_scene_that_fits_comes_back_to_the_bit(rows, columns):
    """Framing and unframing a scene no larger than the frame changes nothing."""
    image = np.random.default_rng(0).random((rows, columns, 2))

    back = unframe_scores(frame_image(image, (32, 48)), place((rows, columns), (32, 48)))

    np.testing.assert_array_equal(back, image)


def test_a_large_scene_comes_back_at_its_own_size():
    """Halves of different value are found again at the same places."""
    image = np.zeros((100, 60, 1))
    image[50:] = 1.0
    placement = place((100, 60), (32, 32))

    back = unframe_scores(frame_image(image, (32, 32)), placement)

    assert back.shape == (100, 60, 1)
    np.testing.assert_allclose(back[:44], 0, atol=1e-6)
    np.testing.assert_allclose(back[56:], 1, atol=1e-6)


@given(seed=st.integers(0, 99), rows=st.integers(1, 40), columns=st.integers(1, 40))
def test_shrinking_a_label_invents_no_class(seed, rows, columns):
    """A mask of 0 and 3 has no 1 or 2 after any resize."""
    label = np.random.default_rng(seed).choice([0, 3], (37, 23)).astype(np.uint8)

    assert set(np.unique(resample_label(label, (rows, columns)))) <= {0, 3}


def test_shrinking_by_two_takes_one_of_the_four():
    """Nearest neighbour picks whole pixels at even spacing."""
    label = np.arange(16).reshape(4, 4)

    np.testing.assert_array_equal(resample_label(label, (2, 2)), [[5, 7], [13, 15]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_shrinking_an_image_keeps_its_type_and_mean(dtype):
    """Antialiased: the mean of a smooth image stays within one grey value."""
    rows = np.linspace(10, 200, 90)
    image = np.broadcast_to(rows[:, None, None], (90, 60, 2)).astype(dtype)

    framed = frame_image(image, (30, 20))

    assert framed.dtype == dtype
    assert framed.mean() == pytest.approx(image.mean(), abs=1)


def test_nodata_does_not_darken_a_shrunk_image():
    """Where most of a pixel had data it has the value of that data, elsewhere none."""
    image = np.full((90, 60, 2), 10000, np.uint16)
    image[:, :31] = 0

    shrunk = frame_image(image, (30, 20))

    assert set(np.unique(shrunk)) == {0, 10000}

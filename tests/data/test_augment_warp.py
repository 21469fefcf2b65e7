"""Tests of the sampling of an affine transform, by hand and against SciPy."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from gym.data.augment import affine_points, sample_bilinear, sample_nearest

IDENTITY = [1, 0, 0, 0, 1, 0]


def points(transform, size):
    return affine_points(tf.constant(transform, tf.float32), size)


def scipy_points(transform, size):
    """Rows and columns of the sample points, not clipped, in double precision."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(float)
    a0, a1, a2, b0, b1, b2 = np.float32(transform).astype(float)
    return np.stack([b0 * columns + b1 * rows + b2, a0 * columns + a1 * rows + a2])


def test_the_identity_returns_every_pixel():
    """Both bilinear and nearest sampling are exact."""
    image = np.random.default_rng(0).normal(size=(5, 7, 3)).astype(np.float32)
    label = np.random.default_rng(1).integers(0, 9, (5, 7), np.uint8)
    found = points(IDENTITY, (5, 7))

    np.testing.assert_array_equal(sample_bilinear(tf.constant(image), found), image)
    np.testing.assert_array_equal(sample_nearest(tf.constant(label), found), label)
    assert found.inside.numpy().all()


def test_half_a_pixel_to_the_right_averages_two_pixels():
    """The last pixel has no right neighbour; its point is on the rim, and thus outside."""
    found = points([1, 0, 0.5, 0, 1, 0], (1, 3))
    taken = sample_bilinear(tf.constant([[[2.0], [4.0], [10.0]]]), found)

    np.testing.assert_array_equal(taken[0, :, 0], [3, 7, 10])
    np.testing.assert_array_equal(found.inside, [[True, True, False]])


def test_a_pixel_extends_half_a_unit_around_its_centre():
    """A shift of 0.4 keeps all points inside; one of 0.6 moves a row and a column outside."""
    assert points([1, 0, 0.4, 0, 1, -0.4], (3, 3)).inside.numpy().all()
    np.testing.assert_array_equal(points([1, 0, 0.6, 0, 1, -0.6], (3, 3)).inside, [[0, 0, 0], [1, 1, 0], [1, 1, 0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_labels_keep_their_type(dtype):
    """Nearest sampling does not interpolate."""
    assert sample_nearest(tf.constant([[1, 2]], dtype), points(IDENTITY, (1, 2))).dtype == dtype


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    matrix=st.tuples(*[st.floats(-1.5, 1.5, width=32)] * 4),
    shift=st.tuples(*[st.floats(-20, 20, width=32)] * 2),
)
def test_sampling_agrees_with_scipy(seed, matrix, shift):
    """Any transform samples the same values to single precision."""
    size, transform = (13, 19), [matrix[0], matrix[1], shift[0], matrix[2], matrix[3], shift[1]]
    image = np.random.default_rng(seed).uniform(0, 1, (*size, 2)).astype(np.float32)
    label = np.random.default_rng(seed).integers(0, 5, size, np.uint8)
    found, exact = points(transform, size), scipy_points(transform, size)
    expected = [ndimage.map_coordinates(image[..., band], exact, order=1, mode="nearest") for band in range(2)]

    np.testing.assert_allclose(sample_bilinear(tf.constant(image), found), np.stack(expected, axis=-1), atol=1e-4)
    clear = (np.abs(exact % 1 - 0.5) > 1e-4).all(axis=0)  # not on the line between two pixels
    nearest = ndimage.map_coordinates(label, exact, order=0, mode="nearest")
    np.testing.assert_array_equal(sample_nearest(tf.constant(label), found).numpy()[clear], nearest[clear])
    within = ((exact > -0.5) & (exact < np.array(size)[:, None, None] - 0.5)).all(axis=0)
    np.testing.assert_array_equal(found.inside.numpy()[clear], within[clear])

"""Batch normalisation with ReLU, and dropout, tuned and general, compared with NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.models import cpu_ops
from gym.models.cpu_ops import use_tuning
from gym.models.layers import BatchNormalization, Dropout, EveryOtherPixel, normalize_relu, split_at

EPSILON = 1e-3
EIGHT_KEPT = [True, True, False, False, False, True, False, True]  # with seed 7, tuned or not
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 33), st.integers(1, 6), st.integers(1, 4))


def by_numpy(maps, gamma, beta, upstream):
    """Output, gradients of maps, gamma and beta, mean and variance in float64, by the chain rule."""
    maps, axes, pixels = maps.astype("f8"), (0, 1, 2), np.prod(maps.shape[:3])
    mean, variance = maps.mean(axes), maps.var(axes)
    root = np.sqrt(variance + EPSILON)
    normal = (maps - mean) / root
    result = np.maximum(normal * gamma + beta, 0)
    slope = upstream * (result > 0)
    d_normal = slope * gamma
    d_variance = (d_normal * (maps - mean)).sum(axes) * -0.5 / root**3
    d_mean = -d_normal.sum(axes) / root
    d_maps = d_normal / root + d_variance * 2 * (maps - mean) / pixels + d_mean / pixels
    return result, d_maps, (slope * normal).sum(axes), slope.sum(axes), mean, variance


@given(shape=SHAPES, seed=st.integers(0, 99), is_tuned=st.booleans())
@settings(max_examples=60, deadline=None)
def test_normalisation_and_its_gradients(shape, seed, is_tuned):
    """Output and gradients agree with NumPy in float64 for any rows, columns and channels."""
    rng = np.random.default_rng(seed)
    maps, upstream = rng.normal(2, 3, shape).astype("f4"), rng.normal(size=shape).astype("f4")
    gamma, beta = rng.uniform(0.5, 2, shape[-1]).astype("f4"), rng.normal(size=shape[-1]).astype("f4")
    given_tensors = [tf.constant(one) for one in (maps, gamma, beta)]
    use_tuning(is_tuned)
    try:
        with tf.GradientTape() as tape:
            tape.watch(given_tensors)
            done = normalize_relu(*given_tensors, EPSILON)
        found = [done.maps, *tape.gradient(done.maps, given_tensors, tf.constant(upstream)), done.mean, done.variance]
    finally:
        use_tuning(False)

    scale = max(1, np.abs(upstream).max() * np.prod(shape[:3]) ** 0.5)
    for ours, expected in zip(found, by_numpy(maps, gamma, beta, upstream), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=2e-4, atol=2e-5 * scale)


def test_split_at_returns_the_first_values_and_the_rest(tuning):
    """Any axis can be split."""
    first, rest = split_at(tf.constant([[1, 2, 3], [4, 5, 6]]), 2, axis=1)

    assert first.numpy().tolist() == [[1, 2], [4, 5]]
    assert rest.numpy().tolist() == [[3], [6]]


def test_means_of_large_maps_keep_their_precision():
    """A single sum over a million float32 values would lose four of seven digits."""
    rng = np.random.default_rng(0)
    maps = rng.normal(1000, 1, (4, 512, 512, 2)).astype("f4")

    found = cpu_ops.normalize_relu(tf.constant(maps), tf.ones(2), tf.zeros(2), EPSILON)

    np.testing.assert_allclose(found.mean, maps.mean((0, 1, 2), dtype="f8"), rtol=1e-6)
    np.testing.assert_allclose(found.variance, maps.astype("f8").var((0, 1, 2)), rtol=1e-5)


def test_moving_statistics_are_updated_and_used(tuning):
    """A training step moves them by a hundredth; inference and a frozen layer normalise with them."""
    layer = BatchNormalization()
    maps = np.random.default_rng(0).normal(3, 2, (2, 4, 4, 3)).astype("f4")

    layer(maps, training=True)

    np.testing.assert_allclose(layer.moving_mean, 0.01 * maps.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, 0.99 + 0.01 * maps.var((0, 1, 2)), rtol=1e-5)
    scaled = (maps - layer.moving_mean.numpy()) / np.sqrt(layer.moving_variance.numpy() + layer.epsilon)
    np.testing.assert_allclose(layer(maps), np.maximum(scaled, 0), rtol=1e-5, atol=1e-6)
    layer.trainable = False
    np.testing.assert_array_equal(layer(maps, training=True), layer(maps))


def test_half_precision_is_normalised_in_float32(tuning):
    """A bfloat16 map far from zero is normalised accurately and stays bfloat16."""
    maps = np.random.default_rng(0).normal(64, 4, (2, 8, 8, 3)).astype("f4")
    layer = BatchNormalization(dtype="mixed_bfloat16")

    found = layer(tf.cast(maps, "bfloat16"), training=True)

    rounded = tf.cast(tf.cast(maps, "bfloat16"), "float32").numpy().astype("f8")
    expected = np.maximum((rounded - rounded.mean((0, 1, 2))) / np.sqrt(rounded.var((0, 1, 2)) + EPSILON), 0)
    assert found.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(found, "float32"), expected, rtol=4e-3, atol=1e-3)


def test_weights_are_stored_like_those_of_keras():
    """Names, shapes and order equal those of Keras' batch normalisation."""
    ours, theirs = BatchNormalization(), keras.layers.BatchNormalization()
    for layer in (ours, theirs):
        layer.build((None, 4, 4, 3))

    described = [[(one.name, one.shape) for one in layer.weights] for layer in (ours, theirs)]
    assert described[0] == described[1]


@pytest.mark.parametrize("shape", [(2, 64, 64, 5), (3, 5, 7, 3)])
def test_dropout_drops_its_rate_and_keeps_the_sum(tuning, shape):
    """Kept values are scaled up, and only they have a gradient."""
    maps = tf.ones((shape[0] * 40, *shape[1:]))
    layer = Dropout(0.3, seed=1)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        dropped = layer(maps, training=True)
    slope = tape.gradient(dropped, maps)

    kept = dropped.numpy() > 0
    assert kept.mean() == pytest.approx(0.7, abs=0.02)
    np.testing.assert_allclose(dropped.numpy()[kept], 1 / 0.7, rtol=1e-4)
    np.testing.assert_array_equal(slope, dropped)
    np.testing.assert_array_equal(layer(maps, training=False), maps)


def test_dropout_depends_on_its_seed(tuning):
    """Equal seeds draw equal values, other seeds and further calls draw others."""
    maps = tf.ones((4, 8, 8, 3))
    first, again, other = (Dropout(0.5, seed=seed) for seed in (1, 1, 2))
    drawn = first(maps, training=True).numpy()

    np.testing.assert_array_equal(drawn, again(maps, training=True))
    assert (drawn != other(maps, training=True).numpy()).any()
    assert (drawn != first(maps, training=True).numpy()).any()


def test_dropped_values_are_independent_of_their_neighbours():
    """Two values share one random number, so its halves must not be correlated."""
    kept = cpu_ops.dropout(tf.ones((16, 64, 64, 4)), 0.5, tf.constant([3, 5])).numpy().reshape(-1) > 0

    for distance in (1, 2, 3, 4, 64 * 4):
        assert abs(np.corrcoef(kept[:-distance], kept[distance:])[0, 1]) < 0.01


@pytest.mark.parametrize("size", [(6, 8), (5, 7), (6, 7)])
def test_every_other_pixel_and_its_gradient(size):
    """Even rows and columns are kept, whether the sides are even or odd."""
    maps = tf.constant(np.random.default_rng(0).normal(size=(2, *size, 3)).astype("f4"))
    with tf.GradientTape() as tape:
        tape.watch(maps)
        kept = EveryOtherPixel()(maps)

    expected = np.zeros(maps.shape)
    expected[:, ::2, ::2] = 1
    np.testing.assert_array_equal(kept, maps[:, ::2, ::2])
    np.testing.assert_array_equal(tape.gradient(kept, maps), expected)


@pytest.mark.parametrize("is_tuned", [True, False])
def test_dropout_does_not_depend_on_tuning(is_tuned):
    """A run has the same fingerprint with and without tuning, so results may differ by rounding only."""
    use_tuning(is_tuned)

    dropped = Dropout(0.5, seed=7)(tf.ones((2, 3, 4, 2)), training=True).numpy()

    assert (dropped.reshape(-1)[:8] > 0).tolist() == EIGHT_KEPT


def test_tuning_is_off_with_another_backend(monkeypatch):
    """The tuned operations need TensorFlow."""
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")

    use_tuning(True)

    assert not cpu_ops.is_tuned()

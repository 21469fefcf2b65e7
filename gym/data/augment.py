"""Augment training pairs at random: quarter turns, zoom, rotation, shifts and flips of image and label, and jitter.

One affine transform per pair is drawn from (seed, epoch, sample). Images are interpolated bilinearly and labels by
nearest neighbour, so that no new class appears; pixels from outside the frame are 0 in the image and padding in the
label: `IGNORE`, or the null class. Brightness, contrast and noise are relative to the standard deviation of a band in
the image, because imagery comes in any unit. All functions are TensorFlow operations that run inside ``tf.data``.

Source: the paper, sections 2.2 and 3.2.
"""

import math
from typing import Any, NamedTuple

import tensorflow as tf

from gym.config.schema import AugmentConfig
from gym.data.labels import IGNORE

Tensor = Any

_TURN, _VALUES, _NOISE = 1, 2, 3  # random streams derived from a seed; the affine transform uses the seed itself


def has_changes(config: AugmentConfig) -> bool:
    """Tell whether the configuration changes a pair at all."""
    return has_warp(config) or has_jitter(config) or config.quarter_turns


def has_warp(config: AugmentConfig) -> bool:
    """Tell whether the configuration includes an affine transform."""
    sizes = (config.zoom, config.rotation, config.shift_rows, config.shift_columns)
    return any(sizes) or config.flip_horizontal or config.flip_vertical


def has_jitter(config: AugmentConfig) -> bool:
    """Tell whether the configuration changes the values of an image."""
    return any((config.brightness, config.contrast, config.noise))


def augment(
    image: Tensor, label: Tensor, config: AugmentConfig, seed: Tensor, padding: int = IGNORE
) -> tuple[Tensor, Tensor]:
    """Augment one pair.

    Args:
        image: ``(rows, columns, bands)`` float32.
        label: ``(rows, columns)`` uint8.
        config: Largest changes.
        seed: ``(2,)`` integers that determine the change.
        padding: Label of pixels from outside the frame.

    Returns:
        Image and label with their shapes and types.
    """
    if config.quarter_turns:
        image, label = rotate(image, label, seed)
    if has_warp(config):
        transform = draw_transform(config, (label.shape[0], label.shape[1]), seed)
        image, label = _apply_transform(image, label, transform, padding)
    return (jitter(image, config, seed) if has_jitter(config) else image), label


def rotate(image: Tensor, label: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate a square pair by 0, 90, 180 or 270 degrees."""
    turns = tf.random.stateless_uniform([], tf.random.experimental.stateless_fold_in(seed, _TURN), 0, 4, tf.int32)
    rotated = tf.image.rot90(image, turns), tf.image.rot90(label[..., tf.newaxis], turns)[..., 0]
    return tf.ensure_shape(rotated[0], image.shape), tf.ensure_shape(rotated[1], label.shape)


def jitter(image: Tensor, config: AugmentConfig, seed: Tensor) -> Tensor:
    """Change contrast and brightness of each band and add noise. Pixels without data are not changed."""
    draw = tf.random.stateless_uniform(
        [2, image.shape[-1]], tf.random.experimental.stateless_fold_in(seed, _VALUES), -1.0, 1.0
    )
    valid = tf.cast(tf.reduce_any(image != 0, axis=-1, keepdims=True), image.dtype)
    count = tf.maximum(tf.reduce_sum(valid), 1.0)
    mean = tf.reduce_sum(image, axis=(0, 1)) / count
    centred = (image - mean) * valid
    deviation = tf.sqrt(tf.reduce_sum(tf.square(centred), axis=(0, 1)) / count)
    varied = mean + centred * (1 + draw[0] * config.contrast) + draw[1] * config.brightness * deviation
    if config.noise:
        noise = tf.random.stateless_normal(tf.shape(image), tf.random.experimental.stateless_fold_in(seed, _NOISE))
        varied += noise * config.noise * deviation
    return varied * valid


def draw_transform(config: AugmentConfig, size: tuple[int, int], seed: Tensor) -> Tensor:
    """Draw an affine transform about the centre of the frame.

    Args:
        config: Largest changes; each is drawn uniformly up to this size, in both directions.
        size: Rows and columns.
        seed: ``(2,)`` integers.

    Returns:
        ``(6,)`` float32, as `affine_points` takes it.
    """
    draw = tf.random.stateless_uniform([6], seed, -1.0, 1.0)
    rows, columns = size
    scale = 1.0 / (1.0 + draw[0] * config.zoom)
    angle = draw[1] * math.radians(config.rotation)
    mirror_x = -1.0 if config.flip_horizontal else 1.0
    mirror_y = -1.0 if config.flip_vertical else 1.0
    along_x = scale * tf.where(draw[2] < 0, mirror_x, 1.0)
    along_y = scale * tf.where(draw[3] < 0, mirror_y, 1.0)
    a0, a1 = tf.cos(angle) * along_x, -tf.sin(angle) * along_y
    b0, b1 = tf.sin(angle) * along_x, tf.cos(angle) * along_y
    centre_x, centre_y = (columns - 1) / 2, (rows - 1) / 2
    shift_x, shift_y = draw[4] * config.shift_columns * columns, draw[5] * config.shift_rows * rows
    a2 = centre_x + shift_x - a0 * centre_x - a1 * centre_y
    b2 = centre_y + shift_y - b0 * centre_x - b1 * centre_y
    return tf.stack([a0, a1, a2, b0, b1, b2])


# Compiled, plain operations on whole arrays take about a fifth of the time of ImageProjectiveTransformV3, which works
# value by value and would have to run for image, label and the share of data (scripts/bench_dataset.py).
@tf.function(jit_compile=True, autograph=False)
def _apply_transform(image: Tensor, label: Tensor, transform: Tensor, padding: int) -> tuple[Tensor, Tensor]:
    """Apply an affine transform to a pair.

    Interpolated values are divided by the share of pixels with data, so that nodata does not darken its neighbours.
    """
    points = affine_points(transform, (label.shape[0], label.shape[1]))
    has_data = tf.reduce_any(image != 0, axis=-1, keepdims=True)
    weights = tf.cast(has_data, image.dtype)
    # Most images have data everywhere, and interpolating ones gives ones: skipping it saves a third of the time.
    share = tf.cond(tf.reduce_all(has_data), lambda: weights, lambda: sample_bilinear(weights, points))
    valid = points.inside[..., tf.newaxis] & (share >= 0.5)
    weight = tf.cast(valid, image.dtype) / tf.maximum(share, 0.5)
    warped = tf.where(valid[..., 0], sample_nearest(label, points), tf.constant(padding, label.dtype))
    return sample_bilinear(image, points) * weight, warped


class SamplePoints(NamedTuple):
    """Where each pixel of a result is sampled in the source, ``(rows, columns)`` each.

    Attributes:
        y: Row, float32, clipped to the source.
        x: Column, float32, clipped to the source.
        inside: Whether the point lies on a pixel of the source, which extends half a unit around its centre; bool.
    """

    y: Tensor
    x: Tensor
    inside: Tensor


def affine_points(transform: Tensor, size: tuple[int, int]) -> SamplePoints:
    """Return the sample points of an affine transform.

    Args:
        transform: ``(6,)`` float32, a0 a1 a2 b0 b1 b2: the pixel (x, y) of the result is sampled at
            (a0 x + a1 y + a2, b0 x + b1 y + b2) of the source, where x counts columns.
        size: Rows and columns of source and result.
    """
    rows, columns = size
    a0, a1, a2, b0, b1, b2 = tf.unstack(transform)
    across, down = tf.range(columns, dtype=tf.float32), tf.range(rows, dtype=tf.float32)[:, tf.newaxis]
    x, y = a0 * across + (a1 * down + a2), b0 * across + (b1 * down + b2)
    inside = (x >= -0.5) & (x < columns - 0.5) & (y >= -0.5) & (y < rows - 0.5)
    return SamplePoints(tf.clip_by_value(y, 0, rows - 1), tf.clip_by_value(x, 0, columns - 1), inside)


def sample_nearest(label: Tensor, points: SamplePoints) -> Tensor:
    """Sample ``(rows, columns)`` of any type at the nearest pixel."""
    index = tf.cast(tf.round(points.y), tf.int32) * label.shape[1] + tf.cast(tf.round(points.x), tf.int32)
    return tf.gather(tf.reshape(label, [-1]), index)


def sample_bilinear(image: Tensor, points: SamplePoints) -> Tensor:
    """Sample ``(rows, columns, bands)`` float32 by bilinear interpolation."""
    rows, columns, bands = image.shape
    top, left = tf.floor(points.y), tf.floor(points.x)
    corner = tf.cast(top, tf.int32) * columns + tf.cast(left, tf.int32)
    right = tf.cast(left < columns - 1, tf.int32)
    below = tf.cast(top < rows - 1, tf.int32) * columns
    pixels = tf.reshape(image, [-1, bands])
    return _interpolate(
        _interpolate(tf.gather(pixels, corner), tf.gather(pixels, corner + right), points.x - left),
        _interpolate(tf.gather(pixels, corner + below), tf.gather(pixels, corner + below + right), points.x - left),
        points.y - top,
    )


def _interpolate(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    return first + share[..., tf.newaxis] * (second - first)

"""Change a training pair at random: turns, zoom, rotation, shifts, flips of image and label alike; values of the image.

One affine transform a pair, drawn from (seed, epoch, sample). The image is interpolated bilinearly, the label by
nearest neighbour, so no class appears that was not there; what comes in from outside the frame is 0 in the image and
`IGNORE` in the label. Brightness, contrast and noise are in units of a band's own deviation in the image, since
imagery comes in any scale. TensorFlow operations, to run inside ``tf.data``.

Source: the paper, sections 2.2 and 3.2.

Take an image and its label at other places than their pixels: what an affine transform of both needs.

Image and label take the same places. Plain operations on whole arrays, to run inside ``tf.data`` and meant to be
compiled (``jit_compile``) into few passes over the pixels: about a fifth of the time of TensorFlow's
``ImageProjectiveTransformV3``, which works value by value and has to be asked three times: for image, label and the
share of data (``scripts/bench_dataset.py``, "with a copy drawn").
"""

import math
from typing import Any, NamedTuple

import tensorflow as tf

from gym.config.schema import AugmentConfig
from gym.data.labels import IGNORE

Tensor = Any


class SamplePoints(NamedTuple):
    """Where in a source each pixel of a result is taken, ``(rows, columns)`` each.

    Attributes:
        y: Row, float32, clipped into the source.
        x: Column, likewise.
        inside: Whether it lies on a pixel of the source, as its half around the centre reaches; bool.
    """

    y: Tensor
    x: Tensor
    inside: Tensor


def affine_points(transform: Tensor, size: tuple[int, int]) -> SamplePoints:
    """Places under an affine transform.

    Args:
        transform: ``(6,)`` float32, a0 a1 a2 b0 b1 b2: the pixel (x, y) of the result is taken at
            (a0 x + a1 y + a2, b0 x + b1 y + b2) of the source, x along the columns.
        size: Rows and columns of source and result.
    """
    rows, columns = size
    a0, a1, a2, b0, b1, b2 = tf.unstack(transform)
    across, down = tf.range(columns, dtype=tf.float32), tf.range(rows, dtype=tf.float32)[:, tf.newaxis]
    x, y = a0 * across + (a1 * down + a2), b0 * across + (b1 * down + b2)
    inside = (x >= -0.5) & (x < columns - 0.5) & (y >= -0.5) & (y < rows - 0.5)
    return SamplePoints(tf.clip_by_value(y, 0, rows - 1), tf.clip_by_value(x, 0, columns - 1), inside)


def sample_nearest(label: Tensor, places: SamplePoints) -> Tensor:
    """The nearest pixel's value at each place; ``label`` is ``(rows, columns)`` of any type."""
    index = tf.cast(tf.round(places.y), tf.int32) * label.shape[1] + tf.cast(tf.round(places.x), tf.int32)
    return tf.gather(tf.reshape(label, [-1]), index)


def sample_bilinear(image: Tensor, places: SamplePoints) -> Tensor:
    """Bilinear values at each place; ``image`` is ``(rows, columns, bands)`` float32."""
    rows, columns, bands = image.shape
    top, left = tf.floor(places.y), tf.floor(places.x)
    corner = tf.cast(top, tf.int32) * columns + tf.cast(left, tf.int32)
    right = tf.cast(left < columns - 1, tf.int32)
    below = tf.cast(top < rows - 1, tf.int32) * columns
    pixels = tf.reshape(image, [-1, bands])
    return _between(
        _between(tf.gather(pixels, corner), tf.gather(pixels, corner + right), places.x - left),
        _between(tf.gather(pixels, corner + below), tf.gather(pixels, corner + below + right), places.x - left),
        places.y - top,
    )


def _between(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    return first + share[..., tf.newaxis] * (second - first)


_TURN, _VALUES, _NOISE = 1, 2, 3  # streams of one seed; the transform has the seed itself


def has_changes(config: AugmentConfig) -> bool:
    """Tell whether the configuration asks for any change at all."""
    return has_warp(config) or has_jitter(config) or config.quarter_turns


def has_warp(config: AugmentConfig) -> bool:
    """Tell whether it asks for an affine transform."""
    sizes = (config.zoom, config.rotation, config.shift_rows, config.shift_columns)
    return any(sizes) or config.flip_horizontal or config.flip_vertical


def has_jitter(config: AugmentConfig) -> bool:
    """Tell whether it asks for other values."""
    return any((config.brightness, config.contrast, config.noise))


def augment(image: Tensor, label: Tensor, config: AugmentConfig, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Change one pair.

    Args:
        image: ``(rows, columns, bands)`` float32.
        label: ``(rows, columns)`` uint8.
        config: The largest changes.
        seed: ``(2,)`` integers; the same give the same change.

    Returns:
        The pair, in the same shapes and types.
    """
    if config.quarter_turns:
        image, label = rotate(image, label, seed)
    if has_warp(config):
        image, label = warp(image, label, config, seed)
    return (jitter(image, config, seed) if has_jitter(config) else image), label


def rotate(image: Tensor, label: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Turn a square pair by 0, 90, 180 or 270 degrees."""
    drawn = tf.random.stateless_uniform([], tf.random.experimental.stateless_fold_in(seed, _TURN), 0, 4, tf.int32)
    turned = tf.image.rot90(image, drawn), tf.image.rot90(label[..., tf.newaxis], drawn)[..., 0]
    return tf.ensure_shape(turned[0], image.shape), tf.ensure_shape(turned[1], label.shape)


def jitter(image: Tensor, config: AugmentConfig, seed: Tensor) -> Tensor:
    """Change contrast and brightness of each band, and add noise; pixels without data stay as they are."""
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


def warp(image: Tensor, label: Tensor, config: AugmentConfig, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Move a pair by one affine transform."""
    return _take(image, label, draw_transform(config, (label.shape[0], label.shape[1]), seed))


@tf.function(jit_compile=True, autograph=False)
def _take(image: Tensor, label: Tensor, transform: Tensor) -> tuple[Tensor, Tensor]:
    """The pair as an affine transform has it. Compiled, it takes a third of the time.

    Pixels without data must not darken their neighbours: what is interpolated is divided by the share that had data.
    Most images have data everywhere: ones interpolated are ones, and a third of the time is saved.
    """
    places = affine_points(transform, (label.shape[0], label.shape[1]))
    has_data = tf.reduce_any(image != 0, axis=-1, keepdims=True)
    weights = tf.cast(has_data, image.dtype)
    share = tf.cond(tf.reduce_all(has_data), lambda: weights, lambda: sample_bilinear(weights, places))
    valid = places.inside[..., tf.newaxis] & (share >= 0.5)
    weight = tf.cast(valid, image.dtype) / tf.maximum(share, 0.5)
    moved = tf.where(valid[..., 0], sample_nearest(label, places), tf.constant(IGNORE, label.dtype))
    return sample_bilinear(image, places) * weight, moved


def draw_transform(config: AugmentConfig, size: tuple[int, int], seed: Tensor) -> Tensor:
    """Draw an affine transform about the frame's centre.

    Args:
        config: The largest changes; each is drawn uniformly up to it, in both directions.
        size: Rows and columns.
        seed: ``(2,)`` integers.

    Returns:
        ``(6,)`` float32, as `gym.data.augment.affine_points` reads it.
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

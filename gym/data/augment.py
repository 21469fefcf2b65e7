"""Change a training pair at random: turns, zoom, rotation, shifts, flips of image and label alike; values of the image.

One affine transform a pair, drawn from (seed, epoch, sample). The image is interpolated bilinearly, the label by
nearest neighbour, so no class appears that was not there; what comes in from outside the frame is 0 in the image and
`IGNORE` in the label. Brightness, contrast and noise are in units of a band's own deviation in the image, since
imagery comes in any scale. TensorFlow operations, to run inside ``tf.data``.

Source: the paper, sections 2.2 and 3.2.
"""

import math
from typing import Any

import tensorflow as tf

from gym.config import AugmentConfig
from gym.data.labels import IGNORE
from gym.data.warp import affine_places, take_bilinear, take_nearest

Tensor = Any

_TURN, _VALUES, _NOISE = 1, 2, 3  # streams of one seed; the transform has the seed itself


def changes_anything(config: AugmentConfig) -> bool:
    """Tell whether the configuration asks for any change at all."""
    return moves_anything(config) or changes_values(config) or config.quarter_turns


def moves_anything(config: AugmentConfig) -> bool:
    """Tell whether it asks for an affine transform."""
    sizes = (config.zoom, config.rotation, config.shift_rows, config.shift_columns)
    return any(sizes) or config.flip_horizontal or config.flip_vertical


def changes_values(config: AugmentConfig) -> bool:
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
        image, label = turn(image, label, seed)
    if moves_anything(config):
        image, label = move(image, label, config, seed)
    return (vary(image, config, seed) if changes_values(config) else image), label


def turn(image: Tensor, label: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Turn a square pair by 0, 90, 180 or 270 degrees."""
    drawn = tf.random.stateless_uniform([], tf.random.experimental.stateless_fold_in(seed, _TURN), 0, 4, tf.int32)
    turned = tf.image.rot90(image, drawn), tf.image.rot90(label[..., tf.newaxis], drawn)[..., 0]
    return tf.ensure_shape(turned[0], image.shape), tf.ensure_shape(turned[1], label.shape)


def vary(image: Tensor, config: AugmentConfig, seed: Tensor) -> Tensor:
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


def move(image: Tensor, label: Tensor, config: AugmentConfig, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Move a pair by one affine transform."""
    return _take(image, label, draw_transform(config, (label.shape[0], label.shape[1]), seed))


@tf.function(jit_compile=True, autograph=False)
def _take(image: Tensor, label: Tensor, transform: Tensor) -> tuple[Tensor, Tensor]:
    """The pair as an affine transform has it. Compiled, it takes a third of the time.

    Pixels without data must not darken their neighbours: what is interpolated is divided by the share that had data.
    Most images have data everywhere: ones interpolated are ones, and a third of the time is saved.
    """
    places = affine_places(transform, (label.shape[0], label.shape[1]))
    has_data = tf.reduce_any(image != 0, axis=-1, keepdims=True)
    weights = tf.cast(has_data, image.dtype)
    share = tf.cond(tf.reduce_all(has_data), lambda: weights, lambda: take_bilinear(weights, places))
    valid = places.inside[..., tf.newaxis] & (share >= 0.5)
    weight = tf.cast(valid, image.dtype) / tf.maximum(share, 0.5)
    moved = tf.where(valid[..., 0], take_nearest(label, places), tf.constant(IGNORE, label.dtype))
    return take_bilinear(image, places) * weight, moved


def draw_transform(config: AugmentConfig, size: tuple[int, int], seed: Tensor) -> Tensor:
    """Draw an affine transform about the frame's centre.

    Args:
        config: The largest changes; each is drawn uniformly up to it, in both directions.
        size: Rows and columns.
        seed: ``(2,)`` integers.

    Returns:
        ``(6,)`` float32, as `gym.data.warp.affine_places` reads it.
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

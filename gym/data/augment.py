"""Change a training pair at random: zoom, rotation, shifts, flips; image and label alike.

One affine transform a pair, drawn from (seed, epoch, sample). The image is interpolated bilinearly, the label by
nearest neighbour, so no class appears that was not there; what comes in from outside the frame is 0 in the image and
`IGNORE` in the label. TensorFlow operations, to run inside ``tf.data``.

Source: the paper, sections 2.2 and 3.2.
"""

import math
from typing import Any

import tensorflow as tf

from gym.config import AugmentConfig
from gym.data.labels import IGNORE

Tensor = Any


def changes_anything(config: AugmentConfig) -> bool:
    """Tell whether the configuration asks for any change at all."""
    sizes = (config.zoom, config.rotation, config.shift_rows, config.shift_columns)
    return any(sizes) or config.flip_horizontal or config.flip_vertical


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
    transform = draw_transform(config, tf.shape(label), seed)
    moved = _warp(label[..., tf.newaxis], transform, "NEAREST", fill=float(IGNORE))[..., 0]
    # Pixels without data must not darken their neighbours: what is interpolated is divided by the share that had data.
    has_data = tf.cast(tf.reduce_any(image != 0, axis=-1, keepdims=True), image.dtype)
    share = _warp(has_data, transform, "BILINEAR", fill=0.0)
    values = tf.where(share >= 0.5, _warp(image, transform, "BILINEAR", fill=0.0) / tf.maximum(share, 0.5), 0.0)
    return values, tf.where(share[..., 0] >= 0.5, moved, tf.constant(IGNORE, moved.dtype))


def draw_transform(config: AugmentConfig, size: Tensor, seed: Tensor) -> Tensor:
    """Draw an affine transform about the frame's centre.

    Args:
        config: The largest changes; each is drawn uniformly up to it, in both directions.
        size: ``(2,)`` int32, rows and columns.
        seed: ``(2,)`` integers.

    Returns:
        ``(8,)`` float32: the numbers a0 a1 a2 b0 b1 b2 0 0 that take an output pixel (x, y) to the input pixel
        (a0 x + a1 y + a2, b0 x + b1 y + b2), x along the columns.
    """
    draw = tf.random.stateless_uniform([6], seed, -1.0, 1.0)
    rows, columns = tf.unstack(tf.cast(size, tf.float32))
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
    return tf.stack([a0, a1, a2, b0, b1, b2, 0.0, 0.0])


def _warp(maps: Tensor, transform: Tensor, interpolation: str, fill: float) -> Tensor:
    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=maps[tf.newaxis],
        transforms=transform[tf.newaxis],
        output_shape=tf.shape(maps)[:2],
        interpolation=interpolation,
        fill_mode="CONSTANT",
        fill_value=fill,
    )
    return tf.ensure_shape(warped[0], maps.shape)

"""Take an image and its label at other places than their pixels: what an affine transform of both needs.

Image and label take the same places. Plain operations on whole arrays, to run inside ``tf.data`` and meant to be
compiled (``jit_compile``) into few passes over the pixels: about a fifth of the time of TensorFlow's
``ImageProjectiveTransformV3``, which works value by value and has to be asked three times: for image, label and the
share of data (``scripts/bench_dataset.py``, "with a copy drawn").
"""

from typing import Any, NamedTuple

import tensorflow as tf

Tensor = Any


class Places(NamedTuple):
    """Where in a source each pixel of a result is taken, ``(rows, columns)`` each.

    Attributes:
        y: Row, float32, clipped into the source.
        x: Column, likewise.
        inside: Whether it lies on a pixel of the source, as its half around the centre reaches; bool.
    """

    y: Tensor
    x: Tensor
    inside: Tensor


def affine_places(transform: Tensor, size: tuple[int, int]) -> Places:
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
    return Places(tf.clip_by_value(y, 0, rows - 1), tf.clip_by_value(x, 0, columns - 1), inside)


def take_nearest(label: Tensor, places: Places) -> Tensor:
    """The nearest pixel's value at each place; ``label`` is ``(rows, columns)`` of any type."""
    index = tf.cast(tf.round(places.y), tf.int32) * label.shape[1] + tf.cast(tf.round(places.x), tf.int32)
    return tf.gather(tf.reshape(label, [-1]), index)


def take_bilinear(image: Tensor, places: Places) -> Tensor:
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

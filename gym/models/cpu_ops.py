"""What the networks compute with TensorFlow's own operations, in place of Keras' general ones: for a CPU.

The same functions in less time. Three things make the difference: a map of a few channels is read as one of as many
columns as it has, times channels, since operations are fast only along a long last axis; gradients are written out, so
that they read each map once; and random numbers are drawn 16 bits at a time.

`use_tuning` switches all of them but `dropout`, whose random numbers decide a run's result. With tuning off, the
networks compute what other backends compute.
"""

import math
from typing import Any, NamedTuple

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    # As `tf.custom_gradient` does, but that keeps each graph for ever in which it was called.
    from tensorflow.python.eager import record

Tensor = Any

_ROWS_TOGETHER = 16  # are summed before all are: one sum over thousands takes five times as long, and loses digits


class _Switch:
    is_on = False


def use_tuning(is_on: bool) -> None:
    """Decide for all graphs traced from now on, as Keras' dtype policy does."""
    _Switch.is_on = is_on and keras.backend.backend() == "tensorflow"


def is_tuned() -> bool:
    """Whether graphs are traced with these operations."""
    return _Switch.is_on


class Normalized(NamedTuple):
    """A map after batch normalisation and ReLU, and the statistics that it was normalised with."""

    maps: Tensor
    mean: Tensor
    variance: Tensor


def normalize_relu(maps: Tensor, gamma: Tensor, beta: Tensor, epsilon: float) -> Normalized:
    """Normalise a map by its own mean and variance, then ReLU.

    Args:
        maps: ``(batch, rows, columns, channels)``, any float type; all but the batch must be known.
        gamma: ``(channels,)`` float32.
        beta: ``(channels,)`` float32.
        epsilon: Added to the variance.

    Returns:
        The map in its own type, mean and variance ``(channels,)`` float32, which have no gradient of their own.
    """
    view = _Folded(maps)
    with record.stop_recording():
        values = view.fold(maps)
        mean = view.average(values)
        centred = values - view.spread(mean)
        variance = view.average(tf.square(centred))
        spread = variance + epsilon
        scale = view.spread(gamma * tf.math.rsqrt(spread))
        result = tf.nn.relu(view.unfold(centred * scale + view.spread(beta)))

    def gradient(upstream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        slope = view.fold(tf.raw_ops.ReluGrad(gradients=upstream, features=result))
        shift, tilt = view.average(slope), view.average(slope * centred)
        inverse = 1 / spread
        of_maps = (slope - view.spread(shift) - centred * view.spread(tilt * inverse)) * scale
        return view.unfold(of_maps), tilt * tf.sqrt(inverse) * view.pixels, shift * view.pixels

    record.record_operation("NormalizeRelu", [result], [maps, gamma, beta], gradient)
    return Normalized(result, mean, variance)


def scale_shift_relu(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """``relu(maps * scale + shift)`` in float32, given back in the map's own type; shapes as `normalize_relu`."""
    view = _Folded(maps)
    return tf.nn.relu(view.unfold(view.fold(maps) * view.spread(scale) + view.spread(shift)))


class _Folded:
    """A map as a matrix with a row for each of its rows, and its columns times channels in the columns.

    Its constants are made once: as one for each use they would be a quarter of a step's operations, each of which
    costs time before the first step.
    """

    def __init__(self, maps: Tensor) -> None:
        self._type = maps.dtype
        _, rows, columns, channels = maps.shape
        together = math.gcd(rows, _ROWS_TOGETHER)
        self.pixels = tf.cast(tf.size(maps, tf.int64) // channels, tf.float32)
        self._unfolded, self._folded = tf.constant((-1, rows, columns, channels)), tf.constant((-1, columns * channels))
        self._some_rows = tf.constant((-1, together, columns * channels))
        self._by_column, self._columns = tf.constant((columns, channels)), tf.constant((columns,))
        self._first, self._second = tf.constant(0), tf.constant(1)

    def fold(self, maps: Tensor) -> Tensor:
        return tf.cast(tf.reshape(maps, self._folded), tf.float32)

    def unfold(self, values: Tensor) -> Tensor:
        return tf.reshape(tf.cast(values, self._type), self._unfolded)

    def spread(self, values: Tensor) -> Tensor:
        """Of a number for each channel, one for each column of the matrix."""
        return tf.tile(values, self._columns)

    def average(self, values: Tensor) -> Tensor:
        """Over the pixels: a number for each channel."""
        sums = tf.reduce_sum(tf.reshape(values, self._some_rows), axis=self._second)
        by_column = tf.reshape(tf.reduce_sum(sums, axis=self._first), self._by_column)
        return tf.reduce_sum(by_column, axis=self._first) / self.pixels


def dropout(maps: Tensor, rate: float, seed: Tensor) -> Tensor:
    """Drop single values; the rate is rounded to a multiple of 1 / 65,536.

    Args:
        maps: ``(batch, ...)``, any float type; all but the batch must be known.
        rate: Above 0, below 1.
        seed: Two integers; the same drop the same values.
    """
    dropped, values = min(round(rate * 2**16), 2**16 - 1), math.prod(maps.shape[1:])

    with record.stop_recording():
        shape = tf.shape(maps)
        drawn = tf.random.stateless_uniform([shape[0], (values + 1) // 2], seed, None, None, tf.uint32)
        halves = tf.reshape(tf.bitcast(drawn, tf.uint16), (shape[0], -1))
        halves = tf.reshape(halves[:, :values] if values % 2 else halves, shape)
        kept = tf.cast(halves >= tf.constant(dropped, tf.uint16), maps.dtype)
        factor = kept * tf.constant(2**16 / (2**16 - dropped), maps.dtype)
        result = maps * factor
    record.record_operation("Drop", [result], [maps], lambda upstream: (upstream * factor,))
    return result


def split_at(values: Tensor, first: int, axis: int) -> Any:
    """The ``first`` values along an axis, and the others."""
    return tf.split(values, [first, values.shape[axis] - first], axis)


def add_bias(maps: Tensor, bias: Tensor) -> Tensor:
    """Add a number to each channel, within the convolution that makes them."""
    return tf.nn.bias_add(maps, bias)


def log_probability(labels: Tensor, scores: Tensor, smallest: float) -> Tensor:
    """The logarithm of each pixel's score for its true class, of scores made to sum to one.

    Args:
        labels: Class indices ``(batch, rows, columns)``; of one that is no class the result is some finite number
            without a gradient.
        scores: ``(batch, rows, columns, classes)`` float32.
        smallest: A share below counts as this, and has no gradient.

    Returns:
        ``(batch, rows, columns)`` float32.
    """
    scores = tf.convert_to_tensor(scores)
    classes = scores.shape[-1]
    with record.stop_recording():
        truth = tf.cast(labels, tf.int32)
        right = tf.gather(scores, tf.minimum(truth, classes - 1), batch_dims=3)
        total = tf.maximum(tf.reduce_sum(scores, axis=-1), smallest)
        share = tf.clip_by_value(right / total, smallest, 1.0)
        result = tf.math.log(share)

    def gradient(upstream: Tensor) -> tuple[Tensor]:
        slope = upstream / total * tf.cast((truth < classes) & (share > smallest), tf.float32)
        return (tf.one_hot(truth, classes) * (slope / share)[..., None] - slope[..., None],)

    record.record_operation("LogShare", [result], [scores], gradient)
    return result

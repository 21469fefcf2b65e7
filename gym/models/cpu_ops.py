"""TensorFlow operations that replace Keras' general ones on a CPU.

They compute the same functions faster, for three reasons. Maps with few channels are viewed as matrices whose rows hold
columns times channels, because operations are fast only along a long last axis. Gradients are written by hand and read
each map once. Random numbers are drawn 16 bits at a time.

`use_tuning` switches all of them but `dropout`, whose random numbers decide a run's result. With tuning off, the
networks compute what other backends compute.
"""

import math
from typing import Any, NamedTuple

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    # `tf.custom_gradient` does the same, but keeps every graph in which it was called alive for ever.
    from tensorflow.python.eager import record

Tensor = Any

# Rows are summed in groups first: a single sum over thousands takes five times as long and loses digits.
_ROWS_PER_GROUP = 16


class _Switch:
    is_on = False


def use_tuning(is_on: bool) -> None:
    """Switch tuning on or off for all graphs traced from now on. Without TensorFlow it stays off."""
    _Switch.is_on = is_on and keras.backend.backend() == "tensorflow"


def is_tuned() -> bool:
    """Whether graphs are currently traced with these operations."""
    return _Switch.is_on


class Normalized(NamedTuple):
    """A map after batch normalisation and ReLU, with the statistics used to normalise it."""

    maps: Tensor
    mean: Tensor
    variance: Tensor


def normalize_relu(maps: Tensor, gamma: Tensor, beta: Tensor, epsilon: float) -> Normalized:
    """Normalise a map by its own mean and variance and apply ReLU.

    Args:
        maps: ``(batch, rows, columns, channels)`` of any float type; only the batch size may be unknown.
        gamma: ``(channels,)`` float32.
        beta: ``(channels,)`` float32.
        epsilon: Added to the variance.

    Returns:
        The map in its own type; mean and variance ``(channels,)`` float32, through which no gradient flows.
    """
    view = _MatrixView(maps)
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
        maps_gradient = (slope - view.spread(shift) - centred * view.spread(tilt * inverse)) * scale
        return view.unfold(maps_gradient), tilt * tf.sqrt(inverse) * view.pixels, shift * view.pixels

    record.record_operation("NormalizeRelu", [result], [maps, gamma, beta], gradient)
    return Normalized(result, mean, variance)


def scale_shift_relu(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Compute ``relu(maps * scale + shift)`` in float32 and return it in the map's type; shapes as `normalize_relu`."""
    view = _MatrixView(maps)
    return tf.nn.relu(view.unfold(view.fold(maps) * view.spread(scale) + view.spread(shift)))


class _MatrixView:
    """A view of a map as a matrix: one matrix row per image row, one matrix column per image column and channel.

    Its constants are created once. One constant per use would make up a quarter of a step's operations, and each of
    them costs time before the first step.
    """

    def __init__(self, maps: Tensor) -> None:
        self._type = maps.dtype
        _, rows, columns, channels = maps.shape
        group = math.gcd(rows, _ROWS_PER_GROUP)
        self.pixels = tf.cast(tf.size(maps, tf.int64) // channels, tf.float32)
        self._unfolded, self._folded = tf.constant((-1, rows, columns, channels)), tf.constant((-1, columns * channels))
        self._grouped = tf.constant((-1, group, columns * channels))
        self._by_column, self._columns = tf.constant((columns, channels)), tf.constant((columns,))
        self._first, self._second = tf.constant(0), tf.constant(1)

    def fold(self, maps: Tensor) -> Tensor:
        return tf.cast(tf.reshape(maps, self._folded), tf.float32)

    def unfold(self, values: Tensor) -> Tensor:
        return tf.reshape(tf.cast(values, self._type), self._unfolded)

    def spread(self, values: Tensor) -> Tensor:
        """Repeat one value per channel to one value per matrix column."""
        return tf.tile(values, self._columns)

    def average(self, values: Tensor) -> Tensor:
        """Average over the pixels; one value per channel."""
        sums = tf.reduce_sum(tf.reshape(values, self._grouped), axis=self._second)
        by_column = tf.reshape(tf.reduce_sum(sums, axis=self._first), self._by_column)
        return tf.reduce_sum(by_column, axis=self._first) / self.pixels


def dropout(maps: Tensor, rate: float, seed: Tensor) -> Tensor:
    """Drop single values at a rate rounded to a multiple of 1/65536.

    Args:
        maps: ``(batch, ...)`` of any float type; only the batch size may be unknown.
        rate: Above 0 and below 1.
        seed: Two integers; equal seeds drop equal values.
    """
    threshold, values = min(round(rate * 2**16), 2**16 - 1), math.prod(maps.shape[1:])

    with record.stop_recording():
        shape = tf.shape(maps)
        drawn = tf.random.stateless_uniform([shape[0], (values + 1) // 2], seed, None, None, tf.uint32)
        halves = tf.reshape(tf.bitcast(drawn, tf.uint16), (shape[0], -1))
        halves = tf.reshape(halves[:, :values] if values % 2 else halves, shape)
        kept = tf.cast(halves >= tf.constant(threshold, tf.uint16), maps.dtype)
        factor = kept * tf.constant(2**16 / (2**16 - threshold), maps.dtype)
        result = maps * factor
    record.record_operation("Drop", [result], [maps], lambda upstream: (upstream * factor,))
    return result


def split_at(values: Tensor, first: int, axis: int) -> Any:
    """Split a tensor into its ``first`` values along an axis and the remaining ones."""
    return tf.split(values, [first, values.shape[axis] - first], axis)


def add_bias(maps: Tensor, bias: Tensor) -> Tensor:
    """Add one value per channel; TensorFlow fuses this with the preceding convolution."""
    return tf.nn.bias_add(maps, bias)


def log_probability(labels: Tensor, probabilities: Tensor, minimum: float) -> Tensor:
    """Compute the logarithm of the probability of each pixel's true class, normalised to sum to one.

    Args:
        labels: Class indices ``(batch, rows, columns)``. For a label that is not a class, the result is finite but
            meaningless and has no gradient.
        probabilities: ``(batch, rows, columns, classes)`` float32.
        minimum: Lower bound of the normalised probability; values below it have no gradient.

    Returns:
        ``(batch, rows, columns)`` float32.
    """
    probabilities = tf.convert_to_tensor(probabilities)
    classes = probabilities.shape[-1]
    with record.stop_recording():
        truth = tf.cast(labels, tf.int32)
        true_class = tf.gather(probabilities, tf.minimum(truth, classes - 1), batch_dims=3)
        total = tf.maximum(tf.reduce_sum(probabilities, axis=-1), minimum)
        share = tf.clip_by_value(true_class / total, minimum, 1.0)
        result = tf.math.log(share)

    def gradient(upstream: Tensor) -> tuple[Tensor]:
        slope = upstream / total * tf.cast((truth < classes) & (share > minimum), tf.float32)
        return (tf.one_hot(truth, classes) * (slope / share)[..., None] - slope[..., None],)

    record.record_operation("LogProbability", [result], [probabilities], gradient)
    return result

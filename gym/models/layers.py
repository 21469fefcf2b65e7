"""Layers specific to these networks.

Their names and weights equal those of the corresponding Keras layers, so weight files fit both.
"""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from gym.models import cpu_ops

Tensor = Any


class NormalizeRelu(keras.layers.BatchNormalization):
    """Batch normalisation followed by ReLU, for a map that may be stored in parts.

    Supports the default ``axis``, ``scale`` and ``center`` of Keras' layer only.
    """

    def normalize_relu(self, parts: list[Tensor], training: bool | None) -> list[Tensor]:
        """Normalise maps that together hold the channels of one map, in training by their own statistics."""
        if not (training and self.trainable):
            scale = ops.cast(self.gamma, "float32") / ops.sqrt(ops.cast(self.moving_variance, "float32") + self.epsilon)
            shift = ops.cast(self.beta, "float32") - ops.cast(self.moving_mean, "float32") * scale
            return [scale_shift_relu(*part) for part in self._split_weights(parts, scale, shift)]
        gamma, beta = (ops.cast(weight, "float32") for weight in (self.gamma, self.beta))
        results = [
            normalize_relu(part, scale, shift, self.epsilon)
            for part, scale, shift in self._split_weights(parts, gamma, beta)
        ]
        self._update_average(self.moving_mean, [result.mean for result in results])
        self._update_average(self.moving_variance, [result.variance for result in results])
        return [result.maps for result in results]

    def _update_average(self, average: Any, parts: list[Tensor]) -> None:
        latest = ops.concatenate(parts) if len(parts) > 1 else parts[0]
        average.assign(average * self.momentum + latest * (1.0 - self.momentum))

    @staticmethod
    def _split_weights(parts: list[Tensor], *weights: Tensor) -> Iterable[Any]:
        """Pair each part with its own channels of each weight."""
        if len(parts) == 1:
            return [(parts[0], *weights)]
        return zip(parts, *(split_at(weight, parts[0].shape[-1], axis=0) for weight in weights), strict=True)


@keras.saving.register_keras_serializable(package="segsweep")
class BatchNormalization(NormalizeRelu):
    """Batch normalisation of a map, followed by ReLU."""

    def call(self, maps: Tensor, training: bool | None = None) -> Tensor:
        return self.normalize_relu([maps], training)[0]

    def compute_output_spec(self, maps: Tensor, training: bool | None = None) -> Any:
        return keras.KerasTensor(maps.shape, self.compute_dtype)


def normalize_relu(maps: Tensor, gamma: Tensor, beta: Tensor, epsilon: float) -> cpu_ops.Normalized:
    """Compute `gym.models.cpu_ops.normalize_relu` with any backend."""
    if cpu_ops.is_tuned():
        return cpu_ops.normalize_relu(maps, gamma, beta, epsilon)
    mean, variance = ops.moments(ops.cast(maps, "float32"), axes=(0, 1, 2))
    scale = gamma / ops.sqrt(variance + epsilon)
    return cpu_ops.Normalized(scale_shift_relu(maps, scale, beta - mean * scale), mean, variance)


def scale_shift_relu(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Compute `gym.models.cpu_ops.scale_shift_relu` with any backend."""
    if cpu_ops.is_tuned():
        return cpu_ops.scale_shift_relu(maps, scale, shift)
    return ops.cast(ops.relu(ops.cast(maps, "float32") * scale + shift), maps.dtype)


def split_at(values: Tensor, first: int, axis: int) -> Any:
    """Split a tensor into its ``first`` values along an axis and the remaining ones, with any backend."""
    if cpu_ops.is_tuned():
        return cpu_ops.split_at(values, first, axis)
    return ops.split(values, [first], axis=axis)


@keras.saving.register_keras_serializable(package="segsweep")
class Dropout(keras.layers.Dropout):
    """Dropout of single values; TensorFlow draws its random numbers in `gym.models.cpu_ops.dropout`."""

    def call(self, maps: Tensor, training: bool = False) -> Tensor:
        if training and self.rate and self.noise_shape is None and keras.backend.backend() == "tensorflow":
            return cpu_ops.dropout(maps, self.rate, self.seed_generator.next())
        return super().call(maps, training)


@keras.saving.register_keras_serializable(package="segsweep")
class EveryOtherPixel(keras.layers.Layer):
    """Keep the even rows and columns.

    Followed by a 1x1 convolution of stride 1, it replaces a 1x1 convolution of stride 2, whose gradient corrupts memory
    in oneDNN for fewer than 16 channels (uxlfoundation/oneDNN #6035).
    """

    def call(self, maps: Tensor) -> Tensor:
        _, rows, columns, channels = maps.shape
        if rows is None or columns is None or rows % 2 or columns % 2:
            return maps[:, ::2, ::2, :]
        # With pairs of rows in one row and pairs of columns in the channels, the slice is contiguous and its gradient
        # fast.
        pairs = ops.reshape(maps, (-1, rows // 2, columns, 2 * channels))
        return ops.slice(pairs, (0, 0, 0, 0), (ops.shape(maps)[0], rows // 2, columns // 2, channels))

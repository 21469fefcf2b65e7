"""The layers that these networks have of their own.

Names and weights are those of Keras' layers of that kind, so that files of weights fit both.
"""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from gym.models import cpu_ops

Tensor = Any


class NormalizeRelu(keras.layers.BatchNormalization):
    """Batch normalisation with Keras' weights, then ReLU, of maps that make one together.

    Of Keras' arguments those that change what is computed are left as they are: the last axis, scale and centre.
    """

    def normalize_relu(self, parts: list[Tensor], training: bool | None) -> list[Tensor]:
        """Normalise parts that stand behind one another in the channels, all by their own statistics in training."""
        if not (training and self.trainable):
            scale = ops.cast(self.gamma, "float32") / ops.sqrt(ops.cast(self.moving_variance, "float32") + self.epsilon)
            shift = ops.cast(self.beta, "float32") - ops.cast(self.moving_mean, "float32") * scale
            return [scale_shift_relu(*part) for part in self._by_part(parts, scale, shift)]
        gamma, beta = (ops.cast(weight, "float32") for weight in (self.gamma, self.beta))
        done = [
            normalize_relu(part, scale, shift, self.epsilon) for part, scale, shift in self._by_part(parts, gamma, beta)
        ]
        self._follow(self.moving_mean, [part.mean for part in done])
        self._follow(self.moving_variance, [part.variance for part in done])
        return [part.maps for part in done]

    def _follow(self, moving: Any, found: list[Tensor]) -> None:
        latest = ops.concatenate(found) if len(found) > 1 else found[0]
        moving.assign(moving * self.momentum + latest * (1.0 - self.momentum))

    @staticmethod
    def _by_part(parts: list[Tensor], *weights: Tensor) -> Iterable[Any]:
        """Each part with its own piece of each weight."""
        if len(parts) == 1:
            return [(parts[0], *weights)]
        return zip(parts, *(split_at(weight, parts[0].shape[-1], axis=0) for weight in weights), strict=True)


@keras.saving.register_keras_serializable(package="segsweep")
class BatchNormalization(NormalizeRelu):
    """Batch normalisation of a map, then ReLU."""

    def call(self, maps: Tensor, training: bool | None = None) -> Tensor:
        return self.normalize_relu([maps], training)[0]

    def compute_output_spec(self, maps: Tensor, training: bool | None = None) -> Any:
        return keras.KerasTensor(maps.shape, self.compute_dtype)


def normalize_relu(maps: Tensor, gamma: Tensor, beta: Tensor, epsilon: float) -> cpu_ops.Normalized:
    """As `gym.models.cpu_ops.normalize_relu`, with any backend."""
    if cpu_ops.is_tuned():
        return cpu_ops.normalize_relu(maps, gamma, beta, epsilon)
    mean, variance = ops.moments(ops.cast(maps, "float32"), axes=(0, 1, 2))
    scale = gamma / ops.sqrt(variance + epsilon)
    return cpu_ops.Normalized(scale_shift_relu(maps, scale, beta - mean * scale), mean, variance)


def scale_shift_relu(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """As `gym.models.cpu_ops.scale_shift_relu`, with any backend."""
    if cpu_ops.is_tuned():
        return cpu_ops.scale_shift_relu(maps, scale, shift)
    return ops.cast(ops.relu(ops.cast(maps, "float32") * scale + shift), maps.dtype)


def split_at(values: Tensor, first: int, axis: int) -> Any:
    """The ``first`` values along an axis, and the others, with any backend."""
    if cpu_ops.is_tuned():
        return cpu_ops.split_at(values, first, axis)
    return ops.split(values, [first], axis=axis)


@keras.saving.register_keras_serializable(package="segsweep")
class Dropout(keras.layers.Dropout):
    """Dropout of single values."""

    def call(self, maps: Tensor, training: bool = False) -> Tensor:
        if training and self.rate and self.noise_shape is None and keras.backend.backend() == "tensorflow":
            return cpu_ops.dropout(maps, self.rate, self.seed_generator.next())
        return super().call(maps, training)


@keras.saving.register_keras_serializable(package="segsweep")
class EveryOtherPixel(keras.layers.Layer):
    """Keep the even rows and columns.

    Before a 1x1 convolution of stride 1 this is the 1x1 convolution of stride 2, whose gradient corrupts memory in
    oneDNN below 16 channels (uxlfoundation/oneDNN #6035).
    """

    def call(self, maps: Tensor) -> Tensor:
        _, rows, columns, channels = maps.shape
        if rows is None or columns is None or rows % 2 or columns % 2:
            return maps[:, ::2, ::2, :]
        # Two rows behind one another, two columns in the channels: what is kept has no gaps, so its gradient is cheap.
        pairs = ops.reshape(maps, (-1, rows // 2, columns, 2 * channels))
        return ops.slice(pairs, (0, 0, 0, 0), (ops.shape(maps)[0], rows // 2, columns // 2, channels))

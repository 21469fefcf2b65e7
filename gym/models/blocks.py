"""The blocks the paper's two networks are made of.

Feature maps are ``(batch, rows, columns, channels)``. Blocks are functions on Keras tensors, as in the functional API.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras

from gym.models import fast_decoder, layers
from gym.models.fast_decoder import JoinedMaps

Tensor = Any

STANDARDISATIONS = ("image", "band", "dataset", "none")


@keras.saving.register_keras_serializable(package="segsweep")
class Standardize(keras.layers.Layer):
    """Give imagery zero mean and unit deviation over its valid pixels.

    A pixel that is 0 in every band holds no data: it counts for nothing and stays 0. As a layer this travels with the
    model: what a scene went through in training is what it goes through ever after.

    - ``image``: each image by itself, all bands together.
    - ``band``: each band of each image by itself, which leaves nothing of a scene's colour or brightness.
    - ``dataset``: each band by a mean and deviation given once for all images.
    - ``none``: values as they are.

    An image, or a band, whose deviation is below a hundred-thousandth of its mean becomes 0: it is flat and says
    nothing, and dividing by the rounding errors of float32 sums would make noise of it.

    Args:
        method: One of these four.
        mean: With ``dataset``, the mean of each band over the valid pixels.
        deviation: With ``dataset``, likewise the standard deviation, 0 or above.
        **options: As of any Keras layer.

    Raises:
        ValueError: The method is none of these, or has other numbers than it needs.

    Source: the paper, section 2.2, "Second", for ``image``; it standardised after padding, which let the padding into
    the mean, and its code bounded the deviation by ``1 / sqrt(n)`` for ``n`` values, which imagery in 0..1 may not
    reach.
    """

    def __init__(
        self,
        method: str = "image",
        mean: Sequence[float] | None = None,
        deviation: Sequence[float] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", "autocast": False} | options)
        self.method = method
        self.mean = None if mean is None else [float(value) for value in mean]
        self.deviation = None if deviation is None else [float(value) for value in deviation]
        self._refuse_wrong_numbers()

    def _refuse_wrong_numbers(self) -> None:
        if self.method not in STANDARDISATIONS:
            raise ValueError(f"method={self.method} must be one of {', '.join(STANDARDISATIONS)}.")
        if self.method != "dataset":
            if self.mean is not None or self.deviation is not None:
                raise ValueError(f"mean and deviation are used only by method=dataset, not by {self.method}.")
            return
        if not self.mean or not self.deviation or len(self.mean) != len(self.deviation):
            raise ValueError(
                f"mean={self.mean} and deviation={self.deviation} must have one number a band with method=dataset."
            )
        if not all(map(math.isfinite, self.mean + self.deviation)) or min(self.deviation) < 0:
            raise ValueError(
                f"mean={self.mean} and deviation={self.deviation} must be finite, and no deviation below 0."
            )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.mean is not None and len(self.mean) != input_shape[-1]:
            raise ValueError(f"mean={self.mean} must have one number for each of {input_shape[-1]} bands.")

    def call(self, images: Tensor) -> Tensor:
        images = keras.ops.cast(images, "float32")
        if self.method == "none":
            return images
        valid = keras.ops.cast(keras.ops.any(images != 0, axis=-1, keepdims=True), "float32")
        if self.method == "dataset":
            mean = keras.ops.convert_to_tensor(self.mean, "float32")
            deviation = keras.ops.convert_to_tensor(self.deviation, "float32")
            return (images - mean) * valid / _infinite_where_flat(deviation, mean)
        pixels = keras.ops.sum(valid, axis=(1, 2, 3), keepdims=True)
        if self.method == "band":
            return _by_band(images, valid, keras.ops.maximum(pixels, 1.0))
        count = keras.ops.maximum(pixels * images.shape[-1], 1.0)
        mean = keras.ops.sum(images, axis=(1, 2, 3), keepdims=True) / count
        centred = (images - mean) * valid
        deviation = keras.ops.sqrt(keras.ops.sum(centred * centred, axis=(1, 2, 3), keepdims=True) / count)
        return centred / _infinite_where_flat(deviation, mean)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        given = {"method": self.method, "mean": self.mean, "deviation": self.deviation}
        return super().get_config() | given


def _by_band(images: Tensor, valid: Tensor, pixels: Tensor) -> Tensor:
    def average(maps: Tensor) -> Tensor:
        # Rows first: TensorFlow adds the values of a band one by one, and 512x512 of them lose four of seven digits.
        return keras.ops.sum(keras.ops.sum(maps, axis=2, keepdims=True), axis=1, keepdims=True) / pixels

    mean = average(images)
    centred = (images - mean) * valid
    centred = (centred - average(centred)) * valid  # what the first mean was off by
    return centred / _infinite_where_flat(keras.ops.sqrt(average(centred * centred)), mean)


def _infinite_where_flat(deviation: Tensor, mean: Tensor) -> Tensor:
    return keras.ops.where(deviation > 1e-5 * keras.ops.abs(mean), deviation, float("inf"))


def batch_norm_relu(maps: Tensor) -> Tensor:
    """Batch normalisation, then ReLU."""
    if isinstance(maps, JoinedMaps):
        return fast_decoder.BatchNormalization()(*maps)
    return layers.BatchNormalization()(maps)


def convolve(maps: Tensor, filters: int, kernel: int, stride: int = 1) -> Tensor:
    """Convolution with bias, padded with zeros."""
    if isinstance(maps, JoinedMaps):
        return fast_decoder.Conv2D(filters, kernel, padding="same")(*maps)
    if kernel == 1 and stride == 2:
        maps, stride = layers.EveryOtherPixel()(maps), 1
    return keras.layers.Conv2D(filters, kernel, strides=stride, padding="same")(maps)


def apply_dropout(maps: Tensor, rate: float, kind: str) -> Tensor:
    """Drop single values (``standard``) or whole maps (``spatial``); no layer at all for a rate of 0."""
    if rate == 0:
        return maps
    layer = keras.layers.SpatialDropout2D if kind == "spatial" else layers.Dropout
    return layer(rate)(maps)


def preactivated_convolution(maps: Tensor, filters: int, kernel: int, stride: int, rate: float, kind: str) -> Tensor:
    """Dropout, batch normalisation, ReLU, convolution with bias: the order of the paper's code."""
    return convolve(batch_norm_relu(apply_dropout(maps, rate, kind)), filters, kernel, stride)


def stem(images: Tensor, filters: int) -> Tensor:
    """Lift the bands to ``filters`` maps at full resolution: two 2x2 convolutions beside a 1x1 shortcut."""
    maps = convolve(images, filters, 2)
    maps = preactivated_convolution(maps, filters, kernel=2, stride=1, rate=0, kind="standard")
    shortcut = batch_norm_relu(convolve(images, filters, 1))
    return keras.layers.Add()([maps, shortcut])


def plain_level(maps: Tensor, filters: int, kernel: int, stride: int, rate: float, kind: str) -> Tensor:
    """One level of the U-Net: one convolution."""
    return preactivated_convolution(maps, filters, kernel, stride, rate, kind)


def residual_level(maps: Tensor, filters: int, kernel: int, stride: int, rate: float, kind: str) -> Tensor:
    """One level of the Res-UNet: two convolutions, and a 1x1 shortcut of the level's input added to them."""
    residual = preactivated_convolution(maps, filters, kernel, stride, rate, kind)
    residual = preactivated_convolution(residual, filters, kernel, 1, rate, kind)
    shortcut = batch_norm_relu(convolve(maps, filters, 1, stride))
    return keras.layers.Add()([shortcut, residual])


def upsample(maps: Tensor, how: str) -> Tensor:
    """Double rows and columns: nearest neighbour, as the paper's code, or a transpose convolution, as its text."""
    if how == "transpose":
        return keras.layers.Conv2DTranspose(maps.shape[-1], 2, strides=2, padding="same")(maps)
    return keras.layers.UpSampling2D(2, interpolation="nearest")(maps)


def head(maps: Tensor, classes: int, activation: str) -> Tensor:
    """Score each class at each pixel, ``(batch, rows, columns, classes)`` float32 in [0, 1]."""
    scores = keras.layers.Conv2D(classes, 1, dtype="float32")(maps)
    return keras.layers.Activation(activation, dtype="float32", name="scores")(scores)

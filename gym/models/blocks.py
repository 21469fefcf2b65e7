"""The blocks the paper's two networks are made of.

Feature maps are ``(batch, rows, columns, channels)``. Blocks are functions on Keras tensors, as in the functional API.
"""

from typing import Any

import keras

Tensor = Any


@keras.saving.register_keras_serializable(package="segsweep")
class Standardize(keras.layers.Layer):
    """Give each image zero mean and unit deviation over its valid pixels, all bands together.

    A pixel that is 0 in every band holds no data: it counts for nothing and stays 0. The deviation is bounded below by
    ``1 / sqrt(n)`` with ``n`` the number of valid values, so a flat image becomes 0 and not NaN.

    As a layer it travels with the model: what a scene went through in training is what it goes through ever after.

    Source: the paper, section 2.2, "Second"; it standardised after padding, which let the padding into the mean.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"dtype": "float32", "autocast": False} | options)

    def call(self, images: Tensor) -> Tensor:
        images = keras.ops.cast(images, "float32")
        valid = keras.ops.cast(keras.ops.any(images != 0, axis=-1, keepdims=True), "float32")
        count = keras.ops.maximum(keras.ops.sum(valid, axis=(1, 2, 3), keepdims=True) * images.shape[-1], 1.0)
        mean = keras.ops.sum(images, axis=(1, 2, 3), keepdims=True) / count
        centred = (images - mean) * valid
        deviation = keras.ops.sqrt(keras.ops.sum(centred * centred, axis=(1, 2, 3), keepdims=True) / count)
        return centred / keras.ops.maximum(deviation, keras.ops.rsqrt(count))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


@keras.saving.register_keras_serializable(package="segsweep")
class EveryOtherPixel(keras.layers.Layer):
    """Keep the even rows and columns.

    Before a 1x1 convolution of stride 1 this is the 1x1 convolution of stride 2, whose gradient corrupts memory in
    oneDNN below 16 channels (uxlfoundation/oneDNN #6035).
    """

    def call(self, maps: Tensor) -> Tensor:
        return maps[:, ::2, ::2, :]


def normalized_relu(maps: Tensor) -> Tensor:
    """Batch normalisation, then ReLU."""
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(maps))


def dropped(maps: Tensor, rate: float, kind: str) -> Tensor:
    """Drop single values (``standard``) or whole maps (``spatial``); no layer at all for a rate of 0."""
    if rate == 0:
        return maps
    layer = keras.layers.SpatialDropout2D if kind == "spatial" else keras.layers.Dropout
    return layer(rate)(maps)


def preactivated_convolution(maps: Tensor, filters: int, kernel: int, stride: int, rate: float, kind: str) -> Tensor:
    """Dropout, batch normalisation, ReLU, convolution with bias: the order of the paper's code."""
    maps = normalized_relu(dropped(maps, rate, kind))
    return keras.layers.Conv2D(filters, kernel, strides=stride, padding="same")(maps)


def stem(images: Tensor, filters: int) -> Tensor:
    """Lift the bands to ``filters`` maps at full resolution: two 2x2 convolutions beside a 1x1 shortcut."""
    maps = keras.layers.Conv2D(filters, 2, padding="same")(images)
    maps = preactivated_convolution(maps, filters, kernel=2, stride=1, rate=0, kind="standard")
    shortcut = normalized_relu(keras.layers.Conv2D(filters, 1)(images))
    return keras.layers.Add()([maps, shortcut])


def plain_level(maps: Tensor, filters: int, kernel: int, stride: int, rate: float, kind: str) -> Tensor:
    """One level of the U-Net: one convolution."""
    return preactivated_convolution(maps, filters, kernel, stride, rate, kind)


def residual_level(maps: Tensor, filters: int, kernel: int, stride: int, rate: float, kind: str) -> Tensor:
    """One level of the Res-UNet: two convolutions, and a 1x1 shortcut of the level's input added to them."""
    residual = preactivated_convolution(maps, filters, kernel, stride, rate, kind)
    residual = preactivated_convolution(residual, filters, kernel, 1, rate, kind)
    kept = EveryOtherPixel()(maps) if stride == 2 else maps
    shortcut = normalized_relu(keras.layers.Conv2D(filters, 1)(kept))
    return keras.layers.Add()([shortcut, residual])


def doubled(maps: Tensor, how: str) -> Tensor:
    """Double rows and columns: nearest neighbour, as the paper's code, or a transpose convolution, as its text."""
    if how == "transpose":
        return keras.layers.Conv2DTranspose(maps.shape[-1], 2, strides=2, padding="same")(maps)
    return keras.layers.UpSampling2D(2, interpolation="nearest")(maps)


def head(maps: Tensor, classes: int, activation: str) -> Tensor:
    """Score each class at each pixel, ``(batch, rows, columns, classes)`` float32 in [0, 1]."""
    scores = keras.layers.Conv2D(classes, 1, dtype="float32")(maps)
    return keras.layers.Activation(activation, dtype="float32", name="scores")(scores)

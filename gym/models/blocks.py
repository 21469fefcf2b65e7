"""The building blocks of the paper's two networks.

Feature maps are ``(batch, rows, columns, channels)``. Blocks are functions of symbolic Keras tensors, as in the
functional API.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras

from gym.models import fast_decoder, layers
from gym.models.fast_decoder import JoinedMaps

Tensor = Any

STANDARDISATIONS = ("image", "frame", "band", "dataset", "none")


@keras.saving.register_keras_serializable(package="segsweep")
class Standardize(keras.layers.Layer):
    """Standardise imagery to zero mean and unit standard deviation over its valid pixels.

    A pixel that is 0 in every band has no data: it is ignored and stays 0, except with ``frame``. As a layer, the
    standardisation is saved with the model, so that images are treated alike in training and prediction.

    - ``image`` standardises each image on its own, all bands together.
    - ``frame`` does the same over all pixels of the frame, with padding and pixels without data as values of 0. The
      deviation of ``rows * columns`` pixels is at least ``1 / sqrt(rows * columns)``.
    - ``band`` standardises each band of each image on its own, which removes the overall colour and brightness.
    - ``dataset`` standardises each band with a mean and a deviation shared by all images.
    - ``none`` leaves the values unchanged.

    An image or band is set to 0 if its deviation is below 1e-5 of its mean. It is constant up to the rounding errors of
    float32 sums, which the division would amplify to noise.

    Args:
        method: One of these four methods.
        mean: For ``dataset``, the mean of each band over the valid pixels.
        deviation: For ``dataset``, the standard deviation of each band over the valid pixels, at least 0.
        **options: Options of every Keras layer.

    Raises:
        ValueError: The method is unknown, or ``mean`` and ``deviation`` do not suit it.

    Source: the paper, section 2.2, for ``image``: images are standardised ("Second") before they are padded ("Third").
    ``frame`` is what its code does, ``standardize`` in ``doodleverse_utils.imports``: it standardises the padded image,
    and bounds the deviation, which imagery in [0, 1] may not reach.
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
        self._check_arguments()

    def _check_arguments(self) -> None:
        if self.method not in STANDARDISATIONS:
            raise ValueError(f"method={self.method} must be one of {', '.join(STANDARDISATIONS)}.")
        if self.method != "dataset":
            if self.mean is not None or self.deviation is not None:
                raise ValueError(
                    f"mean and deviation are used only with method=dataset, not with {self.method}; leave them out."
                )
            return
        if not self.mean or not self.deviation or len(self.mean) != len(self.deviation):
            raise ValueError(f"mean={self.mean} and deviation={self.deviation} must each hold one number per band.")
        if not all(map(math.isfinite, self.mean + self.deviation)) or min(self.deviation) < 0:
            raise ValueError(
                f"mean={self.mean} and deviation={self.deviation} must be finite, and deviations at least 0."
            )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.mean is not None and len(self.mean) != input_shape[-1]:
            raise ValueError(
                f"mean={self.mean} must hold one number for each of the {input_shape[-1]} bands of the images."
            )

    def call(self, images: Tensor) -> Tensor:
        images = keras.ops.cast(images, "float32")
        if self.method == "none":
            return images
        if self.method == "frame":
            return _by_frame(images)
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
        # TensorFlow adds values one by one; a single sum over 512x512 pixels would lose four of seven digits.
        return keras.ops.sum(keras.ops.sum(maps, axis=2, keepdims=True), axis=1, keepdims=True) / pixels

    mean = average(images)
    centred = (images - mean) * valid
    centred = (centred - average(centred)) * valid  # removes the rounding error of the mean
    return centred / _infinite_where_flat(keras.ops.sqrt(average(centred * centred)), mean)


def _by_frame(images: Tensor) -> Tensor:
    pixels = images.shape[1] * images.shape[2]

    def average(maps: Tensor) -> Tensor:
        by_row = keras.ops.sum(keras.ops.sum(maps, axis=2, keepdims=True), axis=1, keepdims=True) / pixels
        return keras.ops.mean(by_row, axis=3, keepdims=True)

    mean = average(images)
    centred = images - mean
    centred -= average(centred)  # removes the rounding error of the mean
    deviation = keras.ops.sqrt(average(centred * centred))
    bounded = keras.ops.maximum(_infinite_where_flat(deviation, mean), 1 / math.sqrt(pixels))
    return centred / bounded


def _infinite_where_flat(deviation: Tensor, mean: Tensor) -> Tensor:
    return keras.ops.where(deviation > 1e-5 * keras.ops.abs(mean), deviation, float("inf"))


def batch_norm_relu(maps: Tensor) -> Tensor:
    """Batch normalisation followed by ReLU."""
    if isinstance(maps, JoinedMaps):
        return fast_decoder.BatchNormalization()(*maps)
    return layers.BatchNormalization()(maps)


def convolve(maps: Tensor, filters: int, kernel: int, stride: int = 1) -> Tensor:
    """Convolution with bias and zero padding."""
    if isinstance(maps, JoinedMaps):
        return fast_decoder.Conv2D(filters, kernel, padding="same")(*maps)
    if kernel == 1 and stride == 2:
        maps, stride = layers.EveryOtherPixel()(maps), 1
    return keras.layers.Conv2D(filters, kernel, strides=stride, padding="same")(maps)


def apply_dropout(maps: Tensor, rate: float, kind: str) -> Tensor:
    """Drop single values (``standard``) or whole channels (``spatial``); a rate of 0 adds no layer."""
    if rate == 0:
        return maps
    layer = keras.layers.SpatialDropout2D if kind == "spatial" else layers.Dropout
    return layer(rate)(maps)


def preactivated_convolution(maps: Tensor, filters: int, kernel: int, stride: int, rate: float, kind: str) -> Tensor:
    """Dropout, batch normalisation, ReLU and convolution with bias, in the order of the paper's code.

    One such convolution is a level of the U-Net.
    """
    return convolve(batch_norm_relu(apply_dropout(maps, rate, kind)), filters, kernel, stride)


def stem(images: Tensor, filters: int) -> Tensor:
    """Expand the bands to ``filters`` channels at full resolution: two 2x2 convolutions plus a 1x1 shortcut."""
    maps = convolve(images, filters, 2)
    maps = preactivated_convolution(maps, filters, kernel=2, stride=1, rate=0, kind="standard")
    shortcut = batch_norm_relu(convolve(images, filters, 1))
    return keras.layers.Add()([maps, shortcut])


def residual_level(maps: Tensor, filters: int, kernel: int, stride: int, rate: float, kind: str) -> Tensor:
    """One level of the Res-UNet: two convolutions plus a 1x1 shortcut of the level's input."""
    residual = preactivated_convolution(maps, filters, kernel, stride, rate, kind)
    residual = preactivated_convolution(residual, filters, kernel, 1, rate, kind)
    shortcut = batch_norm_relu(convolve(maps, filters, 1, stride))
    return keras.layers.Add()([shortcut, residual])


def upsample(maps: Tensor, method: str) -> Tensor:
    """Double rows and columns by nearest neighbour (the paper's code) or a transposed convolution (its text)."""
    if method == "transpose":
        return keras.layers.Conv2DTranspose(maps.shape[-1], 2, strides=2, padding="same")(maps)
    return keras.layers.UpSampling2D(2, interpolation="nearest")(maps)


def head(maps: Tensor, classes: int, activation: str) -> Tensor:
    """Compute the probability of each class at each pixel, ``(batch, rows, columns, classes)`` float32 in [0, 1]."""
    logits = keras.layers.Conv2D(classes, 1, dtype="float32")(maps)
    # The layer keeps the name that published models and exports refer to.
    return keras.layers.Activation(activation, dtype="float32", name="scores")(logits)

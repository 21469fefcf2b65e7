"""The original program's ``simple_unet`` and ``simple_resunet``, for configurations that name them.

Each convolution is followed by ReLU and batch normalisation and has no bias; weights are initialised by he-normal;
levels are separated by max pooling; the widths of encoder and decoder are symmetric. The original's defaults, 2x2
kernels and standard dropout of 0.1 in every encoder level, are those of ``conf/model/simple_*.yaml``.

Source: the original program's variant of Ronneberger et al. 2015, doi:10.48550/arXiv.1505.04597.
"""

from collections.abc import Callable

import keras

from gym.config.schema import ModelConfig
from gym.models import blocks
from gym.models.blocks import Tensor

Level = Callable[[Tensor, int, ModelConfig, float], Tensor]


def build_simple_unet(
    config: ModelConfig, shape: tuple[int, int, int], classes: int, first: keras.Layer
) -> keras.Model:
    """Build the simple U-Net; arguments and result as for `gym.models.unet.build_encoder_decoder`."""
    return build_pooling_network(config, shape, classes, first, convolution_pair)


def build_simple_resunet(
    config: ModelConfig, shape: tuple[int, int, int], classes: int, first: keras.Layer
) -> keras.Model:
    """Build the simple Res-UNet; arguments and result as for `gym.models.unet.build_encoder_decoder`."""
    return build_pooling_network(config, shape, classes, first, residual_pairs)


def _convolution(maps: Tensor, filters: int, kernel: int) -> Tensor:
    layer = keras.layers.Conv2D(
        filters, kernel, padding="same", activation="relu", use_bias=False, kernel_initializer="he_normal"
    )
    return keras.layers.BatchNormalization()(layer(maps))


def convolution_pair(maps: Tensor, filters: int, config: ModelConfig, rate: float) -> Tensor:
    """Two convolutions with dropout between them."""
    maps = blocks.apply_dropout(_convolution(maps, filters, config.kernel), rate, config.dropout_kind)
    return _convolution(maps, filters, config.kernel)


def residual_pairs(maps: Tensor, filters: int, config: ModelConfig, rate: float) -> Tensor:
    """Two pairs of convolutions, plus a 1x1 shortcut of their input."""
    residual = convolution_pair(maps, filters, config, rate)
    residual = convolution_pair(residual, filters, config, rate)
    shortcut = blocks.batch_norm_relu(keras.layers.Conv2D(filters, 1)(maps))
    return keras.layers.Add()([shortcut, residual])


def build_pooling_network(
    config: ModelConfig, shape: tuple[int, int, int], classes: int, first: keras.Layer, level: Level
) -> keras.Model:
    """Build an encoder and a decoder with one kind of level; the deepest level is always a plain pair."""
    images = keras.Input(shape, name="images")
    maps = first(images)
    skips = []
    for depth in range(config.levels):
        maps = level(maps, config.filters * 2**depth, config, config.dropout + depth * config.dropout_change)
        skips.append(maps)
        maps = keras.layers.MaxPooling2D(2)(maps)
    deepest = config.dropout + config.levels * config.dropout_change
    maps = convolution_pair(maps, config.filters * 2**config.levels, config, deepest)
    for depth, skip in reversed(list(enumerate(skips))):
        rate = config.dropout + depth * config.dropout_change if config.dropout_on_up else 0
        maps = keras.layers.Concatenate()([blocks.upsample(maps, config.upsampling), skip])
        maps = level(maps, config.filters * 2**depth, config, rate)
    return keras.Model(images, blocks.head(maps, classes, config.head), name=config.name)

"""The paper's U-Net and Res-UNet: one U, two kinds of level.

                 stem  f ─────────────────────────────► 2f  head
                  level  2f ────────────────────────► 4f
                    level  4f ───────────────────► 8f
                      level  8f ──────────────► 16f
                        level 16f ─ bottleneck 16f

Each level down halves the resolution and doubles the filters. The first level up keeps the deepest width and each
following one halves it, so the last has twice the filters of the stem: that, and only that, gives the parameter
counts of the published code.

Source: Buscombe & Goldstein 2022, section 2.3 and Figure 2, doi:10.1029/2022EA002332.
"""

from collections.abc import Callable

import keras

from gym.config.schema import ModelConfig
from gym.models import blocks
from gym.models.blocks import Tensor
from gym.models.fast_decoder import JoinedMaps

Level = Callable[..., Tensor]


def build_unet(config: ModelConfig, shape: tuple[int, int, int], classes: int, first: keras.Layer) -> keras.Model:
    """Build the U-Net; arguments and result as `build_encoder_decoder`."""
    return build_encoder_decoder(config, shape, classes, first, blocks.plain_level)


def build_resunet(config: ModelConfig, shape: tuple[int, int, int], classes: int, first: keras.Layer) -> keras.Model:
    """Build the Res-UNet; arguments and result as `build_encoder_decoder`."""
    return build_encoder_decoder(config, shape, classes, first, blocks.residual_level)


def build_encoder_decoder(
    config: ModelConfig, shape: tuple[int, int, int], classes: int, first: keras.Layer, level: Level
) -> keras.Model:
    """Build the U with one kind of level.

    Args:
        config: Filters, kernel, levels, dropout, upsampling and head.
        shape: Rows, columns and bands of an image; rows and columns divisible by ``2**levels``.
        classes: Number of classes, 2 or more.
        first: The layer that standardises, as `blocks.Standardize`; it travels with the model.
        level: `blocks.plain_level` or `blocks.residual_level`.

    Returns:
        A model from raw images ``(batch, rows, columns, bands)`` in any scale to scores
        ``(batch, rows, columns, classes)`` in [0, 1].
    """
    images = keras.Input(shape, name="images")
    maps = blocks.stem(first(images), config.filters)
    skips, width, rate = [], config.filters, config.dropout
    for depth in range(config.levels):
        skips.append(maps)
        width, rate = 2 * width, config.dropout + depth * config.dropout_change
        maps = level(maps, width, config.kernel, 2, rate, config.dropout_kind)
    for _ in range(2):
        maps = blocks.preactivated_convolution(maps, width, config.kernel, 1, rate, config.dropout_kind)
    for depth, skip in reversed(list(enumerate(skips))):
        rate = config.dropout + depth * config.dropout_change if config.dropout_on_up else 0
        maps = join(maps, skip, config)
        maps = level(maps, config.filters * 2 ** (depth + 1), config.kernel, 1, rate, config.dropout_kind)
    return keras.Model(images, blocks.head(maps, classes, config.head), name=config.name)


def join(maps: Tensor, skip: Tensor, config: ModelConfig) -> Tensor:
    """Put the doubled map beside the skipped one; where nothing else is asked for, without doubling it."""
    if takes_half_resolution(config):
        return JoinedMaps(maps, skip)
    return keras.layers.Concatenate()([blocks.upsample(maps, config.upsampling), skip])


def takes_half_resolution(config: ModelConfig) -> bool:
    """Whether levels up work at half the resolution: `gym.models.fast_decoder` is exact for them, and asked for."""
    has_dropout = config.dropout_on_up and bool(config.dropout or config.dropout_change)
    return config.decoder == "half" and config.upsampling == "nearest" and config.kernel % 2 == 1 and not has_dropout

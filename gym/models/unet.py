"""The paper's U-Net and Res-UNet: an encoder and a decoder with one of two kinds of level.

                 stem  f ─────────────────────────────► 2f  head
                  level  2f ────────────────────────► 4f
                    level  4f ───────────────────► 8f
                      level  8f ──────────────► 16f
                        level 16f ─ bottleneck 16f

Each level down halves the resolution and doubles the number of filters. The first level up keeps the width of the
bottleneck and each further one halves it, so the last has twice the filters of the stem. Only this layout reproduces
the parameter counts of the published code.

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
    """Build the U-Net; arguments and result as for `build_encoder_decoder`."""
    return build_encoder_decoder(config, shape, classes, first, blocks.preactivated_convolution)


def build_resunet(config: ModelConfig, shape: tuple[int, int, int], classes: int, first: keras.Layer) -> keras.Model:
    """Build the Res-UNet; arguments and result as for `build_encoder_decoder`."""
    return build_encoder_decoder(config, shape, classes, first, blocks.residual_level)


def build_encoder_decoder(
    config: ModelConfig, shape: tuple[int, int, int], classes: int, first: keras.Layer, level: Level
) -> keras.Model:
    """Build an encoder and a decoder with one kind of level.

    Args:
        config: Filters, kernel, levels, dropout, upsampling and head.
        shape: Rows, columns and bands of an image; rows and columns divisible by ``2**levels``.
        classes: Number of classes, at least 2.
        first: The layer that standardises the images, a `blocks.Standardize`; it is saved with the model.
        level: `blocks.preactivated_convolution` or `blocks.residual_level`.

    Returns:
        A model that maps images ``(batch, rows, columns, bands)``, with values as stored in the dataset, to
        probabilities ``(batch, rows, columns, classes)`` in [0, 1].
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
        maps = _join_skip(maps, skip, config)
        maps = level(maps, config.filters * 2 ** (depth + 1), config.kernel, 1, rate, config.dropout_kind)
    return keras.Model(images, blocks.head(maps, classes, config.head), name=config.name)


def _join_skip(maps: Tensor, skip: Tensor, config: ModelConfig) -> Tensor:
    # The fast decoder is exact only for nearest-neighbour upsampling, odd kernels and no dropout.
    has_dropout = config.dropout_on_up and bool(config.dropout or config.dropout_change)
    is_exact = config.upsampling == "nearest" and config.kernel % 2 == 1 and not has_dropout
    if config.decoder == "half" and is_exact:
        return JoinedMaps(maps, skip)
    return keras.layers.Concatenate()([blocks.upsample(maps, config.upsampling), skip])

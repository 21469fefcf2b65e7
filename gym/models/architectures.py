"""Build a model by the name of its architecture."""

import random
from collections.abc import Callable
from typing import NamedTuple

import keras

from gym.config.registries import ARCHITECTURES
from gym.config.schema import ModelConfig
from gym.core.seeding import derive_seed
from gym.models.blocks import Standardize


class ParameterCount(NamedTuple):
    """Number of weights of a model, ``total`` and ``trainable``."""

    total: int
    trainable: int


def build_model(
    config: ModelConfig,
    shape: tuple[int, int, int],
    classes: int,
    first: Standardize | None = None,
    seed: int | None = None,
) -> keras.Model:
    """Build the configured model; arguments and result as for `gym.models.unet.build_encoder_decoder`.

    Without ``first``, images are standardised as in the paper. ``seed`` makes the weights reproducible.
    """
    build: Callable[..., keras.Model] = ARCHITECTURES.get(config.name).load()
    if seed is not None:
        # Keras draws all its seeds from Python's generator. keras.utils.set_random_seed would seed TensorFlow as well,
        # which makes TensorFlow discard its prepared graphs and costs half a second per run of a sweep.
        random.seed(derive_seed(seed, "weights"))
    return build(config, shape, classes, first or Standardize())


def count_parameters(model: keras.Model) -> ParameterCount:
    """Count the weights of a model; as in the paper, the total includes batch-normalisation statistics."""
    trainable = sum(weight.shape.num_elements() for weight in model.trainable_weights)
    return ParameterCount(total=model.count_params(), trainable=trainable)

"""Networks of which a test looks at the layers and the shapes of the weights only."""

import keras

from gym.config.schema import ModelConfig
from gym.models.architectures import build_model
from gym.models.blocks import Standardize


def build_outline(
    config: ModelConfig, shape: tuple[int, int, int], classes: int, first: Standardize | None = None
) -> keras.Model:
    """Build a network as `build_model` does, but give its weights no values, which takes most of the time."""
    with keras.StatelessScope(initialize_variables=False):
        model = build_model(config, shape, classes, first)
    keras.backend.clear_session(free_memory=False)  # or the next layer that is built would give them their values
    return model

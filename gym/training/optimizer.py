"""The optimizers, for one device."""

from collections.abc import Sequence
from typing import Any

import keras

from gym.config import OptimizerConfig


class OneDevice:
    """Makes an optimizer of Keras change the weights itself.

    On TensorFlow Keras first adds the gradients up over the replicas of a distribution strategy, also where there is
    one. That registers a gradient function each time a step is traced, which is never removed and holds the whole
    graph: each run of a sweep would leave some hundred megabytes behind.
    """

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.update_step(gradient, variable, learning_rate)  # type: ignore[attr-defined]


class OneDeviceAdam(OneDevice, keras.optimizers.Adam):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980)."""


class OneDeviceAdamW(OneDevice, keras.optimizers.AdamW):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101)."""


def build_optimizer(config: OptimizerConfig) -> keras.optimizers.Optimizer:
    """Build the configured optimizer; the schedule sets its learning rate."""
    options = {"beta_1": config.beta_1, "beta_2": config.beta_2, "epsilon": config.epsilon}
    if config.clip_norm:
        options["global_clipnorm"] = config.clip_norm
    if config.name == "adamw":
        return OneDeviceAdamW(weight_decay=config.weight_decay, **options)
    return OneDeviceAdam(**options)

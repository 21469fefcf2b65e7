"""The optimizers, for one device.

The learning rate of each epoch.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from gym.config.schema import OptimizerConfig, ScheduleConfig
from gym.models.cpu_ops import is_tuned


def learning_rate(config: ScheduleConfig, epoch: int) -> float:
    """Ramp up linearly, stay at the top, then decay exponentially towards the lowest rate.

    Args:
        config: Rates and numbers of epochs.
        epoch: From 0.

    Source:
        The paper, section 2.4; the formula is that of its code.
    """
    span = config.max_rate - config.start_rate
    if epoch < config.rampup_epochs:
        return config.start_rate + span / config.rampup_epochs * epoch
    decaying = max(0, epoch - config.rampup_epochs - config.sustain_epochs)
    return (config.max_rate - config.min_rate) * config.decay**decaying + config.min_rate


class SingleDevice:
    """Makes Adam, or a kind of it, change the weights itself.

    On TensorFlow Keras first adds the gradients up over the replicas of a distribution strategy, also where there is
    one. That registers a gradient function each time a step is traced, which is never removed and holds the whole
    graph: each run of a sweep would leave some hundred megabytes behind.
    """

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        if is_tuned():
            return take_adam_steps(self, grads, trainable_variables, learning_rate)
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.update_step(gradient, variable, learning_rate)  # type: ignore[attr-defined]
        return None


def take_adam_steps(
    optimizer: keras.optimizers.Adam, grads: Sequence[Any], variables: Sequence[Any], learning_rate: Any
) -> None:
    """Change each variable in one operation, where Keras takes a dozen that each read all of it."""
    step = tf.cast(optimizer.iterations.value + 1, tf.float32)
    options = {
        "beta1_power": tf.pow(optimizer.beta_1, step),
        "beta2_power": tf.pow(optimizer.beta_2, step),
        "lr": tf.cast(learning_rate, tf.float32),
        "beta1": tf.constant(optimizer.beta_1),  # of a bare number each variable would get a constant of its own
        "beta2": tf.constant(optimizer.beta_2),
        "epsilon": tf.constant(optimizer.epsilon),
    }
    for gradient, variable in zip(grads, variables, strict=True):
        position = optimizer._get_variable_index(variable)
        changed = variable, optimizer._momentums[position], optimizer._velocities[position]
        handles = dict(zip(("var", "m", "v"), (one.value.handle for one in changed), strict=True))
        tf.raw_ops.ResourceApplyAdam(**handles, **options, grad=gradient)


class SingleDeviceAdam(SingleDevice, keras.optimizers.Adam):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980)."""


class SingleDeviceAdamW(SingleDevice, keras.optimizers.AdamW):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101)."""


def build_optimizer(config: OptimizerConfig) -> keras.optimizers.Optimizer:
    """Build the configured optimizer; the schedule sets its learning rate."""
    options = {"beta_1": config.beta_1, "beta_2": config.beta_2, "epsilon": config.epsilon}
    if config.clip_norm:
        options["global_clipnorm"] = config.clip_norm
    if config.name == "adamw":
        return SingleDeviceAdamW(weight_decay=config.weight_decay, **options)
    return SingleDeviceAdam(**options)

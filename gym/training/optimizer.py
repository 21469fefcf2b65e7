"""Optimizers and the learning-rate schedule."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from gym.config.schema import OptimizerConfig, ScheduleConfig
from gym.models.cpu_ops import is_tuned


def learning_rate(config: ScheduleConfig, epoch: int) -> float:
    """Compute the learning rate of an epoch: a linear ramp, a plateau, then exponential decay to the lowest rate.

    Args:
        config: Rates and numbers of epochs.
        epoch: Number of the epoch, from 0.

    Source:
        The paper, section 2.4, with the formula of its code.
    """
    span = config.max_rate - config.start_rate
    if epoch < config.rampup_epochs:
        return config.start_rate + span / config.rampup_epochs * epoch
    decaying = max(0, epoch - config.rampup_epochs - config.sustain_epochs)
    return (config.max_rate - config.min_rate) * config.decay**decaying + config.min_rate


def build_optimizer(config: OptimizerConfig) -> keras.optimizers.Optimizer:
    """Build the configured optimizer; its learning rate is set by the schedule."""
    options: dict[str, float | None] = {"beta_1": config.beta_1, "beta_2": config.beta_2, "epsilon": config.epsilon}
    options["global_clipnorm"] = config.clip_norm or None
    if config.name == "adamw":
        return SingleDeviceAdamW(weight_decay=config.weight_decay, **options)
    return SingleDeviceAdam(**options)


class SingleDevice:
    """Mixin that lets Adam update the weights directly.

    On TensorFlow, Keras first sums the gradients over the replicas of a distribution strategy, even if there is only
    one. Each traced step thereby registers a gradient function that is never removed and keeps the whole graph alive,
    so every run of a sweep would leak some hundred megabytes.
    """

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        if is_tuned():
            return _apply_adam(self, grads, trainable_variables, learning_rate)
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.update_step(gradient, variable, learning_rate)  # type: ignore[attr-defined]
        return None


class SingleDeviceAdam(SingleDevice, keras.optimizers.Adam):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980)."""


class SingleDeviceAdamW(SingleDevice, keras.optimizers.AdamW):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101)."""


def _apply_adam(optimizer: Any, grads: Sequence[Any], variables: Sequence[Any], learning_rate: Any) -> None:
    """Update each variable with one operation; Keras uses a dozen, each of which reads the whole variable."""
    step = tf.cast(optimizer.iterations.value + 1, tf.float32)
    options = {
        "beta1_power": tf.pow(optimizer.beta_1, step),
        "beta2_power": tf.pow(optimizer.beta_2, step),
        "lr": tf.cast(learning_rate, tf.float32),
        "beta1": tf.constant(optimizer.beta_1),  # a Python number would become a new constant for each variable
        "beta2": tf.constant(optimizer.beta_2),
        "epsilon": tf.constant(optimizer.epsilon),
    }
    for gradient, variable in zip(grads, variables, strict=True):
        index = optimizer._get_variable_index(variable)
        slots = {"var": variable, "m": optimizer._momentums[index], "v": optimizer._velocities[index]}
        handles = {name: slot.value.handle for name, slot in slots.items()}
        tf.raw_ops.ResourceApplyAdam(**handles, **options, grad=gradient)

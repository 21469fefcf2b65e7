"""The optimizers do what those of Keras do: to the bit, or tuned in one operation, beyond rounding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gym.config.schema import OptimizerConfig
from gym.models.cpu_ops import use_tuning
from gym.training.optimizer import build_optimizer


def test_optimizer_options_are_taken_over():
    """Both optimizers, with clipping where asked for."""
    adam = build_optimizer(OptimizerConfig("adam", 0.8, 0.99, 1e-6, 0.0, 0.0))
    adamw = build_optimizer(OptimizerConfig("adamw", weight_decay=0.1, clip_norm=1.5))

    assert isinstance(adam, keras.optimizers.Adam)
    assert (adam.beta_1, adam.beta_2, adam.epsilon, adam.global_clipnorm) == (0.8, 0.99, 1e-6, None)
    assert isinstance(adamw, keras.optimizers.AdamW)
    assert (adamw.weight_decay, adamw.global_clipnorm) == (0.1, 1.5)


@pytest.mark.parametrize(
    ("config", "theirs"),
    [
        (OptimizerConfig(), keras.optimizers.Adam),
        (OptimizerConfig(clip_norm=0.5), lambda: keras.optimizers.Adam(global_clipnorm=0.5)),
        (OptimizerConfig("adamw"), keras.optimizers.AdamW),
    ],
    ids=["adam", "adam, clipped", "adamw"],
)
@pytest.mark.parametrize(("is_tuned", "most"), [(False, 0), (True, 1e-6)], ids=["general", "tuned"])
def test_steps_are_those_of_keras(config, theirs, is_tuned, most):
    """Five steps in a graph, from the same weights with the same gradients."""
    use_tuning(is_tuned)
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(3, 4)), rng.normal(size=(5, 3, 4))
    ours, keras_own = (weights_after(optimizer, start, gradients) for optimizer in (build_optimizer(config), theirs()))

    np.testing.assert_allclose(ours, keras_own, rtol=most, atol=most)
    assert (ours != start.astype(np.float32)).all()


def weights_after(optimizer, start, gradients):
    """What some weights become in steps of a graph."""
    optimizer.learning_rate = 0.01
    variable = keras.Variable(start, dtype="float32")
    optimizer.build([variable])

    @tf.function
    def step(gradient):
        optimizer.apply([gradient], [variable])

    for gradient in gradients:
        step(tf.constant(gradient, tf.float32))
    return variable.numpy()

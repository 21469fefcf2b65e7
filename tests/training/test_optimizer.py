"""The optimizers agree with those of Keras, and the learning-rate schedule with the paper."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from gym.config.schema import OptimizerConfig, ScheduleConfig
from gym.models.cpu_ops import use_tuning
from gym.training.optimizer import build_optimizer, learning_rate


def test_optimizer_options_are_applied():
    """Both optimizers take their options, including clipping."""
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
@pytest.mark.parametrize(("is_tuned", "tolerance"), [(False, 0), (True, 1e-6)], ids=["general", "tuned"])
def test_steps_equal_those_of_keras(config, theirs, is_tuned, tolerance):
    """Five steps in a graph agree bit for bit, or up to rounding if tuned."""
    use_tuning(is_tuned)
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(3, 4)), rng.normal(size=(5, 3, 4))
    ours, keras_own = (weights_after(optimizer, start, gradients) for optimizer in (build_optimizer(config), theirs()))

    np.testing.assert_allclose(ours, keras_own, rtol=tolerance, atol=tolerance)
    assert (ours != start.astype(np.float32)).all()


def weights_after(optimizer, start, gradients):
    """The weights after one step in a graph for each gradient."""
    optimizer.learning_rate = 0.01
    variable = keras.Variable(start, dtype="float32")
    optimizer.build([variable])

    @tf.function
    def step(gradient):
        optimizer.apply([gradient], [variable])

    for gradient in gradients:
        step(tf.constant(gradient, tf.float32))
    return variable.numpy()


PAPER = ScheduleConfig(1e-7, 1e-4, 1e-7, 20, 0, 0.9)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        (0, 1e-7),
        (10, (1e-4 - 1e-7) / 2 + 1e-7),
        (19, (1e-4 - 1e-7) * 19 / 20 + 1e-7),
        (20, 1e-4),
        (21, (1e-4 - 1e-7) * 0.9 + 1e-7),
        (40, (1e-4 - 1e-7) * 0.9**20 + 1e-7),
    ],
)
def test_the_schedule_of_the_paper_by_hand(epoch, expected):
    """The rate rises for twenty epochs and then decays by a tenth per epoch."""
    assert learning_rate(PAPER, epoch) == pytest.approx(expected, rel=1e-12)


def test_the_plateau_lasts_for_the_configured_epochs():
    """The schedule has two epochs of ramp, three at the highest rate, then decay."""
    config = ScheduleConfig(1e-4, 1e-2, 1e-5, 2, 3, 0.5)

    rates = [learning_rate(config, epoch) for epoch in range(7)]

    assert rates[:2] == pytest.approx([1e-4, (1e-2 + 1e-4) / 2])
    assert rates[2:6] == pytest.approx([1e-2] * 4)
    assert rates[6] == pytest.approx((1e-2 - 1e-5) * 0.5 + 1e-5)


@given(epoch=st.integers(0, 500), ramp=st.integers(0, 30), sustain=st.integers(0, 30), decay=st.floats(0.1, 1))
def test_rates_stay_within_their_bounds(epoch, ramp, sustain, decay):
    """No rate lies below the lowest or above the highest."""
    config = ScheduleConfig(1e-5, 1e-3, 1e-6, ramp, sustain, decay)

    assert 1e-6 * (1 - 1e-9) <= learning_rate(config, epoch) <= 1e-3 * (1 + 1e-9)


def test_without_a_ramp_the_rate_starts_at_the_top():
    """``schedule=constant`` uses one rate throughout."""
    config = ScheduleConfig(1e-3, 1e-3, 0.0, 0, 0, 1.0)

    assert {learning_rate(config, epoch) for epoch in range(50)} == {1e-3}

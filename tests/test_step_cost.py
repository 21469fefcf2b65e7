"""The cost of a training step has a limit; it is measured by counting operations, which has no noise."""

import keras
import pytest

from gym.config.schema import ModelConfig, OptimizerConfig
from gym.models.architectures import build_model
from gym.models.cpu_ops import use_tuning
from gym.training.loop import compile_model
from scripts.step_cost import step_cost


def cost_of(**options):
    """The cost of a batch of 2 at 64x64x5 with 4 classes."""
    config = ModelConfig(**options)
    model = build_model(config, (64, 64, 5), 4)
    return step_cost(compile_model(model, OptimizerConfig(), "cce", [1.0] * 4), 2)


def test_one_convolution_by_hand():
    """Forward pass, kernel gradient and, except in the first layer, map gradient cost the same."""
    images = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(4, 3, padding="same")(images)
    network = keras.Model(images, keras.layers.Conv2D(2, 5, strides=2, padding="same")(maps))
    model = compile_model(network, OptimizerConfig(), "cce", [1.0, 1.0])

    assert step_cost(model, 5).multiply_adds == 5 * (2 * 8 * 8 * 3 * 3 * 3 * 4 + 3 * 4 * 4 * 5 * 5 * 4 * 2)


@pytest.mark.trains  # as the cases of test_a_step_does_not_grow
@pytest.mark.parametrize(("name", "forward"), [("unet", 18.6e9), ("resunet", 28.2e9)])
def test_the_plain_step_is_three_times_its_forward_pass(name, forward):
    """Another program counted the forward multiply-adds of the paper's networks at 512x512x5."""
    plain = cost_of(name=name, decoder="plain")

    assert plain.multiply_adds == pytest.approx(3 * 2 * forward / 64, rel=0.03)


# Billions of multiply-adds, and operations, of a step. Lower them after an improvement; a commit that raises them must
# say why.
LIMITS = {
    ("unet", "half", True): (1.104, 2440),
    ("unet", "plain", True): (1.742, 2290),
    ("unet", "half", False): (1.104, 4400),
    ("resunet", "half", True): (1.986, 4620),
    ("resunet", "plain", True): (2.642, 4360),
    ("resunet", "half", False): (1.986, 8810),
}


# Tracing a whole training step takes as long as training a small network does, so only the steps of runs with the
# default settings are counted in the fast tier.
DEFAULTS = [("unet", "half", True), ("resunet", "half", True)]
CASES = [
    pytest.param(case, most, marks=[] if case in DEFAULTS else pytest.mark.trains, id=" ".join(map(str, case)))
    for case, most in LIMITS.items()
]


@pytest.mark.parametrize(("case", "most"), CASES)
def test_a_step_does_not_grow(case, most):
    """Neither multiply-adds nor operations exceed their limits."""
    name, decoder, is_tuned = case
    use_tuning(is_tuned)

    found = cost_of(name=name, decoder=decoder)

    assert found.multiply_adds / 1e9 <= most[0]
    assert found.operations <= most[1]

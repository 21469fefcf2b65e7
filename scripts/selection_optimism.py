"""Simulate the optimism of the best model's score, and compare three estimators that correct it.

Models are scored on the same units, which differ in how easy they are, and each model has luck of its own on each unit.
The true mean IoU of a model is its mean over all samples of as many units, so that only the selection makes the score
of the best model optimistic. "Left-out" is `gym.evaluation.optimism`. "Plug-in" is the score of the model selected in a
draw on the drawn units minus its score on all units, and "difference" the former minus its score on the units that
were not drawn. With the default 2,000 samples, the standard error of a bias is about 0.0003; all rows take a minute.
"""

import argparse
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from gym.evaluation.bootstrap import draw_units, resample
from gym.evaluation.confusion import mean_iou
from gym.evaluation.optimism import compute_optimism

PIXELS = 10_000  # of a unit
BETWEEN_UNITS, OWN = 0.5, 0.3  # deviation of the logit of accuracy between units, and of each model on each unit
SPREADS = {"equal": 0.0, "unequal": 0.1}  # deviation between models of the logit of accuracy
DRAWS = 200


class Bias(NamedTuple):
    """The mean bias of the score of the best model, as it is and corrected by each estimator."""

    uncorrected: float
    left_out: float
    plug_in: float
    difference: float


def draw_models(random: np.random.Generator, units: int, logits: np.ndarray) -> np.ndarray:
    """Draw confusion matrices, ``(models, units, 2, 2)``, of models with these logits of accuracy."""
    ease = random.normal(0, BETWEEN_UNITS, units) + random.normal(0, OWN, (len(logits), units)) + logits[:, None]
    water = random.beta(4, 4, units) * PIXELS
    truth = np.stack([water, PIXELS - water], axis=-1)
    right = 1 / (1 + np.exp(-ease))[..., None, None]
    return truth[:, :, None] * np.where(np.eye(2) > 0, right, 1 - right)


def model_logits(models: int, spread: float) -> np.ndarray:
    """Return the logit of accuracy of each model: 2 on average, with a deviation of ``spread`` between models."""
    return 2 + spread * np.random.default_rng([2, models]).normal(size=models)


def measure_bias(models: int, units: int, spread: float, samples: int, draws: int = DRAWS) -> Bias:
    """Return the mean biases over samples of units."""
    random, logits = np.random.default_rng([models, units]), model_logits(models, spread)
    scores, optimism = np.empty((samples, models)), np.empty((samples, 3))
    for sample in range(samples):
        matrices, times = draw_models(random, units, logits), draw_units(units, sample, draws)
        scores[sample] = mean_iou(matrices.sum(axis=1))
        drawn, others = (
            np.array([mean_iou(resample(weights, of)) for of in matrices]) for weights in (times, times == 0)
        )
        optimism[sample] = _estimate(scores[sample], drawn, others)
    truth = scores.mean(axis=0) if spread else np.full(models, scores.mean())
    uncorrected = (scores.max(axis=1) - truth[scores.argmax(axis=1)]).mean()
    return Bias(uncorrected, *(uncorrected - optimism.mean(axis=0)))


def _estimate(scores: np.ndarray, drawn: np.ndarray, others: np.ndarray) -> tuple[float, float, float]:
    selected, every = drawn.argmax(axis=0), np.arange(drawn.shape[1])
    best = drawn[selected, every]
    plug_in, difference = np.mean(best - scores[selected]), np.nanmean(best - others[selected, every])
    return compute_optimism(scores, drawn, others), plug_in, difference


def main() -> None:
    """Print a row per spread, number of models and number of units."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2000)
    chosen = parser.parse_args()
    table = Table("models", "number", "units", *(name.replace("_", "-") for name in Bias._fields))
    for name, spread in SPREADS.items():
        for models in (2, 10, 30):
            for units in (10, 20, 50):
                bias = measure_bias(models, units, spread, chosen.samples)
                table.add_row(name, str(models), str(units), *(f"{value:+.3f}" for value in bias))
    Console().print(table)


if __name__ == "__main__":
    main()

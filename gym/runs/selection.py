"""Selection of the best run by validation score, with an estimate of the optimism."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gym.config.registries import SCORES
from gym.data.units import SCENE, Units
from gym.evaluation.bootstrap import DRAWS, draw_units, sum_by_unit
from gym.evaluation.optimism import estimate_optimism
from gym.runs.comparability import find_obstacle, share_units
from gym.runs.result import RunResult


@dataclass(frozen=True)
class Selection:
    """The choice of the run with the highest mean IoU on the validation side.

    Attributes:
        runs: Number of runs with a mean IoU.
        models: Number of different models among them; runs with equal weights are one.
        score: The highest mean IoU.
        optimism: How much of it is due to the choice; NaN if it cannot be estimated.
        obstacle: Why the optimism cannot be estimated; empty if it can.
        units: The validation units that the bootstrap redraws; none if the optimism cannot be estimated.
    """

    runs: int
    models: int
    score: float
    optimism: float = float("nan")
    obstacle: str = ""
    units: Units = field(default_factory=lambda: Units(SCENE, []))

    @property
    def candidates(self) -> str:
        """The number of models that it was chosen among, as in "8 models"."""
        return f"{self.models} models" if self.models == self.runs else f"{self.models} models ({self.runs} runs)"

    def describe(self, subject: str, has_reason: bool = True) -> str:
        """Return a sentence with the number of models compared and the estimated optimism.

        Args:
            subject: What to call the score, as in "The best mean IoU".
            has_reason: Whether to say why the optimism is unknown, if it is.
        """
        choice = f"{subject}, {self.score:.3f}, was chosen as the highest among {self.candidates}"
        if self.obstacle:
            reason = f": {self.obstacle}" if has_reason else ""
            return f"{choice}, which makes it optimistic by an unknown amount{reason}."
        return (
            f"{choice} on the same {self.units.describe('validation')}; a bootstrap estimates the optimism of this "
            f"choice at {self.optimism:.3f}, which leaves {self.score - self.optimism:.3f}."
        )

    def describe_choice(self) -> str:
        """Name the run by its choice, as in "the best of 8 models by validation mean IoU"."""
        return f"the best of {self.candidates} by validation {SCORES.get(SCORES.default).title}"

    def describe_inflation(self) -> str:
        """Warn, in a clause, that the scores on the validation images are those that the run was chosen by."""
        choice = f"these images were used to choose the run among {self.candidates}, which inflates its scores"
        if self.obstacle:
            return f"{choice} by an unknown amount ({self.obstacle})"
        title = SCORES.get(SCORES.default).title
        return f"{choice}: a bootstrap estimates the optimism of its {title} at {self.optimism:.3f}"

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for a file: ``runs``, ``models``, ``score``, ``optimism`` (or null) and ``obstacle``."""
        optimism = None if self.obstacle else self.optimism
        return {
            "runs": self.runs,
            "models": self.models,
            "score": self.score,
            "optimism": optimism,
            "obstacle": self.obstacle,
        }


def assess_selection(results: Sequence[RunResult], seed: int = 0, draws: int = DRAWS) -> Selection | None:
    """Assess the choice of the run with the highest mean IoU.

    Args:
        results: The runs to choose from; those without a mean IoU are left out.
        seed: Seed of the bootstrap.
        draws: Number of bootstrap draws.

    Returns:
        The selection; None if there is no choice, because there are fewer than two different models.
    """
    name = SCORES.default
    scored = [result for result in results if np.isfinite(result.scores.get(name, np.nan))]
    models = _distinct_models(scored)
    if len(models) < 2:
        return None
    score = max(result.scores[name] for result in scored)
    if obstacle := find_obstacle(models, "optimism"):
        return Selection(len(scored), len(models), score, obstacle=obstacle)
    shared = share_units(models)
    units = shared[0].units
    times = draw_units(units.number, seed, draws)
    optimism = estimate_optimism(times, (sum_by_unit(one.units.names, one.matrices)[1] for one in shared))
    if np.isnan(optimism):
        obstacle = f"fewer than two validation {units.plural} have labelled pixels, so the optimism cannot be estimated"
        return Selection(len(scored), len(models), score, obstacle=obstacle)
    return Selection(len(scored), len(models), score, optimism, units=units)


def _distinct_models(results: Sequence[RunResult]) -> list[RunResult]:
    """Return a run of each model, one with confusion matrices if there is one; unknown weights equal no others."""
    distinct: dict[object, RunResult] = {}
    for result in results:
        key = result.weights_sha256 or id(result)
        if key not in distinct or (result.scenes and not distinct[key].scenes):
            distinct[key] = result
    return list(distinct.values())

"""Recommend a run of a sweep: the smallest model that the validation images cannot distinguish from the best.

Source: the one-standard-error rule of Breiman et al. 1984, Classification and Regression Trees, section 3.4.3; the
standard error comes from `gym.evaluation.bootstrap`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gym.config.registries import SCORES, ScoreEntry
from gym.data.units import SCENE, Units
from gym.evaluation.bootstrap import DRAWS, PERCENTILES, draw_units, resample, sum_by_unit
from gym.evaluation.confusion import score_matrix
from gym.reporting.run_table import run_labels, score_of, swept_keys, with_scores
from gym.runs.comparability import find_obstacle, share_units
from gym.runs.result import RunResult
from gym.runs.selection import Selection, assess_selection

_NO_CHOICE = {"seed", "split.training_share"}  # settings that nobody chooses by their score


@dataclass(frozen=True)
class Recommendation:
    """Which run to use.

    Attributes:
        sentence: The recommendation in words, or why there is none, and how optimistic the best score is.
        chosen: The smallest run whose mean IoU is within one standard error of that of ``best``; of equally small
            runs, the one with the highest mean IoU. None if no run is recommended.
        best: The run with the highest mean IoU; of equal runs, the smallest.
        standard_error: Standard error of the mean IoU of ``best``; NaN if no run is recommended.
        difference: 95 % interval of the mean IoU of ``best`` minus that of ``chosen``, on the same bootstrap draws.
        units: The validation units that the bootstrap redraws.
        selection: The choice of ``best``; None if there are fewer than two different models.
    """

    sentence: str
    chosen: RunResult | None = None
    best: RunResult | None = None
    standard_error: float = float("nan")
    difference: tuple[float, float] = (float("nan"), float("nan"))
    units: Units = field(default_factory=lambda: Units(SCENE, []))
    selection: Selection | None = None


def recommend(results: Sequence[RunResult], seed: int, draws: int = DRAWS) -> Recommendation:
    """Recommend the smallest model whose mean IoU is within one standard error of the best.

    Args:
        results: The runs; those without mean IoU or number of parameters are left out.
        seed: Seed of the bootstrap.
        draws: Number of bootstrap draws, 2 or more.
    """
    scored = with_scores(results, "parameters", SCORES.default)
    runs = [result for *_, result in scored]
    selection = assess_selection(runs, seed, draws)
    if obstacle := find_obstacle(runs) or _find_missing_choice(runs):
        sentence = _add_selection(f"No recommendation: {obstacle}.", selection, has_reason=False)
        return Recommendation(sentence, selection=selection)
    _, highest, best = max(scored, key=lambda one: (one[1], -one[0]))
    shared = {id(run): copy for run, copy in zip(runs, share_units(runs), strict=True)}
    error = standard_error(shared[id(best)], seed, draws)
    within = [one for one in scored if one[1] >= highest - error]
    chosen = min(within, key=lambda one: (one[0], -one[1]))[2]
    of_best, of_chosen = (bootstrap_scores(shared[id(run)], seed, draws) for run in (best, chosen))
    low, high = np.nanpercentile(of_best - of_chosen, PERCENTILES)
    sentence = _describe_choice(runs, chosen, best, error, (low, high), shared[id(best)].units)
    return Recommendation(
        sentence=_add_selection(sentence, selection),
        chosen=chosen,
        best=best,
        standard_error=error,
        difference=(float(low), float(high)),
        units=shared[id(best)].units,
        selection=selection,
    )


def _find_missing_choice(runs: Sequence[RunResult]) -> str:
    """Return why the runs are no choice between models: they differ only in chance or in how much they learned from."""
    varied = swept_keys(runs)
    if varied and set(varied) <= _NO_CHOICE:
        return f"the runs differ only in {' and '.join(varied)}, which is no choice between models"
    return ""


def _add_selection(sentence: str, selection: Selection | None, has_reason: bool = True) -> str:
    if selection is None:
        return sentence
    return f"{sentence} {selection.describe(f'The best {SCORES.get(SCORES.default).title}', has_reason)}"


def standard_error(result: RunResult, seed: int = 0, draws: int = DRAWS, score: ScoreEntry | None = None) -> float:
    """Estimate the standard error of a run's score over units; NaN for a single unit.

    Args:
        result: A run with the score.
        seed: Seed of the bootstrap.
        draws: Number of bootstrap draws, 2 or more.
        score: A score that confusion matrices determine; None means the one that ranks runs.
    """
    if result.units.number < 2:
        return float("nan")
    return float(np.nanstd(bootstrap_scores(result, seed, draws, score), ddof=1))


def bootstrap_scores(result: RunResult, seed: int, draws: int = DRAWS, score: ScoreEntry | None = None) -> np.ndarray:
    """Compute a score of a run for bootstrap draws of its validation units.

    Runs on the same units get the same draws, so their values can be compared pairwise. All images of a unit are drawn
    together.

    Args:
        result: The run.
        seed: Seed of the bootstrap.
        draws: Number of draws.
        score: A score that confusion matrices determine; None means the one that ranks runs.

    Returns:
        The score of each draw, ``(draws,)``; NaN if a draw has no labelled pixel.
    """
    names, matrices = sum_by_unit(result.units.names, result.matrices)
    redrawn = resample(draw_units(len(names), seed, draws), matrices)
    return score_matrix(score or SCORES.get(SCORES.default), redrawn)


def _describe_choice(
    results: Sequence[RunResult],
    chosen: RunResult,
    best: RunResult,
    error: float,
    difference: tuple[float, float],
    units: Units,
) -> str:
    labels = {id(result): label for result, label in zip(results, run_labels(results), strict=True)}
    main = SCORES.get(SCORES.default)
    chosen_text, best_text = (
        f"{labels[id(run)]} ({score_of(run, 'parameters'):,} parameters, {main.title} {score_of(run, main.name):.3f})"
        for run in (chosen, best)
    )
    margin = f"one standard error ({error:.3f}, from {units.describe('validation')})"
    if chosen is best:
        return f"Recommended: {chosen_text}. It is the best run, and no smaller model is within {margin} of it."
    low, high = difference
    return (
        f"Recommended: {chosen_text}, the smallest model within {margin} of the best, {best_text}; "
        f"the 95 % interval of the best run's lead is {low:.3f} to {high:.3f}."
    )

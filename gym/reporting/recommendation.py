"""Recommend a run of a sweep: the smallest model that the validation images cannot distinguish from the best.

Source: the one-standard-error rule of Breiman et al. 1984, Classification and Regression Trees, section 3.4.3; the
standard error comes from `gym.evaluation.bootstrap`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gym.config.registries import SCORES, ScoreEntry
from gym.data.units import SCENE, Units, find_coarsest, list_kinds, name_units
from gym.evaluation.bootstrap import DRAWS, PERCENTILES, draw_units, resample, sum_by_unit
from gym.evaluation.confusion import score_matrix
from gym.reporting.run_table import run_labels, score_of, with_scores
from gym.runs.result import RunResult

# The keys that decide the content of an image and its label, apart from its name.
_IMAGERY = (
    *("data.kind", "data.images", "data.labels", "data.archives", "data.seed", "data.sites"),
    *("data.size", "data.framing", "data.overlap", "data.remap", "data.ignore_values", "data.aliases"),
)


@dataclass(frozen=True)
class Recommendation:
    """Which run to use.

    Attributes:
        sentence: The recommendation in words, or why there is none.
        chosen: The smallest run whose mean IoU is within one standard error of that of ``best``; of equally small
            runs, the one with the highest mean IoU. None if no run is recommended.
        best: The run with the highest mean IoU; of equal runs, the smallest.
        standard_error: Standard error of the mean IoU of ``best``; NaN if no run is recommended.
        difference: 95 % interval of the mean IoU of ``best`` minus that of ``chosen``, on the same bootstrap draws.
        units: The validation units that the bootstrap redraws.
    """

    sentence: str
    chosen: RunResult | None = None
    best: RunResult | None = None
    standard_error: float = float("nan")
    difference: tuple[float, float] = (float("nan"), float("nan"))
    units: Units = field(default_factory=lambda: Units(SCENE, []))


def recommend(results: Sequence[RunResult], seed: int, draws: int = DRAWS) -> Recommendation:
    """Recommend the smallest model whose mean IoU is within one standard error of the best.

    Args:
        results: The runs; those without mean IoU or number of parameters are left out.
        seed: Seed of the bootstrap.
        draws: Number of bootstrap draws, 2 or more.
    """
    scored = with_scores(results, "parameters", SCORES.default)
    runs = [result for *_, result in scored]
    if obstacle := find_obstacle(runs):
        return Recommendation(f"No recommendation: {obstacle}.")
    _, highest, best = max(scored, key=lambda one: (one[1], -one[0]))
    shared = {id(run): copy for run, copy in zip(runs, share_units(runs), strict=True)}
    error = standard_error(shared[id(best)], seed, draws)
    within = [one for one in scored if one[1] >= highest - error]
    chosen = min(within, key=lambda one: (one[0], -one[1]))[2]
    of_best, of_chosen = (bootstrap_scores(shared[id(run)], seed, draws) for run in (best, chosen))
    low, high = np.nanpercentile(of_best - of_chosen, PERCENTILES)
    return Recommendation(
        sentence=_describe_choice(runs, chosen, best, error, (low, high), shared[id(best)].units),
        chosen=chosen,
        best=best,
        standard_error=error,
        difference=(float(low), float(high)),
        units=shared[id(best)].units,
    )


def find_obstacle(results: Sequence[RunResult]) -> str:
    """Return why runs cannot be compared scene by scene; empty if they can."""
    if not results:
        return f"no run has a {SCORES.get(SCORES.default).title}"
    if not all(result.scenes for result in results):
        return "the confusion matrices are missing, so the standard error cannot be estimated"
    if any(set(result.images) != set(results[0].images) for result in results):
        return "the runs have different validation images, as in leave-one-site-out, so their scores are not comparable"
    if differing := [key for key in _IMAGERY if len({repr(result.settings.get(key)) for result in results}) > 1]:
        return f"the runs differ in {', '.join(differing)}, so images with the same name are not the same image"
    if any(_scene_by_image(result) != _scene_by_image(results[0]) for result in results):
        return "some runs were made by an earlier version, which did not record which images share a scene"
    if any(result.classes != results[0].classes for result in results):
        return "the runs have different classes, so their scores are not comparable"
    if not (shared := share_units(results)):
        kinds = list_kinds(result.units for result in results)
        return f"the splits of the runs keep different units together ({kinds}), and neither contains the other"
    if (units := shared[0].units).number < 2:
        return f"there is only one validation {name_units(units.kind, 1)}, so the standard error cannot be estimated"
    return ""


def share_units(results: Sequence[RunResult]) -> list[RunResult]:
    """Return runs on the same images with the coarsest of their units, so that their bootstrap draws are equal.

    The list is empty if no run has units that contain whole units of all others.
    """
    images = results[0].images
    by_image = [dict(zip(result.images, result.units.names, strict=True)) for result in results]
    coarsest = find_coarsest(
        [
            Units(result.unit_kind, [unit_of[image] for image in images])
            for result, unit_of in zip(results, by_image, strict=True)
        ]
    )
    if coarsest is None:
        return []
    unit_of = dict(zip(images, coarsest.names, strict=True))
    return [
        replace(result, unit_kind=coarsest.kind, unit_names=[unit_of[image] for image in result.images])
        for result in results
    ]


def _scene_by_image(result: RunResult) -> dict[str, str]:
    return dict(zip(result.images, result.scenes, strict=True))


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

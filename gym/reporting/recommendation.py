"""Which run of a sweep to use: the smallest model that the validation scenes cannot tell from the best.

How good a model looks hangs on the scenes it is judged by; `gym.evaluation.bootstrap` says how far.

Source: the rule of one standard error: Breiman et al. 1984, Classification and Regression Trees, section 3.4.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gym.core.text import pluralize
from gym.evaluation import confusion
from gym.evaluation.bootstrap import DRAWS, PERCENTILES, draw_scenes, resample, sum_by_scene
from gym.reporting.run_table import run_labels, score_of
from gym.runs.result import RunResult

# What images and their true classes hang on, beside their names.
_IMAGERY = (
    *("data.kind", "data.images", "data.labels", "data.archives", "data.seed", "data.sites"),
    *("data.size", "data.framing", "data.overlap", "data.remap", "data.ignore_values", "data.aliases"),
)


@dataclass(frozen=True)
class Recommendation:
    """Which run to use.

    Attributes:
        sentence: What it comes to, or why there is none.
        chosen: The smallest run whose mean IoU lies within one standard error of that of ``best``; of equally small
            ones the one with the highest. None where there is no recommendation.
        best: The run with the highest mean IoU; of equal ones the smallest.
        standard_error: Of the mean IoU of ``best``; NaN where there is no recommendation.
        difference: Ends of the 95% interval of the mean IoU of ``best`` less that of ``chosen``, on the same redrawn
            scenes.
    """

    sentence: str
    chosen: RunResult | None = None
    best: RunResult | None = None
    standard_error: float = float("nan")
    difference: tuple[float, float] = (float("nan"), float("nan"))


def bootstrap_ious(result: RunResult, seed: int, draws: int = DRAWS) -> np.ndarray:
    """The mean IoU of a run on redrawn validation scenes.

    Runs of the same scenes get the same draws, so that their values can be compared one by one. The images of a scene
    are drawn together.

    Args:
        result: The run.
        seed: Which draws.
        draws: How many.

    Returns:
        ``(draws,)`` in [0, 1]; NaN where a draw has no counted pixel.
    """
    names, matrices = sum_by_scene(result.scenes, result.matrices)
    return confusion.mean_iou(resample(draw_scenes(len(names), seed, draws), matrices))


def standard_error(result: RunResult, seed: int = 0, draws: int = DRAWS) -> float:
    """Deviation of the mean IoU over redrawn scenes; NaN for a run of one scene, which cannot tell.

    Args:
        result: A run with a mean IoU.
        seed: Which draws.
        draws: How many, 2 or more.
    """
    if len(set(result.scenes)) < 2:
        return float("nan")
    return float(np.nanstd(bootstrap_ious(result, seed, draws), ddof=1))


def recommend(results: Sequence[RunResult], seed: int, draws: int = DRAWS) -> Recommendation:
    """Recommend the smallest model whose mean IoU lies within one standard error of the best.

    Args:
        results: The runs; those without mean IoU or number of parameters are left out.
        seed: Of the bootstrap.
        draws: How often scenes are redrawn, 2 or more.
    """
    sizes = [(score_of(result, "parameters"), score_of(result, "iou"), result) for result in results]
    scored = [(size, iou, result) for size, iou, result in sizes if size is not None and iou is not None]
    runs = [result for *_, result in scored]
    if obstacle := find_obstacle(runs):
        return Recommendation(f"No recommendation: {obstacle}.")
    _, highest, best = max(scored, key=lambda one: (one[1], -one[0]))
    error = standard_error(best, seed, draws)
    within = [one for one in scored if one[1] >= highest - error]
    chosen = min(within, key=lambda one: (one[0], -one[1]))[2]
    lead = bootstrap_ious(best, seed, draws) - bootstrap_ious(chosen, seed, draws)
    low, high = np.nanpercentile(lead, PERCENTILES)
    return Recommendation(
        sentence=word_choice(runs, chosen, best, error, (low, high)),
        chosen=chosen,
        best=best,
        standard_error=error,
        difference=(float(low), float(high)),
    )


def find_obstacle(results: Sequence[RunResult]) -> str:
    """Why runs cannot be compared scene by scene; empty where they can."""
    if not results:
        return "no run has a mean IoU"
    if not all(result.scenes for result in results):
        return "what the runs came to on each scene is gone, so chance cannot be estimated"
    if any(set(result.images) != set(results[0].images) for result in results):
        return "the runs were validated on different images, as in leave-one-site-out, so their scores do not compare"
    if differing := [key for key in _IMAGERY if len({repr(result.settings.get(key)) for result in results}) > 1]:
        return f"the runs differ in {', '.join(differing)}, so images of one name are not the same"
    if any(scene_by_image(result) != scene_by_image(results[0]) for result in results):
        return "of some runs, made by an earlier version, it is not known which images are of one scene"
    if any(result.classes != results[0].classes for result in results):
        return "the runs have different classes, so their scores do not compare"
    if len(set(results[0].scenes)) < 2:
        return "there is one validation scene only, so chance cannot be estimated"
    return ""


def scene_by_image(result: RunResult) -> dict[str, str]:
    """The scene of each validation image, by name."""
    return dict(zip(result.images, result.scenes, strict=True))


def word_choice(
    results: Sequence[RunResult], chosen: RunResult, best: RunResult, error: float, difference: tuple[float, float]
) -> str:
    """Say which run is recommended, and why."""
    labels = run_labels(results)
    names = {id(result): label for result, label in zip(results, labels, strict=True)}
    told, told_best = (
        f"{names[id(one)]} ({score_of(one, 'parameters'):,} parameters, mean IoU {score_of(one, 'iou'):.3f})"
        for one in (chosen, best)
    )
    margin = f"one standard error ({error:.3f}, from {pluralize(len(set(best.scenes)), 'validation scene')})"
    if chosen is best:
        return f"Recommended: {told}. It is the best, and no smaller model lies within {margin} of it."
    low, high = difference
    return (
        f"Recommended: {told}, the smallest model within {margin} of the best, {told_best}; "
        f"on redrawn scenes the best leads by {low:.3f} to {high:.3f} (95% interval)."
    )

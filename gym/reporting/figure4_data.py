"""Scores by the size of the model, as the paper's Figure 4 sets them out: by loss, then by architecture.

Runs that share loss, architecture, filters and number of parameters, as those of several seeds do, are one point.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gym.config.registries import ARCHITECTURES, LOSSES, SCORES, Place, ScoreEntry
from gym.core.registry import Registry
from gym.reporting.recommendation import standard_error
from gym.reporting.run_table import score_of
from gym.runs.result import RunResult

COLUMNS_ON_A_PAGE = 3  # losses of the paper
_PAPER_SIZE = 1e6
_TICK_STEPS = ((1.0, 2.5, 5.0), (1.0, 3.0), (1.0,))
_MOST_TICKS = 8
ROOM = 1.6  # factor left free on either side of the sizes; two of it span more than any step between ticks


class SizePoint(NamedTuple):
    """Runs of one loss, architecture, number of filters and number of parameters."""

    filters: int
    parameters: int
    runs: list[RunResult]


class Level(NamedTuple):
    """A score of a point: the mean over its runs, and half the length of its bar, or NaN.

    The bar of several runs is their standard deviation. The bar of a single run is the standard error over scenes, for
    scores that confusion matrices give.
    """

    mean: float
    bar: float


Series = dict[str, dict[str, list[SizePoint]]]


def size_series(results: Sequence[RunResult]) -> Series:
    """The points of runs that have a size and a score: by loss, by architecture, the smallest first.

    Losses and architectures come in the order of their registration, which begins with that of the paper.
    """
    groups: dict[tuple[str, str, int, int], list[RunResult]] = defaultdict(list)
    for result in results:
        size = score_of(result, "parameters")
        if size is not None and any(score_of(result, name) is not None for name in SCORES.names_at(Place.FIGURE4)):
            loss, model, filters = (result.settings[key] for key in ("loss.name", "model.name", "model.filters"))
            groups[loss, model, filters, int(size)].append(result)
    losses = sort_by_registration(LOSSES, {loss for loss, *_ in groups})
    models = sort_by_registration(ARCHITECTURES, {model for _, model, *_ in groups})
    return {loss: {model: points for model in models if (points := points_of(groups, loss, model))} for loss in losses}


def sort_by_registration(registry: Registry[Any], names: Collection[str]) -> list[str]:
    """Names in the order in which a registry holds them.

    Raises:
        ConfigError: One is not registered, because the plugin that adds it is not loaded.
    """
    for name in names:
        registry.get(name)
    return [name for name in registry.names if name in names]


def points_of(groups: dict[tuple[str, str, int, int], list[RunResult]], loss: str, model: str) -> list[SizePoint]:
    """The points of one loss and architecture, the smallest first."""
    points = [SizePoint(*key[2:], runs) for key, runs in groups.items() if key[:2] == (loss, model)]
    return sorted(points, key=lambda point: (point.parameters, point.filters))


def level_of(point: SizePoint, score: ScoreEntry) -> Level | None:
    """A score of a point; None where no run of it has the score."""
    scored = [(value, run) for run in point.runs if (value := score_of(run, score.name)) is not None]
    if not scored:
        return None
    values = [value for value, _ in scored]
    if len(values) > 1:
        return Level(float(np.mean(values)), float(np.std(values, ddof=1)))
    return Level(values[0], standard_error(scored[0][1], score=score) if score.is_known_by_image else float("nan"))


def size_range(sizes: Iterable[float]) -> tuple[float, float]:
    """Limits of a logarithmic axis of sizes."""
    known = list(sizes) or [_PAPER_SIZE]
    return min(known) / ROOM, max(known) * ROOM


def size_ticks(low: float, high: float, most: int = _MOST_TICKS) -> list[float]:
    """Round numbers of parameters between two, at least one and few enough to be read."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in _TICK_STEPS:
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        shown = [tick for tick in ticks if low <= tick <= high]
        if len(shown) <= most:
            break
    return shown


def word_size(parameters: float) -> str:
    """A number of parameters, as in 0.25M, 10k or 500."""
    if parameters >= 1e5:
        return f"{parameters / 1e6:g}M"
    return f"{parameters / 1e3:g}k" if parameters >= 1e3 else f"{parameters:g}"

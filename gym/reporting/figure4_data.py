"""The data of Figure 4: scores by model size, grouped by loss and architecture.

Runs with the same loss, architecture, filters and number of parameters form one point, as several seeds do.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from gym.config.registries import ARCHITECTURES, LOSSES, SCORES, ArchitectureEntry, Place, ScoreEntry
from gym.core.registry import Registry
from gym.reporting.equal_models import mark_equal
from gym.reporting.recommendation import standard_error
from gym.reporting.run_table import score_of, with_scores
from gym.runs.result import RunResult

NO_SCORES = "No run has finished with a score."
ROOM = 1.6  # factor left free on either side of the sizes; twice that exceeds any step between ticks
_DEFAULT_SIZE = 1e6
_TICK_STEPS = ((1.0, 2.5, 5.0), (1.0, 3.0), (1.0,))
_MOST_TICKS = 8


class SizePoint(NamedTuple):
    """The runs with one loss, architecture, number of filters and number of parameters.

    Points whose runs have the same weights, to the last bit, share a letter as their mark.
    """

    filters: int
    parameters: int
    runs: list[RunResult]
    mark: str = ""

    @property
    def weights(self) -> tuple[str, ...]:
        """SHA-256 of the weights of its runs, sorted; empty if that of one is unknown."""
        hashes = sorted(run.weights_sha256 for run in self.runs)
        return tuple(hashes) if all(hashes) else ()


class Level(NamedTuple):
    """The mean of a score over the runs of a point, and half the length of its error bar, or NaN.

    The bar is the standard deviation over several runs. For one run it is the standard error over its validation
    units, if the score is computed from confusion matrices alone.
    """

    mean: float
    bar: float


Series = dict[str, dict[str, list[SizePoint]]]


def size_series(results: Sequence[RunResult]) -> Series:
    """Group the runs that have a size and a score into points, by loss and architecture, the smallest first.

    Losses and architectures have the order of their registration, which begins with that of the paper.
    """
    groups: dict[tuple[str, str], dict[tuple[int, int], list[RunResult]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        size = score_of(result, "parameters")
        if size is not None and any(score_of(result, name) is not None for name in SCORES.names_at(Place.FIGURE4)):
            loss, model, filters = (result.settings[key] for key in ("loss.name", "model.name", "model.filters"))
            groups[loss, model][int(size), filters].append(result)
    models = sort_by_registration(ARCHITECTURES, {model for _, model in groups})
    return _mark_points(
        {
            loss: {
                model: [SizePoint(filters, size, runs) for (size, filters), runs in sorted(groups[loss, model].items())]
                for model in models
                if (loss, model) in groups
            }
            for loss in sort_by_registration(LOSSES, {loss for loss, _ in groups})
        }
    )


def _mark_points(series: Series) -> Series:
    points = [point for models in series.values() for line in models.values() for point in line]
    marks = iter(mark_equal([point.weights for point in points]))
    return {
        loss: {model: [point._replace(mark=next(marks)) for point in line] for model, line in models.items()}
        for loss, models in series.items()
    }


def is_marked(series: Series) -> bool:
    """Whether points share weights."""
    return any(point.mark for models in series.values() for line in models.values() for point in line)


def sort_by_registration(registry: Registry[Any], names: Collection[str]) -> list[str]:
    """Sort names in the order of a registry.

    Raises:
        ConfigError: A name is not registered, because its plugin is not loaded.
    """
    for name in names:
        registry.get(name)
    return [name for name in registry.names if name in names]


def line_style(model: ArchitectureEntry) -> dict[str, Any]:
    """Return the colour, dash and marker of an architecture as keywords of matplotlib."""
    return {"color": model.style.colour, "ls": model.style.dash, "marker": model.style.marker}


def all_sizes(series: Series) -> list[int]:
    """Return the number of parameters of every point."""
    return [point.parameters for models in series.values() for points in models.values() for point in points]


def iterate_levels(points: Sequence[SizePoint], score: ScoreEntry) -> Iterator[tuple[SizePoint, Level]]:
    """Yield each point that has the score, with its level."""
    for point in points:
        if (level := level_of(point, score)) is not None:
            yield point, level


def level_of(point: SizePoint, score: ScoreEntry) -> Level | None:
    """Return the level of a score at a point; None if no run has the score."""
    scored = with_scores(point.runs, score.name)
    if not scored:
        return None
    values = [value for value, _ in scored]
    if len(values) > 1:
        return Level(float(np.mean(values)), float(np.std(values, ddof=1)))
    return Level(values[0], standard_error(scored[0][1], score=score) if score.is_known_by_image else float("nan"))


def size_range(sizes: Iterable[float]) -> tuple[float, float]:
    """Return the limits of a logarithmic axis of sizes."""
    known = list(sizes) or [_DEFAULT_SIZE]
    return min(known) / ROOM, max(known) * ROOM


def size_ticks(low: float, high: float, most: int = _MOST_TICKS) -> list[float]:
    """Return round numbers of parameters between two limits: at least one, and at most ``most`` if possible."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in _TICK_STEPS:
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        shown = [tick for tick in ticks if low <= tick <= high]
        if len(shown) <= most:
            break
    return shown


def format_size(parameters: float) -> str:
    """Format a number of parameters, as in 0.25M, 10k or 500."""
    if parameters >= 1e5:
        return f"{parameters / 1e6:g}M"
    return f"{parameters / 1e3:g}k" if parameters >= 1e3 else f"{parameters:g}"

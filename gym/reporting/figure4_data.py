"""Scores by the size of the model, as the paper's Figure 4 sets them out: by loss, then by architecture.

Runs that share loss, architecture, filters and number of parameters, as those of several seeds do, are one point.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gym.config.schema import ARCHITECTURES, LOSSES
from gym.reporting.recommendation import standard_error
from gym.reporting.run_table import score_of
from gym.runs.result import RunResult

SCORE_TITLES = {"iou": "mean IoU", "kld": "KLD"}
PAPER_LOSSES = ("dice", "cce", "kld")
_PAPER_SIZE = 1e6
_TICK_STEPS = ((1.0, 2.5, 5.0), (1.0, 3.0), (1.0,))
_MOST_TICKS = 8
ROOM = 1.6  # factor left free on either side of the sizes; two of it span more than any step between ticks


class Look(NamedTuple):
    """How an architecture is drawn: its title, colour, and marker and dash as matplotlib and as plotly name them."""

    title: str
    colour: str
    marker: str
    dash: str
    plotly_marker: str
    plotly_dash: str


# Colours that the colour-blind tell apart: Okabe & Ito 2008. Markers and dashes of the first two are the paper's.
LOOKS = {
    "unet": Look("UNet", "#0072b2", "o", "-", "circle", "solid"),
    "resunet": Look("Res-UNet", "#d55e00", "s", "--", "square", "dash"),
    "simple_unet": Look("simple UNet", "#56b4e9", "^", ":", "triangle-up", "dot"),
    "simple_resunet": Look("simple Res-UNet", "#cc79a7", "D", "-.", "diamond", "dashdot"),
}


class SizePoint(NamedTuple):
    """Runs of one loss, architecture, number of filters and number of parameters."""

    filters: int
    parameters: int
    runs: list[RunResult]


class Level(NamedTuple):
    """A score of a point: the mean over its runs, and half the length of its bar, or NaN.

    The bar of several runs is their standard deviation; that of the mean IoU of a single one its standard error over
    scenes.
    """

    mean: float
    bar: float


Series = dict[str, dict[str, list[SizePoint]]]


def size_series(results: Sequence[RunResult]) -> Series:
    """The points of runs that have a size and a score: by loss, by architecture, the smallest first.

    Losses come in the order of the paper, others behind them.
    """
    groups: dict[tuple[str, str, int, int], list[RunResult]] = defaultdict(list)
    for result in results:
        size = score_of(result, "parameters")
        if size is not None and any(score_of(result, name) is not None for name in ("iou", "kld")):
            loss, model, filters = (result.settings[key] for key in ("loss.name", "model.name", "model.filters"))
            groups[loss, model, filters, int(size)].append(result)
    losses = [loss for loss in dict.fromkeys((*PAPER_LOSSES, *LOSSES)) if any(key[0] == loss for key in groups)]
    return {
        loss: {model: points for model in ARCHITECTURES if (points := points_of(groups, loss, model))}
        for loss in losses
    }


def points_of(groups: dict[tuple[str, str, int, int], list[RunResult]], loss: str, model: str) -> list[SizePoint]:
    """The points of one loss and architecture, the smallest first."""
    points = [SizePoint(*key[2:], runs) for key, runs in groups.items() if key[:2] == (loss, model)]
    return sorted(points, key=lambda point: (point.parameters, point.filters))


def level_of(point: SizePoint, score: str) -> Level | None:
    """A score of a point; None where no run of it has the score."""
    scored = [(value, run) for run in point.runs if (value := score_of(run, score)) is not None]
    if not scored:
        return None
    values = [value for value, _ in scored]
    if len(values) > 1:
        return Level(float(np.mean(values)), float(np.std(values, ddof=1)))
    return Level(values[0], standard_error(scored[0][1]) if score == "iou" else float("nan"))


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

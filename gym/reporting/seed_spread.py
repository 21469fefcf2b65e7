"""Spread over seeds: mean, standard deviation and interval of the scores of runs that differ only in their seed.

spread.csv      a row per group of runs
spread.png      every run as a point, and the means

The interval is Student's t interval of the mean, for normally distributed scores; two runs have none.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.special import stdtrit

from gym.config.registries import SCORES, Place
from gym.reporting.run_table import Row, RunGroup, group_runs, swept_keys, with_scores, write_csv
from gym.reporting.style import BLUE, MOST_NAMED, ORANGE, add_legend, make_panels, name_rows, save_figure
from gym.runs.result import RunResult

_SEED = "seed"
_CONFIDENCE = 0.95
_FEWEST_WITH_INTERVAL = 3  # runs; the interval of two is mostly wider than the range of a score


class Spread(NamedTuple):
    """The spread of a score over the runs of a group; a single run has only a mean, the rest is NaN.

    Attributes:
        runs: Number of runs that have the score.
        mean: Their mean.
        deviation: Their standard deviation, with ``runs - 1`` degrees of freedom.
        low: Lower end of the 95 % interval of the mean.
        high: Upper end of the interval.
    """

    runs: int
    mean: float
    deviation: float
    low: float
    high: float


def write_seed_spread(folder: Path, results: Sequence[RunResult]) -> str:
    """Write the spread over seeds of a sweep in which some runs differ only in their seed.

    Returns:
        The spread in one line. If no two runs differ only in their seed, the text is empty and no file is written.

    Raises:
        OSError: A file cannot be written.
    """
    if _SEED not in swept_keys(results):
        return ""
    groups = group_runs(results, [_SEED])
    if all(len(group.runs) == 1 for group in groups):
        return ""
    write_csv(folder / "spread.csv", [spread_row(group) for group in groups])
    save_figure(draw_spread(groups), folder / "spread.png")
    return describe_spread(groups)


def measure_spread(group: RunGroup, score: str) -> Spread | None:
    """Measure the spread of a score over a group; None if no run has the score."""
    values = [value for value, _ in with_scores(group.runs, score)]
    if not values:
        return None
    mean, count = float(np.mean(values)), len(values)
    if count == 1:
        return Spread(1, mean, *[float("nan")] * 3)
    deviation = float(np.std(values, ddof=1))
    half = float(stdtrit(count - 1, 0.5 + _CONFIDENCE / 2)) * deviation / count**0.5
    if count < _FEWEST_WITH_INTERVAL:
        return Spread(count, mean, deviation, float("nan"), float("nan"))
    return Spread(count, mean, deviation, mean - half, mean + half)


def spread_row(group: RunGroup) -> Row:
    """Return the settings of a group and the `Spread` of each score, with columns as in ``iou_mean``."""
    row = dict(group.settings)
    for score in SCORES.names_at(Place.SPREAD):
        spread = measure_spread(group, score) or Spread(0, *[float("nan")] * 4)
        row |= {f"{score}_{name}": None if np.isnan(value) else value for name, value in spread._asdict().items()}
    return row


def describe_spread(groups: Sequence[RunGroup]) -> str:
    """Describe how much scores vary: all scores of an only group, or the range of the deviations of several."""
    if len(groups) == 1:
        spreads = {score: measure_spread(groups[0], score) for score in SCORES.names_at(Place.SPREAD)}
        scores = ", ".join(_describe_score(score, spread) for score, spread in spreads.items() if spread)
        return f"{len(groups[0].runs)} seeds, mean ± standard deviation: {scores}."
    spreads_of_iou = [measure_spread(group, SCORES.default) for group in groups]
    deviations = [spread.deviation for spread in spreads_of_iou if spread and spread.runs > 1]
    title = SCORES.get(SCORES.default).title
    if not deviations:
        return f"None of the {len(groups)} groups has two runs with a {title} that differ only in their seed."
    low, high = (f"{value:.3f}" for value in (min(deviations), max(deviations)))
    return (
        f"Between seeds, the {title} of otherwise equal runs has a standard deviation of "
        f"{low if low == high else f'{low} to {high}'} ({len(deviations)} of {len(groups)} groups have several seeds)."
    )


def _describe_score(score: str, spread: Spread) -> str:
    entry = SCORES.get(score)
    digits = 1 if entry.is_count else 3
    mean, deviation, low, high = (f"{value:.{digits}f}" for value in spread[1:])
    if spread.runs == 1:
        return f"{entry.title} {mean}"
    if np.isnan(spread.low):
        return f"{entry.title} {mean} ± {deviation}"
    return f"{entry.title} {mean} ± {deviation} (95 % interval of the mean {low} to {high})"


def draw_spread(groups: Sequence[RunGroup]) -> Figure:
    """Draw the runs of each group as points with their mean, the first group on top; one panel per score."""
    scores, height = SCORES.at(Place.SPREAD), 0.32 * min(len(groups), MOST_NAMED) + 1.7
    figure, panels = make_panels(11, height, 1, len(scores), grid="x", sharey=True)
    for axes, score in zip(panels, scores, strict=True):
        for place, group in enumerate(groups):
            _draw_group(axes, place, group, score.name)
        axes.set_xlabel(score.title)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=score.is_count, min_n_ticks=1))
        axes.tick_params(labelsize=8)
        axes.margins(x=0.08)
    name_rows(panels[0], [group.label for group in groups] if len(groups) > 1 else [""], "groups")
    add_legend(figure, panels, loc="outside upper center", ncols=3)
    return figure


def _draw_group(axes: Axes, place: int, group: RunGroup, score: str) -> None:
    values = [value for value, _ in with_scores(group.runs, score)]
    spread = measure_spread(group, score)
    if spread is None:
        return
    # Equal values would hide each other on one line.
    heights = place + np.linspace(-0.18, 0.18, len(values)) * (len(values) > 1)
    axes.plot(values, heights, "o", color=BLUE, ms=4.5, mew=0, alpha=0.7, label="run")
    axes.plot(spread.mean, place, "|", color=ORANGE, ms=15, mew=2, label="mean")
    if spread.runs >= _FEWEST_WITH_INTERVAL:
        axes.hlines(place, spread.low, spread.high, color=ORANGE, lw=1.2, label="95 % interval of the mean")

"""How much of a score is chance: mean, deviation and interval over runs that differ in nothing but their seed.

spread.csv      a row a group of runs
spread.png      each run as a point, and the means

The interval is Student's for the mean of normally spread values; with two runs it is wide, and rightly so.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.special import stdtrit

from gym.reporting.comparison import fit_label
from gym.reporting.run_table import COUNTS, Row, RunGroup, group_runs, score_of, swept_keys, write_csv
from gym.reporting.style import save
from gym.runs.result import RunResult

SCORES = {"iou": "mean IoU", "kld": "KLD", "stopping_epoch": "stopping epoch"}
_SEED = "seed"
_CONFIDENCE = 0.95
_MOST_NAMED = 100  # groups with a line each
_FEWEST_WITH_BAR = 3  # runs; the interval of two would dwarf all else
_POINTS, _MEAN = "#0072b2", "#d55e00"


class Spread(NamedTuple):
    """A score over the runs of a group; of one run only the mean is known, the rest is NaN.

    Attributes:
        runs: How many have the score.
        mean: Of these.
        deviation: Their standard deviation, with one degree of freedom less than runs.
        low: Lower end of the 95% interval of the mean.
        high: Upper end.
    """

    runs: int
    mean: float
    deviation: float
    low: float
    high: float


def write_spread(folder: Path, results: Sequence[RunResult]) -> str:
    """Write the spread over seeds of a sweep in which some runs differ in nothing else.

    Returns:
        How large it is; empty, and nothing is written, where no two runs differ in nothing but their seed.

    Raises:
        OSError: Something cannot be written.
    """
    if _SEED not in swept_keys(results):
        return ""
    groups = group_runs(results, [_SEED])
    if all(len(group.runs) == 1 for group in groups):
        return ""
    write_csv(folder / "spread.csv", [spread_row(group) for group in groups])
    save(draw_spread(groups), folder / "spread.png")
    return word_spread(groups)


def find_spread(group: RunGroup, score: str) -> Spread | None:
    """The spread of a score over a group; None where no run has it."""
    values = [value for run in group.runs if (value := score_of(run, score)) is not None]
    if not values:
        return None
    mean, count = float(np.mean(values)), len(values)
    if count == 1:
        return Spread(1, mean, *[float("nan")] * 3)
    deviation = float(np.std(values, ddof=1))
    half = float(stdtrit(count - 1, 0.5 + _CONFIDENCE / 2)) * deviation / count**0.5
    return Spread(count, mean, deviation, mean - half, mean + half)


def spread_row(group: RunGroup) -> Row:
    """What sets a group apart, and of each score the values of its `Spread`, as in ``iou_mean``."""
    row = dict(group.settings)
    for score in SCORES:
        spread = find_spread(group, score) or Spread(0, *[float("nan")] * 4)
        row |= {f"{score}_{name}": None if np.isnan(value) else value for name, value in spread._asdict().items()}
    return row


def word_spread(groups: Sequence[RunGroup]) -> str:
    """Say how much scores vary: of one group all of them, of several the range of the deviation of mean IoU."""
    if len(groups) == 1:
        spreads = {score: find_spread(groups[0], score) for score in SCORES}
        told = ", ".join(word_score(score, spread) for score, spread in spreads.items() if spread)
        return f"{len(groups[0].runs)} seeds, mean ± standard deviation: {told}."
    of_groups = [find_spread(group, "iou") for group in groups]
    deviations = [spread.deviation for spread in of_groups if spread and spread.runs > 1]
    if not deviations:
        return f"No two runs that differ in nothing but their seed have a mean IoU ({len(groups)} groups)."
    return (
        f"From seed to seed the mean IoU of otherwise equal runs has a standard deviation of {min(deviations):.3f} to "
        f"{max(deviations):.3f} ({len(deviations)} of {len(groups)} groups have several seeds)."
    )


def word_score(score: str, spread: Spread) -> str:
    """A score with its deviation, and the interval of its mean where there is one."""
    digits = 1 if score in COUNTS else 3
    mean, deviation, low, high = (f"{value:.{digits}f}" for value in spread[1:])
    if spread.runs == 1:
        return f"{SCORES[score]} {mean}"
    return f"{SCORES[score]} {mean} ± {deviation} (95% interval of the mean {low} to {high})"


def draw_spread(groups: Sequence[RunGroup]) -> Figure:
    """A line a group, the first on top: its runs as points, their mean as a stroke; a panel a score."""
    lines = min(len(groups), _MOST_NAMED)
    figure = Figure(figsize=(11, 0.32 * lines + 1.7), layout="constrained")
    panels = figure.subplots(1, len(SCORES), sharey=True)
    for axes, score in zip(panels, SCORES, strict=True):
        for place, group in enumerate(groups):
            draw_group(axes, place, group, score)
        axes.set(xlabel=SCORES[score], ylim=(len(groups) - 0.4, -0.6))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=score in COUNTS, min_n_ticks=1))
        axes.tick_params(labelsize=8)
        axes.margins(x=0.08)
        axes.grid(alpha=0.25, axis="x")
    if 1 < len(groups) <= _MOST_NAMED:
        panels[0].set_yticks(range(len(groups)), [fit_label(group.label) for group in groups])
    else:
        panels[0].set(yticks=[], ylabel=f"{len(groups)} groups, in their order" if len(groups) > 1 else "")
    handles = {handle.get_label(): handle for axes in panels for handle in axes.get_legend_handles_labels()[0]}
    figure.legend(handles=list(handles.values()), loc="outside upper center", ncols=3, fontsize=8)
    return figure


def draw_group(axes: Axes, place: int, group: RunGroup, score: str) -> None:
    """The runs of a group in a panel, a little apart so that equal ones show, with their mean and its interval."""
    values = [value for run in group.runs if (value := score_of(run, score)) is not None]
    spread = find_spread(group, score)
    if spread is None:
        return
    apart = place + np.linspace(-0.18, 0.18, len(values)) * (len(values) > 1)
    axes.plot(values, apart, "o", color=_POINTS, ms=4.5, mew=0, alpha=0.7, label="a run")
    axes.plot(spread.mean, place, "|", color=_MEAN, ms=15, mew=2, label="mean")
    if spread.runs >= _FEWEST_WITH_BAR:
        axes.hlines(place, spread.low, spread.high, color=_MEAN, lw=1.2, label="95% interval of the mean")

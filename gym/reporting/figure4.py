"""The paper's Figure 4: mean IoU and KLD against the size of the model, one column a loss.

Any set of runs can be drawn; where none has a score, the figure says so.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from gym.reporting.drawing import literal
from gym.reporting.model_sizes import (
    LOOKS,
    SCORE_TITLES,
    Level,
    SizePoint,
    level_of,
    size_range,
    size_series,
    size_ticks,
    word_size,
)
from gym.result import RunResult

_THIN, _THICK = 0.8, 2.2  # bars over scenes, bars over runs
_BARS = {_THIN: "bar: standard error over scenes", _THICK: "bar: standard deviation over runs"}


def draw_figure4(results: Sequence[RunResult]) -> Figure:
    """Mean IoU above, KLD below, against the number of parameters, one column a loss.

    Res-UNets are squares joined by dashed lines, UNets circles joined by solid ones; the number beside a point is its
    number of filters. Bars are as `gym.reporting.model_sizes.Level` says.
    """
    series = size_series(results)
    if not series:
        return empty_figure()
    figure = Figure(figsize=(max(5.6, 3.5 * len(series) + 0.8), 6.6), layout="constrained")
    grid = figure.subplots(2, len(series), sharex=True, sharey="row", squeeze=False)
    for column, (loss, models) in zip(grid.T, series.items(), strict=True):
        column[0].set_title(f"loss {literal(loss)}", fontsize=10)
        for axes, score in zip(column, SCORE_TITLES, strict=True):
            for model, points in models.items():
                draw_series(axes, model, points, score)
    for axes, title in zip(grid[:, 0], SCORE_TITLES.values(), strict=True):
        axes.set_ylabel(title)
        axes.margins(y=0.1)
    for axes in grid.ravel():
        axes.grid(alpha=0.25)
        scale_sizes(
            axes, [point.parameters for models in series.values() for line in models.values() for point in line]
        )
    for axes in grid[-1]:
        axes.set_xlabel("parameters")
    figure.legend(handles=legend_of(grid), loc="outside lower center", ncols=min(4, 2 * len(series)), fontsize=8)
    return figure


def empty_figure() -> Figure:
    """A figure for when there is nothing to draw."""
    figure = Figure(figsize=(5.6, 1.6), layout="constrained")
    figure.text(0.5, 0.5, "No run has finished with a score.", ha="center", va="center")
    return figure


def scale_sizes(axes: Axes, sizes: Sequence[float]) -> None:
    """Make the x axis of a panel a logarithmic one of numbers of parameters."""
    low, high = size_range(sizes)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(size_ticks(low, high)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: word_size(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=8)


def draw_series(axes: Axes, model: str, points: Sequence[SizePoint], score: str) -> None:
    """One architecture in one panel: a line through its points, their bars, and their numbers of filters."""
    look = LOOKS[model]
    levels = [(point, level) for point in points if (level := level_of(point, score)) is not None]
    sizes, means = [point.parameters for point, _ in levels], [level.mean for _, level in levels]
    axes.plot(sizes, means, color=look.colour, ls=look.dash, marker=look.marker, ms=5, lw=1.3, label=look.title)
    for point, level in levels:
        draw_bar(axes, point, level, look.colour)
    # Residual ones tend to be better at equal size, and larger ones than smaller ones: most numbers are off the lines.
    is_residual = model.endswith("resunet")
    is_above = is_residual == (score == "iou")
    for point, level in levels:
        axes.annotate(
            str(point.filters),
            (point.parameters, level.mean),
            xytext=(-4 if is_residual else 4, 3 if is_above else -3),
            textcoords="offset points",
            ha="right" if is_residual else "left",
            va="bottom" if is_above else "top",
            fontsize=6.5,
            color=look.colour,
        )


def draw_bar(axes: Axes, point: SizePoint, level: Level, colour: str) -> None:
    """The bar of a point, where it has one: thin over scenes, thick over runs."""
    if not np.isnan(level.bar):
        width = _THICK if len(point.runs) > 1 else _THIN
        ends = level.mean - level.bar, level.mean + level.bar
        axes.vlines(point.parameters, *ends, color=colour, lw=width, alpha=0.6, label=_BARS[width])


def legend_of(grid: np.ndarray) -> list[Line2D]:
    """What the lines, and the bars that are there, stand for."""
    handles = {line.get_label(): line for axes in grid.ravel() for line in axes.get_lines()}
    bars = {bar.get_label() for axes in grid.ravel() for bar in axes.collections}
    return [
        *(handles[look.title] for look in LOOKS.values() if look.title in handles),
        *(Line2D([], [], color="0.4", lw=width, label=word) for width, word in _BARS.items() if word in bars),
    ]

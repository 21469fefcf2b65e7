"""The paper's Figure 4: mean IoU and KLD against the size of the model, one column a loss.

Any set of runs can be drawn; where none has a score, the figure says so. With the paper's three losses it is as wide as
a page of a journal, with letters that can be read there.

Where labels stand beside their points: off the lines, the points and one another, as far as there is room.

Lengths are points, 1/72 inch; ``x`` to the right and ``y`` upward.
"""

from collections.abc import Sequence
from itertools import pairwise
from string import ascii_lowercase

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import ArrayLike

from gym.config.registries import ARCHITECTURES, SCORES, Place, ScoreEntry
from gym.reporting.figure4_data import (
    COLUMNS_ON_A_PAGE,
    Level,
    Series,
    SizePoint,
    level_of,
    size_range,
    size_series,
    size_ticks,
    word_size,
)
from gym.reporting.style import COLUMN_WIDTH, PAGE_WIDTH, SMALLEST_FONT, plot_text
from gym.runs.result import RunResult

# Above and below leave a line alone that comes from the left and goes to the right.
_DIRECTIONS = ((0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0))
_GAPS = (3.0, 6.5)
_MARKER = 4.5  # side of the square that a point takes
_COSTS = {"label": 8.0, "marker": 6.0, "line": 1.0, "outside": 100.0, "far": 0.5}


def place_labels(
    points: np.ndarray, sizes: np.ndarray, lines: Sequence[np.ndarray], room: tuple[float, float]
) -> np.ndarray:
    """Choose for each label, one after the other, the place that is the least in the way.

    Args:
        points: What the labels belong to, ``(labels, 2)``; their markers are kept free too.
        sizes: Width and height of each label, ``(labels, 2)``.
        lines: What is better not crossed: corners of each line, ``(corners, 2)``.
        room: Width and height of the panel, whose lower left corner is 0, 0.

    Returns:
        From each point to the centre of its label, ``(labels, 2)``.
    """
    crossed = np.concatenate([np.empty((0, 2)), *(walk(line) for line in lines)])
    offsets = np.zeros((len(points), 2))
    boxes: list[np.ndarray] = []
    for index, (point, size) in enumerate(zip(points, sizes, strict=True)):
        candidates = [
            np.array(direction) * (size / 2 + gap / np.hypot(*direction)) for gap in _GAPS for direction in _DIRECTIONS
        ]
        costs = [
            cost_of(box_around(point + offset, size), boxes, points, crossed, room) for offset in candidates
        ] + np.linspace(0, _COSTS["far"], len(candidates))
        offsets[index] = candidates[int(np.argmin(costs))]
        boxes.append(box_around(point + offsets[index], size))
    return offsets


def cost_of(
    box: np.ndarray, boxes: Sequence[np.ndarray], points: np.ndarray, crossed: np.ndarray, room: tuple[float, float]
) -> float:
    """How much a label in a box is in the way."""
    markers = sum(overlap(box, box_around(point, np.array([_MARKER, _MARKER]))) for point in points)
    inside = ((crossed >= box[0]) & (crossed <= box[1])).all(axis=1).sum()
    outside = np.maximum(0, [-box[0], box[1] - np.array(room)]).sum()
    return float(
        _COSTS["label"] * sum(overlap(box, other) for other in boxes)
        + _COSTS["marker"] * markers
        + _COSTS["line"] * inside
        + _COSTS["outside"] * outside
    )


def box_around(centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Lower left and upper right corner of a box, ``(2, 2)``."""
    return np.array([centre - size / 2, centre + size / 2])


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """The area that two boxes share."""
    sides = np.minimum(one[1], other[1]) - np.maximum(one[0], other[0])
    return float(np.prod(np.maximum(sides, 0)))


def walk(line: np.ndarray) -> np.ndarray:
    """Points along a line, about one apart, ``(steps, 2)``."""
    parts = [np.linspace(start, end, max(2, int(np.hypot(*(end - start))))) for start, end in pairwise(line)]
    return np.concatenate([np.empty((0, 2)), *parts])


_THIN, _THICK = 0.8, 2.2  # bars over scenes, bars over runs
_FONT = 7.5
_PANEL, _HEIGHT = 2.15, 2.2  # inches that a panel takes
_MOST_TICKS = 5
_DIGIT = 0.65 * SMALLEST_FONT  # width
_BARS = {_THIN: "bar: standard error over scenes", _THICK: "bar: standard deviation over runs"}


def draw_figure4(results: Sequence[RunResult]) -> Figure:
    """Draw scores against the number of parameters: a row of panels per score, mean IoU first, and a column per loss.

    Each architecture is drawn in its registered style, with the number of filters at each point. Bars are described
    in `gym.reporting.figure4_data.Level`.
    """
    series = size_series(results)
    if not series:
        return draw_empty_figure()
    width = max(COLUMN_WIDTH, PAGE_WIDTH + _PANEL * (len(series) - COLUMNS_ON_A_PAGE))
    scores = SCORES.at(Place.FIGURE4)
    figure = Figure(figsize=(width, _HEIGHT * len(scores)), layout="constrained")
    grid = figure.subplots(len(scores), len(series), sharex=True, sharey="row", squeeze=False)
    for column, (loss, models) in zip(grid.T, series.items(), strict=True):
        column[0].set_title(f"loss {plot_text(loss)}", fontsize=_FONT + 0.5)
        for axes, score in zip(column, SCORES.at(Place.FIGURE4), strict=True):
            for model, points in models.items():
                draw_series(axes, model, points, score)
    for axes, score in zip(grid[:, 0], scores, strict=True):
        axes.set_ylabel(score.title, fontsize=_FONT)
        axes.margins(y=0.1)
    sizes = [point.parameters for models in series.values() for line in models.values() for point in line]
    for letter, axes in zip(ascii_lowercase, grid.ravel(), strict=False):
        axes.set_title(f"({letter})", fontsize=_FONT, loc="left")
        axes.grid(alpha=0.25)
        scale_sizes(axes, sizes, _MOST_TICKS)
        axes.tick_params(labelsize=_FONT - 0.5)
    for axes in grid[-1]:
        axes.set_xlabel("parameters", fontsize=_FONT)
    figure.legend(handles=legend_of(grid), loc="outside lower center", ncols=min(3, 2 * len(series)), fontsize=_FONT)
    number_points(figure, grid, series)
    return figure


def draw_empty_figure() -> Figure:
    """A figure for when there is nothing to draw."""
    figure = Figure(figsize=(5.6, 1.6), layout="constrained")
    figure.text(0.5, 0.5, "No run has finished with a score.", ha="center", va="center")
    return figure


def scale_sizes(axes: Axes, sizes: Sequence[float], most_ticks: int = 8) -> None:
    """Make the x axis of a panel a logarithmic one of numbers of parameters."""
    low, high = size_range(sizes)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(size_ticks(low, high, most_ticks)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: word_size(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=8)


def draw_series(axes: Axes, model: str, points: Sequence[SizePoint], score: ScoreEntry) -> None:
    """One architecture in one panel: a line through its points, their bars, and their numbers of filters."""
    entry = ARCHITECTURES.get(model)
    style = entry.style
    levels = [(point, level) for point in points if (level := level_of(point, score)) is not None]
    sizes, means = [point.parameters for point, _ in levels], [level.mean for _, level in levels]
    axes.plot(sizes, means, color=style.colour, ls=style.dash, marker=style.marker, ms=3.5, lw=1.1, label=entry.title)
    for point, level in levels:
        draw_bar(axes, point, level, style.colour)


def number_points(figure: Figure, grid: np.ndarray, series: Series) -> None:
    """Write beside each point its number of filters, where it is the least in the way; to be done last."""
    figure.draw_without_rendering()  # the layout decides what is near
    for column, models in zip(grid.T, series.values(), strict=True):
        for axes, score in zip(column, SCORES.at(Place.FIGURE4), strict=True):
            levels = [
                (point.parameters, level.mean, str(point.filters), ARCHITECTURES.get(model).style.colour)
                for model, points in models.items()
                for point in points
                if (level := level_of(point, score)) is not None
            ]
            number_panel(axes, levels, 72 / figure.dpi)


def number_panel(axes: Axes, levels: Sequence[tuple[float, float, str, str]], scale: float) -> None:
    """Write the numbers of one panel: each level has its place, number and colour; ``scale`` is points a dot."""

    def to_points(places: ArrayLike) -> np.ndarray:
        return (axes.transData.transform(np.reshape(places, (-1, 2))) - axes.bbox.min) * scale

    offsets = place_labels(
        to_points([level[:2] for level in levels]),
        np.array([(_DIGIT * len(number), SMALLEST_FONT) for _, _, number, _ in levels]).reshape(-1, 2),
        [to_points(line.get_xydata()) for line in axes.get_lines()]
        + [to_points(path.vertices) for bars in axes.collections for path in bars.get_paths()],
        (axes.bbox.width * scale, axes.bbox.height * scale),
    )
    for (size, mean, number, colour), offset in zip(levels, offsets, strict=True):
        axes.annotate(
            number,
            (size, mean),
            xytext=offset,
            textcoords="offset points",
            ha="center",
            va="center_baseline",
            fontsize=SMALLEST_FONT,
            color=colour,
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
        *(handles[entry.title] for entry in ARCHITECTURES if entry.title in handles),
        *(Line2D([], [], color="0.4", lw=width, label=word) for width, word in _BARS.items() if word in bars),
    ]

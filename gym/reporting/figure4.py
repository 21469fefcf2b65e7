"""The paper's Figure 4: mean IoU and KLD against model size, one column per loss.

Any set of runs can be drawn. With the paper's three losses, the figure has the width of a printed page and letters that
are readable there.
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
from gym.reporting import figure4_data
from gym.reporting.equal_models import EQUAL
from gym.reporting.figure4_data import NO_SCORES, Series, SizePoint, iterate_levels
from gym.reporting.style import FONT, SMALLEST_FONT, label_point, make_loss_grid, make_message, plot_text
from gym.runs.result import RunResult

_HEIGHT = 2.2  # inches of a panel
_MOST_TICKS = 5
_THIN, _THICK = 0.8, 2.2  # bars over units, bars over runs

# Lengths of label placement are in points, 1/72 inch.
_DIGIT = 0.65 * SMALLEST_FONT  # width
_MARKER = 4.5  # side of the square that a point occupies
_GAPS = (3.0, 6.5)  # between a point and its label
# Places above and below come first: they avoid a line that runs from left to right.
_DIRECTIONS = ((0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0))
_COSTS = {"label": 8.0, "marker": 6.0, "line": 1.0, "outside": 100.0, "far": 0.5}


def draw_figure4(results: Sequence[RunResult]) -> Figure:
    """Draw scores against the number of parameters, one row of panels per score and one column per loss.

    Each architecture is drawn in its registered style, with the number of filters at each point, and
    a letter that points with equal weights share. Bars are described in `gym.reporting.figure4_data.Level`.
    """
    series = figure4_data.size_series(results)
    if not series:
        return make_message(NO_SCORES)
    scores = SCORES.at(Place.FIGURE4)
    titles = [score.title for score in scores]
    figure, grid = make_loss_grid(list(series), titles, "parameters", _HEIGHT * len(scores), sharey="row")
    for column, models in zip(grid.T, series.values(), strict=True):
        for axes, score in zip(column, scores, strict=True):
            for model, points in models.items():
                _draw_series(axes, model, points, score)
    for axes in grid[:, 0]:
        axes.margins(y=0.1)
    for letter, axes in zip(ascii_lowercase, grid.ravel(), strict=False):
        axes.set_title(f"({letter})", fontsize=FONT, loc="left")
        scale_sizes(axes, figure4_data.all_sizes(series), _MOST_TICKS)
    handles = _legend_handles(grid)
    if figure4_data.is_marked(series):
        handles.append(Line2D([], [], ls="none", label=EQUAL))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(3, 2 * len(series)), fontsize=FONT)
    _label_points(figure, grid, series)
    return figure


def scale_sizes(axes: Axes, sizes: Sequence[float], most_ticks: int = 8) -> None:
    """Make the x axis of a panel a logarithmic axis of numbers of parameters."""
    low, high = figure4_data.size_range(sizes)
    axes.set(xscale="log", xlim=(low, high))
    axes.xaxis.set_major_locator(FixedLocator(figure4_data.size_ticks(low, high, most_ticks)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: figure4_data.format_size(value)))
    axes.xaxis.set_minor_locator(NullLocator())


def _draw_series(axes: Axes, model: str, points: Sequence[SizePoint], score: ScoreEntry) -> None:
    """Draw one architecture in one panel: a line through its points, and their bars."""
    entry = ARCHITECTURES.get(model)
    levels = list(iterate_levels(points, score))
    sizes, means = [point.parameters for point, _ in levels], [level.mean for _, level in levels]
    axes.plot(sizes, means, ms=3.5, lw=1.1, label=entry.title, **figure4_data.line_style(entry))
    for point, (mean, bar) in levels:
        if not np.isnan(bar):
            width, label = _describe_bar(point)
            place, colour = (point.parameters, mean - bar, mean + bar), entry.style.colour
            axes.vlines(*place, color=colour, lw=width, alpha=0.6, label=label)


def _describe_bar(point: SizePoint) -> tuple[float, str]:
    """Return the line width of a bar, and what the legend says of it."""
    if len(point.runs) > 1:
        return _THICK, "bar: standard deviation over runs"
    return _THIN, f"bar: standard error over {plot_text(point.runs[0].units.plural)}"


def _legend_handles(grid: np.ndarray) -> list[Line2D]:
    handles = {line.get_label(): line for axes in grid.ravel() for line in axes.get_lines()}
    bars = {(bar.get_linewidth()[0], bar.get_label()) for axes in grid.ravel() for bar in axes.collections}
    return [
        *(handles[entry.title] for entry in ARCHITECTURES if entry.title in handles),
        *(Line2D([], [], color="0.4", lw=width, label=text) for width, text in sorted(bars)),
    ]


def _label_points(figure: Figure, grid: np.ndarray, series: Series) -> None:
    """Label each point with its number of filters and its mark, once everything else is drawn."""
    figure.draw_without_rendering()  # the final layout decides which labels would overlap
    for column, models in zip(grid.T, series.values(), strict=True):
        for axes, score in zip(column, SCORES.at(Place.FIGURE4), strict=True):
            labels = [
                (point.parameters, level.mean, f"{point.filters}{point.mark}", ARCHITECTURES.get(model).style.colour)
                for model, points in models.items()
                for point, level in iterate_levels(points, score)
            ]
            _label_panel(axes, labels, 72 / figure.dpi)


def _label_panel(axes: Axes, labels: Sequence[tuple[float, float, str, str]], scale: float) -> None:
    """Write the labels of one panel, each a size, a score, a text and a colour; ``scale`` is points per dot."""

    def to_points(places: ArrayLike) -> np.ndarray:
        return (axes.transData.transform(np.reshape(places, (-1, 2))) - axes.bbox.min) * scale

    offsets = place_labels(
        to_points([label[:2] for label in labels]),
        np.array([(_DIGIT * len(text), SMALLEST_FONT) for _, _, text, _ in labels]).reshape(-1, 2),
        [to_points(line.get_xydata()) for line in axes.get_lines()]
        + [to_points(path.vertices) for bars in axes.collections for path in bars.get_paths()],
        (axes.bbox.width * scale, axes.bbox.height * scale),
    )
    for (size, score, text, colour), offset in zip(labels, offsets, strict=True):
        options = {"ha": "center", "va": "center_baseline", "fontsize": SMALLEST_FONT}
        label_point(axes, text, (size, score), offset, color=colour, **options)


def place_labels(
    points: np.ndarray, sizes: np.ndarray, lines: Sequence[np.ndarray], room: tuple[float, float]
) -> np.ndarray:
    """Place labels one by one, each where it overlaps least with lines, points, other labels and the edge.

    All lengths are in points, ``x`` to the right and ``y`` upward.

    Args:
        points: The points to label, ``(labels, 2)``; their markers are avoided, too.
        sizes: Width and height of each label, ``(labels, 2)``.
        lines: Lines to avoid, each as its vertices ``(vertices, 2)``.
        room: Width and height of the panel, whose lower left corner is 0, 0.

    Returns:
        The offset from each point to the centre of its label, ``(labels, 2)``.
    """
    avoided = np.concatenate([np.empty((0, 2)), *(sample_line(line) for line in lines)])
    offsets = np.zeros((len(points), 2))
    boxes: list[np.ndarray] = []
    for index, (point, size) in enumerate(zip(points, sizes, strict=True)):
        candidates = [
            np.array(direction) * (size / 2 + gap / np.hypot(*direction)) for gap in _GAPS for direction in _DIRECTIONS
        ]
        costs = [_overlap_cost(make_box(point + offset, size), boxes, points, avoided, room) for offset in candidates]
        offsets[index] = candidates[int(np.argmin(costs + np.linspace(0, _COSTS["far"], len(candidates))))]
        boxes.append(make_box(point + offsets[index], size))
    return offsets


def _overlap_cost(
    box: np.ndarray, boxes: Sequence[np.ndarray], points: np.ndarray, avoided: np.ndarray, room: tuple[float, float]
) -> float:
    markers = sum(shared_area(box, make_box(point, np.array([_MARKER, _MARKER]))) for point in points)
    crossed = ((avoided >= box[0]) & (avoided <= box[1])).all(axis=1).sum()
    outside = np.maximum(0, [-box[0], box[1] - np.array(room)]).sum()
    return float(
        _COSTS["label"] * sum(shared_area(box, other) for other in boxes)
        + _COSTS["marker"] * markers
        + _COSTS["line"] * crossed
        + _COSTS["outside"] * outside
    )


def make_box(centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the lower left and upper right corner of a box, ``(2, 2)``."""
    return np.array([centre - size / 2, centre + size / 2])


def shared_area(one: np.ndarray, other: np.ndarray) -> float:
    """Return the area of the intersection of two boxes."""
    sides = np.minimum(one[1], other[1]) - np.maximum(one[0], other[0])
    return float(np.prod(np.maximum(sides, 0)))


def sample_line(line: np.ndarray) -> np.ndarray:
    """Sample a line at points about one apart, vertices included, ``(samples, 2)``."""
    parts = [np.linspace(start, end, max(2, int(np.hypot(*(end - start))))) for start, end in pairwise(line)]
    return np.concatenate([np.empty((0, 2)), *parts])

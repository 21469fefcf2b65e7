"""The paper's Figure 3: scenes, their labels and what models make of them, with the part where they differ enlarged.

Images are ``(rows, columns, bands)``, labels and outputs ``(rows, columns)`` class indices.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gym import metrics
from gym.console import worded
from gym.reporting.drawing import PAGE_WIDTH, SMALLEST_FONT, literal, shorten
from gym.reporting.imagery import overlay, show_bands
from gym.reporting.legend import class_legend

ZOOM = 3
_FONT = 7.5
_TALLEST = 9.2  # inches: what a page holds above a caption
_AROUND = 0.24  # inches of a line for what is written above or below its panels
_LONGEST_TITLE = _LONGEST_NAME = 24  # signs
_TITLE_WIDTH = 1.5  # inches that they take
_EDGES = ((1.8, "white"), (0.9, "black"))  # of a box, so that it shows on any ground


class Example(NamedTuple):
    """One scene to show: its name, image and label, and the output of each model."""

    name: str
    image: np.ndarray
    label: np.ndarray
    outputs: list[np.ndarray]


def draw_figure3(
    examples: Sequence[Example], models: Sequence[tuple[str, str]], bands: Sequence[str], classes: Sequence[str]
) -> Figure:
    """Image, label and outputs of each scene in a line, and below it the same of a part, enlarged `ZOOM` times.

    The part is where the outputs differ most; where they do not, or of one model, where they miss the label most. What
    counts nowhere has no colour.

    Args:
        examples: The scenes, one at least, all of one size.
        models: What each model is, in two short lines.
        bands: Band names.
        classes: Class names.
    """
    rows, columns = examples[0].label.shape
    across, lines = 2 + len(models), 2 * len(examples)
    room = (_TALLEST - 0.7) / lines - _AROUND  # for the height of a panel
    panel = min(PAGE_WIDTH / across - 0.12, room * columns / rows)
    width = min(PAGE_WIDTH, across * max(panel + 0.12, _TITLE_WIDTH))
    height = lines * (panel * rows / columns + _AROUND) + 0.7
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(lines, across, squeeze=False)
    for pair, example in zip(grid.reshape(-1, 2, across), examples, strict=True):
        draw_example(pair, example, bands, classes)
    titles = [("image", ""), ("label", ""), *models]
    for axes, letter, (title, words) in zip(grid[0], "abcdef", titles, strict=False):
        lines_above = [f"({letter}) {fit(title, _LONGEST_TITLE - 4)}", fit(words, _LONGEST_TITLE)]
        axes.set_title("\n".join(line for line in lines_above if line), fontsize=_FONT)
    class_legend(figure, classes, _FONT)
    return figure


def draw_example(pair: np.ndarray, example: Example, bands: Sequence[str], classes: Sequence[str]) -> None:
    """Fill the two lines of a scene, ``(2, panels)``: the whole, and below it the part."""
    counted = example.label < len(classes)
    picture = show_bands(example.image, bands)
    shown = [
        picture,
        *(
            overlay(picture, np.where(counted, values, example.label), classes)
            for values in (example.label, *example.outputs)
        ),
    ]
    part = find_part(example, counted)
    for (whole, enlarged), values in zip(pair.T, shown, strict=True):
        clear(whole).imshow(values, interpolation="nearest")
        clear(enlarged).imshow(values[part], interpolation="nearest")
        frame_part(whole, part)
    for axes, output in zip(pair[0, 2:], example.outputs, strict=True):
        iou = metrics.mean_iou(metrics.confusion_matrix(example.label, output, len(classes)))
        axes.set_xlabel(f"mean IoU {worded(iou)}", fontsize=SMALLEST_FONT)
    pair[0, 0].set_xlabel(fit(example.name, _LONGEST_NAME), fontsize=SMALLEST_FONT)
    pair[1, 0].set_xlabel(f"the box, {ZOOM} times", fontsize=SMALLEST_FONT)


def fit(text: str, longest: int) -> str:
    """A text that fits beside or above a panel, without mathematics."""
    return literal(shorten(text, longest))


def clear(axes: Axes) -> Axes:
    """A panel without ticks."""
    axes.set(xticks=[], yticks=[])
    return axes


def frame_part(axes: Axes, part: tuple[slice, slice]) -> None:
    """Draw a box around a part of an image."""
    down, right = part
    for width, colour in _EDGES:
        corner = right.start - 0.5, down.start - 0.5
        box = Rectangle(corner, right.stop - right.start, down.stop - down.start, fill=False, ec=colour, lw=width)
        axes.add_patch(box)


def find_part(example: Example, counted: np.ndarray) -> tuple[slice, slice]:
    """The part of a scene to enlarge, a third of its rows and columns; ``counted`` says which pixels count."""
    differ = np.zeros_like(counted)
    for output in example.outputs[1:]:
        differ |= output != example.outputs[0]
    wrong = np.zeros_like(counted)
    for output in example.outputs:
        wrong |= output != example.label
    rows, columns = (max(1, round(side / ZOOM)) for side in counted.shape)
    top, left = place_window([differ & counted, wrong & counted], (rows, columns))
    return slice(top, top + rows), slice(left, left + columns)


def place_window(maps: Sequence[np.ndarray], size: tuple[int, int]) -> tuple[int, int]:
    """Find the window that holds most of what is marked.

    Args:
        maps: Boolean ``(rows, columns)``; the first with a mark is taken.
        size: Rows and columns of the window, at most those of the maps.

    Returns:
        Row and column of its upper left corner: of equal windows the middle one, without any mark that of the map.
    """
    marked = next((marks for marks in maps if marks.any()), np.ones_like(maps[0]))
    sums = np.pad(marked.astype(np.int64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    down, right = size
    held = sums[down:, right:] - sums[:-down, right:] - sums[down:, :-right] + sums[:-down, :-right]
    best = np.argwhere(held == held.max())
    middle = best[np.square(best - best.mean(axis=0)).sum(axis=1).argmin()]
    return int(middle[0]), int(middle[1])

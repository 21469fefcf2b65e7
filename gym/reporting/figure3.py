"""The paper's Figure 3: images with their labels and the output of models, and a part of each enlarged.

Images are ``(rows, columns, bands)``, labels and outputs ``(rows, columns)`` class indices.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gym.core.text import format_score
from gym.data.class_colours import overlay, render_rgb
from gym.evaluation import confusion
from gym.reporting.figure3_data import Example, Examples
from gym.reporting.style import PAGE_WIDTH, SMALLEST_FONT, add_class_legend, make_panels, plot_text

ZOOM = 3
_FONT = 7.5
_TALLEST = 9.2  # inches: what a page holds above a caption
_TEXT_HEIGHT = 0.24  # inches above and below a row of panels
_LONGEST_TEXT = 24  # characters of a title or a name
_TEXT_WIDTH = 1.5  # inches of that many characters
_EDGES = ((1.8, "white"), (0.9, "black"))  # of a box, so that it is visible on any background


def draw_figure3(examples: Examples) -> Figure:
    """Draw image, label and outputs of each example in a row, and below it a part of each, enlarged `ZOOM` times.

    The part is where the outputs differ most; if they do not, or for one model, where they deviate most from the label.
    Ignored pixels have no colour. There must be one image or more, all of one size.
    """
    rows, columns = examples.images[0].label.shape
    across, lines = 2 + len(examples.models), 2 * len(examples.images)
    tallest = (_TALLEST - 0.7) / lines - _TEXT_HEIGHT
    panel = min(PAGE_WIDTH / across - 0.12, tallest * columns / rows)
    width = min(PAGE_WIDTH, across * max(panel + 0.12, _TEXT_WIDTH))
    height = lines * (panel * rows / columns + _TEXT_HEIGHT) + 0.7
    figure, grid = make_panels(width, height, lines, across, squeeze=False, subplot_kw={"xticks": [], "yticks": []})
    for pair, example in zip(grid.reshape(-1, 2, across), examples.images, strict=True):
        _draw_example(pair, example, examples.bands, examples.classes)
    titles = [("image", ""), ("label", ""), *examples.models]
    for axes, letter, (title, details) in zip(grid[0], "abcdef", titles, strict=False):
        title_lines = [f"({letter}) {plot_text(title, _LONGEST_TEXT - 4)}", plot_text(details, _LONGEST_TEXT)]
        axes.set_title("\n".join(line for line in title_lines if line), fontsize=_FONT)
    add_class_legend(figure, examples.classes, _FONT)
    return figure


def _draw_example(pair: np.ndarray, example: Example, bands: Sequence[str], classes: Sequence[str]) -> None:
    """Draw an example into two rows of panels, ``(2, panels)``: the whole images, and the enlarged part."""
    is_labelled = example.label < len(classes)
    picture = render_rgb(example.image, bands)
    masked = [np.where(is_labelled, values, example.label) for values in (example.label, *example.outputs)]
    part = find_part(example, is_labelled)
    for (whole, enlarged), values in zip(
        pair.T, [picture, *(overlay(picture, values, classes) for values in masked)], strict=True
    ):
        whole.imshow(values, interpolation="nearest")
        enlarged.imshow(values[part], interpolation="nearest")
        _draw_box(whole, part)
    for axes, output in zip(pair[0, 2:], example.outputs, strict=True):
        iou = confusion.mean_iou(confusion.confusion_matrix(example.label, output, len(classes)))
        axes.set_xlabel(f"mean IoU {format_score(iou)}", fontsize=SMALLEST_FONT)
    pair[0, 0].set_xlabel(plot_text(example.name, _LONGEST_TEXT), fontsize=SMALLEST_FONT)
    pair[1, 0].set_xlabel(f"box, enlarged {ZOOM} times", fontsize=SMALLEST_FONT)


def _draw_box(axes: Axes, part: tuple[slice, slice]) -> None:
    down, right = part
    corner = right.start - 0.5, down.start - 0.5  # pixel centres are at whole numbers
    for width, colour in _EDGES:
        box = Rectangle(corner, right.stop - right.start, down.stop - down.start, fill=False, ec=colour, lw=width)
        axes.add_patch(box)


def find_part(example: Example, is_labelled: np.ndarray) -> tuple[slice, slice]:
    """Find the part of an example to enlarge: one `ZOOM`-th of its rows and columns.

    Args:
        example: An example with outputs.
        is_labelled: The pixels that are not ignored, ``(rows, columns)`` bool.
    """
    outputs = np.stack(example.outputs)
    differ = (outputs != outputs[0]).any(axis=0)
    wrong = (outputs != example.label).any(axis=0)
    rows, columns = (max(1, round(side / ZOOM)) for side in is_labelled.shape)
    top, left = place_window([differ & is_labelled, wrong & is_labelled], (rows, columns))
    return slice(top, top + rows), slice(left, left + columns)


def place_window(maps: Sequence[np.ndarray], size: tuple[int, int]) -> tuple[int, int]:
    """Find the window that contains most marked pixels.

    Args:
        maps: Boolean maps ``(rows, columns)``; the first with a marked pixel is used.
        size: Rows and columns of the window, at most those of the maps.

    Returns:
        Row and column of the window's upper left corner. Of equal windows the most central one is chosen; without
        marked pixels, all windows are equal.
    """
    marked = next((marks for marks in maps if marks.any()), np.ones_like(maps[0]))
    sums = np.pad(marked.astype(np.int64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    down, right = size
    counts = sums[down:, right:] - sums[:-down, right:] - sums[down:, :-right] + sums[:-down, :-right]
    best = np.argwhere(counts == counts.max())
    middle = best[np.square(best - best.mean(axis=0)).sum(axis=1).argmin()]
    return int(middle[0]), int(middle[1])

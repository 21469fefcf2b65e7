"""A contact sheet: images of one side with truth, prediction and errors, ordered by IoU."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from matplotlib.figure import Figure

from gym.data.class_colours import render_errors
from gym.data.samples import ReadSample
from gym.evaluation import confusion
from gym.evaluation.run_model import Evaluation
from gym.reporting.style import add_class_legend, class_legend_height, plot_text

T = TypeVar("T")

_ROWS, _COLUMNS = 6, 2
_TITLES = ("image", "truth", "prediction", "errors in white")
_HEAD, _BELOW, _BESIDE, _EDGE = 0.55, 0.3, 0.06, 0.15  # inches: above all, below and beside panels, at both sides
_LONGEST_NAME = 26  # characters


def draw_contact_sheet(
    evaluation: Evaluation,
    bands: Sequence[str],
    read: ReadSample,
    side: str,
    images: Sequence[int] | None = None,
    order: str = "worst first",
) -> Figure:
    """Draw image, truth, prediction and errors of several images, two images per row, with their scores.

    Args:
        evaluation: The model's predictions and confusion matrices.
        bands: Band names.
        read: Returns image and label of a sample.
        side: The side of the split, for the title.
        images: Positions of the images in the evaluation; None picks twelve evenly from the lowest to the highest IoU.
        order: How the images are ordered, for the title.
    """
    if images is None:
        images = pick_evenly(rank_by_iou(evaluation), _ROWS * _COLUMNS)
    across = min(_COLUMNS, len(images))
    figure, grid = _lay_out(-(-len(images) // across), across, evaluation.predicted.shape[1:], evaluation.classes)
    figure.suptitle(
        f"{len(images)} of {len(evaluation.names)} {side} images, {order}; "
        f"mean IoU of all {confusion.mean_iou(evaluation.matrix):.3f}",
        fontsize=10,
        y=1 - 0.08 / figure.get_figheight(),
    )
    for panels, index in zip(grid, images, strict=False):
        _draw_image(panels, evaluation, bands, read, index)
    for axes in grid[len(images) :].ravel():
        axes.set_axis_off()
    for panels in grid[:across]:
        for axes, title in zip(panels, _TITLES, strict=True):
            axes.set_title(title, fontsize=9)
    add_class_legend(figure, evaluation.classes)
    return figure


def _lay_out(lines: int, across: int, frame: Sequence[int], classes: Sequence[str]) -> tuple[Figure, np.ndarray]:
    """Return a figure with room for ``lines`` times ``across`` images, and their panels ``(images, 4)``."""
    # The layout is computed here: matplotlib's constrained layout takes as long as drawing the whole sheet.
    rows, columns = frame
    panel = max(1.5, min(1.9, 2.6 * columns / rows))
    height = panel * rows / columns
    width = 4 * across * (panel + _BESIDE) + 2 * _EDGE - _BESIDE
    foot = class_legend_height(width, classes)
    total = _HEAD + lines * (height + _BELOW) + foot
    figure = Figure(figsize=(width, total))
    grid = figure.add_gridspec(
        lines,
        4 * across,
        left=_EDGE / width,
        right=1 - _EDGE / width,
        top=1 - _HEAD / total,
        bottom=(foot + _BELOW) / total,
        wspace=_BESIDE / panel,
        hspace=_BELOW / height,
    )
    return figure, grid.subplots(squeeze=False, subplot_kw={"xticks": [], "yticks": []}).reshape(-1, 4)


def _draw_image(panels: np.ndarray, evaluation: Evaluation, bands: Sequence[str], read: ReadSample, index: int) -> None:
    image, truth = map(np.asarray, read(evaluation.samples[index]))
    pictures = render_errors(image, truth, evaluation.predicted[index], bands, evaluation.classes)
    for axes, picture in zip(panels, pictures, strict=True):
        axes.imshow(np.rint(255 * picture).astype(np.uint8), interpolation="nearest")
    matrix = evaluation.matrices[index]
    iou, accuracy = confusion.mean_iou(matrix), confusion.overall_accuracy(matrix)
    panels[0].set_xlabel(plot_text(evaluation.names[index], _LONGEST_NAME), fontsize=6)
    panels[3].set_xlabel(f"IoU {iou:.3f}  accuracy {accuracy:.3f}", fontsize=6.5)


def pick_evenly(items: Sequence[T], most: int) -> list[T]:
    """Pick up to ``most`` items at even distances, the first and the last among them."""
    picks = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[pick] for pick in picks]


def rank_by_iou(evaluation: Evaluation) -> list[int]:
    """Return the positions of all images with a mean IoU, the lowest first."""
    ious = confusion.mean_iou(evaluation.matrices)
    return [int(index) for index in np.argsort(ious, kind="stable") if not np.isnan(ious[index])]

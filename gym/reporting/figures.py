"""The pictures of a run: learning curves, confusion matrix, contact sheet."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

from gym.data.class_colours import render_errors
from gym.data.samples import ReadSample
from gym.evaluation import confusion
from gym.evaluation.run_model import Evaluation
from gym.reporting.style import class_legend, legend_height, literal, shorten
from gym.training.checkpoint import Epoch

_SHEET_ROWS, _SHEET_COLUMNS = 6, 2
_HEAD, _BELOW, _BESIDE, _EDGE = 0.55, 0.3, 0.06, 0.15  # inches: above all, below and beside panels, at the sides
_LONGEST_NAME = 26


def draw_learning_curves(epochs: Sequence[Epoch], best_epoch: int) -> Figure:
    """Loss, IoU and learning rate by epoch, with the epoch whose weights are kept."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    loss, iou, rate = figure.subplots(1, 3)
    numbers = [epoch.number for epoch in epochs]
    loss.plot(numbers, [epoch.train_loss for epoch in epochs], "o-", ms=3, label="training")
    loss.plot(numbers, [epoch.val_loss for epoch in epochs], "s--", ms=3, label="validation")
    losses = [value for epoch in epochs for value in (epoch.train_loss, epoch.val_loss)]
    is_wide = min(losses) > 0 and max(losses) > 10 * min(losses)
    loss.set(title="Loss", xlabel="epoch", yscale="log" if is_wide else "linear")
    if is_wide:
        loss.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        loss.yaxis.set_major_formatter(FormatStrFormatter("%.3g"))
        loss.yaxis.set_minor_formatter(NullFormatter())
    iou.plot(numbers, [epoch.train_iou for epoch in epochs], "o-", ms=3, label="training")
    iou.plot(numbers, [epoch.val_iou for epoch in epochs], "s--", ms=3, label="validation")
    iou.set(title="Mean IoU", xlabel="epoch", ylim=(0, 1.03))
    rate.plot(numbers, [epoch.learning_rate for epoch in epochs], "o-", ms=3, color="0.3")
    rate.set(title="Learning rate", xlabel="epoch", yscale="log")
    for axes in (loss, iou, rate):
        axes.axvline(best_epoch, color="0.6", lw=1, ls=":", label=f"best epoch {best_epoch}")
        axes.grid(alpha=0.25)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(0.5, len(numbers) + 0.5)
    figure.legend(handles=loss.get_lines(), loc="outside lower center", ncols=3)
    return figure


def draw_confusion_matrix(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """Shares of each true class, with pixel counts, and the IoU of each class beside its name."""
    longest = max(len(name) for name in classes)
    side = max(4.0, 1.1 * len(classes) + 1.5 + 0.08 * longest)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    shares = confusion.ratio(matrix, np.broadcast_to(matrix.sum(axis=1, keepdims=True), matrix.shape))
    drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(matrix.shape):
        share = shares[row, column]
        words = "" if np.isnan(share) else f"{share:.1%}\n{matrix[row, column]:,}"
        axes.text(column, row, words, ha="center", va="center", fontsize=8, color="white" if share > 0.5 else "black")
    names = [literal(name) for name in classes]
    ious = [
        f"{name}\nno IoU" if np.isnan(iou) else f"{name}\nIoU {iou:.3f}"
        for name, iou in zip(names, confusion.class_iou(matrix), strict=True)
    ]
    ticks = range(len(classes))
    axes.set_xticks(ticks, names, rotation=30, ha="right")
    axes.set_yticks(ticks, ious)
    axes.set(xlabel="predicted", ylabel="true", title=f"Mean IoU {confusion.mean_iou(matrix):.3f}")
    figure.colorbar(drawn, label="share of the true class", shrink=0.8)
    return figure


def draw_contact_sheet(
    evaluation: Evaluation,
    bands: Sequence[str],
    read: ReadSample,
    side: str,
    shown: Sequence[int] | None = None,
    order: str = "worst first",
) -> Figure:
    """Images of a side: image, truth, prediction, errors, with legend and scores.

    They read along the rows, two images in each.

    Args:
        evaluation: What a model did.
        bands: Band names.
        read: Gives image and label of a sample.
        side: What the images are, for the title.
        shown: Positions of the images; None takes some evenly from the worst to the best IoU.
        order: In which they stand, for the title.
    """
    if shown is None:
        shown = spread_by_iou(evaluation, _SHEET_ROWS * _SHEET_COLUMNS)
    across = min(_SHEET_COLUMNS, len(shown))
    figure, grid = lay_out_sheet(-(-len(shown) // across), across, evaluation.predicted.shape[1:], evaluation.classes)
    figure.suptitle(
        f"{len(shown)} of {len(evaluation.names)} {side} images, {order}; "
        f"mean IoU of all {confusion.mean_iou(evaluation.matrix):.3f}",
        fontsize=10,
        y=1 - 0.08 / figure.get_figheight(),
    )
    for axes, index in zip(grid, shown, strict=False):
        draw_row(axes, evaluation, bands, read, index)
    for axes in grid[len(shown) :].ravel():
        axes.set_axis_off()
    for titled in grid[:across]:
        for axes, title in zip(titled, ("image", "truth", "prediction", "errors in white"), strict=True):
            axes.set_title(title, fontsize=9)
    class_legend(figure, evaluation.classes)
    return figure


def lay_out_sheet(lines: int, across: int, frame: Sequence[int], classes: Sequence[str]) -> tuple[Figure, np.ndarray]:
    """A figure with places for ``lines`` times ``across`` images of a frame, and their axes, ``(images, 4)``.

    The places are reckoned: to let matplotlib find them takes as long as all else of the sheet.
    """
    rows, columns = frame
    panel = max(1.5, min(1.9, 2.6 * columns / rows))
    height = panel * rows / columns
    width = 4 * across * (panel + _BESIDE) + 2 * _EDGE - _BESIDE
    foot = legend_height(width, classes)
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


def draw_row(axes: np.ndarray, evaluation: Evaluation, bands: Sequence[str], read: ReadSample, index: int) -> None:
    """Fill the four panels of one image."""
    classes, predicted, name = evaluation.classes, evaluation.predicted[index], evaluation.names[index]
    image, truth = map(np.asarray, read(evaluation.samples[index]))
    for panel, values in zip(axes, render_errors(image, truth, predicted, bands, classes), strict=True):
        panel.imshow(np.rint(255 * values).astype(np.uint8), interpolation="nearest")
    scores = confusion.score_matrix(evaluation.matrices[index])
    axes[0].set_xlabel(literal(shorten(name, _LONGEST_NAME)), fontsize=6)
    axes[3].set_xlabel(f"IoU {scores.iou:.3f}  accuracy {scores.overall_accuracy:.3f}", fontsize=6.5)


def spread_by_iou(evaluation: Evaluation, most: int) -> list[int]:
    """Pick up to ``most`` images, evenly from the lowest to the highest mean IoU; without a counted pixel, none."""
    ranked = rank_by_iou(evaluation)
    picks = np.linspace(0, len(ranked) - 1, min(most, len(ranked))).round().astype(int)
    return [ranked[pick] for pick in picks]


def rank_by_iou(evaluation: Evaluation) -> list[int]:
    """Positions of the images from the lowest to the highest mean IoU, those that have one."""
    ious = confusion.mean_iou(evaluation.matrices)
    return [int(index) for index in np.argsort(ious, kind="stable") if not np.isnan(ious[index])]

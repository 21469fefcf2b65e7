"""Training curves: loss, mean IoU and learning rate by epoch, of one run or of all runs of a sweep."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

from gym.config.registries import ARCHITECTURES, LOSSES, SCORES
from gym.reporting.figure4_data import line_style, sort_by_registration
from gym.reporting.style import FONT, PAGE_WIDTH, make_loss_grid, make_message, make_panels
from gym.training.checkpoint import Epoch

_PAGE_FONT = 7.0
_HEIGHT = 1.75  # inches of a panel
_NO_EPOCHS = "No epochs have been logged."
_PALEST = 0.4  # strength of the colour of the smallest model
_UNFINISHED = "0.6"
_LOG_RANGE = 10  # largest over smallest loss, from which on a linear scale would flatten the late epochs


class RunCurve(NamedTuple):
    """The epochs of one run of a sweep; an unfinished run has those that it reached."""

    model: str
    loss: str
    filters: int
    epochs: list[Epoch]
    is_finished: bool = True


def draw_training_curves(epochs: Sequence[Epoch], best_epoch: int) -> Figure:
    """Draw loss, mean IoU and learning rate of one run by epoch, and mark the epoch whose weights are kept."""
    figure, (loss, iou, rate) = make_panels(12, 3.6, 1, 3, grid="both")
    numbers = [epoch.number for epoch in epochs]
    for axes, name in ((loss, "loss"), (iou, SCORES.default)):
        axes.plot(numbers, [getattr(epoch, f"train_{name}") for epoch in epochs], "o-", ms=3, label="training")
        axes.plot(numbers, [getattr(epoch, f"val_{name}") for epoch in epochs], "s--", ms=3, label="validation")
    rate.plot(numbers, [epoch.learning_rate for epoch in epochs], "o-", ms=3, color="0.3")
    loss.set_title("Loss")
    _scale_losses(loss)
    iou.set(title="Mean IoU", ylim=(0, 1.03))
    rate.set(title="Learning rate", yscale="log")
    for axes in (loss, iou, rate):
        axes.axvline(best_epoch, color="0.6", lw=1, ls=":", label=f"best epoch {best_epoch}")
        axes.set(xlabel="epoch", xlim=(0.5, len(numbers) + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.legend(handles=loss.get_lines(), loc="outside lower center", ncols=3)
    return figure


def draw_page_curves(epochs: Sequence[Epoch]) -> Figure:
    """Draw the training curves of one run at the width of a printed page."""
    if not epochs:
        return make_message(_NO_EPOCHS)
    with mpl.rc_context({"font.size": _PAGE_FONT}):
        figure = draw_training_curves(epochs, min(epochs, key=lambda epoch: epoch.val_loss).number)
    figure.set_size_inches(PAGE_WIDTH, 2.5)
    return figure


def draw_sweep_curves(curves: Sequence[RunCurve]) -> Figure:
    """Draw validation IoU, validation loss and training loss of many runs by epoch, one column per loss function.

    Architectures have the colours and dashes of Figure 4; a paler line has fewer filters, a grey one is unfinished, and
    a dot marks the last epoch. Runs without an epoch are left out. Loss functions have different units, so only mean
    IoU shares its scale across columns.
    """
    shown = [curve for curve in curves if curve.epochs]
    losses = sort_by_registration(LOSSES, {curve.loss for curve in shown})
    if not losses:
        return make_message(_NO_EPOCHS)
    main = SCORES.get(SCORES.default)
    titles = {f"val_{main.name}": f"{main.title}, validation", "val_loss": "loss, validation"}
    titles |= {"train_loss": "loss, training"}
    figure, grid = make_loss_grid(losses, list(titles.values()), "epoch", _HEIGHT * len(titles) + 0.6)
    widths = sorted({curve.filters for curve in shown})
    for column, loss in zip(grid.T, losses, strict=True):
        for axes, score in zip(column, titles, strict=True):
            # Unfinished runs come first, so that finished ones are drawn over them.
            for curve in sorted(shown, key=lambda curve: curve.is_finished):
                if curve.loss == loss:
                    _draw_run(axes, curve, score, widths)
            if score.endswith("loss"):
                _scale_losses(axes)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    for axes in grid[0, 1:]:
        axes.sharey(grid[0, 0])
    handles = _legend_handles(shown, widths)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 2 * len(losses)), fontsize=FONT)
    return figure


def _draw_run(axes: Axes, curve: RunCurve, score: str, widths: Sequence[int]) -> None:
    style = ARCHITECTURES.get(curve.model).style
    colour = shade(style.colour, curve.filters, widths) if curve.is_finished else _UNFINISHED
    numbers, values = [epoch.number for epoch in curve.epochs], [getattr(epoch, score) for epoch in curve.epochs]
    axes.plot(numbers, values, color=colour, ls=style.dash, lw=0.9)
    axes.plot(numbers[-1:], values[-1:], style.marker, color=colour, ms=2.5)


def shade(colour: str, filters: int, widths: Sequence[int]) -> tuple[float, ...]:
    """Mix a colour with white: the fewer filters a model has, by its rank among ``widths``, the paler."""
    rank = widths.index(filters) / (len(widths) - 1) if len(widths) > 1 else 1.0
    strength = _PALEST + (1 - _PALEST) * rank
    return tuple(1 - strength * (1 - np.array(to_rgb(colour))))


def _scale_losses(axes: Axes) -> None:
    """Make the y axis logarithmic, with plain numbers, if the losses are positive and span a wide range."""
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.get_lines()])
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() > _LOG_RANGE * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%.3g"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def _legend_handles(curves: Sequence[RunCurve], widths: Sequence[int]) -> list[Line2D]:
    models = {curve.model for curve in curves if curve.is_finished}
    handles = [
        Line2D([], [], ms=2.5, lw=0.9, label=model.title, **line_style(model))
        for model in ARCHITECTURES
        if model.name in models
    ]
    if len(widths) > 1:
        handles.append(Line2D([], [], ls="", label=f"paler: fewer filters ({widths[0]} to {widths[-1]})"))
    if any(not curve.is_finished for curve in curves):
        handles.append(Line2D([], [], color=_UNFINISHED, lw=0.9, label="unfinished"))
    return handles

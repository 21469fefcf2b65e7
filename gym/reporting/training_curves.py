"""The learning curves of many runs side by side: mean IoU and losses by epoch, one column a loss, as in Figure 4.

Losses of different kinds do not compare, so only mean IoU has one scale for all columns.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

from gym.config.registries import ARCHITECTURES, LOSSES
from gym.reporting.figure4_data import COLUMNS_ON_A_PAGE, sort_by_registration
from gym.reporting.style import COLUMN_WIDTH, PAGE_WIDTH, literal
from gym.training.checkpoint import Epoch

_SCORES = {"val_iou": "mean IoU, validation", "val_loss": "loss, validation", "train_loss": "loss, training"}
_FONT = 7.5
_PANEL, _HEIGHT = 2.15, 1.75  # inches
_PALEST = 0.4  # share of its colour that the smallest model has
_UNFINISHED = "0.6"
_WIDE = 10  # times the least of a panel's values, for a logarithmic scale


class RunCurve(NamedTuple):
    """The epochs of a run, and what tells it from others; a run that did not finish has those it came to."""

    model: str
    loss: str
    filters: int
    epochs: list[Epoch]
    is_finished: bool = True


def draw_run_curves(curves: Sequence[RunCurve]) -> Figure:
    """Mean IoU and loss of validation and the loss of training, by epoch; a dot ends each line.

    Architectures have the colours and dashes of Figure 4, paler ones fewer filters; runs that did not finish are grey.
    Runs without an epoch are left out.
    """
    shown = [curve for curve in curves if curve.epochs]
    losses = sort_by_registration(LOSSES, {curve.loss for curve in shown})
    if not losses:
        return no_curves()
    width = max(COLUMN_WIDTH, PAGE_WIDTH + _PANEL * (len(losses) - COLUMNS_ON_A_PAGE))
    figure = Figure(figsize=(width, _HEIGHT * len(_SCORES) + 0.6), layout="constrained")
    grid = figure.subplots(len(_SCORES), len(losses), sharex=True, squeeze=False)
    widths = sorted({curve.filters for curve in shown})
    for column, loss in zip(grid.T, losses, strict=True):
        column[0].set_title(f"loss {literal(loss)}", fontsize=_FONT + 0.5)
        of_loss = [curve for curve in shown if curve.loss == loss]
        for axes, score in zip(column, _SCORES, strict=True):
            for curve in sorted(of_loss, key=lambda curve: curve.is_finished):
                draw_curve(axes, curve, score, widths)
    for axes in grid[0, 1:]:
        axes.sharey(grid[0, 0])
    for row, (score, title) in zip(grid, _SCORES.items(), strict=True):
        row[0].set_ylabel(title, fontsize=_FONT)
        for axes in row:
            finish_panel(axes, is_loss=score != "val_iou")
    for axes in grid[-1]:
        axes.set_xlabel("epoch", fontsize=_FONT)
    handles = legend_of(shown, widths)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 2 * len(losses)), fontsize=_FONT)
    return figure


def no_curves() -> Figure:
    """A figure for when there is nothing to draw."""
    figure = Figure(figsize=(COLUMN_WIDTH, 1), layout="constrained")
    figure.text(0.5, 0.5, "No epoch of any run is known.", ha="center", va="center", fontsize=_FONT)
    return figure


def draw_curve(axes: Axes, curve: RunCurve, score: str, widths: Sequence[int]) -> None:
    """One run in one panel."""
    style = ARCHITECTURES.get(curve.model).style
    colour = shade(style.colour, curve.filters, widths) if curve.is_finished else _UNFINISHED
    numbers, values = [epoch.number for epoch in curve.epochs], [getattr(epoch, score) for epoch in curve.epochs]
    axes.plot(numbers, values, color=colour, ls=style.dash, lw=0.9)
    axes.plot(numbers[-1:], values[-1:], style.marker, color=colour, ms=2.5)


def shade(colour: str, filters: int, widths: Sequence[int]) -> tuple[float, ...]:
    """The colour of an architecture, mixed with white: the more, the fewer filters a model has among others."""
    rank = widths.index(filters) / (len(widths) - 1) if len(widths) > 1 else 1.0
    strength = _PALEST + (1 - _PALEST) * rank
    return tuple(1 - strength * (1 - np.array(to_rgb(colour))))


def finish_panel(axes: Axes, is_loss: bool) -> None:
    """Set grid, ticks, and for a loss that spans much the scale."""
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.get_lines()])
    values = values[np.isfinite(values)]
    if is_loss and values.size and values.min() > 0 and values.max() > _WIDE * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%.3g"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.tick_params(labelsize=_FONT - 0.5)
    axes.grid(alpha=0.25)


def legend_of(curves: Sequence[RunCurve], widths: Sequence[int]) -> list[Line2D]:
    """What colours, dashes and shades stand for."""
    models = {curve.model for curve in curves if curve.is_finished}
    handles = [
        Line2D(
            *([], []),
            color=entry.style.colour,
            ls=entry.style.dash,
            marker=entry.style.marker,
            ms=2.5,
            lw=0.9,
            label=entry.title,
        )
        for entry in ARCHITECTURES
        if entry.name in models
    ]
    if len(widths) > 1:
        handles.append(Line2D([], [], ls="", label=f"paler: fewer filters ({widths[0]} to {widths[-1]})"))
    if any(not curve.is_finished for curve in curves):
        handles.append(Line2D([], [], color=_UNFINISHED, lw=0.9, label="not finished"))
    return handles

"""The pictures of a data set: pairs of each side, augmented examples, class balance, band histograms."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gym.reporting.drawing import literal, shorten
from gym.reporting.imagery import class_colours, overlay, show_bands
from gym.reporting.legend import class_legend

_ACROSS = 4
_BINS = 100
_PANEL = 1.75  # inches
_LONGEST_NAME = 44  # signs over two panels


class Shown(NamedTuple):
    """A pair to show: ``image`` ``(rows, columns, bands)`` and ``label`` ``(rows, columns)``."""

    name: str
    image: np.ndarray
    label: np.ndarray


def draw_pairs(shown: Sequence[Shown], bands: Sequence[str], classes: Sequence[str], title: str) -> Figure:
    """Each image beside its label laid over it, with a legend."""
    across = min(_ACROSS, len(shown))
    lines = -(-len(shown) // across)
    rows, columns = shown[0].label.shape
    height = _PANEL * rows / columns
    figure = Figure(figsize=(2 * across * _PANEL + 0.4, lines * (height + 0.28) + 0.9), layout="constrained")
    figure.suptitle(title, fontsize=10)
    grid = figure.subplots(lines, 2 * across, squeeze=False).reshape(-1, 2)
    for axes in grid.ravel():
        axes.set_axis_off()
    for (left, right), one in zip(grid, shown, strict=False):
        picture = show_bands(one.image, bands)
        left.imshow(picture, interpolation="nearest")
        right.imshow(overlay(picture, one.label, classes), interpolation="nearest")
        left.set_title(literal(shorten(one.name, _LONGEST_NAME)), fontsize=6.5, loc="left", pad=2)
    class_legend(figure, classes)
    return figure


def draw_class_balance(
    by_side: Mapping[str, np.ndarray], by_site: Mapping[str, np.ndarray], classes: Sequence[str]
) -> Figure:
    """Share of each class in the labelled pixels, of each side and of each site."""
    bars = {f"{side} side": counts for side, counts in by_side.items()} | dict(by_site)
    figure = Figure(figsize=(8, 0.34 * len(bars) + 1.5), layout="constrained")
    axes = figure.subplots()
    names, counts = list(bars), np.array(list(bars.values()), float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    left = np.zeros(len(bars))
    for share, colour in zip(shares.T, class_colours(classes), strict=True):
        axes.barh(names, share, left=left, color=colour, height=0.75)
        label_bars(axes, share, left)
        left += share
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of labelled pixels")
    axes.set_yticks(range(len(names)), [literal(name) for name in names])
    if by_site:
        axes.axhline(len(by_side) - 0.5, color="black", lw=0.8)
    class_legend(figure, classes)
    return figure


def label_bars(axes: Axes, shares: np.ndarray, left: np.ndarray) -> None:
    """Write a share into its bar where there is room."""
    for place, (share, start) in enumerate(zip(shares, left, strict=True)):
        if share >= 0.06:
            axes.text(start + share / 2, place, f"{share:.0%}", ha="center", va="center", fontsize=7, color="white")


def draw_histograms(values: Mapping[str, np.ndarray], bands: Sequence[str]) -> Figure:
    """How often each value of each band is, on each side.

    Args:
        values: By side, values of pixels with data, ``(pixels, bands)``.
        bands: Band names.
    """
    across = min(4, len(bands))
    lines = -(-len(bands) // across)
    figure = Figure(figsize=(2.9 * across, 2.2 * lines + 0.3), layout="constrained")
    grid = figure.subplots(lines, across, squeeze=False).ravel()
    for band, axes in enumerate(grid):
        if band >= len(bands):
            axes.set_axis_off()
            continue
        together = np.concatenate([side[:, band] for side in values.values()])
        low, high = np.percentile(together, [0.1, 99.9])
        edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
        for side, pixels in values.items():
            counts, _ = np.histogram(pixels[:, band], edges)
            axes.stairs(counts / max(1, len(pixels)), edges, label=side, lw=1.1)
        axes.set_title(literal(bands[band]), fontsize=9)
        axes.set_yticks([])
        axes.tick_params(labelsize=7)
    grid[0].legend(fontsize=7)
    return figure

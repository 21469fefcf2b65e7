"""Figures of a dataset: image and label pairs, class balance, and a histogram of each band."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from gym.data.class_colours import class_colours, overlay, render_rgb
from gym.reporting.style import add_class_legend, make_panels, plot_text

_ACROSS = 4
_BINS = 100
_PANEL = 1.75  # inches
_LONGEST_NAME = 44  # characters over two panels
_NARROWEST_LABELLED = 0.06  # share of a bar below which its percentage does not fit


class PairPicture(NamedTuple):
    """A pair to draw: ``image`` ``(rows, columns, bands)`` and ``label`` ``(rows, columns)``."""

    name: str
    image: np.ndarray
    label: np.ndarray


def draw_pairs(pairs: Sequence[PairPicture], bands: Sequence[str], classes: Sequence[str], title: str) -> Figure:
    """Draw each image, and next to it the image overlaid with its label."""
    across = min(_ACROSS, len(pairs))
    lines = -(-len(pairs) // across)
    rows, columns = pairs[0].label.shape
    height = _PANEL * rows / columns
    size = 2 * across * _PANEL + 0.4, lines * (height + 0.28) + 0.9
    figure, grid = make_panels(*size, lines, 2 * across, squeeze=False)
    figure.suptitle(title, fontsize=10)
    for axes in grid.ravel():
        axes.set_axis_off()
    for (left, right), pair in zip(grid.reshape(-1, 2), pairs, strict=False):
        picture = render_rgb(pair.image, bands)
        left.imshow(picture, interpolation="nearest")
        right.imshow(overlay(picture, pair.label, classes), interpolation="nearest")
        left.set_title(plot_text(pair.name, _LONGEST_NAME), fontsize=6.5, loc="left", pad=2)
    add_class_legend(figure, classes)
    return figure


def draw_class_balance(
    by_side: Mapping[str, np.ndarray], by_site: Mapping[str, np.ndarray], classes: Sequence[str]
) -> Figure:
    """Draw the share of each class in the labelled pixels of each side and each site.

    Args:
        by_side: Labelled pixels of each class, ``(classes,)``, by side.
        by_site: The same by site; it may be empty.
        classes: Class names.
    """
    bars = {f"{side} side": counts for side, counts in by_side.items()} | dict(by_site)
    figure, axes = make_panels(8, 0.34 * len(bars) + 1.5)
    counts = np.array(list(bars.values()), float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    left = np.zeros(len(bars))
    for share, colour in zip(shares.T, class_colours(classes), strict=True):
        drawn = axes.barh(range(len(bars)), share, left=left, color=colour, height=0.75)
        labels = [f"{value:.0%}" if value >= _NARROWEST_LABELLED else "" for value in share]
        axes.bar_label(drawn, labels, label_type="center", fontsize=7, color="white")
        left += share
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of labelled pixels")
    axes.set_yticks(range(len(bars)), [plot_text(name) for name in bars])
    if by_site:
        axes.axhline(len(by_side) - 0.5, color="black", lw=0.8)
    add_class_legend(figure, classes)
    return figure


def draw_histograms(values: Mapping[str, np.ndarray], bands: Sequence[str]) -> Figure:
    """Draw the distribution of the values of each band on each side.

    Args:
        values: Values of pixels with data, ``(pixels, bands)``, by side.
        bands: Band names.
    """
    across = min(4, len(bands))
    lines = -(-len(bands) // across)
    figure = Figure(figsize=(2.9 * across, 2.2 * lines + 0.3), layout="constrained")
    grid = figure.subplots(lines, across, squeeze=False).ravel()
    for axes in grid[len(bands) :]:
        axes.set_axis_off()
    for band, (name, axes) in enumerate(zip(bands, grid, strict=False)):
        low, high = np.percentile(np.concatenate([pixels[:, band] for pixels in values.values()]), [0.1, 99.9])
        edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
        for side, pixels in values.items():
            counts, _ = np.histogram(pixels[:, band], edges)
            axes.stairs(counts / max(1, len(pixels)), edges, label=side, lw=1.1)
        axes.set_title(plot_text(name), fontsize=9)
        axes.set_yticks([])
        axes.tick_params(labelsize=7)
    grid[0].legend(fontsize=7)
    return figure

"""Figures of an evaluation: confusion matrix, calibration, errors near boundaries, differences between runs."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from gym.config.registries import SCORES, Place
from gym.evaluation import confusion
from gym.evaluation.bootstrap import Interval, draw_units, percentile_interval, resample, sum_by_unit
from gym.evaluation.boundary import ERROR_BINS
from gym.evaluation.calibration import BINS, expected_calibration_error
from gym.evaluation.counts import Counts
from gym.reporting.style import BLUE, ORANGE, make_panels, plot_text

_LONGEST_NAME = 40  # characters


def draw_confusion_matrix(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw the share of each true class that is predicted as each class, with pixel counts and the IoU per class."""
    longest = max(len(name) for name in classes)
    side = max(4.0, 1.1 * len(classes) + 1.5 + 0.08 * longest)
    figure, axes = make_panels(side + 0.8, side)
    shares = confusion.ratio(matrix, np.broadcast_to(matrix.sum(axis=1, keepdims=True), matrix.shape))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(matrix.shape):
        share = shares[row, column]
        text = "" if np.isnan(share) else f"{share:.1%}\n{matrix[row, column]:,}"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if share > 0.5 else "black")
    names = [plot_text(name) for name in classes]
    ious = [
        f"{name}\nno IoU" if np.isnan(iou) else f"{name}\nIoU {iou:.3f}"
        for name, iou in zip(names, confusion.class_iou(matrix), strict=True)
    ]
    axes.set_xticks(range(len(classes)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(classes)), ious)
    axes.set(xlabel="predicted", ylabel="true", title=f"Mean IoU {confusion.mean_iou(matrix):.3f}")
    figure.colorbar(image, label="share of the true class", shrink=0.8)
    return figure


def draw_reliability(counts: Counts) -> Figure:
    """Draw accuracy by confidence, before and after temperature scaling, and how many pixels have each confidence.

    Args:
        counts: Totals over all images.
    """
    figure, (diagram, histogram) = make_panels(9, 4, 1, 2, grid="both", width_ratios=[1.15, 1])
    diagram.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--", label="perfect calibration")
    edges = np.linspace(0, 1, BINS + 1)
    for name, bins, colour, marker, dash in (
        ("as predicted", counts.reliability, BLUE, "o", "-"),
        ("with temperature", counts.reliability_with_temperature, ORANGE, "s", "--"),
    ):
        if bins[:, 0].any():
            filled = bins[bins[:, 0] > 0]
            label = f"{name}, calibration error {expected_calibration_error(bins):.3f}"
            confidence, accuracy = filled[:, 1] / filled[:, 0], filled[:, 2] / filled[:, 0]
            diagram.plot(confidence, accuracy, marker + dash, color=colour, ms=4, label=label)
            histogram.stairs(bins[:, 0] / bins[:, 0].sum(), edges, color=colour, lw=1.5, ls=dash, label=name)
    diagram.set(xlabel="confidence", ylabel="share of correct pixels", xlim=(0, 1), ylim=(0, 1))
    histogram.set(xlabel="confidence", ylabel="share of pixels", xlim=(0, 1), yscale="log")
    for axes in (diagram, histogram):
        axes.legend(loc="upper left", fontsize=8)
    return figure


def draw_errors_by_distance(units: Sequence[str], errors: np.ndarray, seed: int) -> Figure:
    """Draw the error rate by distance from the nearest true boundary, and how all pixels and errors are distributed.

    Arguments are those of `error_rates`.
    """
    labelled, wrong = errors.sum(axis=0).T
    rates, low, high = 100 * np.transpose(error_rates(units, errors, seed))
    figure, (rate, share) = make_panels(9, 3.6, 1, 2, grid="y")
    places = np.arange(len(labelled))
    rate.bar(places, np.nan_to_num(rates), color=BLUE)
    rate.errorbar(places, rates, np.stack([rates - low, high - rates]).clip(0), fmt="none", color="0.2", lw=1)
    rate.set_ylabel("error rate, %")
    for offset, counts, colour, label in ((-0.2, labelled, "0.7", "all pixels"), (0.2, wrong, ORANGE, "errors")):
        share.bar(places + offset, 100 * counts / max(1, counts.sum()), 0.4, color=colour, label=label)
    share.set_ylabel("share, %")
    share.legend(fontsize=8)
    for axes in (rate, share):
        axes.set_xticks(places, distance_labels())
        axes.set(xlabel="distance from the nearest true boundary, pixels", axisbelow=True)
    return figure


def error_rates(units: Sequence[str], errors: np.ndarray, seed: int) -> list[Interval]:
    """Return the share of wrong pixels in each distance class, with its interval over units.

    Args:
        units: The unit of each image, from `gym.data.units`.
        errors: Labelled and wrong pixels, ``(images, distances, 2)``.
        seed: Seed of the bootstrap.
    """
    _, by_unit = sum_by_unit(units, errors)
    redrawn = resample(draw_units(len(by_unit), seed), by_unit)
    rates, redrawn_rates = (confusion.ratio(of[..., 1], of[..., 0]) for of in (errors.sum(axis=0), redrawn))
    return [percentile_interval(rate, draws, len(by_unit)) for rate, draws in zip(rates, redrawn_rates.T, strict=True)]


def distance_labels() -> list[str]:
    """Label the distance classes in pixels, as in ``3-4`` and ``33+``."""
    starts = (0, *ERROR_BINS)
    ranges = [f"{a}" if b == a + 1 else f"{a}-{b - 1}" for a, b in pairwise(starts)]
    return [*ranges, f"{starts[-1]}+"]


def draw_differences(differences: Mapping[str, Mapping[str, Interval]], units: str) -> Figure:
    """Draw by how much a run exceeds others in mean IoU, boundary IoU and KLD.

    The 95 % intervals are over ``units``, a noun in the plural.
    """
    entries = sorted(SCORES.at(Place.DIFFERENCES), key=lambda entry: not entry.by_class)
    scores = [entry.name for entry in entries]
    figure, panels = make_panels(9, 0.35 * len(differences) + 1.5, 1, len(scores), grid="x", sharey=True)
    for axes, score in zip(panels, scores, strict=True):
        for place, intervals in enumerate(differences.values()):
            value, low, high = intervals[score]
            axes.plot([low, high], [place, place], color=BLUE, lw=2)
            axes.plot([value], [place], "o", color=BLUE, ms=5)
        axes.axvline(0, color="0.5", lw=1, ls="--")
        axes.set(title=score.replace("_", " "), ylim=(len(differences) - 0.5, -0.5))
        axes.set_yticks(range(len(differences)), [plot_text(other, _LONGEST_NAME) for other in differences])
    figure.supxlabel(f"this run minus the other, with 95 % interval over {plot_text(units)}", fontsize=9)
    return figure

"""The pictures of an evaluation: how sure the model is, where its errors are, how runs differ."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gym.evaluation.assessment import Assessment
from gym.evaluation.bootstrap import Interval, draw_scenes, percentile_interval, resample, sum_by_scene
from gym.evaluation.boundary import ERROR_BINS
from gym.evaluation.calibration import BINS, expected_calibration_error
from gym.evaluation.confusion import ratio
from gym.evaluation.scores import sum_counts
from gym.reporting.style import literal, shorten

_BLUE, _ORANGE = "#0072b2", "#d55e00"
_LONGEST_NAME = 40


def draw_reliability(assessment: Assessment) -> Figure:
    """Share of right pixels by confidence, without and with temperature, and how many pixels are so sure."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    diagram, histogram = figure.subplots(1, 2, width_ratios=[1.15, 1])
    counts = sum_counts(assessment.counts)
    diagram.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--", label="as sure as right")
    lines = (
        ("as predicted", counts.reliability, _BLUE, "o-"),
        ("with temperature", counts.reliability_with_temperature, _ORANGE, "s--"),
    )
    for name, bins, colour, style in lines:
        if bins[:, 0].any():
            draw_bins(diagram, bins, name, colour, style)
            shares = bins[:, 0] / bins[:, 0].sum()
            edges = np.linspace(0, 1, BINS + 1)
            histogram.stairs(shares, edges, color=colour, lw=1.5, ls="--" if style.endswith("--") else "-", label=name)
    diagram.set(xlabel="confidence", ylabel="share of right pixels", xlim=(0, 1), ylim=(0, 1))
    histogram.set(xlabel="confidence", ylabel="share of pixels", xlim=(0, 1), yscale="log")
    for axes in (diagram, histogram):
        axes.grid(alpha=0.25)
        axes.legend(loc="upper left", fontsize=8)
    return figure


def draw_bins(axes: Axes, bins: np.ndarray, name: str, colour: str, style: str) -> None:
    """One line of the reliability diagram, with its expected calibration error."""
    filled = bins[bins[:, 0] > 0]
    label = f"{name}, calibration error {expected_calibration_error(bins):.3f}"
    axes.plot(filled[:, 1] / filled[:, 0], filled[:, 2] / filled[:, 0], style, color=colour, ms=4, label=label)


def draw_errors_by_distance(assessment: Assessment, seed: int) -> Figure:
    """How often pixels are wrong by their distance from the nearest boundary, and which share of all errors that is."""
    errors = sum_counts(assessment.counts).errors
    rates, low, high = np.transpose(rates_by_distance(assessment.scenes, assessment.counts.errors, seed))
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    often, where = figure.subplots(1, 2)
    places = np.arange(len(errors))
    often.bar(places, 100 * np.nan_to_num(rates), color=_BLUE)
    often.errorbar(
        places, 100 * rates, 100 * np.stack([rates - low, high - rates]).clip(0), fmt="none", color="0.2", lw=1
    )
    often.set(ylabel="wrong pixels there, %")
    where.bar(places - 0.2, 100 * errors[:, 0] / max(1, errors[:, 0].sum()), 0.4, color="0.7", label="of all pixels")
    where.bar(places + 0.2, 100 * errors[:, 1] / max(1, errors[:, 1].sum()), 0.4, color=_ORANGE, label="of all errors")
    where.set(ylabel="share, %")
    where.legend(fontsize=8)
    for axes in (often, where):
        axes.set_xticks(places, distance_labels())
        axes.set_xlabel("distance from the nearest true boundary, pixels")
        axes.grid(alpha=0.25, axis="y")
        axes.set_axisbelow(True)
    return figure


def rates_by_distance(scenes: Sequence[str], errors: np.ndarray, seed: int) -> list[Interval]:
    """Share of wrong pixels by distance, with its interval over scenes.

    Args:
        scenes: The scene of each image.
        errors: Counted pixels and wrong ones, ``(images, distances, 2)``.
        seed: Of the bootstrap.
    """
    of_scenes = sum_by_scene(scenes, errors)[1]
    drawn = resample(draw_scenes(len(of_scenes), seed), of_scenes)
    rates, drawn_rates = (ratio(of[..., 1], of[..., 0]) for of in (errors.sum(axis=0), drawn))
    return [
        percentile_interval(rate, of_draws, len(of_scenes)) for rate, of_draws in zip(rates, drawn_rates.T, strict=True)
    ]


def distance_labels() -> list[str]:
    """Names of the distance classes."""
    starts = (0, *ERROR_BINS)
    spans = [f"{a}" if b == a + 1 else f"{a}-{b - 1}" for a, b in pairwise(starts)]
    return [*spans, f"{starts[-1]}+"]


def draw_differences(differences: Mapping[str, Mapping[str, Interval]]) -> Figure:
    """The mean IoU, boundary IoU and KLD of a run less those of others, with intervals."""
    shown = ("iou", "boundary_iou", "kld")
    figure = Figure(figsize=(9, 0.35 * len(differences) + 1.5), layout="constrained")
    for axes, score in zip(figure.subplots(1, len(shown), sharey=True), shown, strict=True):
        for place, scores in enumerate(differences.values()):
            value, low, high = scores[score]
            axes.plot([low, high], [place, place], color=_BLUE, lw=2)
            axes.plot([value], [place], "o", color=_BLUE, ms=5)
        axes.axvline(0, color="0.5", lw=1, ls="--")
        axes.set(title=score.replace("_", " "), ylim=(len(differences) - 0.5, -0.5))
        axes.set_yticks(range(len(differences)), [literal(shorten(other, _LONGEST_NAME)) for other in differences])
        axes.grid(alpha=0.25, axis="x")
    figure.supxlabel("this run less the other, 95 % interval over scenes", fontsize=9)
    return figure

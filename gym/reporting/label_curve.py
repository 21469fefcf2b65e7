"""Do I have enough labels? Mean IoU against the number of training pairs, and what twice as many would bring.

A learning curve falls short of its end by a power of the number of examples: ``iou(n) = a - b n**-c``. The curve is
fitted to all runs of a sweep over ``split.training_share`` that are otherwise alike but for their seeds. Its
uncertainty is that of the bootstrap: validation scenes are redrawn, the same ones for all runs, and so are the
distances of the runs from the curve, which hold what training leaves to chance. On drawn curves of five sizes the 90%
interval of the rise held the truth in 9 of 10 cases with three seeds a size, and in 3 of 4 with one.

learning_curve.csv      a row a size, and one for twice the largest
learning_curve.png      the same with curve and band

Source: Cortes et al. 1993, Learning Curves: Asymptotic Values and Rate of Convergence, NIPS 6; Figueroa et al. 2012,
doi:10.1186/1472-6947-12-8.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gym.core.seeding import generator
from gym.core.text import pluralize
from gym.evaluation.bootstrap import DRAWS
from gym.reporting.recommendation import bootstrap_ious, find_obstacle
from gym.reporting.run_table import Row, RunGroup, group_runs, score_of, swept_keys, write_csv
from gym.reporting.style import literal, save
from gym.runs.result import RunResult

SHARE = "split.training_share"
_INTERVAL = (5, 95)  # percentiles
_FEWEST_SIZES = 3
_RATES = np.geomspace(0.01, 5, 500)
_COLUMNS = 3  # panels beside one another
_MEASURED, _EXPECTED = "#0072b2", "#d55e00"


class PowerLaw(NamedTuple):
    """``iou(n) = a - b n**-c``, with ``a`` in [0, 1], ``b`` 0 or more and ``c`` above 0.

    Each is one number, or ``(draws, 1)`` for as many curves.
    """

    a: Any
    b: Any
    c: Any

    def at(self, sizes: Any) -> Any:
        """Its value where there are so many training pairs; ``(draws, sizes)`` for several curves."""
        return self.a - self.b * np.asarray(sizes, float) ** -self.c


class LabelCurve(NamedTuple):
    """What the runs of one group say.

    Attributes:
        group: The runs, those with a mean IoU and a number of training pairs.
        sizes: Training pairs of each, ``(runs,)`` int64.
        ious: Mean IoU of each, ``(runs,)``.
        fit: The curve through them; None where there is none.
        redrawn: The curves of redrawn scenes and distances; None likewise.
        obstacle: Why there is no fit; empty where there is one.
    """

    group: RunGroup
    sizes: np.ndarray
    ious: np.ndarray
    fit: PowerLaw | None
    redrawn: PowerLaw | None
    obstacle: str


def write_learning_curve(folder: Path, results: Sequence[RunResult]) -> str:
    """Write the learning curve of a sweep over ``split.training_share``.

    Returns:
        What twice the labels would bring, a line for each group of runs; empty, and nothing is written, where the
        share is the same in all runs.

    Raises:
        OSError: Something cannot be written.
    """
    if SHARE not in swept_keys(results):
        return ""
    curves = [find_curve(group) for group in group_runs(results, [SHARE, "seed"])]
    write_csv(folder / "learning_curve.csv", [row for curve in curves for row in curve_rows(curve)])
    save(draw_curves(curves), folder / "learning_curve.png")
    return "\n".join(word_curve(curve) for curve in curves)


def find_curve(group: RunGroup, seed: int = 0) -> LabelCurve:
    """Fit the curve of a group of runs; ``seed`` is that of the bootstrap."""
    scored = [run for run in group.runs if score_of(run, "iou") is not None and score_of(run, "training_pairs")]
    sizes = np.array([score_of(run, "training_pairs") for run in scored], np.int64)
    ious = np.array([score_of(run, "iou") for run in scored], float)
    known = LabelCurve(group._replace(runs=scored), sizes, ious, None, None, find_obstacle(scored))
    number = len(set(sizes.tolist()))
    if number < _FEWEST_SIZES:
        few = f"too few points, {pluralize(number, 'size')} of the training side where {_FEWEST_SIZES} are needed"
        return known._replace(obstacle=few)
    if known.obstacle:
        return known
    fit = PowerLaw(*(float(value[0, 0]) for value in fit_power_laws(sizes, ious[None])))
    return known._replace(fit=fit, redrawn=redraw_curves(scored, sizes, fit, seed))


def fit_power_laws(sizes: np.ndarray, ious: np.ndarray) -> PowerLaw:
    """Fit curves by least squares: at each rate of a fine grid the two other numbers follow, and the best is taken.

    So no search can fail to end, as it does along the valley where a slow rate and a high end look alike.

    Args:
        sizes: Training pairs of each run, ``(runs,)``, 1 or more, two different ones at least.
        ious: Mean IoU of each in each draw, ``(draws, runs)``.

    Returns:
        The curves, their numbers ``(draws, 1)``.
    """
    grown = (sizes.max() / sizes) ** _RATES[:, None]  # what is missing from the end grows by that from the largest size
    total, squared, products = grown.sum(axis=1), (grown**2).sum(axis=1), ious @ grown.T
    mean, count = ious.mean(axis=1)[:, None], len(sizes)
    free = np.clip((mean * total - products) / (squared - total**2 / count), 0, 1)
    ends = np.hstack([np.clip(mean + free * total / count, 0, 1), np.ones_like(free)])
    missing = np.hstack([free, np.clip((total - products) / squared, 0, 1)])  # the second half: with the end at 1
    rates, total, squared, products = (np.concatenate([of, of], axis=-1) for of in (_RATES, total, squared, products))
    misfit = count * ends * (ends - 2 * mean) + missing * (missing * squared - 2 * ends * total + 2 * products)
    best = misfit.argmin(axis=1)[:, None]
    end, rest, rate = np.take_along_axis(ends, best, 1), np.take_along_axis(missing, best, 1), rates[best]
    return PowerLaw(end, rest * sizes.max() ** rate, rate)


def redraw_curves(
    runs: Sequence[RunResult], sizes: np.ndarray, fit: PowerLaw, seed: int, draws: int = DRAWS
) -> PowerLaw:
    """The curves of redrawn validation scenes, moved by redrawn distances from the curve.

    Args:
        runs: Runs on the same validation scenes.
        sizes: Training pairs of each.
        fit: The curve through them.
        seed: Which draws.
        draws: How many; those that have no mean IoU are left out.
    """
    misses = np.array([score_of(run, "iou") for run in runs], float) - fit.at(sizes)
    misses *= (len(runs) / max(1, len(runs) - len(fit))) ** 0.5  # a fit of three numbers draws the curve to the runs
    picks = generator(seed, "bootstrap distances").integers(0, len(runs), (draws, len(runs)))
    ious = np.stack([bootstrap_ious(run, seed, draws) for run in runs], axis=1)
    return fit_power_laws(sizes, (ious + misses[picks])[~np.isnan(ious).any(axis=1)])


def word_curve(curve: LabelCurve) -> str:
    """Say what twice the labels would bring, or why that cannot be said."""
    label = f"{curve.group.label}: " if curve.group.label else ""
    if curve.fit is None or curve.redrawn is None:
        return f"{label}what twice the labels would bring cannot be said: {curve.obstacle}."
    ends = curve.sizes.max() * np.array([1, 2])
    now, then = curve.fit.at(ends)
    redrawn = curve.redrawn.at(ends)
    low, high = np.percentile(redrawn[:, 1], _INTERVAL)
    least, most = np.percentile(redrawn[:, 1] - redrawn[:, 0], _INTERVAL)
    rises = f"rise from {now:.3f} to {then:.3f}" if f"{now:.3f}" != f"{then:.3f}" else f"stay at {now:.3f}"
    few = "; three runs alone leave nothing to judge the curve by" if len(curve.sizes) == len(curve.fit) else ""
    return (
        f"{label}with twice the labels ({ends[1]:,} training pairs instead of {ends[0]:,}), mean IoU is expected to "
        f"{rises} (90% interval {low:.3f} to {high:.3f}, of the rise {least:.3f} to {most:.3f}{few})."
    )


def curve_rows(curve: LabelCurve) -> list[Row]:
    """A row a size: mean and deviation over its runs, the fitted curve and its interval; then twice the largest."""
    sizes = np.unique(curve.sizes)
    rows: list[Row] = []
    for size in [*sizes, *([2 * sizes[-1]] if curve.fit else [])]:
        is_of = curve.sizes == size
        ious = curve.ious[is_of]
        shares = [run.settings[SHARE] for run, is_there in zip(curve.group.runs, is_of, strict=True) if is_there]
        low, high = np.percentile(curve.redrawn.at(size), _INTERVAL) if curve.redrawn else (None, None)
        rows.append(
            curve.group.settings
            | {
                SHARE: shares[0] if shares else None,
                "training_pairs": int(size),
                "runs": len(ious),
                "iou": float(ious.mean()) if len(ious) else None,
                "iou_deviation": float(ious.std(ddof=1)) if len(ious) > 1 else None,
                "fitted": float(curve.fit.at(size)) if curve.fit else None,
                "low": low,
                "high": high,
            }
        )
    return rows


def draw_curves(curves: Sequence[LabelCurve]) -> Figure:
    """A panel a group: the runs, the curve with its 90% interval, and dashed what is expected beyond them."""
    across = min(_COLUMNS, int(np.ceil(len(curves) ** 0.5)))
    down = -(-len(curves) // across)
    figure = Figure(figsize=(max(6.4, 4.4 * across), 3.6 * down + 0.9), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    for axes, curve in zip(grid, curves, strict=False):
        draw_curve(axes, curve)
    for axes in grid[len(curves) :]:
        axes.set_axis_off()
    for axes in grid[::across]:
        axes.set_ylabel("mean IoU")
    handles = {handle.get_label(): handle for axes in grid for handle in axes.get_legend_handles_labels()[0]}
    figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def draw_curve(axes: Axes, curve: LabelCurve) -> None:
    """One group of runs."""
    largest = curve.sizes.max(initial=1)
    axes.plot(curve.sizes, curve.ious, "o", color=_MEASURED, ms=5, alpha=0.8, label="a run")
    lines = [literal(curve.group.label)] if curve.group.label else []
    if curve.fit and curve.redrawn:
        inside, beyond = (np.linspace(*ends, 100) for ends in ((curve.sizes.min(), largest), (largest, 2 * largest)))
        whole = np.concatenate([inside, beyond])
        band = np.percentile(curve.redrawn.at(whole), _INTERVAL, axis=0)
        axes.fill_between(whole, *band, color=_EXPECTED, alpha=0.15, lw=0, label="90% interval")
        axes.plot(inside, curve.fit.at(inside), color=_EXPECTED, lw=1.5, label="fitted curve")
        axes.plot(beyond, curve.fit.at(beyond), "--", color=_EXPECTED, lw=1.5, label="expected with more labels")
        expected = float(curve.fit.at(2 * largest))
        axes.plot(2 * largest, expected, "o", mfc="white", color=_EXPECTED, ms=6, label="with twice the labels")
        axes.annotate(
            f"{expected:.3f}",
            (2 * largest, expected),
            xytext=(-2, 7),
            textcoords="offset points",
            ha="right",
            fontsize=8,
        )
        lines.append(f"fit: {curve.fit.a:.3f} - {curve.fit.b:.3g} $n^{{-{curve.fit.c:.2f}}}$")
    else:
        lines.append("no curve: too few points" if len(set(curve.sizes.tolist())) < _FEWEST_SIZES else "no curve")
    axes.set_title("\n".join(lines), fontsize=9)
    axes.set_xlabel("training pairs $n$")
    axes.set_xlim(0, (2.06 if curve.fit else 1.06) * largest)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.grid(alpha=0.25)

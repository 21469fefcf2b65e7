"""Label curve: mean IoU against the number of training pairs, extrapolated to twice as many labels.

Mean IoU approaches its limit as a power of the number of examples: ``iou(n) = a - b n**-c``. The curve is fitted to all
runs of a sweep over ``split.training_share`` that otherwise differ only in their seeds. A bootstrap gives its
uncertainty: it redraws the validation units, such as scenes or sites, the same ones for all runs, and the residuals of
the runs, which hold the randomness of training. In simulated curves of five sizes, the 90 % interval of the gain
contained the true gain in 9 of 10 cases with three seeds per size, and in 3 of 4 with one.

learning_curve.csv      a row per size, and one for twice the largest
learning_curve.png      the same, with the fitted curve and its interval

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

from gym.config.registries import SCORES
from gym.core.seeding import generator
from gym.core.text import pluralize
from gym.evaluation.bootstrap import DRAWS
from gym.reporting.recommendation import bootstrap_scores, find_obstacle, share_units
from gym.reporting.run_table import Row, RunGroup, group_runs, score_of, swept_keys, with_scores, write_csv
from gym.reporting.style import BLUE, ORANGE, add_legend, label_point, make_panels, plot_text, save_figure
from gym.runs.result import RunResult

SHARE = "split.training_share"
_INTERVAL = (5, 95)  # percentiles
_FEWEST_SIZES = 3
_RATES = np.geomspace(0.01, 5, 500)
_MOST_COLUMNS = 3  # of panels


class PowerLaw(NamedTuple):
    """``iou(n) = a - b n**-c``, with ``a`` in [0, 1], ``b`` >= 0 and ``c`` > 0.

    Each parameter is one number, or an array ``(draws, 1)`` for as many curves.
    """

    a: Any
    b: Any
    c: Any

    def at(self, sizes: Any) -> Any:
        """Evaluate the curve at numbers of training pairs; several curves give ``(draws, sizes)``."""
        return self.a - self.b * np.asarray(sizes, float) ** -self.c


class LabelCurve(NamedTuple):
    """The label curve of one group of runs.

    Attributes:
        group: The runs that have a mean IoU and a number of training pairs.
        sizes: Training pairs of each run, ``(runs,)`` int64.
        ious: Mean IoU of each run, ``(runs,)``.
        fit: The fitted curve, or None.
        bootstrap: The curves of all bootstrap draws, or None.
        obstacle: Why no curve is fitted; empty if one is.
    """

    group: RunGroup
    sizes: np.ndarray
    ious: np.ndarray
    fit: PowerLaw | None
    bootstrap: PowerLaw | None
    obstacle: str


def write_label_curve(folder: Path, results: Sequence[RunResult]) -> str:
    """Write the label curve of a sweep over ``split.training_share``.

    Returns:
        The expected gain from twice the labels, one line per group of runs. If all runs have the same share, the text
        is empty and no file is written.

    Raises:
        OSError: A file cannot be written.
    """
    if SHARE not in swept_keys(results):
        return ""
    curves = [fit_label_curve(group) for group in group_runs(results, [SHARE, "seed"])]
    write_csv(folder / "learning_curve.csv", [row for curve in curves for row in curve_rows(curve)])
    save_figure(draw_label_curves(curves), folder / "learning_curve.png")
    return "\n".join(describe_curve(curve) for curve in curves)


def fit_label_curve(group: RunGroup, seed: int = 0) -> LabelCurve:
    """Fit a curve to a group of runs, with a bootstrap of the given seed."""
    known = [row for row in with_scores(group.runs, "training_pairs", SCORES.default) if row[0]]
    sizes, ious = np.array([size for size, *_ in known], np.int64), np.array([iou for _, iou, _ in known], float)
    scored = [run for *_, run in known]
    curve = LabelCurve(group._replace(runs=scored), sizes, ious, None, None, find_obstacle(scored))
    number = len(set(sizes.tolist()))
    if number < _FEWEST_SIZES:
        few = f"the training side has {pluralize(number, 'size')}, and a curve needs {_FEWEST_SIZES}"
        return curve._replace(obstacle=few)
    if curve.obstacle:
        return curve
    fit = PowerLaw(*(float(value[0, 0]) for value in fit_power_laws(sizes, ious[None])))
    return curve._replace(fit=fit, bootstrap=bootstrap_curves(share_units(scored), sizes, fit, seed))


def fit_power_laws(sizes: np.ndarray, ious: np.ndarray) -> PowerLaw:
    """Fit curves by least squares: linear in ``a`` and ``b`` at each rate ``c`` of a fine grid.

    An iterative solver may not converge, because a slow rate with a high limit fits nearly as well as a fast rate with
    a low one.

    Args:
        sizes: Training pairs of each run, ``(runs,)``, 1 or more, with at least two different values.
        ious: Mean IoU of each run in each draw, ``(draws, runs)``.

    Returns:
        The curves, with parameters ``(draws, 1)``.
    """
    grown = (sizes.max() / sizes) ** _RATES[:, None]  # the gap to the limit, relative to the gap at the largest size
    total, squared, products = grown.sum(axis=1), (grown**2).sum(axis=1), ious @ grown.T
    mean, count = ious.mean(axis=1)[:, None], len(sizes)
    free = np.clip((mean * total - products) / (squared - total**2 / count), 0, 1)
    limits = np.hstack([np.clip(mean + free * total / count, 0, 1), np.ones_like(free)])
    gaps = np.hstack([free, np.clip((total - products) / squared, 0, 1)])  # the second half has its limit fixed at 1
    rates, total, squared, products = (np.concatenate([of, of], axis=-1) for of in (_RATES, total, squared, products))
    misfit = count * limits * (limits - 2 * mean) + gaps * (gaps * squared - 2 * limits * total + 2 * products)
    best = misfit.argmin(axis=1)[:, None]
    limit, gap, rate = np.take_along_axis(limits, best, 1), np.take_along_axis(gaps, best, 1), rates[best]
    return PowerLaw(limit, gap * sizes.max() ** rate, rate)


def bootstrap_curves(
    runs: Sequence[RunResult], sizes: np.ndarray, fit: PowerLaw, seed: int, draws: int = DRAWS
) -> PowerLaw:
    """Fit curves to bootstrap draws of the validation units, with redrawn residuals added.

    Args:
        runs: Runs on the same validation images and units.
        sizes: Training pairs of each run.
        fit: The curve fitted to the runs.
        seed: Seed of the bootstrap.
        draws: Number of draws; those without a mean IoU are left out.
    """
    residuals = np.array([score_of(run, SCORES.default) for run in runs], float) - fit.at(sizes)
    # Fitting three parameters pulls the curve towards the runs; without this factor the residuals would be too small.
    residuals *= (len(runs) / max(1, len(runs) - len(fit))) ** 0.5
    picks = generator(seed, "bootstrap distances").integers(0, len(runs), (draws, len(runs)))
    ious = np.stack([bootstrap_scores(run, seed, draws) for run in runs], axis=1)
    return fit_power_laws(sizes, (ious + residuals[picks])[~np.isnan(ious).any(axis=1)])


def describe_curve(curve: LabelCurve) -> str:
    """Say what gain to expect from twice the labels, or why it cannot be estimated."""
    label = f"{curve.group.label}: " if curve.group.label else ""
    if curve.fit is None or curve.bootstrap is None:
        return f"{label}the gain from twice the labels cannot be estimated: {curve.obstacle}."
    now, twice = curve.sizes.max() * np.array([1, 2])
    before, after = curve.fit.at([now, twice])
    drawn = curve.bootstrap.at([now, twice])
    low, high = np.percentile(drawn[:, 1], _INTERVAL)
    least, most = np.percentile(drawn[:, 1] - drawn[:, 0], _INTERVAL)
    change = f"rise from {before:.3f} to {after:.3f}" if f"{before:.3f}" != f"{after:.3f}" else f"stay at {before:.3f}"
    few = "; with only three runs, the fit itself cannot be checked" if len(curve.sizes) == len(curve.fit) else ""
    return (
        f"{label}with twice the labels ({twice:,} training pairs instead of {now:,}), mean IoU is expected to {change} "
        f"(90 % interval {low:.3f} to {high:.3f}, of the gain {least:.3f} to {most:.3f}{few})."
    )


def curve_rows(curve: LabelCurve) -> list[Row]:
    """Return one row per size, and one for twice the largest if a curve is fitted.

    A row has the mean and standard deviation of the runs of its size, the fitted value and its 90 % interval.
    """
    sizes = np.unique(curve.sizes)
    rows: list[Row] = []
    for size in [*sizes, *([2 * sizes[-1]] if curve.fit else [])]:
        has_size = curve.sizes == size
        ious = curve.ious[has_size]
        shares = [run.settings[SHARE] for run, has in zip(curve.group.runs, has_size, strict=True) if has]
        low, high = np.percentile(curve.bootstrap.at(size), _INTERVAL) if curve.bootstrap else (None, None)
        rows.append(
            curve.group.settings
            | {
                SHARE: shares[0] if shares else None,
                "training_pairs": int(size),
                "runs": len(ious),
                SCORES.default: float(ious.mean()) if len(ious) else None,
                f"{SCORES.default}_deviation": float(ious.std(ddof=1)) if len(ious) > 1 else None,
                "fitted": float(curve.fit.at(size)) if curve.fit else None,
                "low": low,
                "high": high,
            }
        )
    return rows


def draw_label_curves(curves: Sequence[LabelCurve]) -> Figure:
    """Draw runs and fitted curve with its 90 % interval, dashed beyond the largest size; one panel per group."""
    across = min(_MOST_COLUMNS, int(np.ceil(len(curves) ** 0.5)))
    down = -(-len(curves) // across)
    size = max(6.4, 4.4 * across), 3.6 * down + 0.9
    figure, grid = make_panels(*size, down, across, grid="both", squeeze=False, sharey=True)
    for axes, curve in zip(grid.ravel(), curves, strict=False):
        _draw_panel(axes, curve)
    for axes in grid.ravel()[len(curves) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel(SCORES.get(SCORES.default).title)
    add_legend(figure, grid.ravel(), loc="outside lower center", ncols=3)
    return figure


def _draw_panel(axes: Axes, curve: LabelCurve) -> None:
    largest = curve.sizes.max(initial=1)
    axes.plot(curve.sizes, curve.ious, "o", color=BLUE, ms=5, alpha=0.8, label="run")
    lines = [plot_text(curve.group.label)] if curve.group.label else []
    if curve.fit and curve.bootstrap:
        _draw_fit(axes, curve.fit, curve.bootstrap, curve.sizes.min(), largest)
        lines.append(f"fit: {curve.fit.a:.3f} - {curve.fit.b:.3g} $n^{{-{curve.fit.c:.2f}}}$")
    else:
        lines.append("no curve: too few sizes" if len(set(curve.sizes.tolist())) < _FEWEST_SIZES else "no curve")
    axes.set_title("\n".join(lines), fontsize=9)
    axes.set(xlabel="training pairs $n$", xlim=(0, (2.06 if curve.fit else 1.06) * largest))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def _draw_fit(axes: Axes, fit: PowerLaw, bootstrap: PowerLaw, smallest: int, largest: int) -> None:
    inside, beyond = np.linspace(smallest, largest, 100), np.linspace(largest, 2 * largest, 100)
    whole = np.concatenate([inside, beyond])
    band = np.percentile(bootstrap.at(whole), _INTERVAL, axis=0)
    axes.fill_between(whole, *band, color=ORANGE, alpha=0.15, lw=0, label="90 % interval")
    axes.plot(inside, fit.at(inside), color=ORANGE, lw=1.5, label="fitted curve")
    axes.plot(beyond, fit.at(beyond), "--", color=ORANGE, lw=1.5, label="extrapolation")
    expected = float(fit.at(2 * largest))
    axes.plot(2 * largest, expected, "o", mfc="white", color=ORANGE, ms=6, label="twice the labels")
    label_point(axes, f"{expected:.3f}", (2 * largest, expected), (-2, 7), ha="right", fontsize=8)

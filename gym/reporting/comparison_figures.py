"""Figures that compare the runs of a sweep: when each run stopped, and mean IoU against cost."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gym.config.registries import ARCHITECTURES, SCORES
from gym.reporting.figure4 import scale_sizes
from gym.reporting.figure4_data import NO_SCORES
from gym.reporting.run_table import pareto_front, run_labels, score_of, with_scores
from gym.reporting.style import BLUE, MOST_NAMED, ORANGE, add_legend, make_message, make_panels, name_rows, plot_text
from gym.runs.result import RunResult

_MOST_LISTED = 15  # runs of a front
_LONGEST_LABEL = 60  # characters
_LINE = 0.17  # inches
_UNITS = (("h", 3600), ("min", 60), ("s", 1))


class CostPanel(NamedTuple):
    """A cost to minimise, the title of its axis, and the unit in which it is drawn."""

    cost: str
    title: str
    unit: float


class CostPoint(NamedTuple):
    """A run in a panel: its cost in the unit of the panel, its mean IoU, and its label."""

    cost: float
    iou: float
    label: str
    run: RunResult


def draw_stopping_epochs(results: Sequence[RunResult]) -> Figure:
    """Draw the stopping epoch and the best epoch of each run; more than 100 runs are not named."""
    known = with_scores(results, "best_epoch", "stopping_epoch")
    if not known:
        return make_message(NO_SCORES)
    bests, lasts, runs = zip(*known, strict=True)
    figure, axes = make_panels(8, 0.19 * min(len(runs), MOST_NAMED) + 1.3, grid="both")
    places = range(len(runs))
    axes.hlines(places, bests, lasts, color="0.7", lw=1)
    axes.plot(lasts, places, "s", color=BLUE, ms=5, label="stopping epoch")
    axes.plot(bests, places, "o", color=ORANGE, ms=4, label="best epoch")
    axes.set(xlabel="epoch", xlim=(0, max(lasts) * 1.03))
    name_rows(axes, run_labels(runs), "runs")
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    return figure


def draw_pareto(results: Sequence[RunResult], chosen: RunResult | None = None) -> Figure:
    """Draw mean IoU against number of parameters and against training time, with the Pareto fronts numbered and listed.

    Args:
        results: The runs; a panel shows those that have both of its scores.
        chosen: The recommended run, to be ringed.
    """
    panels = {panel: pareto_front(results, panel.cost) for panel in _list_panels(results)}
    fronts = {panel: front for panel, front in panels.items() if front}
    if not fronts:
        return make_message(NO_SCORES)
    lines = _LINE * min(_MOST_LISTED + 1, max(map(len, fronts.values())))
    figure = Figure(figsize=(5.3 * len(fronts), 5 + lines), layout="constrained")
    upper, lower = figure.subplots(2, len(fronts), sharey="row", squeeze=False, height_ratios=[4.2, lines])
    for axes, below, (panel, front) in zip(upper, lower, fronts.items(), strict=True):
        points = _find_points(results, panel)
        _draw_points(axes, points, chosen)
        on_front = [point for run in front for point in points if point.run is run]
        _draw_front(axes, on_front)
        _list_front(below, on_front)
        _scale_costs(axes, panel, [point.cost for point in points])
    upper[0].margins(y=0.08)
    upper[0].set_ylabel(SCORES.get(SCORES.default).title)
    add_legend(figure, upper, loc="outside upper center", ncols=4)
    return figure


def _list_panels(results: Sequence[RunResult]) -> list[CostPanel]:
    """Return the panels, with time in the unit that suits the longest run."""
    longest = max((score_of(run, "seconds") or 0.0 for run in results), default=0.0)
    name, unit = next((name, unit) for name, unit in _UNITS if longest >= 2 * unit or unit == 1)
    return [CostPanel("parameters", "parameters", 1), CostPanel("seconds", f"training time ({name})", unit)]


def _find_points(results: Sequence[RunResult], panel: CostPanel) -> list[CostPoint]:
    labels = {id(run): label for run, label in zip(results, run_labels(results), strict=True)}
    scored = with_scores(results, panel.cost, SCORES.default)
    return [CostPoint(cost / panel.unit, iou, labels[id(run)], run) for cost, iou, run in scored]


def _draw_points(axes: Axes, points: Sequence[CostPoint], chosen: RunResult | None) -> None:
    for model in ARCHITECTURES:
        of_model = [point for point in points if point.run.settings["model.name"] == model.name]
        costs, ious = [point.cost for point in of_model], [point.iou for point in of_model]
        if of_model:
            marker, colour = model.style.marker, model.style.colour
            axes.plot(costs, ious, marker, color=colour, ms=5.5, mew=0, alpha=0.75, label=model.title)
    for point in points:
        if point.run is chosen:
            axes.plot(point.cost, point.iou, "o", mfc="none", mec="black", mew=1.5, ms=13, label="recommended")


def _draw_front(axes: Axes, front: Sequence[CostPoint]) -> None:
    """Join the points of a front and number them; points in the same place share one label."""
    costs, ious = [point.cost for point in front], [point.iou for point in front]
    axes.plot(costs, ious, color="0.35", lw=1, drawstyle="steps-post", zorder=1, label="Pareto front")
    numbers: dict[tuple[float, float], list[str]] = defaultdict(list)
    for number, point in enumerate(front[:_MOST_LISTED], start=1):
        numbers[point.cost, point.iou].append(str(number))
    for place, label in numbers.items():
        axes.annotate(", ".join(label), place, xytext=(-6, 6), textcoords="offset points", ha="right", fontsize=7.5)


def _list_front(axes: Axes, front: Sequence[CostPoint]) -> None:
    numbered = enumerate(front[:_MOST_LISTED], start=1)
    lines = [f"{number}  {plot_text(point.label, _LONGEST_LABEL)}  {point.iou:.3f}" for number, point in numbered]
    if len(front) > _MOST_LISTED:
        lines.append(f"and {len(front) - _MOST_LISTED} more")
    axes.set_axis_off()
    axes.text(0, 1, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=7.5, linespacing=1.5)


def _scale_costs(axes: Axes, panel: CostPanel, costs: Sequence[float]) -> None:
    if panel.cost == "parameters":
        scale_sizes(axes, costs)
    else:
        axes.set_xlim(0, 1.06 * max(costs) or 1)
    axes.set_xlabel(panel.title)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)

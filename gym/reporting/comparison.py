"""The pictures of a sweep beside Figure 4: when each run stopped, and mean IoU against what it costs.

Report on the runs of a sweep: a table, pictures, and one HTML page that holds them all.

comparison.csv          a row a run, exact numbers
comparison.html         table, recommendation and pictures, in one file that needs no network
figure4.png             mean IoU and KLD by model size, as in the paper
figure4.html            the same to hover over
pareto.png              mean IoU by parameters and by time
stopping_epochs.png     when each run stopped
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gym.config.registries import ARCHITECTURES
from gym.core.files import write_text
from gym.reporting.figure4 import draw_figure4, empty_figure, scale_sizes
from gym.reporting.figure4_data import SCORE_TITLES
from gym.reporting.figure4_interactive import figure4_html
from gym.reporting.page_tables import runs_table
from gym.reporting.pages import render_page
from gym.reporting.recommendation import Recommendation, recommend
from gym.reporting.run_table import comparison_rows, pareto_front, run_labels, score_of, swept_keys, write_csv
from gym.reporting.style import embed, literal, save, shorten
from gym.runs.result import RunResult

_MOST_NAMED = 100  # runs with a line each
_MOST_LISTED = 15  # runs of a front
_LONGEST_LABEL = 60
_LINE = 0.17  # inches
_UNITS = (("h", 3600), ("min", 60), ("s", 1))


def draw_stopping_epochs(results: Sequence[RunResult]) -> Figure:
    """The epoch at which each run stopped, and the one whose weights it kept; names are left out of very many runs."""
    epochs = [(score_of(run, "best_epoch"), score_of(run, "stopping_epoch"), run) for run in results]
    known = [(best, last, run) for best, last, run in epochs if best is not None and last is not None]
    if not known:
        return empty_figure()
    bests, lasts, runs = zip(*known, strict=True)
    figure = Figure(figsize=(8, 0.19 * min(len(runs), _MOST_NAMED) + 1.3), layout="constrained")
    axes, places = figure.subplots(), range(len(runs))
    axes.hlines(places, bests, lasts, color="0.7", lw=1)
    axes.plot(lasts, places, "s", color="#0072b2", ms=5, label="stopping epoch")
    axes.plot(bests, places, "o", color="#d55e00", ms=4, label="best epoch")
    axes.set(xlabel="epoch", ylim=(len(runs) - 0.4, -0.6), xlim=(0, max(lasts) * 1.03))
    if len(runs) <= _MOST_NAMED:
        axes.set_yticks(places, [fit_label(label) for label in run_labels(runs)])
    else:
        axes.set(yticks=[], ylabel=f"{len(runs)} runs, in their order")
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.grid(alpha=0.25)
    figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    return figure


def fit_label(label: str) -> str:
    """A label that fits beside a panel, without mathematics: its end, which differs most."""
    return literal(shorten(label, _LONGEST_LABEL))


class Panel(NamedTuple):
    """A score to keep low, its title, and the unit it is drawn in."""

    cost: str
    title: str
    unit: float


class Placed(NamedTuple):
    """A run in a panel: what it costs, in the unit of the panel, its mean IoU, and its label."""

    cost: float
    iou: float
    label: str
    run: RunResult


def draw_pareto(results: Sequence[RunResult], chosen: RunResult | None = None) -> Figure:
    """Mean IoU against parameters and against time, with the runs that no other beats joined and listed.

    Args:
        results: The runs; in a panel are those that have both of its scores.
        chosen: The recommended one of them, to be marked.
    """
    fronts = {panel: pareto_front(results, panel.cost) for panel in panels_of(results)}
    if not fronts:
        return empty_figure()
    lines = _LINE * min(_MOST_LISTED + 1, max(map(len, fronts.values())))
    figure = Figure(figsize=(5.3 * len(fronts), 5 + lines), layout="constrained")
    upper, lower = figure.subplots(2, len(fronts), sharey="row", squeeze=False, height_ratios=[4.2, lines])
    for axes, below, (panel, front) in zip(upper, lower, fronts.items(), strict=True):
        placed = place_runs(results, panel)
        draw_runs(axes, placed, chosen)
        on_front = [each for run in front for each in placed if each.run is run]
        draw_front(axes, on_front)
        list_front(below, on_front)
        scale_costs(axes, panel, [each.cost for each in placed])
    upper[0].margins(y=0.08)
    upper[0].set_ylabel(SCORE_TITLES["iou"])
    handles = {line.get_label(): line for axes in upper for line in axes.get_lines()}
    figure.legend(handles=list(handles.values()), loc="outside upper center", ncols=4, fontsize=8)
    return figure


def panels_of(results: Sequence[RunResult]) -> list[Panel]:
    """The costs that runs have; time in the unit that suits the longest."""
    longest = max((score_of(run, "seconds") or 0.0 for run in results), default=0.0)
    name, unit = next((name, unit) for name, unit in _UNITS if longest >= 2 * unit or unit == 1)
    panels = [Panel("parameters", "parameters", 1), Panel("seconds", f"training time ({name})", unit)]
    return [panel for panel in panels if pareto_front(results, panel.cost)]


def scale_costs(axes: Axes, panel: Panel, costs: Sequence[float]) -> None:
    """Set the axis of costs of a panel."""
    if panel.cost == "parameters":
        scale_sizes(axes, costs)
    else:
        axes.set_xlim(0, 1.06 * max(costs) or 1)
    axes.set_xlabel(panel.title)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)


def place_runs(results: Sequence[RunResult], panel: Panel) -> list[Placed]:
    """Where the runs stand in a panel, those that have both scores."""
    pairs = [(score_of(run, panel.cost), score_of(run, "iou")) for run in results]
    return [
        Placed(price / panel.unit, iou, label, run)
        for (price, iou), label, run in zip(pairs, run_labels(results), results, strict=True)
        if price is not None and iou is not None
    ]


def draw_runs(axes: Axes, placed: Sequence[Placed], chosen: RunResult | None) -> None:
    """All runs by architecture, and a ring around the recommended one."""
    for entry in ARCHITECTURES:
        of_model = [each for each in placed if each.run.settings["model.name"] == entry.name]
        costs, ious = [each.cost for each in of_model], [each.iou for each in of_model]
        if of_model:
            axes.plot(
                costs, ious, entry.style.marker, color=entry.style.colour, ms=5.5, mew=0, alpha=0.75, label=entry.title
            )
    for each in placed:
        if each.run is chosen:
            axes.plot(each.cost, each.iou, "o", mfc="none", mec="black", mew=1.5, ms=13, label="recommended")


def draw_front(axes: Axes, front: Sequence[Placed]) -> None:
    """Join the runs of a front and number them; those in one place share their label."""
    costs, ious = [each.cost for each in front], [each.iou for each in front]
    axes.plot(costs, ious, color="0.35", lw=1, drawstyle="steps-post", zorder=1, label="beaten by no other run")
    numbers: dict[tuple[float, float], list[str]] = defaultdict(list)
    for number, each in enumerate(front[:_MOST_LISTED], start=1):
        numbers[each.cost, each.iou].append(str(number))
    for place, label in numbers.items():
        axes.annotate(", ".join(label), place, xytext=(-6, 6), textcoords="offset points", ha="right", fontsize=7.5)


def list_front(axes: Axes, front: Sequence[Placed]) -> None:
    """Say which runs the numbers stand for."""
    entries = [f"{number}  {fit_label(each.label)}  {each.iou:.3f}" for number, each in enumerate(front, start=1)]
    more = len(entries) - _MOST_LISTED
    shown = [*entries[:_MOST_LISTED], *([f"and {more} more"] if more > 0 else [])]
    axes.set_axis_off()
    axes.text(0, 1, "\n".join(shown), transform=axes.transAxes, va="top", fontsize=7.5, linespacing=1.5)


_DPI = 140


def write_comparison(folder: Path, results: Sequence[RunResult], title: str, seed: int = 0) -> Recommendation:
    """Write the report into a folder, each file whole or not at all; what else is in the folder stays.

    Args:
        folder: Where to; made as needed.
        results: The finished runs, in the order in which they are to be listed.
        title: What they are.
        seed: Of the bootstrap behind the recommendation.

    Returns:
        Which run to use.

    Raises:
        OSError: Something cannot be written.
    """
    recommendation = recommend(results, seed)
    pictures = {
        "figure4": draw_figure4(results),
        "pareto": draw_pareto(results, recommendation.chosen),
        "stopping_epochs": draw_stopping_epochs(results),
    }
    for name, figure in pictures.items():
        save(figure, folder / f"{name}.png", _DPI)
    write_csv(folder / "comparison.csv", comparison_rows(results, swept_keys(results)))
    write_text(folder / "figure4.html", figure4_html(results))
    embedded = {name: embed(folder / f"{name}.png") for name in pictures}
    write_text(folder / "comparison.html", render(results, recommendation, title, embedded))
    return recommendation


def render(results: Sequence[RunResult], recommendation: Recommendation, title: str, pictures: dict[str, str]) -> str:
    """Make the page."""
    table = runs_table(results, recommendation)
    return render_page(
        "comparison.html.jinja", title=title, recommendation=recommendation, table=table, pictures=pictures
    )

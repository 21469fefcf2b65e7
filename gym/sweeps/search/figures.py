"""Figures of a search: history, parameter importance, parameter slices and Pareto front.

    search.html       all figures in one interactive page that works offline
    history.png       value of each trial, with the best so far
    importance.png    fraction of the variance that each key explains (fANOVA)
    slices.png        value by each key
    pareto.png        one objective against the other, if there are two

Source of fANOVA: Hutter et al. 2014, https://proceedings.mlr.press/v32/hutter14.html. The default from Optuna 5 on,
PED-ANOVA, is unreliable with some dozens of trials: for a size proportional to the kernel and the square of the
filters, it attributed three quarters to the kernel.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna import Study, visualization
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from plotly.offline import get_plotlyjs

from gym.core.files import write_text
from gym.core.text import pluralize
from gym.reporting.style import make_panels, save_figure
from gym.sweeps.search.study import OBJECTIVES, best_trials

_COLUMNS = 4
# All texts are drawn with parse_math=False, because names of options may contain dollar signs.
_GREY, _RED = "0.6", "#c44e52"

Shares = dict[str, float]


def write_search_report(folder: Path, study: Study) -> list[str]:
    """Write the figures and the page of a search.

    Args:
        folder: Output folder.
        study: A study from `gym.sweeps.search.study.open_study`.

    Returns:
        Notes on what could not be drawn, and why.
    """
    trials, objectives = finished_trials(study), list(study.user_attrs[OBJECTIVES])
    if not trials:
        notes = ["There are no figures because no trial has finished."]
        write_text(folder / "search.html", render_page(study, notes, []))
        return notes
    shares, notes = compute_importance(study)
    figures = {"history": draw_history(study), "slices": draw_slices(study)}
    if shares:
        figures["importance"] = draw_importance(shares, len(trials))
    if len(objectives) == 2:
        figures["pareto"] = draw_pareto(study)
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.png")
    write_text(folder / "search.html", render_page(study, notes, interactive_figures(study, shares)))
    return notes


def finished_trials(study: Study) -> list[FrozenTrial]:
    """Return the finished trials, by number."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def compute_importance(study: Study) -> tuple[dict[str, Shares], list[str]]:
    """Compute how much of the variance of each objective each key explains.

    Returns:
        Shares by objective and key, in decreasing order and with a sum of 1; and a note for each objective that is left
        out.
    """
    trials = finished_trials(study)
    shares: dict[str, Shares] = {}
    notes = []
    for index, objective in enumerate(study.user_attrs[OBJECTIVES]):
        if len(trials) < 2:
            notes.append(f"No importance for {objective}: {len(trials)} of at least 2 trials have finished.")
        elif len({trial.values[index] for trial in trials}) < 2:
            notes.append(f"No importance for {objective}: it has the same value in all {len(trials)} finished trials.")
        elif len({str(trial.params) for trial in trials}) < 2:
            notes.append(f"No importance for {objective}: all {len(trials)} finished trials have the same parameters.")
        else:
            evaluator = FanovaImportanceEvaluator(seed=0)
            found = get_param_importances(study, evaluator=evaluator, target=objective_getter(index))
            shares[objective] = {key: float(share) for key, share in found.items()}
    return shares, notes


def draw_history(study: Study) -> Figure:
    """Plot each objective by trial, with the best so far; pruned trials at their last epoch, failed ones below."""
    objectives = study.user_attrs[OBJECTIVES]
    figure, panels = make_panels(6.5 * len(objectives), 3.6, 1, len(objectives), grid="both", squeeze=False)
    trials = finished_trials(study)
    for index, (axes, objective) in enumerate(zip(panels[0], objectives, strict=True)):
        numbers, values = [trial.number for trial in trials], [trial.values[index] for trial in trials]
        axes.plot(numbers, values, "o", ms=4, label="finished")
        best = np.maximum if study.directions[index] == StudyDirection.MAXIMIZE else np.minimum
        axes.step(numbers, best.accumulate(values), where="post", lw=1.2, color="C0", alpha=0.6, label="best so far")
        mark_incomplete_trials(axes, study)
        axes.set_title(objective, parse_math=False)
        axes.set_xlabel("trial")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panels[0, 0].legend(fontsize=8)
    return figure


def mark_incomplete_trials(axes: Axes, study: Study) -> None:
    """Mark the pruned and the failed trials."""
    trials = study.get_trials(deepcopy=False)
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED and trial.intermediate_values]
    failed = [trial.number for trial in trials if trial.state == TrialState.FAIL]
    if pruned:
        values = [trial.intermediate_values[max(trial.intermediate_values)] for trial in pruned]
        axes.plot([trial.number for trial in pruned], values, "x", ms=4, color=_GREY, label="pruned, last epoch")
    if failed:
        bottom = axes.get_xaxis_transform()
        axes.plot(failed, [0.02] * len(failed), "|", ms=8, color=_RED, transform=bottom, label="failed")


def draw_importance(shares: dict[str, Shares], trials: int) -> Figure:
    """Plot the share of each key as bars, for all objectives in the order of the first one."""
    keys = list(next(iter(shares.values())))
    size = 2.2 + 3.8 * len(shares), 0.34 * len(keys) + 1.3
    figure, panels = make_panels(*size, 1, len(shares), grid="x", squeeze=False, sharey=True)
    figure.suptitle(f"Variance explained by each key ({pluralize(trials, 'trial')})", fontsize=10)
    for axes, (objective, of_keys) in zip(panels[0], shares.items(), strict=True):
        bars = axes.barh(range(len(keys)), [of_keys[key] for key in keys], height=0.7)
        axes.bar_label(bars, fmt="{:.0%}", fontsize=7, padding=2)
        axes.set_title(objective, fontsize=9, parse_math=False)
        axes.set(xlim=(0, 1.08 * max(of_keys.values()) + 0.03), xlabel="share", axisbelow=True)
        axes.xaxis.set_major_locator(MaxNLocator(5))
    panels[0, 0].set_yticks(range(len(keys)), keys, parse_math=False)
    panels[0, 0].invert_yaxis()
    return figure


def draw_slices(study: Study) -> Figure:
    """Plot each objective against each key; later trials are lighter."""
    trials, objectives = finished_trials(study), list(study.user_attrs[OBJECTIVES])
    distributions = trials[0].distributions
    columns = min(_COLUMNS, len(distributions))
    rows = -(-len(distributions) // columns)
    size = 2.9 * columns + 0.9, 2.4 * rows * len(objectives) + 0.2
    figure, grid = make_panels(*size, rows * len(objectives), columns, grid="both", squeeze=False)
    for index, objective in enumerate(objectives):
        panels = grid[index * rows : (index + 1) * rows].ravel()
        for axes, (key, distribution) in zip(panels, distributions.items(), strict=False):
            markers = draw_slice(axes, trials, index, key, distribution)
        for axes in panels[len(distributions) :]:
            axes.set_axis_off()
        for axes in panels[: len(distributions) : columns]:
            axes.set_ylabel(objective, parse_math=False)
    figure.colorbar(markers, ax=grid, label="trial", aspect=40, ticks=MaxNLocator(6, integer=True))
    return figure


def draw_slice(
    axes: Axes, trials: Sequence[FrozenTrial], index: int, key: str, distribution: BaseDistribution
) -> PathCollection:
    """Plot one objective against one key, and return the markers."""
    numbers, values = [trial.number for trial in trials], [trial.values[index] for trial in trials]
    if isinstance(distribution, CategoricalDistribution):
        positions = [distribution.to_internal_repr(trial.params[key]) for trial in trials]
        axes.set_xticks(range(len(distribution.choices)), list(map(str, distribution.choices)), parse_math=False)
        axes.set_xlim(-0.5, len(distribution.choices) - 0.5)
    else:
        positions = [trial.params[key] for trial in trials]
        if isinstance(distribution, IntDistribution | FloatDistribution) and distribution.log:
            axes.set_xscale("log")
    axes.set_xlabel(key, fontsize=8, parse_math=False)
    axes.tick_params(labelsize=7)
    return axes.scatter(positions, values, c=numbers, s=14, cmap="viridis", vmin=0, vmax=max(1, *numbers), alpha=0.85)


def draw_pareto(study: Study) -> Figure:
    """Plot two objectives against each other; trials on the Pareto front are labelled with their numbers."""
    figure, axes = make_panels(6, 4.2, grid="both")
    front = sorted(best_trials(study), key=lambda trial: trial.values)
    on_front = {trial.number for trial in front}
    dominated = [trial.values for trial in finished_trials(study) if trial.number not in on_front]
    if dominated:
        axes.plot(*zip(*dominated, strict=True), "o", ms=4, color=_GREY, label="dominated")
    axes.plot(*zip(*(trial.values for trial in front), strict=True), "o--", ms=5, lw=1, label="Pareto front")
    for trial in front:
        axes.annotate(str(trial.number), trial.values, (4, 4), textcoords="offset points", fontsize=7)
    first, second = study.user_attrs[OBJECTIVES]
    axes.set_xlabel(first, parse_math=False)
    axes.set_ylabel(second, parse_math=False)
    axes.legend(fontsize=8)
    return figure


def interactive_figures(study: Study, shares: dict[str, Shares]) -> list[tuple[str, go.Figure]]:
    """Return interactive versions of all figures, and parallel coordinates, with their headings."""
    objectives = list(study.user_attrs[OBJECTIVES])
    figures = []
    for index, objective in enumerate(objectives):
        named = {"target": objective_getter(index) if len(objectives) > 1 else None, "target_name": objective}
        figures += [
            (f"History: {objective}", visualization.plot_optimization_history(study, **named)),
            (f"Slices: {objective}", visualization.plot_slice(study, **named)),
        ]
    figures.append(("Parallel coordinates", draw_parallel_coordinates(study)))
    for objective, of_keys in shares.items():
        bars = go.Bar(x=list(of_keys.values()), y=list(of_keys), orientation="h")
        layout = {"xaxis_title": "share", "yaxis_autorange": "reversed"}
        figures.append((f"Importance: {objective}", go.Figure(bars, layout)))
    if len(objectives) == 2:
        figures.append(("Pareto front", visualization.plot_pareto_front(study, target_names=objectives)))
    return [(heading, figure.update_layout(title=None)) for heading, figure in figures]


def draw_parallel_coordinates(study: Study) -> go.Figure:
    """Plot each trial as a line across axes for all objectives and keys; yellow is best in the first objective."""
    trials = finished_trials(study)
    axes = [
        {"label": objective, "values": [trial.values[index] for trial in trials]}
        for index, objective in enumerate(study.user_attrs[OBJECTIVES])
    ]
    axes += [parallel_axis(key, distribution, trials) for key, distribution in trials[0].distributions.items()]
    is_lowest_best = study.directions[0] == StudyDirection.MINIMIZE
    line = {"color": axes[0]["values"], "colorscale": "Viridis", "reversescale": is_lowest_best, "showscale": True}
    return go.Figure(go.Parcoords(line=line, dimensions=axes))


def parallel_axis(key: str, distribution: BaseDistribution, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    """Return the axis of one key over its whole range: positions of the trials, and ticks."""
    positions = [distribution.to_internal_repr(trial.params[key]) for trial in trials]
    if isinstance(distribution, CategoricalDistribution):
        texts, last = list(map(str, distribution.choices)), len(distribution.choices) - 1
        axis = {"values": positions, "range": [0, last], "tickvals": list(range(last + 1)), "ticktext": texts}
    elif isinstance(distribution, IntDistribution | FloatDistribution) and distribution.log:
        low, high = math.log10(distribution.low), math.log10(distribution.high)
        ticks = [low, *range(math.floor(low) + 1, math.ceil(high)), high]
        texts = [f"{10**tick:.3g}" for tick in ticks]
        logarithms = [math.log10(position) for position in positions]
        axis = {"values": logarithms, "range": [low, high], "tickvals": ticks, "ticktext": texts}
    else:
        assert isinstance(distribution, IntDistribution | FloatDistribution)
        axis = {"values": positions, "range": [distribution.low, distribution.high]}
    return {"label": key, **axis}


def objective_getter(index: int) -> Callable[[FrozenTrial], float]:
    """Return a function that returns one objective of a trial."""
    return lambda trial: float(trial.values[index])


def render_page(study: Study, notes: Sequence[str], figures: Sequence[tuple[str, go.Figure]]) -> str:
    """Render the page with notes and interactive figures."""
    text = Path(__file__).with_name("search.html.jinja").read_text(encoding="utf-8")
    template = jinja2.Template(text, autoescape=True, undefined=jinja2.StrictUndefined)
    parts = [
        (heading, figure.to_html(full_html=False, include_plotlyjs=False, div_id=f"figure{number}"))
        for number, (heading, figure) in enumerate(figures)
    ]
    return template.render(
        title=f"Search: {study.study_name}",
        counts=describe_counts(study),
        best=best_trials(study),
        objectives=list(study.user_attrs[OBJECTIVES]),
        notes=notes,
        figures=parts,
        plotly=get_plotlyjs(),
    )


def describe_counts(study: Study) -> str:
    """Return a sentence with the number of trials, and how many of them have finished, failed or been pruned."""
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    names = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
    counts = [f"{states.count(state)} {name}" for state, name in names.items() if state in states]
    return f"{pluralize(len(states), 'trial')}: {', '.join(counts)}." if counts else "No trial has ended."

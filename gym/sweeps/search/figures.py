"""What a search came to, in pictures: how it went, which keys mattered, what each value gave, and the Pareto front.

    search.html       everything, to turn and zoom, in one file that needs no network
    history.png       value by trial, with the best so far
    importance.png    share of each key in the variance of the value (fANOVA)
    slices.png        value by each key
    pareto.png        of two objectives

Source of fANOVA: Hutter et al. 2014, https://proceedings.mlr.press/v32/hutter14.html. Optuna 5 would take PED-ANOVA,
whose shares are not to be trusted at some dozens of trials: of a size that goes with the square of the filters and with
the kernel, it gave the kernel three quarters.
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

from gym.core.files import atomic_file, write_text
from gym.core.text import pluralize
from gym.sweeps.search.study import OBJECTIVES, best_trials

_ACROSS = 4
_GREY, _RED = "0.6", "#c44e52"

Shares = dict[str, float]


def write_search_report(folder: Path, study: Study) -> list[str]:
    """Write pictures and page of a search.

    Args:
        folder: Where to.
        study: Of `gym.sweeps.search.study.open_study`.

    Returns:
        What could not be drawn, and why.
    """
    trials, objectives = finished(study), list(study.user_attrs[OBJECTIVES])
    if not trials:
        notes = ["There is nothing to draw: no trial has finished."]
        write_text(folder / "search.html", render(study, notes, []))
        return notes
    shares, notes = importances(study)
    drawn = {"history": draw_history(study), "slices": draw_slices(study)}
    if shares:
        drawn["importance"] = draw_importance(shares, len(trials))
    if len(objectives) == 2:
        drawn["pareto"] = draw_pareto(study)
    for name, figure in drawn.items():
        with atomic_file(folder / f"{name}.png") as beside:
            figure.savefig(beside, dpi=110)
    write_text(folder / "search.html", render(study, notes, turnable(study, shares)))
    return notes


def finished(study: Study) -> list[FrozenTrial]:
    """The trials that have values, by number."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def importances(study: Study) -> tuple[dict[str, Shares], list[str]]:
    """How much each key matters to each objective, largest first, and why not to some of them.

    Returns:
        By objective and key shares that sum to one; and a line for each objective without.
    """
    trials = finished(study)
    shares: dict[str, Shares] = {}
    notes = []
    for index, objective in enumerate(study.user_attrs[OBJECTIVES]):
        if len(trials) < 2:
            notes.append(f"Importance to {objective} wants two finished trials, and there is {len(trials)}.")
        elif len({trial.values[index] for trial in trials}) < 2:
            notes.append(f"Nothing is important to {objective}: it is the same in all {len(trials)} finished trials.")
        elif len({str(trial.params) for trial in trials}) < 2:
            notes.append(f"Nothing is important to {objective}: all {len(trials)} finished trials chose the same.")
        else:
            evaluator = FanovaImportanceEvaluator(seed=0)
            found = get_param_importances(study, evaluator=evaluator, target=value_at(index))
            shares[objective] = {key: float(share) for key, share in found.items()}
    return shares, notes


def draw_history(study: Study) -> Figure:
    """Value of each objective by trial, with the best so far; pruned trials at their last epoch, failed ones below."""
    objectives = study.user_attrs[OBJECTIVES]
    figure = Figure(figsize=(6.5 * len(objectives), 3.6), layout="constrained")
    panels = figure.subplots(1, len(objectives), squeeze=False)[0]
    trials = finished(study)
    for index, (axes, objective) in enumerate(zip(panels, objectives, strict=True)):
        numbers, values = [trial.number for trial in trials], [trial.values[index] for trial in trials]
        axes.plot(numbers, values, "o", ms=4, label="finished")
        best = np.maximum if study.directions[index] == StudyDirection.MAXIMIZE else np.minimum
        axes.step(numbers, best.accumulate(values), where="post", lw=1.2, color="C0", alpha=0.6, label="best so far")
        draw_the_others(axes, study)
        axes.set_title(objective, parse_math=False)
        axes.set_xlabel("trial")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.25)
    panels[0].legend(fontsize=8)
    return figure


def draw_the_others(axes: Axes, study: Study) -> None:
    """Mark the trials that were given up or failed."""
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
    """Bars of how much each key matters to each objective, in the order of the first one."""
    keys = list(next(iter(shares.values())))
    figure = Figure(figsize=(2.2 + 3.8 * len(shares), 0.34 * len(keys) + 1.3), layout="constrained")
    figure.suptitle(f"Share of each key in the variance over {pluralize(trials, 'trial')}", fontsize=10)
    panels = figure.subplots(1, len(shares), squeeze=False, sharey=True)[0]
    for axes, (objective, of_keys) in zip(panels, shares.items(), strict=True):
        bars = axes.barh(range(len(keys)), [of_keys[key] for key in keys], height=0.7)
        axes.bar_label(bars, fmt="{:.0%}", fontsize=7, padding=2)
        axes.set_title(objective, fontsize=9, parse_math=False)
        axes.set(xlim=(0, 1.08 * max(of_keys.values()) + 0.03), xlabel="share")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.grid(alpha=0.25, axis="x")
        axes.set_axisbelow(True)
    panels[0].set_yticks(range(len(keys)), keys, parse_math=False)
    panels[0].invert_yaxis()
    return figure


def draw_slices(study: Study) -> Figure:
    """Each objective by each key; later trials are lighter."""
    trials, objectives = finished(study), list(study.user_attrs[OBJECTIVES])
    distributions = trials[0].distributions
    across = min(_ACROSS, len(distributions))
    lines = -(-len(distributions) // across)
    figure = Figure(figsize=(2.9 * across + 0.9, 2.4 * lines * len(objectives) + 0.2), layout="constrained")
    grid = figure.subplots(lines * len(objectives), across, squeeze=False)
    for index, objective in enumerate(objectives):
        panels = grid[index * lines : (index + 1) * lines].ravel()
        for axes, (key, distribution) in zip(panels, distributions.items(), strict=False):
            marks = draw_slice(axes, trials, index, key, distribution)
        for axes in panels[len(distributions) :]:
            axes.set_axis_off()
        for axes in panels[: len(distributions) : across]:
            axes.set_ylabel(objective, parse_math=False)
    figure.colorbar(marks, ax=grid, label="trial", aspect=40, ticks=MaxNLocator(6, integer=True))
    return figure


def draw_slice(
    axes: Axes, trials: Sequence[FrozenTrial], index: int, key: str, distribution: BaseDistribution
) -> PathCollection:
    """One objective by one key; gives the marks back."""
    values = [trial.values[index] for trial in trials]
    numbers = [trial.number for trial in trials]
    if isinstance(distribution, CategoricalDistribution):
        places = [distribution.to_internal_repr(trial.params[key]) for trial in trials]
        axes.set_xticks(range(len(distribution.choices)), list(map(str, distribution.choices)), parse_math=False)
        axes.set_xlim(-0.5, len(distribution.choices) - 0.5)
    else:
        places = [trial.params[key] for trial in trials]
        if isinstance(distribution, IntDistribution | FloatDistribution) and distribution.log:
            axes.set_xscale("log")
    axes.set_xlabel(key, fontsize=8, parse_math=False)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)
    return axes.scatter(places, values, c=numbers, s=14, cmap="viridis", vmin=0, vmax=max(1, *numbers), alpha=0.85)


def draw_pareto(study: Study) -> Figure:
    """Two objectives against each other; the front is what no other beats, with the trials' numbers."""
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.subplots()
    front = sorted(best_trials(study), key=lambda trial: trial.values)
    on_front = {trial.number for trial in front}
    beaten = [trial.values for trial in finished(study) if trial.number not in on_front]
    if beaten:
        axes.plot(*zip(*beaten, strict=True), "o", ms=4, color=_GREY, label="beaten by another")
    axes.plot(*zip(*(trial.values for trial in front), strict=True), "o--", ms=5, lw=1, label="Pareto front")
    for trial in front:
        axes.annotate(str(trial.number), trial.values, (4, 4), textcoords="offset points", fontsize=7)
    first, second = study.user_attrs[OBJECTIVES]
    axes.set_xlabel(first, parse_math=False)
    axes.set_ylabel(second, parse_math=False)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    return figure


def turnable(study: Study, shares: dict[str, Shares]) -> list[tuple[str, go.Figure]]:
    """The same pictures, and the trials as lines through all keys, to turn and zoom, with headings."""
    objectives = list(study.user_attrs[OBJECTIVES])
    pictures = []
    for index, objective in enumerate(objectives):
        named = {"target": value_at(index) if len(objectives) > 1 else None, "target_name": objective}
        pictures += [
            (f"History: {objective}", visualization.plot_optimization_history(study, **named)),
            (f"Slices: {objective}", visualization.plot_slice(study, **named)),
        ]
    pictures.append(("Trials as lines", draw_lines(study)))
    for objective, of_keys in shares.items():
        bars = go.Bar(x=list(of_keys.values()), y=list(of_keys), orientation="h")
        layout = {"xaxis_title": "share", "yaxis_autorange": "reversed"}
        pictures.append((f"Importance: {objective}", go.Figure(bars, layout)))
    if len(objectives) == 2:
        pictures.append(("Pareto front", visualization.plot_pareto_front(study, target_names=objectives)))
    return [(heading, picture.update_layout(title=None)) for heading, picture in pictures]


def draw_lines(study: Study) -> go.Figure:
    """A line a trial, from axis to axis: the objectives, then the keys; yellow for the best in the first objective."""
    trials = finished(study)
    axes = [
        {"label": objective, "values": [trial.values[index] for trial in trials]}
        for index, objective in enumerate(study.user_attrs[OBJECTIVES])
    ]
    axes += [line_axis(key, distribution, trials) for key, distribution in trials[0].distributions.items()]
    is_lowest_best = study.directions[0] == StudyDirection.MINIMIZE
    line = {"color": axes[0]["values"], "colorscale": "Viridis", "reversescale": is_lowest_best, "showscale": True}
    return go.Figure(go.Parcoords(line=line, dimensions=axes))


def line_axis(key: str, distribution: BaseDistribution, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    """An axis of one key over all it may be: where the trials are on it, and what its ticks say."""
    places = [distribution.to_internal_repr(trial.params[key]) for trial in trials]
    if isinstance(distribution, CategoricalDistribution):
        texts = list(map(str, distribution.choices))
        axis = {"values": places, "range": [0, len(texts) - 1], "tickvals": list(range(len(texts))), "ticktext": texts}
    elif isinstance(distribution, IntDistribution | FloatDistribution) and distribution.log:
        low, high = math.log10(distribution.low), math.log10(distribution.high)
        ticks = [low, *range(math.floor(low) + 1, math.ceil(high)), high]
        texts = [f"{10**tick:.3g}" for tick in ticks]
        logarithms = [math.log10(place) for place in places]
        axis = {"values": logarithms, "range": [low, high], "tickvals": ticks, "ticktext": texts}
    else:
        assert isinstance(distribution, IntDistribution | FloatDistribution)
        axis = {"values": places, "range": [distribution.low, distribution.high]}
    return {"label": key, **axis}


def value_at(index: int) -> Callable[[FrozenTrial], float]:
    """A function that takes one value of a trial."""
    return lambda trial: float(trial.values[index])


def render(study: Study, notes: Sequence[str], pictures: Sequence[tuple[str, go.Figure]]) -> str:
    """Make the page."""
    template = Path(__file__).with_name("search.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    parts = [
        (heading, figure.to_html(full_html=False, include_plotlyjs=False, div_id=f"picture{number}"))
        for number, (heading, figure) in enumerate(pictures)
    ]
    return environment.from_string(template).render(
        title=f"Search: {study.study_name}",
        counts=count_trials(study),
        best=best_trials(study),
        objectives=list(study.user_attrs[OBJECTIVES]),
        notes=notes,
        pictures=parts,
        plotly=get_plotlyjs(),
    )


def count_trials(study: Study) -> str:
    """How many trials there are, and what became of them."""
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    words = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
    became = [f"{states.count(state)} {word}" for state, word in words.items() if state in states]
    return f"{pluralize(len(states), 'trial')}: {', '.join(became)}." if became else "No trial has ended."

"""Held-out sites: the test scores of each site that was left out of training, compared with the validation scores.

leave_one_site_out.csv      a row per site, then the mean and the lowest of each score
leave_one_site_out.png      the same as bars

The validation scenes of a run come from the other sites, as its training scenes do.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gym.config.registries import SCORES, Place
from gym.core.text import format_score, pluralize
from gym.reporting.run_table import Row, RunGroup, group_runs, swept_keys, with_scores, write_csv
from gym.reporting.style import BLUE, ORANGE, add_legend, name_rows, plot_text, save_figure
from gym.runs.result import RunResult

HELD_OUT = "split.held_out"
_BAR_WIDTH = 0.38  # sites are 1 apart
_SHORTEST_LABELLED = 0.1  # length of a bar below which its number does not fit inside


class SiteScores(NamedTuple):
    """The mean of each of `score_names` over the runs that hold out one site; NaN if none has the score."""

    site: str
    runs: int
    scores: dict[str, float]


class SiteSummary(NamedTuple):
    """The held-out sites of one group of runs, the lowest test IoU first; ``kind`` is the key they are grouped by."""

    group: RunGroup
    kind: str
    sites: list[SiteScores]


def write_site_report(folder: Path, results: Sequence[RunResult]) -> str:
    """Write the test scores of a sweep over ``split.held_out``.

    Returns:
        The mean and the lowest score, one line per group of runs. If all runs hold out the same site, the text is empty
        and no file is written.

    Raises:
        OSError: A file cannot be written.
    """
    if HELD_OUT not in swept_keys(results):
        return ""
    summaries = [summarize_sites(group) for group in group_runs(results, [HELD_OUT, "seed"])]
    write_csv(folder / "leave_one_site_out.csv", [row for summary in summaries for row in site_rows(summary)])
    save_figure(draw_sites(summaries), folder / "leave_one_site_out.png")
    return "\n".join(describe_sites(summary) for summary in summaries)


def score_names() -> list[str]:
    """Return the scores of the test side, then those of the validation side."""
    names = SCORES.names_at(Place.HELD_OUT)
    return [*(f"test/{name}" for name in names), *names]


def summarize_sites(group: RunGroup) -> SiteSummary:
    """Average the scores of each held-out site over its seeds."""
    sites, names, main = [], score_names(), f"test/{SCORES.default}"
    for site in dict.fromkeys(str(run.settings[HELD_OUT]) for run in group.runs):
        runs = [run for run in group.runs if run.settings[HELD_OUT] == site]
        values = {name: [value for value, _ in with_scores(runs, name)] for name in names}
        means = {name: float(np.mean(of)) if of else float("nan") for name, of in values.items()}
        sites.append(SiteScores(site, len(runs), means))
    sites.sort(key=lambda each: (np.isnan(each.scores[main]), each.scores[main]))
    return SiteSummary(group, str(group.runs[0].settings.get("split.by", "site")), sites)


def _mean_and_lowest(summary: SiteSummary, name: str) -> tuple[float, float]:
    """Return mean and lowest of a score over the sites that have it; NaN if none has."""
    known = [each.scores[name] for each in summary.sites if not np.isnan(each.scores[name])]
    return (float(np.mean(known)), min(known)) if known else (float("nan"), float("nan"))


def site_rows(summary: SiteSummary) -> list[Row]:
    """Return one row per site, then one with the mean and one with the lowest value of each score."""
    means, lowest = zip(*(_mean_and_lowest(summary, name) for name in score_names()), strict=True)
    rows = [(each.site, each.runs, tuple(each.scores.values())) for each in summary.sites]
    runs = len(summary.group.runs)
    return [
        summary.group.settings
        | {HELD_OUT: site, "runs": count}
        | {name: None if np.isnan(value) else value for name, value in zip(score_names(), values, strict=True)}
        for site, count, values in [*rows, ("(mean)", runs, means), ("(lowest)", runs, lowest)]
    ]


def describe_sites(summary: SiteSummary) -> str:
    """Compare the held-out sites with the validation scenes, in one sentence."""
    label = f"{summary.group.label}: " if summary.group.label else ""
    main = SCORES.get(SCORES.default)
    tested = [each for each in summary.sites if not np.isnan(each.scores[f"test/{main.name}"])]
    if not tested:
        return f"{label}no held-out {summary.kind} has a {main.title}."
    mean, lowest = _mean_and_lowest(summary, f"test/{main.name}")
    validation, _ = _mean_and_lowest(summary, main.name)
    return (
        f"{label}{pluralize(len(tested), f'held-out {summary.kind}')}: {main.title} {mean:.3f} on average, "
        f"lowest {lowest:.3f} ({tested[0].site}); validation scenes of the other {summary.kind}s: {validation:.3f}."
    )


def draw_sites(summaries: Sequence[SiteSummary]) -> Figure:
    """Draw test and validation scores of each site as bars, the lowest on top; one row of panels per group."""
    lines = [len(summary.sites) for summary in summaries]
    figure = Figure(figsize=(9.5, 0.42 * sum(lines) + 1.1 * len(summaries) + 0.5), layout="constrained")
    scores = SCORES.at(Place.HELD_OUT)
    grid = figure.subplots(len(summaries), len(scores), squeeze=False, sharex=True, height_ratios=lines)
    for panels, summary in zip(grid, summaries, strict=True):
        for axes, score in zip(panels, scores, strict=True):
            _draw_panel(axes, summary, score.name)
            axes.set_yticks([])
        name_rows(panels[0], [each.site for each in summary.sites], f"{summary.kind}s")
        panels[0].set_ylabel(f"held-out {summary.kind}")
        if summary.group.label:
            panels[0].set_title(plot_text(summary.group.label), fontsize=9, loc="left")
    for axes, score in zip(grid[-1], scores, strict=True):
        axes.set_xlabel(score.title)
    add_legend(figure, grid.ravel(), loc="outside lower center", ncols=2)
    return figure


def _draw_panel(axes: Axes, summary: SiteSummary, score: str) -> None:
    sides = (
        (f"test/{score}", ORANGE, "test", f"held-out {summary.kind}"),
        (score, BLUE, "validation", f"other {summary.kind}s"),
    )
    for offset, (name, colour, side, scenes) in zip((-_BAR_WIDTH / 2, _BAR_WIDTH / 2), sides, strict=True):
        values = [each.scores[name] for each in summary.sites]
        places = np.arange(len(values)) + offset
        label = f"{side}: {scenes}"
        axes.barh(places, np.nan_to_num(values), _BAR_WIDTH, color=colour, alpha=0.85, label=label)
        for place, value in zip(places, values, strict=True):
            _label_bar(axes, place, value)
        mean, _ = _mean_and_lowest(summary, name)
        if not np.isnan(mean):
            axes.axvline(mean, color=colour, lw=1, ls="--", label=f"mean, {side}")
    axes.set(xlim=(0, 1), ylim=(len(summary.sites) - 0.4, -0.6))
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25, axis="x")


def _label_bar(axes: Axes, place: float, value: float) -> None:
    # At the start of the bar, no mean line crosses the number.
    is_inside = value > _SHORTEST_LABELLED
    start, colour = (0, "white") if is_inside else (np.nan_to_num(value), "black")
    axes.text(start + 0.01, place, format_score(value), va="center", fontsize=7, color=colour)

"""How well does a model do where it never was: the scores of each site held out, beside those of validation.

leave_one_site_out.csv      a row a site, then the mean and the lowest of each score
leave_one_site_out.png      the same as bars

The validation scenes of a run are of the other sites, as its training scenes are.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gym.core.text import format_score, pluralize
from gym.reporting.comparison import fit_label
from gym.reporting.run_table import Row, RunGroup, group_runs, score_of, swept_keys, write_csv
from gym.reporting.style import literal, save
from gym.runs.result import RunResult

HELD_OUT = "split.held_out"
SCORES = ("test/iou", "test/dice", "iou", "dice")
_PANELS = {"iou": "mean IoU", "dice": "mean Dice"}
_TEST, _VALIDATION = "#d55e00", "#0072b2"
_THICK = 0.38  # of a bar, where sites are 1 apart
_ROOM = 0.1  # for a number inside a bar


class SiteScores(NamedTuple):
    """What the runs that hold out one site have of each of `SCORES`, on the mean; NaN where none has it."""

    site: str
    runs: int
    scores: dict[str, float]


class SiteTable(NamedTuple):
    """The sites of one group of runs, those with the lowest mean IoU on the test side first."""

    group: RunGroup
    kind: str
    sites: list[SiteScores]


def write_sites(folder: Path, results: Sequence[RunResult]) -> str:
    """Write what the runs of a sweep over ``split.held_out`` come to on what they held out.

    Returns:
        Their mean and their worst, a line for each group of runs; empty, and nothing is written, where all runs hold
        out the same.

    Raises:
        OSError: Something cannot be written.
    """
    if HELD_OUT not in swept_keys(results):
        return ""
    tables = [tabulate_sites(group) for group in group_runs(results, [HELD_OUT, "seed"])]
    write_csv(folder / "leave_one_site_out.csv", [row for table in tables for row in site_rows(table)])
    save(draw_sites(tables), folder / "leave_one_site_out.png")
    return "\n".join(word_sites(table) for table in tables)


def tabulate_sites(group: RunGroup) -> SiteTable:
    """The sites of a group; several seeds of a site are averaged."""
    sites = []
    for site in dict.fromkeys(str(run.settings[HELD_OUT]) for run in group.runs):
        runs = [run for run in group.runs if run.settings[HELD_OUT] == site]
        values = {name: [value for run in runs if (value := score_of(run, name)) is not None] for name in SCORES}
        means = {name: float(np.mean(of)) if of else float("nan") for name, of in values.items()}
        sites.append(SiteScores(site, len(runs), means))
    sites.sort(key=lambda each: (np.isnan(each.scores["test/iou"]), each.scores["test/iou"]))
    return SiteTable(group, str(group.runs[0].settings.get("split.by", "site")), sites)


def summarize_sites(table: SiteTable, name: str) -> tuple[float, float]:
    """Mean and lowest of a score over the sites that have it; NaN where none has."""
    known = [each.scores[name] for each in table.sites if not np.isnan(each.scores[name])]
    return (float(np.mean(known)), min(known)) if known else (float("nan"), float("nan"))


def site_rows(table: SiteTable) -> list[Row]:
    """A row a site, then one of the means and one of the lowest values of each score."""
    means, lowest = zip(*(summarize_sites(table, name) for name in SCORES), strict=True)
    rows = [(each.site, each.runs, tuple(each.scores.values())) for each in table.sites]
    runs = len(table.group.runs)
    return [
        table.group.settings
        | {HELD_OUT: site, "runs": count}
        | {name: None if np.isnan(value) else value for name, value in zip(SCORES, values, strict=True)}
        for site, count, values in [*rows, ("(mean)", runs, means), ("(lowest)", runs, lowest)]
    ]


def word_sites(table: SiteTable) -> str:
    """Say how the sites held out compare with the validation scenes of the others."""
    label = f"{table.group.label}: " if table.group.label else ""
    tested = [each for each in table.sites if not np.isnan(each.scores["test/iou"])]
    if not tested:
        return f"{label}no {table.kind} held out has a mean IoU."
    mean, worst = summarize_sites(table, "test/iou")
    known, _ = summarize_sites(table, "iou")
    return (
        f"{label}{pluralize(len(tested), table.kind)} held out: mean IoU {mean:.3f} on average, {worst:.3f} at worst "
        f"({tested[0].site}); on validation scenes of the others {known:.3f}."
    )


def draw_sites(tables: Sequence[SiteTable]) -> Figure:
    """Bars of each site, the worst on top, test beside validation, with the mean of each; a row of panels a group."""
    lines = [len(table.sites) for table in tables]
    figure = Figure(figsize=(9.5, 0.42 * sum(lines) + 1.1 * len(tables) + 0.5), layout="constrained")
    grid = figure.subplots(len(tables), len(_PANELS), squeeze=False, sharex=True, height_ratios=lines)
    for panels, table in zip(grid, tables, strict=True):
        for axes, score in zip(panels, _PANELS, strict=True):
            draw_panel(axes, table, score)
        panels[0].set_yticks(range(len(table.sites)), [fit_label(each.site) for each in table.sites])
        panels[1].set_yticks([])
        panels[0].set_ylabel(f"{table.kind} held out")
        if table.group.label:
            panels[0].set_title(literal(table.group.label), fontsize=9, loc="left")
    for axes, title in zip(grid[-1], _PANELS.values(), strict=True):
        axes.set_xlabel(title)
    handles = {handle.get_label(): handle for axes in grid.ravel() for handle in axes.get_legend_handles_labels()[0]}
    figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=2, fontsize=8)
    return figure


def draw_panel(axes: Axes, table: SiteTable, score: str) -> None:
    """The bars of one score of a group."""
    sides = ((f"test/{score}", _TEST, "test: the {} held out"), (score, _VALIDATION, "validation: the others"))
    for offset, (name, colour, words) in zip((-_THICK / 2, _THICK / 2), sides, strict=True):
        values = [each.scores[name] for each in table.sites]
        places = np.arange(len(values)) + offset
        label = words.format(table.kind)
        axes.barh(places, np.nan_to_num(values), _THICK, color=colour, alpha=0.85, label=label)
        for place, value in zip(places, values, strict=True):
            word_bar(axes, place, value)
        mean, _ = summarize_sites(table, name)
        if not np.isnan(mean):
            axes.axvline(mean, color=colour, lw=1, ls="--", label=f"mean, {label.split(':')[0]}")
    axes.set(xlim=(0, 1), ylim=(len(table.sites) - 0.4, -0.6))
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25, axis="x")


def word_bar(axes: Axes, place: float, value: float) -> None:
    """The value of a bar: at its foot, where no line crosses it, or behind it where it is too short."""
    is_inside = value > _ROOM
    axes.text(
        0.01 if is_inside else np.nan_to_num(value) + 0.01,
        place,
        format_score(value),
        va="center",
        fontsize=7,
        color="white" if is_inside else "black",
    )

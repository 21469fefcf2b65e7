"""Report on a sweep: all that can be shown of it on one page, and its figures for print.

report.html             everything, in one file that needs no network
figure3.png, .svg       validation images, their labels and what two models make of them
figure4.png, .svg       mean IoU and KLD by model size, as in the paper
learning_curves.png, .svg

The reports that belong to one kind of sweep: shares of the labels, seeds, sites held out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from plotly.offline import get_plotlyjs

from gym.config.registries import LOSSES
from gym.core.files import write_text
from gym.reporting.figure3 import ZOOM, Examples, draw_examples
from gym.reporting.figure4 import draw_figure4
from gym.reporting.figure4_interactive import figure4_part
from gym.reporting.held_out_sites import write_sites
from gym.reporting.label_curve import write_learning_curve
from gym.reporting.page_tables import runs_table, site_table
from gym.reporting.pages import render_page
from gym.reporting.recommendation import Recommendation, recommend
from gym.reporting.run_table import run_labels, score_of
from gym.reporting.seed_spread import write_spread
from gym.reporting.style import embed, save_for_print, show_figure
from gym.reporting.training_curves import RunCurve, draw_run_curves
from gym.runs.result import RunResult

_REPORTS = (write_learning_curve, write_spread, write_sites)


def write_ready_reports(folder: Path, results: Sequence[RunResult]) -> list[str]:
    """Write each report for which the runs differ in the right key, beside what else is in the folder.

    Returns:
        What each report comes to, in lines for the terminal.

    Raises:
        OSError: Something cannot be written.
    """
    return [line for write in _REPORTS for line in write(folder, results).splitlines()]


class Unfinished(NamedTuple):
    """A run without a result: what it is, how it stands, why it failed if it did, and the command that makes it."""

    name: str
    standing: str
    message: str
    command: str


@dataclass(frozen=True)
class SweepFacts:
    """All that a report on a sweep is made from.

    Attributes:
        name: Of the sweep.
        command: Makes it; empty where that is not known.
        results: The finished runs, in their order.
        commands: What makes each of them by itself.
        unfinished: The other runs.
        curves: Of all runs.
        environment: With what they were made, by name.
        sites: The site of each validation image, by name; empty where the data are gone.
        examples: What Figure 3 shows; where there is nothing to show, why not.
        notes: What else is gone, in sentences.
    """

    name: str
    command: str
    results: list[RunResult]
    commands: list[str]
    unfinished: list[Unfinished]
    curves: list[RunCurve]
    environment: list[tuple[str, str]]
    sites: dict[str, str]
    examples: Examples | str
    notes: list[str] = field(default_factory=list)


def write_sweep_report(folder: Path, facts: SweepFacts, seed: int = 0) -> list[Path]:
    """Write the report into a folder, each file whole or not at all; what else is in the folder stays.

    Args:
        folder: Where to; made as needed.
        facts: What is known of the sweep.
        seed: Of the bootstrap behind the recommendation.

    Returns:
        The files, the page first.

    Raises:
        OSError: Something cannot be written.
    """
    figures = {
        "figure4": draw_figure4(facts.results),
        "learning_curves": draw_run_curves(facts.curves),
        **draw_examples(facts.examples),
    }
    files = [path for name, figure in figures.items() for path in save_for_print(figure, folder, name)]
    recommendation = recommend(facts.results, seed)
    page = render_page(
        "sweep_report.html.jinja",
        title=f"Sweep {facts.name}",
        facts=facts,
        recommendation=recommendation,
        labels=run_labels(facts.results),
        reasons=reason_rows(recommendation),
        table=runs_table(facts.results, recommendation),
        sites=[(title, site_table(run, facts.sites)) for title, run in site_runs(facts.results, recommendation)],
        pictures={name: show_figure(figure, folder / f"{name}.png") for name, figure in figures.items()},
        zoom=ZOOM,
        plotly=get_plotlyjs(),
        figure4=figure4_part(facts.results),
        findings=find_more(facts.results),
    )
    write_text(folder / "report.html", page)
    return [folder / "report.html", *files]


def reason_rows(recommendation: Recommendation) -> list[dict[str, str]]:
    """The recommended run beside the best, as rows of a table; none where nothing is recommended."""
    if recommendation.chosen is None or recommendation.best is None:
        return []
    is_one = recommendation.chosen is recommendation.best
    low, high = recommendation.difference
    runs = {"best, and recommended" if is_one else "best": recommendation.best, "recommended": recommendation.chosen}
    return [
        {
            "role": role,
            "name": run.name,
            "parameters": f"{score_of(run, 'parameters'):,}",
            "iou": f"{score_of(run, 'iou'):.4f}",
            "error": f"{recommendation.standard_error:.4f}" if run is recommendation.best else "",
            "lead": "" if run is recommendation.best else f"{low:.4f} to {high:.4f}",
        }
        for role, run in list(runs.items())[: 1 if is_one else 2]
    ]


def site_runs(results: Sequence[RunResult], recommendation: Recommendation) -> list[tuple[str, RunResult]]:
    """The runs whose scores are told by site: the recommended, or else the best, and the one that the paper takes.

    The paper shows the mid-sized model of the default loss: the middle size, or the smaller of two, and its best run.
    """
    labels = {id(run): label for run, label in zip(results, run_labels(results), strict=True)}
    scored = [run for run in results if score_of(run, "iou") is not None]
    if not scored:
        return []
    chosen = recommendation.chosen or max(scored, key=lambda run: score_of(run, "iou") or 0.0)
    told = [(f"{labels[id(chosen)]}, the {'recommended' if recommendation.chosen else 'best'} run", chosen)]
    alike = [run for run in scored if run.settings["loss.name"] == LOSSES.default]
    widths = sorted({run.settings["model.filters"] for run in alike})
    if widths:
        middle = [run for run in alike if run.settings["model.filters"] == widths[(len(widths) - 1) // 2]]
        typical = max(middle, key=lambda run: score_of(run, "iou") or 0.0)
        if typical is not chosen:
            trained = f"trained with {LOSSES.default}, as in the paper"
            told.append((f"{labels[id(typical)]}, the best mid-sized model {trained}", typical))
    return told


def find_more(results: Sequence[RunResult]) -> tuple[list[str], list[str]]:
    """What is found where the runs differ in their seed, their share of labels or the site they hold out.

    Returns:
        Sentences, and the pictures to them as a page holds them.
    """
    with TemporaryDirectory() as place:
        sentences = write_ready_reports(Path(place), results)
        return sentences, [embed(path) for path in sorted(Path(place).glob("*.png"))]

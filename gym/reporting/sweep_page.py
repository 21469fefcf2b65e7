"""The report on a sweep: a page with everything known about it, and its figures for print.

report.html                     the page, one file that needs no network
figure3.png, .svg               validation images with their labels and the output of two models
figure4.png, .svg               mean IoU and KLD by model size, as in the paper
learning_curves.png, .svg       training curves of all runs
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from plotly.offline import get_plotlyjs

from gym.config.registries import LOSSES, SCORES
from gym.core.files import write_text
from gym.reporting.figure3 import ZOOM, draw_examples
from gym.reporting.figure3_data import Examples
from gym.reporting.figure4 import draw_figure4
from gym.reporting.figure4_interactive import figure4_part
from gym.reporting.held_out_sites import write_site_report
from gym.reporting.label_curve import write_label_curve
from gym.reporting.page_tables import runs_table, site_dice_table
from gym.reporting.pages import render_page
from gym.reporting.recommendation import Recommendation, recommend
from gym.reporting.run_table import run_labels, score_of
from gym.reporting.seed_spread import write_seed_spread
from gym.reporting.style import embed_figure, embed_png, save_for_print
from gym.reporting.training_curves import RunCurve, draw_sweep_curves
from gym.runs.result import RunResult


class UnfinishedRun(NamedTuple):
    """A run without a result: its status, the error if it failed, and the command that trains it."""

    name: str
    status: str
    message: str
    command: str


@dataclass(frozen=True)
class SweepReport:
    """Everything that the report on a sweep shows.

    Attributes:
        name: Name of the sweep.
        command: The command that starts or resumes the sweep; empty if unknown.
        results: The finished runs in their order.
        commands: The command that trains each finished run by itself.
        unfinished: The other runs.
        curves: The epochs of all runs.
        environment: What the runs were made with, as names and values.
        sites: The site of each validation image, by image name; empty if the data are gone.
        examples: What Figure 3 shows, or the reason why there is none.
        notes: What else is missing, in sentences.
    """

    name: str
    command: str
    results: list[RunResult]
    commands: list[str]
    unfinished: list[UnfinishedRun]
    curves: list[RunCurve]
    environment: list[tuple[str, str]]
    sites: dict[str, str]
    examples: Examples | str
    notes: list[str] = field(default_factory=list)


class Findings(NamedTuple):
    """Sentences about seeds, shares of the labels and held-out sites, and pictures to embed."""

    sentences: list[str]
    pictures: list[str]


def write_sweep_report(folder: Path, report: SweepReport, seed: int = 0) -> list[Path]:
    """Write the report on a sweep; other files in the folder are left alone.

    Args:
        folder: Destination folder, created if missing.
        report: What to show.
        seed: Seed of the bootstrap behind the recommendation.

    Returns:
        The page, then the figures.

    Raises:
        OSError: A file cannot be written.
    """
    figures = {
        "figure4": draw_figure4(report.results),
        "learning_curves": draw_sweep_curves(report.curves),
        **draw_examples(report.examples),
    }
    files = [path for name, figure in figures.items() for path in save_for_print(figure, folder, name)]
    recommendation = recommend(report.results, seed)
    page = render_page(
        "sweep",
        title=f"Sweep {report.name}",
        report=report,
        recommendation=recommendation,
        labels=run_labels(report.results),
        reasons=reason_rows(recommendation),
        table=runs_table(report.results, recommendation),
        sites={
            title: site_dice_table(run, report.sites)
            for title, run in runs_by_site(report.results, recommendation).items()
        },
        pictures={name: embed_figure(figure, folder / f"{name}.png") for name, figure in figures.items()},
        zoom=ZOOM,
        plotly=get_plotlyjs(),
        figure4=figure4_part(report.results),
        findings=_find_more(report.results),
    )
    write_text(folder / "report.html", page)
    return [folder / "report.html", *files]


def reason_rows(recommendation: Recommendation) -> list[dict[str, str]]:
    """Compare the recommended run with the best one, as table rows; empty if no run is recommended."""
    if recommendation.chosen is None or recommendation.best is None:
        return []
    is_best = recommendation.chosen is recommendation.best
    low, high = recommendation.difference
    runs = {"best and recommended" if is_best else "best": recommendation.best}
    if not is_best:
        runs["recommended"] = recommendation.chosen
    return [
        {
            "role": role,
            "name": run.name,
            "parameters": f"{score_of(run, 'parameters'):,}",
            "score": f"{score_of(run, SCORES.default):.4f}",
            "error": f"{recommendation.standard_error:.4f}" if run is recommendation.best else "",
            "lead": "" if run is recommendation.best else f"{low:.4f} to {high:.4f}",
        }
        for role, run in runs.items()
    ]


def runs_by_site(results: Sequence[RunResult], recommendation: Recommendation) -> dict[str, RunResult]:
    """Pick the runs whose scores the page shows by site, with a title for each.

    They are the recommended run, or else the best, and the run that corresponds to the paper's: the best mid-sized
    model trained with the default loss. Mid-sized means the median number of filters, or the smaller of two.
    """
    labels = {id(run): label for run, label in zip(results, run_labels(results), strict=True)}
    scored = [run for run in results if score_of(run, SCORES.default) is not None]
    if not scored:
        return {}
    chosen = recommendation.chosen or _best_of(scored)
    picked = {f"{labels[id(chosen)]}, the {'recommended' if recommendation.chosen else 'best'} run": chosen}
    alike = [run for run in scored if run.settings["loss.name"] == LOSSES.default]
    widths = sorted({run.settings["model.filters"] for run in alike})
    if widths:
        middle = widths[(len(widths) - 1) // 2]
        typical = _best_of([run for run in alike if run.settings["model.filters"] == middle])
        if typical is not chosen:
            picked[
                f"{labels[id(typical)]}, the best mid-sized model trained with {LOSSES.default}, as in the paper"
            ] = typical
    return picked


def _best_of(runs: Sequence[RunResult]) -> RunResult:
    return max(runs, key=lambda run: score_of(run, SCORES.default) or 0.0)


def _find_more(results: Sequence[RunResult]) -> Findings:
    with TemporaryDirectory() as folder:
        sentences = write_special_reports(Path(folder), results)
        return Findings(sentences, [embed_png(path) for path in sorted(Path(folder).glob("*.png"))])


def write_special_reports(folder: Path, results: Sequence[RunResult]) -> list[str]:
    """Write the label curve, the spread over seeds and the held-out sites, each if the sweep varies its key.

    Returns:
        The findings, in sentences for the terminal.

    Raises:
        OSError: A file cannot be written.
    """
    reports = (write_label_curve, write_seed_spread, write_site_report)
    return [line for write in reports for line in write(folder, results).splitlines()]

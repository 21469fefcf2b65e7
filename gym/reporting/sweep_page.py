"""The report on a sweep: a page with everything known about it, and its figures for print.

report.html                     the page, one file that needs no network
figure3.png, .svg               validation images with their labels and the output of two models
figure4.png, .svg               mean IoU and KLD by model size, as in the paper
learning_curves.png, .svg       training curves of all runs
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from plotly.offline import get_plotlyjs

from gym.config.registries import LOSSES, SCORES
from gym.core.temporary import temporary_folder
from gym.reporting.equal_models import describe_equal_models
from gym.reporting.figure4 import draw_figure4
from gym.reporting.figure4_interactive import figure4_html
from gym.reporting.held_out_sites import write_site_report
from gym.reporting.label_curve import write_label_curve
from gym.reporting.page_tables import PageTable, build_table, runs_table, site_dice_table
from gym.reporting.pages import Report, write_report
from gym.reporting.recommendation import Recommendation, recommend
from gym.reporting.run_table import run_labels, score_of
from gym.reporting.seed_spread import write_seed_spread
from gym.reporting.style import embed_png
from gym.reporting.training_curves import RunCurve, draw_sweep_curves
from gym.runs.result import RunResult


class UnfinishedRun(NamedTuple):
    """A run without a result: its status, the error if it failed, and the command that trains it."""

    name: str
    status: str
    message: str
    command: str


@dataclass(frozen=True, kw_only=True)
class SweepReport(Report):
    """Everything that the report on a sweep shows.

    Attributes:
        results: The finished runs in their order.
        commands: The command that trains each finished run by itself.
        unfinished: The other runs.
        curves: The epochs of all runs.
    """

    results: list[RunResult]
    commands: list[str]
    unfinished: list[UnfinishedRun]
    curves: list[RunCurve]


def write_sweep_report(folder: Path, report: SweepReport, seed: int = 0) -> list[Path]:
    """Write the report on a sweep, as `gym.reporting.pages.write_report` does.

    The seed is that of the bootstrap behind the recommendation.
    """
    results, recommendation = report.results, recommend(report.results, seed)
    with temporary_folder() as folder_of_findings:
        findings = write_special_reports(folder_of_findings, results)
        pictures = [embed_png(path) for path in sorted(folder_of_findings.glob("*.png"))]
    return write_report(
        folder,
        "sweep",
        report,
        {"figure4": draw_figure4(results), "learning_curves": draw_sweep_curves(report.curves)},
        recommendation=recommendation,
        reasons=reason_table(recommendation),
        findings=findings,
        finding_pictures=pictures,
        table=runs_table(results, recommendation),
        labels=run_labels(results),
        site_tables={
            title: site_dice_table(run, report.sites) for title, run in runs_by_site(results, recommendation).items()
        },
        plotly=get_plotlyjs(),
        figure4=figure4_html(results, is_page=False),
    )


def reason_table(recommendation: Recommendation) -> PageTable | None:
    """Compare the recommended run with the best one; None if no run is recommended."""
    chosen, best = recommendation.chosen, recommendation.best
    if chosen is None or best is None:
        return None
    main = SCORES.get(SCORES.default)
    low, high = recommendation.difference
    of_best, of_chosen = ([run.name, score_of(run, "parameters"), score_of(run, main.name)] for run in (best, chosen))
    of_best.append(recommendation.standard_error)
    if chosen is best:
        rows = [["best and recommended", *of_best, None]]
    else:
        rows = [["best", *of_best, None], ["recommended", *of_chosen, None, f"{low:.4f} to {high:.4f}"]]
    titles = {"parameters": "{:,}", main.title: "{:.4f}", "standard error": "{:.4f}", "lead of the best (95 %)": "{}"}
    if selection := recommendation.selection:
        titles[f"optimism (best of {selection.models})"] = "{:.4f}"
        optima = [None if selection.obstacle else selection.optimism, None]
        rows = [[*row, optimism] for row, optimism in zip(rows, optima, strict=False)]
    return build_table(["", "run"], titles, rows)


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
            title = f"{labels[id(typical)]}, the best mid-sized model trained with {LOSSES.default}, as in the paper"
            picked[title] = typical
    return picked


def _best_of(runs: Sequence[RunResult]) -> RunResult:
    return max(runs, key=lambda run: score_of(run, SCORES.default) or 0.0)


def write_special_reports(folder: Path, results: Sequence[RunResult]) -> list[str]:
    """Write the label curve, the spread over seeds and the held-out sites, each if the sweep varies its key.

    The first finding says which runs have equal weights, if some have.

    Returns:
        The findings, in sentences for the terminal.

    Raises:
        OSError: A file cannot be written.
    """
    reports = (write_label_curve, write_seed_spread, write_site_report)
    findings = [line for write in reports for line in write(folder, results).splitlines()]
    equal = describe_equal_models(results, run_labels(results))
    return [equal, *findings] if equal else findings

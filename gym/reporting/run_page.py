"""The report on one run: a page with its scores, curves and examples, and its figures for print.

report.html                     the page, one file that needs no network
figure3.png, .svg               validation images with their labels and the model's output
learning_curves.png, .svg       training curves
"""

from dataclasses import dataclass
from pathlib import Path

from gym.config.registries import SCORES, Place
from gym.core.text import format_duration
from gym.evaluation.legacy_scores import MEANINGS, drop_incomparable, explain_left_out
from gym.reporting.page_tables import PageTable, build_table, legacy_rows, site_dice_table
from gym.reporting.pages import Report, write_report
from gym.reporting.run_table import score_of
from gym.reporting.training_curves import draw_page_curves
from gym.runs.result import RunResult
from gym.training.checkpoint import Epoch

_COUNTS = ("parameters", "trainable_parameters", "stopping_epoch", "best_epoch", "training_pairs", "training_steps")


@dataclass(frozen=True, kw_only=True)
class RunReport(Report):
    """Everything that the report on a run shows.

    Attributes:
        about: What the page says first, as names and values.
        result: The run's result; None if it did not finish.
        epochs: The epochs that were logged.
    """

    about: list[tuple[str, str]]
    result: RunResult | None
    epochs: list[Epoch]


def write_run_report(folder: Path, report: RunReport) -> list[Path]:
    """Write the report on a run, as `gym.reporting.pages.write_report` does."""
    result = report.result
    return write_report(
        folder,
        "run",
        report,
        {"learning_curves": draw_page_curves(report.epochs)},
        tables=side_tables(result) if result else {},
        totals=total_rows(result) if result else [],
        site_table=site_dice_table(result, report.sites) if result else None,
        legacy=legacy_rows(_legacy_numbers(result)) if result else [],
        legacy_note=explain_left_out(result.classes, has_null_class(result)) if result else "",
    )


def side_tables(result: RunResult) -> dict[str, PageTable]:
    """Tabulate the scores of the validation and test sides, over all classes and by class; by title of the table."""
    prefixes = {"validation": "", "test": "test/"}
    sides = {side: prefix for side, prefix in prefixes.items() if f"{prefix}{SCORES.default}" in result.scores}
    overall = [
        [entry.long_title, *(score_of(result, f"{prefix}{entry.name}") for prefix in sides.values())]
        for entry in SCORES.at(Place.EVALUATION)
        if any(f"{prefix}{entry.name}" in result.scores for prefix in sides.values())
    ]
    tables = {"All classes": build_table(["score"], dict.fromkeys(sides, "{:.3f}"), overall)}
    for side, prefix in sides.items():
        titles = {
            f"{prefix}class_{entry.name}/": entry.class_title
            for entry in SCORES.by_class
            if any(key.startswith(f"{prefix}class_{entry.name}/") for key in result.scores)
        }
        rows = [[kind, *(score_of(result, f"{group}{kind}") for group in titles)] for kind in result.classes]
        tables[f"By class, {side}"] = build_table(["class"], dict.fromkeys(titles.values(), "{:.3f}"), rows)
    return tables


def total_rows(result: RunResult) -> list[tuple[str, str]]:
    """List sizes, epochs, training time and the hash of the weights, as names and values."""
    counts = {name: score_of(result, name) for name in _COUNTS}
    seconds = score_of(result, "seconds")
    return [
        *((name.replace("_", " "), f"{value:,.0f}") for name, value in counts.items() if value is not None),
        *([("training time", format_duration(seconds))] if seconds is not None else []),
        ("weights (SHA-256)", result.weights_sha256),
    ]


def _legacy_numbers(result: RunResult) -> dict[str, float]:
    found = {name: score_of(result, f"legacy/{name}") for name in MEANINGS}
    return drop_incomparable(
        {name: value for name, value in found.items() if value is not None}, has_null_class(result)
    )


def has_null_class(result: RunResult) -> bool:
    """Whether the first class of a run is the null class. Runs of version 0.1.0 have none."""
    return bool(result.settings.get("data.null_class"))

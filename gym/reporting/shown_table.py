"""The table of a sweep as a page shows it: few digits to read, all of them to sort by, and which run is which."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gym.console import clock
from gym.reporting.recommendation import Recommendation
from gym.reporting.run_table import SCORES, Row, comparison_rows, swept_keys, word_setting
from gym.result import RunResult

_TITLES = {
    "iou": "mean IoU",
    "kld": "KLD",
    "dice": "mean Dice",
    "stopping_epoch": "stopping epoch",
    "best_epoch": "best epoch",
    "seconds": "training time",
    "weights_sha256": "weights",
    "run_id": "MLflow run",
}


class ShownTable(NamedTuple):
    """Columns with ``title`` and ``is_number``, and rows with ``cells`` (``shown`` and ``value``) and ``marks``."""

    columns: list[dict[str, Any]]
    rows: list[dict[str, Any]]


def runs_table(results: Sequence[RunResult], recommendation: Recommendation) -> ShownTable:
    """Set the runs below each other, with what was varied, their scores, and which is recommended and which is best."""
    rows = comparison_rows(results, swept_keys(results))
    columns = [name for row in rows[:1] for name in row if name != "fingerprint"]
    marks = [mark_run(result, recommendation) for result in results]
    return ShownTable(
        [{"title": _TITLES.get(name, name), "is_number": is_numeric(rows, name)} for name in columns],
        [{"cells": show_cells(row, columns), "marks": mark} for row, mark in zip(rows, marks, strict=True)],
    )


def mark_run(result: RunResult, recommendation: Recommendation) -> list[str]:
    """What a run is in the comparison: recommended, best, both or neither."""
    marked = {"recommended": recommendation.chosen, "best": recommendation.best}
    return [mark for mark, run in marked.items() if run is result]


def is_numeric(rows: Sequence[Row], name: str) -> bool:
    """Whether all that stands in a column is numbers."""
    return all(row[name] is None or (type(row[name]) in (int, float)) for row in rows)


def show_cells(row: Row, columns: Sequence[str]) -> list[dict[str, str]]:
    """The cells of a row: what is shown, and the value to sort by, empty where there is none."""
    return [
        {"shown": show_value(name, row[name]), "value": "" if row[name] is None else word_setting(row[name])}
        for name in columns
    ]


def show_value(name: str, value: Any) -> str:
    """A value as the page shows it."""
    if value is None:
        return "-" if name in SCORES else "null"
    shown = {"iou": "{:.4f}", "kld": "{:.4f}", "dice": "{:.4f}", "parameters": "{:,}"}
    if name == "seconds":
        return clock(value)
    return shown[name].format(value) if name in shown else word_setting(value)

"""Report on the runs of a sweep: a table, pictures, and one HTML page that holds them all.

comparison.csv          a row a run, exact numbers
comparison.html         table, recommendation and pictures, in one file that needs no network
figure4.png             mean IoU and KLD by model size, as in the paper
figure4.html            the same to hover over
pareto.png              mean IoU by parameters and by time
stopping_epochs.png     when each run stopped
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from gym.console import clock
from gym.files import write_text
from gym.reporting.comparison_figures import draw_pareto, draw_stopping_epochs
from gym.reporting.drawing import embed, save
from gym.reporting.figure4 import draw_figure4
from gym.reporting.figure4_page import figure4_html
from gym.reporting.recommendation import Recommendation, recommend
from gym.reporting.run_table import (
    SCORES,
    Row,
    comparison_rows,
    swept_keys,
    word_setting,
    write_csv,
)
from gym.result import RunResult

_TITLES = {
    "iou": "mean IoU",
    "kld": "KLD",
    "dice": "mean Dice",
    "stopping_epoch": "stopping epoch",
    "best_epoch": "best epoch",
    "seconds": "time",
    "weights_sha256": "weights",
    "run_id": "MLflow run",
}


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
        save(figure, folder / f"{name}.png")
    write_csv(folder / "comparison.csv", comparison_rows(results, swept_keys(results)))
    write_text(folder / "figure4.html", figure4_html(results))
    embedded = {name: embed(folder / f"{name}.png") for name in pictures}
    write_text(folder / "comparison.html", render(results, recommendation, title, embedded))
    return recommendation


def render(results: Sequence[RunResult], recommendation: Recommendation, title: str, pictures: dict[str, str]) -> str:
    """Make the page."""
    template = Path(__file__).with_name("comparison.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    swept = swept_keys(results)
    rows = comparison_rows(results, swept)
    columns = [name for row in rows[:1] for name in row if name != "fingerprint"]
    marks = [mark_run(result, recommendation) for result in results]
    return environment.from_string(template).render(
        title=title,
        sentence=recommendation.sentence,
        is_recommended=recommendation.chosen is not None,
        columns=[{"title": _TITLES.get(name, name), "is_number": is_numeric(rows, name)} for name in columns],
        rows=[{"cells": show_cells(row, columns), "marks": mark} for row, mark in zip(rows, marks, strict=True)],
        pictures=pictures,
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

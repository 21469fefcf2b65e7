"""The table of a sweep as a page shows it: few digits to read, all of them to sort by, and which run is which.

How a run does at each site and in each class, as section 3.3 of the paper tells it: Dice, and of how many scenes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gym.core.text import format_duration
from gym.evaluation import confusion
from gym.reporting.recommendation import Recommendation
from gym.reporting.run_table import SCORES, Row, comparison_rows, score_of, swept_keys, word_setting
from gym.runs.result import RunResult

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
        return format_duration(value)
    return shown[name].format(value) if name in shown else word_setting(value)


_SCORE = "site_dice/"
_ALL = "all sites"


def site_table(run: RunResult, sites: Mapping[str, str]) -> ShownTable:
    """Mean Dice and the Dice of each class at each site, with the number of scenes; of several sites all below them.

    Where the site of an image is not known there are the mean Dice alone, which the run has logged.

    Args:
        run: A run.
        sites: The site of each validation image, by name.
    """
    if not run.images or not set(run.images) <= set(sites):
        logged = {name.removeprefix(_SCORE): score_of(run, name) for name in run.scores if name.startswith(_SCORE)}
        rows = {site: [dice] for site, dice in sorted(logged.items())}
        return make_table(["site", "mean Dice"], rows | ({_ALL: [score_of(run, "dice")]} if len(rows) != 1 else {}))
    places, scenes = np.array([sites[image] for image in run.images]), np.array(run.scenes)
    parts = {str(site): places == site for site in sorted(set(places))}
    parts |= {_ALL: np.ones(len(places), bool)} if len(parts) > 1 else {}
    return make_table(
        ["site", "scenes", "mean Dice", *(f"Dice {name}" for name in run.classes)],
        {site: [len(set(scenes[part])), *dice_scores(run.matrices[part])] for site, part in parts.items()},
    )


def dice_scores(matrices: np.ndarray) -> list[float | None]:
    """Mean Dice and the Dice of each class of some images together; None for a class that is not there."""
    whole = matrices.sum(axis=0)
    values = [confusion.mean_dice(whole), *confusion.class_dice(whole)]
    return [None if np.isnan(value) else float(value) for value in values]


def make_table(titles: Sequence[str], rows: Mapping[str, Sequence[float | None]]) -> ShownTable:
    """Lay out rows of numbers, each behind its name."""
    return ShownTable(
        [{"title": title, "is_number": place > 0} for place, title in enumerate(titles)],
        [
            {"cells": [{"shown": name, "value": name}, *map(show_number, values)], "marks": []}
            for name, values in rows.items()
        ],
    )


def show_number(value: float | None) -> dict[str, str]:
    """A number as it is read, and what to sort it by."""
    if value is None:
        return {"shown": "-", "value": ""}
    return {"shown": str(value) if isinstance(value, int) else f"{value:.3f}", "value": repr(value)}

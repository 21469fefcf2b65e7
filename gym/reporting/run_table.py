"""Runs as rows of a table: what was swept, their scores, their labels, groups of runs, and the Pareto front."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gym.config.registries import SCORES, Place
from gym.core.files import write_cells
from gym.reporting.equal_models import mark_runs
from gym.runs.result import RunResult

_NAMES_AND_PLACES = ("name", "outputs", "tracking.", "sweep.", "search.")
EQUAL_WEIGHTS = "equal_weights"  # a column of tables of runs
_HASH_DIGITS = 12
_SHORT_SETTINGS = {"model.name": "{}", "loss.name": "{}", "model.filters": "f{}"}

Row = dict[str, Any]


class RunGroup(NamedTuple):
    """Runs that share all settings but a few.

    Attributes:
        label: The settings in short, as in ``unet cce f4 model.kernel=3``; empty for an only group.
        settings: The keys in which groups differ, with the values of this one.
        runs: One run or more, in their original order.
    """

    label: str
    settings: dict[str, Any]
    runs: list[RunResult]


def comparison_rows(results: Sequence[RunResult], swept: Sequence[str]) -> list[Row]:
    """Return one row per run with exact numbers; all rows have the same columns, and a missing score is None.

    Args:
        results: The runs.
        swept: The configuration keys to include, from `swept_keys`.

    Returns:
        Rows with ``name``, the swept keys, the scores of `Place.TABLE`, ``equal_weights`` (a letter that runs with the
        same weights share), the first 12 digits of ``weights_sha256``, the MLflow ``run_id`` and ``fingerprint``.
    """
    return [
        {
            "name": result.name,
            **{key: result.settings.get(key) for key in swept},
            **{name: score_of(result, name) for name in SCORES.names_at(Place.TABLE)},
            EQUAL_WEIGHTS: mark,
            "weights_sha256": result.weights_sha256[:_HASH_DIGITS],
            "run_id": result.run_id,
            "fingerprint": result.fingerprint,
        }
        for result, mark in zip(results, mark_runs(results), strict=True)
    ]


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV with exact numbers; None becomes an empty cell, and no rows an empty file.

    Raises:
        OSError: The file cannot be written.
    """
    cells = [[None if value is None else format_setting(value) for value in row.values()] for row in rows]
    write_cells(path, [*(list(row) for row in rows[:1]), *cells])


def swept_keys(results: Sequence[RunResult]) -> list[str]:
    """Return the configuration keys whose values differ between results, except names and output locations."""
    keys = dict.fromkeys(key for result in results for key in result.settings)
    varied = (key for key in keys if len({format_setting(result.settings.get(key, ...)) for result in results}) > 1)
    return [key for key in varied if not key.startswith(_NAMES_AND_PLACES)]


def format_setting(value: Any) -> str:
    """Format a setting as on the command line: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)


def score_of(result: RunResult, name: str) -> float | None:
    """Return a score of a run, as an integer if it is a count; None if it is missing or not finite."""
    value = result.scores.get(name)
    if value is None or not math.isfinite(value):
        return None
    return int(value) if name in SCORES and SCORES.get(name).is_count else float(value)


def with_scores(results: Sequence[RunResult], *names: str) -> list[tuple[Any, ...]]:
    """Return the runs that have all of some scores, each as a tuple of these scores and the run."""
    rows = [(*(score_of(run, name) for name in names), run) for run in results]
    return [row for row in rows if all(part is not None for part in row)]


def run_labels(results: Sequence[RunResult]) -> list[str]:
    """Return a unique label for each run.

    The label is the run's name. Runs that share a name also have the settings in which they differ, and runs with equal
    settings the first digits of their fingerprints.
    """
    names = {result.name for result in results}
    varied = {name: swept_keys([result for result in results if result.name == name]) for name in names}
    labels = [
        " ".join([one.name, *(f"{key}={format_setting(one.settings.get(key))}" for key in varied[one.name])])
        for one in results
    ]
    uses = Counter(labels)
    return [
        label if uses[label] == 1 else f"{label} {one.fingerprint[:8]}"
        for label, one in zip(labels, results, strict=True)
    ]


def group_runs(results: Sequence[RunResult], apart: Sequence[str]) -> list[RunGroup]:
    """Group runs that differ only in names, output locations and the keys in ``apart``, in the order of first runs."""
    keys = [key for key in swept_keys(results) if key not in apart]
    groups: dict[tuple[str, ...], RunGroup] = {}
    for result in results:
        settings = {key: result.settings.get(key) for key in keys}
        texts = tuple(format_setting(value) for value in settings.values())
        group = groups.setdefault(texts, RunGroup(_label_settings(settings), settings, []))
        group.runs.append(result)
    return list(groups.values())


def _label_settings(settings: dict[str, Any]) -> str:
    ordered = [key for key in dict.fromkeys([*_SHORT_SETTINGS, *settings]) if key in settings]
    return " ".join(_SHORT_SETTINGS.get(key, f"{key}={{}}").format(format_setting(settings[key])) for key in ordered)


def pareto_front(results: Sequence[RunResult], cost: str) -> list[RunResult]:
    """Return the runs that no other run dominates, the cheapest first.

    A run dominates another if it is at least as good in both mean IoU and cost and better in one of them. Equal runs do
    not dominate each other.

    Args:
        results: The runs; those without mean IoU or cost are left out.
        cost: The score to minimise, as in ``parameters`` or ``seconds``.
    """
    measured = with_scores(results, SCORES.default, cost)
    ious, prices = (np.array([pair[place] for pair in measured], dtype=float) for place in (0, 1))
    front = []
    for iou, price, result in sorted(measured, key=lambda pair: (pair[1], -pair[0])):
        as_good = (ious >= iou) & (prices <= price)
        if not (as_good & ((ious > iou) | (prices < price))).any():
            front.append(result)
    return front

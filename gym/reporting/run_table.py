"""Set the runs of a sweep beside each other: what was varied, what each came to, and which none other beats.

Rows and fronts are plain values, made from results alone; a score that a run does not have is None.

The runs of a sweep in groups that are alike but for some keys, as runs of several seeds are.
"""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gym.core.files import write_text
from gym.runs.result import RunResult

SCORES = ("iou", "kld", "dice", "stopping_epoch", "best_epoch", "parameters", "seconds")
COUNTS = ("stopping_epoch", "best_epoch", "parameters")
_NAMES_AND_PLACES = ("name", "outputs", "tracking.", "sweep.", "search.")
_HASH_SHOWN = 12

Row = dict[str, Any]


def swept_keys(results: Sequence[RunResult]) -> list[str]:
    """The keys of the configuration whose values differ between results, without names and places."""
    keys = dict.fromkeys(key for result in results for key in result.settings)
    varied = (key for key in keys if len({word_setting(result.settings.get(key, ...)) for result in results}) > 1)
    return [key for key in varied if not key.startswith(_NAMES_AND_PLACES)]


def word_setting(value: Any) -> str:
    """A setting as it is written on a command line: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)


def score_of(result: RunResult, name: str) -> float | None:
    """A score of a run, whole where it counts something; None where it is absent or not finite."""
    value = result.scores.get(name)
    if value is None or not math.isfinite(value):
        return None
    return int(value) if name in COUNTS else float(value)


def run_labels(results: Sequence[RunResult]) -> list[str]:
    """A label for each run that no other has: its name, and where several share it, the settings in which they differ.

    Runs of one name and the same settings are told apart by their fingerprints.
    """
    alike = {name: [result for result in results if result.name == name] for name in {one.name for one in results}}
    varied = {name: swept_keys(group) for name, group in alike.items()}
    labels = [
        " ".join([one.name, *(f"{key}={word_setting(one.settings.get(key))}" for key in varied[one.name])])
        for one in results
    ]
    uses = Counter(labels)
    return [
        label if uses[label] == 1 else f"{label} {one.fingerprint[:8]}"
        for label, one in zip(labels, results, strict=True)
    ]


def comparison_rows(results: Sequence[RunResult], swept: Sequence[str]) -> list[Row]:
    """One row a run, with exact numbers; every row has the same columns.

    Args:
        results: The runs.
        swept: The keys to show, as `swept_keys` finds them.

    Returns:
        By column: ``name``, the swept keys, `SCORES`, the first 12 digits of ``weights_sha256``, ``run_id`` of MLflow
        and ``fingerprint``.
    """
    return [
        {
            "name": result.name,
            **{key: result.settings.get(key) for key in swept},
            **{name: score_of(result, name) for name in SCORES},
            "weights_sha256": result.weights_sha256[:_HASH_SHOWN],
            "run_id": result.run_id,
            "fingerprint": result.fingerprint,
        }
        for result in results
    ]


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, whole or not at all: numbers exact, what is absent empty; without rows an empty file.

    Raises:
        OSError: It cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(list(row) for row in rows[:1])
    writer.writerows(["" if value is None else word_setting(value) for value in row.values()] for row in rows)
    write_text(path, text.getvalue())


def pareto_front(results: Sequence[RunResult], cost: str) -> list[RunResult]:
    """The runs that no other beats: none has both a mean IoU as high and a cost as low, and one of them better.

    Equal runs do not beat each other, so that all of them are on the front or none.

    Args:
        results: The runs; those without mean IoU or cost are left out.
        cost: The score to keep low, as ``parameters`` or ``seconds``.

    Returns:
        Those on the front, the cheapest first.
    """
    pairs = [(score_of(result, "iou"), score_of(result, cost), result) for result in results]
    measured = [(iou, price, result) for iou, price, result in pairs if iou is not None and price is not None]
    ious, prices = (np.array([pair[place] for pair in measured], dtype=float) for place in (0, 1))
    front = []
    for iou, price, result in sorted(measured, key=lambda pair: (pair[1], -pair[0])):
        as_good = (ious >= iou) & (prices <= price)
        if not (as_good & ((ious > iou) | (prices < price))).any():
            front.append(result)
    return front


_SHORT = {"model.name": "{}", "loss.name": "{}", "model.filters": "f{}"}


class RunGroup(NamedTuple):
    """Runs that are alike but for the keys set apart.

    Attributes:
        label: The settings in words, as in ``unet cce f4 model.kernel=3``; empty where there is one group only.
        settings: The keys in which groups differ, with the values of this one.
        runs: In the order in which they came, one at least.
    """

    label: str
    settings: dict[str, Any]
    runs: list[RunResult]


def group_runs(results: Sequence[RunResult], apart: Sequence[str]) -> list[RunGroup]:
    """Put together what differs in nothing but names, places and the keys set apart, in the order of the first runs."""
    keys = [key for key in swept_keys(results) if key not in apart]
    groups: dict[tuple[str, ...], RunGroup] = {}
    for result in results:
        settings = {key: result.settings.get(key) for key in keys}
        words = tuple(word_setting(value) for value in settings.values())
        group = groups.setdefault(words, RunGroup(label_settings(settings), settings, []))
        group.runs.append(result)
    return list(groups.values())


def label_settings(settings: dict[str, Any]) -> str:
    """Settings in words, the model first."""
    ordered = [*(key for key in _SHORT if key in settings), *(key for key in settings if key not in _SHORT)]
    return " ".join(_SHORT.get(key, f"{key}={{}}").format(word_setting(settings[key])) for key in ordered)

"""The runs of a sweep in groups that are alike but for some keys, as runs of several seeds are."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gym.reporting.run_table import swept_keys, word_setting
from gym.result import RunResult

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

"""Fit names and values into what MLflow accepts, so that nothing a user may choose ends a run.

MLflow refuses special characters in keys, keys that would be another path, and text that is too long; its databases
refuse text that is not UTF-8 or contains NUL. A changed key ends in a hash of the original, so that it stays unique.
"""

import math
import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from gym.config.overrides import parse_settings
from gym.config.schema import FREE_MAPPINGS
from gym.core.files import hash_value

T = TypeVar("T")

_PER_CALL = 100  # parameters or tags
KEY, PARAMETER, TAG, RUN_NAME, EXPERIMENT_NAME = 250, 6000, 8000, 250, 500  # characters
DATASET_NAME, DATASET_DIGEST, DATASET_SOURCE = 500, 36, 65_535


def fit_key(name: str) -> str:
    """Return a key for a parameter, metric or tag: the name itself if MLflow accepts it."""
    key = replace_special_characters(name)[: KEY + 1]
    if key == name and len(name) <= KEY and not _is_other_path(name):
        return key
    key = "/".join(part for part in key.split("/") if part.strip("."))
    return f"{key[: KEY - 5]}_{hash_value(printable(name))[:4]}"


def replace_special_characters(name: str) -> str:
    """Replace the characters that MLflow rejects by underscores: all but letters, digits and ``_-./: ``."""
    return re.sub(r"[^\w\-./: ]", "_", name)


def _is_other_path(name: str) -> bool:
    return posixpath.normpath(name) != name or name == "." or name.startswith(("/", ".."))


def fit_text(text: str, length: int) -> str:
    """Shorten text to a number of characters, with an ellipsis, and escape what a database cannot store."""
    text = printable(text)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def printable(text: str) -> str:
    """Escape NUL and half surrogate pairs, which file names may contain but UTF-8 and databases may not."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def fit_parameters(settings: Mapping[str, str]) -> dict[str, str]:
    """Return parameters whose keys and values MLflow accepts.

    A mapping whose keys users choose, such as ``data.remap``, becomes a single parameter if one of its keys would be
    changed; `gym.config.overrides.parse_settings` reads it back.
    """
    fitting = dict(settings)
    for mapping in FREE_MAPPINGS:
        keys = [key for key in settings if key.startswith(f"{mapping}.")]
        if any(fit_key(key) != key for key in keys):
            known = parse_settings({key: fitting.pop(key) for key in keys})
            fitting[mapping] = repr({key.removeprefix(f"{mapping}."): value for key, value in known.items()})
    return {fit_key(key): fit_text(text, PARAMETER) for key, text in fitting.items()}


def fit_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags whose keys and values MLflow accepts."""
    return {fit_key(key): fit_text(value, TAG) for key, value in tags.items()}


def in_calls(entities: Iterable[T]) -> list[list[T]]:
    """Divide parameters, tags or metrics among as many calls as MLflow needs for them."""
    waiting = list(entities)
    return [waiting[start : start + _PER_CALL] for start in range(0, len(waiting), _PER_CALL)]


def fit_metric(value: Any) -> float:
    """Return a number that every database stores as it is: infinity would become the largest number, and is NaN."""
    return float(value) if math.isfinite(value) else math.nan

"""Label rasters: one class index per pixel, and one value for the pixels to ignore.

Labels are ``(rows, columns)`` uint8 and hold the classes 0 to ``len(classes) - 1``. `IGNORE` marks padding, nodata and
whatever the user excludes; every loss and score skips it. If the first class is the null class, padding, nodata and
unlabelled pixels belong to that class instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gym.core.errors import ConfigError, DataError
from gym.core.files import read_json
from gym.core.text import pluralize
from gym.core.typed_json import build

IGNORE = 255
NULL_CLASS = 0
MAX_CLASSES = 255

_MAX_TABLE = 1 << 16  # rows of a lookup table that spans all values between the lowest and the highest
_MAX_EXACT = 2.0**53  # a float64 represents every whole number below this one exactly

# Labelled pixels by the number or name in the file, then by the class it was mapped to ("" if ignored).
LabelCounts = dict[str, dict[str, int]]


@dataclass(frozen=True)
class LabelRule:
    """How the label values and names of a file map to classes.

    Attributes:
        classes: Class names, in the order of their indices.
        remap: Class, by index or name, for each label value or name. A value takes precedence over its name. In a file
            without names, the remap must list every value.
        ignored: Label values and names to ignore.
        aliases: Alternative spellings of names, resolved after the name itself was looked up.
        unlabelled: What pixels without data or without a label become: `IGNORE`, or `NULL_CLASS`.
    """

    classes: tuple[str, ...]
    remap: Mapping[int | str, int | str] = field(default_factory=dict)
    ignored: tuple[int | str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    unlabelled: int = IGNORE

    def class_of(self, value: int, names: Sequence[str]) -> int | None:
        """Look up the class of a label value; `IGNORE` if it is ignored, None if the rule does not cover it.

        Args:
            value: Value in the label raster.
            names: Names of the values 0, 1, ... in this file; empty if the file has none.
        """
        if value in self.ignored:
            return IGNORE
        if value in self.remap:
            return self._index(self.remap[value])
        if not names:
            return None if self.remap else self._index(value)
        if not 0 <= value < len(names):
            return None
        name = normalize_name(names[value])
        ignored = {normalize_name(entry) for entry in self.ignored if isinstance(entry, str)}
        remap = {normalize_name(entry): target for entry, target in self.remap.items() if isinstance(entry, str)}
        for spelling in (name, normalize_name(self.aliases.get(name, name))):
            if spelling in ignored:
                return IGNORE
            if (index := self._index(remap.get(spelling, spelling))) is not None:
                return index
        return None

    def _index(self, target: int | str) -> int | None:
        if isinstance(target, str):
            names = [normalize_name(name) for name in self.classes]
            return names.index(normalize_name(target)) if normalize_name(target) in names else None
        return target if 0 <= target < len(self.classes) else None


def normalize_name(name: str) -> str:
    """Strip surrounding whitespace and lower the case, so that class names compare equal."""
    return name.strip().lower()


def read_aliases(path: Path) -> dict[str, str]:
    """Read a JSON object that maps names to names, either bare or under the key ``aliases``.

    Raises:
        ConfigError: The file cannot be read or holds something else.
    """
    try:
        content = build(dict[str, Any], read_json(path))
        pairs = build(dict[str, str], content.get("aliases", content))
        return {normalize_name(name): normalize_name(target) for name, target in pairs.items()}
    except (OSError, ValueError) as error:
        raise ConfigError(
            f'data.aliases={path} must be a JSON file that maps names to names, as in {{"surf": "whitewater"}} '
            f"({error})."
        ) from error


def remap_label(
    raw: np.ndarray, rule: LabelRule, source: str, names: Sequence[str] = (), labelled: np.ndarray | None = None
) -> tuple[np.ndarray, LabelCounts]:
    """Turn raw label values into class indices.

    Args:
        raw: Label raster as read, ``(rows, columns)``: integers of any type, or floats that are whole numbers.
        rule: How values map to classes.
        source: Name of the file, for errors.
        names: Names of the values 0, 1, ... in this file; empty if the file has none.
        labelled: ``(rows, columns)`` bool, False for unlabelled pixels; None if every pixel is labelled.

    Returns:
        Class indices, ``(rows, columns)`` uint8, and the labelled pixels by value in the file and class.

    Raises:
        DataError: A value is not a whole number, or the rule does not cover it.
    """
    whole = raw if np.issubdtype(raw.dtype, np.integer) else _to_integers(raw, labelled, source)
    values, counts, positions = _count_values(whole, labelled)
    table = np.full(len(values) + 1, rule.unlabelled, np.uint8)
    label_counts: LabelCounts = {}
    for position, (value, count) in enumerate(zip(values.tolist(), counts.tolist(), strict=True)):
        if not count:
            continue
        index = rule.class_of(value, names)
        if index is None:
            raise DataError(f"{source}: {_explain_unknown(value, count, names, rule)}")
        table[position] = index
        in_file = names[value] if names else str(value)
        add_counts(label_counts, {in_file: {rule.classes[index] if index != IGNORE else "": count}})
    return table[positions], label_counts


def add_counts(total: LabelCounts, more: LabelCounts) -> None:
    """Add the pixels of ``more`` to ``total``, in place."""
    for in_file, classes in more.items():
        counts = total.setdefault(in_file, {})
        for name, pixels in classes.items():
            counts[name] = counts.get(name, 0) + pixels


def count_classes(label: np.ndarray, classes: int) -> np.ndarray:
    """Count the pixels of each class, without the ignored ones; ``(classes,)`` int64."""
    return np.bincount(label.ravel(), minlength=IGNORE + 1)[:classes].astype(np.int64)


def _to_integers(raw: np.ndarray, labelled: np.ndarray | None, source: str) -> np.ndarray:
    whole = raw if labelled is None else np.where(labelled, raw, 0)
    broken = (whole != np.rint(whole)) | ~(np.abs(whole) < _MAX_EXACT)
    if broken.any():
        raise DataError(
            f"{source}: label value {raw[broken].flat[0]} ({pluralize(int(broken.sum()), 'pixel')}) is not a whole "
            "number; save the label as class numbers, without interpolation."
        )
    return whole.astype(np.int64)


def _count_values(whole: np.ndarray, labelled: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sorted values, their labelled pixels, and each pixel's position among them (past the end: none)."""
    low, high = int(whole.min()), int(whole.max())
    if high - low < _MAX_TABLE and high < np.iinfo(np.int64).max:
        values = np.arange(low, high + 1)
        positions = whole.astype(np.int64) - low
    else:
        values, flat = np.unique(whole, return_inverse=True)
        positions = flat.reshape(whole.shape)
    if labelled is not None:
        positions = np.where(labelled, positions, len(values))
    return values, np.bincount(positions.ravel(), minlength=len(values))[: len(values)], positions


def _explain_unknown(value: int, count: int, names: Sequence[str], rule: LabelRule) -> str:
    is_named = bool(names) and 0 <= value < len(names)
    key, target = (names[value], rule.classes[-1]) if is_named else (value, 0)
    if is_named:
        reason = f"not one of the classes {', '.join(rule.classes)}"
    elif names:
        reason = f"not one of the {len(names)} values that the file names"
    elif rule.remap:
        reason = f"not in data.remap={dict(rule.remap)}"
    else:
        reason = f"not one of the classes 0..{len(rule.classes) - 1}"
    return (
        f"label {'name' if is_named else 'value'} {key} ({pluralize(count, 'pixel')}) is {reason}; map it, as in "
        f"data.remap={{{key}:{target}}}, or ignore it with data.ignore_values=[{key}]."
    )

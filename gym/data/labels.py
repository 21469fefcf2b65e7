"""Label rasters: integer classes per pixel, and the value that counts nowhere.

Labels are ``(rows, columns)`` uint8 with classes 0 to ``len(classes) - 1``; `IGNORE` marks padding, nodata and
whatever the user chose to leave out, and no loss and no metric ever counts it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gym.core.errors import ConfigError, DataError

IGNORE = 255
MAX_CLASSES = 255

_WIDEST_RANGE = 1 << 16

# Labelled pixels by the name or number that stood in a file, and by the class it became, "" for none.
LabelCounts = dict[str, dict[str, int]]
_EXACT = 2.0**53  # below it a float64 tells every whole number from the next


@dataclass(frozen=True)
class LabelRule:
    """What the label values and names of a file mean.

    Attributes:
        classes: Class names; the index of a name is its class.
        remap: Label value or name to class, by index or name; a value that is listed goes before its name. Where the
            file names no values, a remap must list them all.
        ignored: Label values and names that count nowhere.
        aliases: Other names of names, looked up before the rest.
    """

    classes: tuple[str, ...]
    remap: Mapping[int | str, int | str] = field(default_factory=dict)
    ignored: tuple[int | str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)

    def class_of(self, value: int, names: Sequence[str]) -> int | None:
        """The class of a label value, `IGNORE` for one that counts nowhere, None for one without a meaning.

        Args:
            value: As it stands in the label raster.
            names: Names of the values 0, 1, ... in this file; empty where the file names none.
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
        for known_as in (name, normalize_name(self.aliases.get(name, name))):
            if known_as in ignored:
                return IGNORE
            if (index := self._index(remap.get(known_as, known_as))) is not None:
                return index
        return None

    def _index(self, target: int | str) -> int | None:
        if isinstance(target, str):
            names = [normalize_name(name) for name in self.classes]
            return names.index(normalize_name(target)) if normalize_name(target) in names else None
        return target if 0 <= target < len(self.classes) else None


def normalize_name(name: str) -> str:
    """A class name as it is compared: without outer spaces and capitals."""
    return name.strip().lower()


def read_aliases(path: Path) -> dict[str, str]:
    """Read other names of names: a JSON object of them, or one that has them under ``aliases``.

    Raises:
        ConfigError: The file holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        pairs = content.get("aliases", content)
        return {normalize_name(name): normalize_name(target) for name, target in pairs.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"data.aliases={path} must be a JSON object from names to names ({error}).") from error


def remap_label(
    raw: np.ndarray, rule: LabelRule, source: str, names: Sequence[str] = (), labelled: np.ndarray | None = None
) -> tuple[np.ndarray, LabelCounts]:
    """Turn raw label values into class indices, all values at once.

    Args:
        raw: Label raster as read, ``(rows, columns)``, any integer type, or floats that are whole numbers.
        rule: What the values mean.
        source: The file, for the message.
        names: Names of the values 0, 1, ... in this file; empty where the file names none.
        labelled: ``(rows, columns)`` bool, False where the file says nothing; None means everywhere.

    Returns:
        ``(rows, columns)`` uint8, and how many pixels of what stood in the file became what.

    Raises:
        DataError: A value is no whole number, or is neither a class, nor mapped, nor ignored.
    """
    whole = raw if np.issubdtype(raw.dtype, np.integer) else _whole_numbers(raw, labelled, source)
    values, counts, positions = _tally(whole, labelled)
    table = np.full(len(values) + 1, IGNORE, np.uint8)
    before: LabelCounts = {}
    for place, (value, count) in enumerate(zip(values.tolist(), counts.tolist(), strict=True)):
        if not count:
            continue
        index = rule.class_of(value, names)
        if index is None:
            raise DataError(f"{source}: {_word_unknown(value, count, names, rule)}")
        table[place] = index
        known_as = names[value] if names else str(value)
        add_counts(before, {known_as: {rule.classes[index] if index != IGNORE else "": count}})
    return table[positions], before


def add_counts(total: LabelCounts, more: LabelCounts) -> None:
    """Add the pixels of ``more`` to ``total``."""
    for known_as, classes in more.items():
        became = total.setdefault(known_as, {})
        for name, pixels in classes.items():
            became[name] = became.get(name, 0) + pixels


def count_classes(label: np.ndarray, classes: int) -> np.ndarray:
    """Count the pixels of each class, `IGNORE` left out; ``(classes,)`` int64."""
    return np.bincount(label.ravel(), minlength=IGNORE + 1)[:classes].astype(np.int64)


def _whole_numbers(raw: np.ndarray, labelled: np.ndarray | None, source: str) -> np.ndarray:
    whole = raw if labelled is None else np.where(labelled, raw, 0)
    broken = (whole != np.rint(whole)) | ~(np.abs(whole) < _EXACT)
    if broken.any():
        raise DataError(
            f"{source}: label value {raw[broken].flat[0]} ({int(broken.sum())} pixels) is no whole number; "
            "labels must be class numbers."
        )
    return whole.astype(np.int64)


def _tally(whole: np.ndarray, labelled: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values in order, the labelled pixels of each, and each pixel's position in them (past the end: unlabelled)."""
    low, high = int(whole.min()), int(whole.max())
    if high - low < _WIDEST_RANGE and high < np.iinfo(np.int64).max:
        values = np.arange(low, high + 1)
        positions = whole.astype(np.int64) - low
    else:
        values, flat = np.unique(whole, return_inverse=True)
        positions = flat.reshape(whole.shape)
    if labelled is not None:
        positions = np.where(labelled, positions, len(values))
    return values, np.bincount(positions.ravel(), minlength=len(values))[: len(values)], positions


def _word_unknown(value: int, count: int, names: Sequence[str], rule: LabelRule) -> str:
    pixels = f"({count} pixels)"
    if names and not 0 <= value < len(names):
        return f"label value {value} {pixels} has no name among the {len(names)} of the file; mend the file."
    if names:
        name = names[value]
        return (
            f"label name {name} {pixels} is none of the classes {', '.join(rule.classes)}; map it, as in "
            f"data.remap={{{name}:{rule.classes[-1]}}}, or leave it out with data.ignore_values=[{name}]."
        )
    where = f"not in data.remap={dict(rule.remap)}" if rule.remap else f"none of the classes 0..{len(rule.classes) - 1}"
    return (
        f"label value {value} {pixels} is {where}; map it, as in data.remap={{{value}:0}}, "
        f"or leave it out with data.ignore_values=[{value}]."
    )

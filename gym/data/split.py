"""Group pairs by scene, site and date, and split them into training, validation and test sides.

A unit is a group of pairs that must stay on one side: all pairs of a scene, a site or a date. Pairs are split before
any augmentation, and the result depends on the names of the units, the shares and the seed, but not on the order of
the files. The only exception is `split_paper`, which leaks on purpose.
"""

import csv
import io
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from gym.core.errors import ConfigError, DataError
from gym.core.seeding import generator
from gym.core.text import pluralize

ONE_SITE = "all"

_ENDINGS = re.compile(r"\.(png|jpe?g|tiff?|npz)$", re.IGNORECASE)
_SIDES = {"train": "training", "val": "validation"} | {
    side: side for side in ("training", "validation", "test", "none")
}
_TWO_SIDES = "training and validation"
_CHECK_UNITS = "check split.by and data.scene_pattern"
_LEAKS = {
    "scene": "show the same scene; put the whole scene on one side: check split.by, data.scene_pattern and split.sides",
    "image": "are the same image; give both the same scene with data.scene_pattern, or remove one",
}


@dataclass(frozen=True)
class Grouping:
    """Assigns pairs to groups: a scene, a site, a date, and any other column of a table.

    A column of the table takes precedence over a pattern. With neither, each pair is its own scene, and all pairs share
    one site.

    Attributes:
        patterns: Regular expression for each group; its first parenthesis in the stem is the value. Empty for none.
        table: Values by group for each pair.
    """

    patterns: Mapping[str, str] = field(default_factory=dict)
    table: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def find_unmatched(self, names: Iterable[str]) -> list[str]:
        """Return the names in the table that are not among ``names``, in the order of the table."""
        known = set(names)
        return [name for name in self.table if name not in known]

    def groups_of(self, name: str) -> dict[str, str]:
        """Return the groups of a pair: always its scene and site, its date if known, and other columns of the table.

        Raises:
            DataError: The table lacks the pair, or a pattern does not match its name.
        """
        if self.table and name not in self.table:
            raise DataError(f"{name} has no row in data.table; add one.")
        groups = {"scene": name, "site": ONE_SITE}
        groups |= {group: match_group(name, pattern, group) for group, pattern in self.patterns.items() if pattern}
        return groups | dict(self.table.get(name, {}))


def match_group(stem: str, pattern: str, group: str) -> str:
    """Return what the first parenthesis of a pattern matches in a stem.

    Raises:
        DataError: The pattern does not match, or the parenthesis matches nothing.
    """
    match = re.search(pattern, stem)
    if match is None or not match.group(1):
        raise DataError(f"{stem} does not match data.{group}_pattern={pattern}; correct the pattern.")
    return match.group(1)


def read_group_table(path: Path) -> dict[str, dict[str, str]]:
    """Read a CSV with one row per pair; its column ``name`` holds stems or file names.

    Raises:
        DataError: The file cannot be read, lacks the column, or names a pair twice.
    """
    table: dict[str, dict[str, str]] = {}
    for number, row in _read_rows(path, "data.table")[1]:
        name = _ENDINGS.sub("", (row.pop("name", None) or "").strip())
        if not name:
            raise DataError(f"{path}, line {number}: data.table needs a value in the column name of every row; add it.")
        if name in table:
            raise DataError(f"{path}, line {number}: {name} already has a row; keep one.")
        table[name] = {column: value.strip() for column, value in row.items() if column and value and value.strip()}
    return table


def _read_rows(path: Path, key: str, strict: bool = False) -> tuple[list[str], list[tuple[int, dict[str, Any]]]]:
    """Read the columns of a CSV, and its rows with their line numbers; ``key`` names the setting in errors."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            text = stream.read()
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as CSV in UTF-8 ({error}); check {key} and the encoding of the file."
        ) from error
    table = csv.DictReader(io.StringIO(text, newline=""), strict=strict)
    try:
        columns = [column.strip() for column in table.fieldnames or ()]
        table.fieldnames = columns
        return columns, [(table.line_num, row) for row in table]
    except csv.Error as error:
        raise DataError(f"{path}, line {table.reader.line_num}: invalid CSV ({error}); check the quotes.") from error


class Split(NamedTuple):
    """Positions of the pairs on each side, ascending. A pair may be on no side."""

    training: list[int]
    validation: list[int]
    test: Sequence[int] = ()


def split_random(units: Sequence[str], validation: float, test: float, seed: int) -> Split:
    """Draw test units, then validation units from the rest.

    Args:
        units: Unit of each pair.
        validation: Share of all units for validation, in (0, 1).
        test: Share of all units for test, in [0, 1). Each requested side gets at least one unit, and so does training.
        seed: Seed of the draw.

    Raises:
        DataError: There are fewer units than sides.
    """
    names = sorted(set(units))
    parts, remedy = ("training, validation and test", "set split.test=0, or ") if test else (_TWO_SIDES, "")
    _check_enough(names, "unit", 2 + (test > 0), parts, remedy + _CHECK_UNITS)
    test_units = _draw_test(names, test, seed, leave=2)
    rest = _shuffle(set(names) - test_units, seed, "split")
    return _split_units(units, rest[: _count(validation, len(names), len(rest) - 1)], test_units)


def split_folds(units: Sequence[str], folds: int, fold: int, test: float, seed: int) -> Split:
    """Draw test units, deal the rest into folds, and validate on one fold.

    The test side is the same for every ``fold``, and every other unit validates in exactly one.

    Args:
        units: Unit of each pair.
        folds: Number of folds, 2 or more. Their sizes differ by one unit at most.
        fold: Fold to validate on, in [0, folds).
        test: Share of all units for test, in [0, 1); at least one unit per fold is left.
        seed: Seed of the draw.

    Raises:
        ConfigError: ``fold`` is out of range.
        DataError: There are fewer units than folds and test side.
    """
    if not 0 <= fold < folds:
        raise ConfigError(f"split.fold={fold} must be at least 0 and below split.folds={folds}; the first fold is 0.")
    names = sorted(set(units))
    parts = f"{folds} folds and a test side" if test else f"{folds} folds"
    _check_enough(names, "unit", folds + (test > 0), parts, f"lower split.folds, or {_CHECK_UNITS}")
    test_units = _draw_test(names, test, seed, leave=folds)
    rest = _shuffle(set(names) - test_units, seed, "split")
    return _split_units(units, rest[fold::folds], test_units)


def split_leave_one_out(
    units: Sequence[str], scenes: Sequence[str], held_out: str, validation: float, seed: int
) -> Split:
    """Test on one unit, such as a site, and draw validation scenes from the rest.

    Args:
        units: Unit of each pair.
        scenes: Scene of each pair.
        held_out: Unit to test on.
        validation: Share of the remaining scenes for validation, in (0, 1). Each side gets at least one scene.
        seed: Seed of the draw.

    Raises:
        DataError: ``held_out`` is unknown, or fewer than two scenes remain.
    """
    names = sorted(set(units))
    if held_out not in names:
        closest = ", ".join(get_close_matches(held_out, names, n=8, cutoff=0))
        raise DataError(f"split.held_out={held_out} must be one of {len(names)} units; the closest are {closest}.")
    rest = {scene for unit, scene in zip(units, scenes, strict=True) if unit != held_out}
    remedy = f"hold out another unit than {held_out} with split.held_out, or check data.scene_pattern"
    _check_enough(sorted(rest), "scene", 2, _TWO_SIDES, remedy)
    validation_scenes = set(_shuffle(rest, seed, "split")[: _count(validation, len(rest), len(rest) - 1)])
    return _collect_sides(
        "test" if unit == held_out else "validation" if scene in validation_scenes else "training"
        for unit, scene in zip(units, scenes, strict=True)
    )


def split_given(names: Sequence[str], sides: Mapping[str, str]) -> Split:
    """Split pairs as a table says.

    Args:
        names: Name that the table uses for each pair: its own, or its scene.
        sides: Side of each name: training or train, validation or val, test, or none, in any case. Names that match no
            pair are allowed; `find_unmatched` lists them.

    Raises:
        DataError: A side is unknown, a pair has no side, or training or validation is empty.
    """
    wrong = [f"{name}: {side}" for name, side in sides.items() if side.lower() not in _SIDES]
    if wrong:
        raise DataError(f"split.sides must say training, validation, test or none; correct {_list(wrong, 'line')}.")
    missing = sorted(set(names) - set(sides))
    if missing:
        raise DataError(f"split.sides must list every pair; add {_list(missing, 'name')}, or set them to none.")
    split = _collect_sides(_SIDES[sides[name].lower()] for name in names)
    for side in ("training", "validation"):
        if not getattr(split, side):
            raise DataError(f"split.sides must assign at least one pair to {side}; add one.")
    return split


def find_unmatched(names: Sequence[str], sides: Mapping[str, str]) -> list[str]:
    """Return the names in a table of sides that match no pair, ascending; arguments as for `split_given`."""
    return sorted(set(sides) - set(names))


def read_side_table(path: Path) -> dict[str, str]:
    """Read a CSV in UTF-8 with the columns ``name`` and ``side``; other columns are ignored.

    Returns:
        Side by name, as spelled in the file.

    Raises:
        DataError: The file cannot be read, lacks a column or a value, or lists a name twice.
    """
    columns, rows = _read_rows(path, "split.sides", strict=True)
    if not {"name", "side"} <= set(columns):
        raise DataError(f"{path}, line 1: {','.join(columns)!r} must have the columns name and side; add them.")
    sides: dict[str, str] = {}
    for number, row in rows:
        name, side = ((row[column] or "").strip() for column in ("name", "side"))
        if not name or not side:
            raise DataError(f"{path}, line {number}: {name!r},{side!r} must be a name and a side; fill in both.")
        if name in sides:
            raise DataError(f"{path}, line {number}: {name} already has a line; keep one.")
        sides[name] = side
    return sides


def split_paper(pairs: int, copies: int, validation: float) -> Split:
    """Split augmented copies as the paper's program did, so that both sides hold copies of the same pairs.

    Copies are numbered copy by copy and sorted by number as text, so that 10 comes before 2, because the program wrote
    file names without leading zeros. The first share of that list validates. Since training sees other copies of the
    validation pairs, scores are too high.

    Args:
        pairs: Number of pairs.
        copies: Augmented copies of each pair.
        validation: Share of the copies for validation, in (0, 1), rounded down.

    Returns:
        Sample numbers as in `gym.data.batches`, all of them augmented copies.

    Raises:
        DataError: No sample would validate.

    Source:
        The paper, section 3: 419 pairs, 5 copies, share 0.6.
    """
    samples = pairs * copies
    validation_samples = int(validation * samples)
    if not validation_samples:
        raise DataError(
            f"split.validation={validation} of {pluralize(samples, 'sample')} must be at least one sample; raise it, "
            "or raise augment.copies."
        )
    listed = [pairs + number for number in sorted(range(samples), key=str)]
    return Split(sorted(listed[validation_samples:]), sorted(listed[:validation_samples]))


def subsample_training(training: Sequence[int], units: Sequence[str], share: float, seed: int) -> list[int]:
    """Keep a share of the training units. A larger share keeps every unit that a smaller one keeps.

    Args:
        training: Training samples, ascending.
        units: Unit of each training sample.
        share: Share of the units, in (0, 1]. At least one unit is kept.
        seed: Seed of the draw.

    Returns:
        The samples of the units kept, ascending.
    """
    order = _shuffle(set(units), seed, "training share")
    kept = set(order[: _count(share, len(order), len(order))])
    return [sample for sample, unit in zip(training, units, strict=True) if unit in kept]


def check_leaks(split: Split, names: Sequence[str], scenes: Sequence[str], images: Sequence[str]) -> None:
    """Raise if a scene, or an image under another name, is on two sides.

    Args:
        split: Split to check.
        names: Name of each pair, for the error.
        scenes: Scene of each pair.
        images: Key of each pair's image; equal images have equal keys.

    Raises:
        DataError: A scene or an image leaks.
    """
    for kind, keys in (("scene", scenes), ("image", images)):
        for (first, positions), (second, others) in combinations(split._asdict().items(), 2):
            seen = {keys[position]: names[position] for position in positions}
            for other in others:
                if keys[other] in seen:
                    raise DataError(f"{seen[keys[other]]} ({first}) and {names[other]} ({second}) {_LEAKS[kind]}.")


def _check_enough(names: Sequence[str], kind: str, needed: int, parts: str, remedy: str) -> None:
    if len(names) < needed:
        raise DataError(
            f"{_list(names, kind)} cannot be split into {parts}, which need at least one {kind} each; {remedy}."
        )


def _list(names: Sequence[str], kind: str) -> str:
    """Count names and list up to five of them, as in "2 scenes (a, b)"."""
    listed = f" ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})" if names else ""
    return pluralize(len(names), kind) + listed


def _count(share: float, total: int, most: int) -> int:
    """Round a share of ``total`` units to at least one and at most ``most`` units."""
    return min(most, max(1, round(share * total)))


def _shuffle(names: Iterable[str], seed: int, purpose: str) -> list[str]:
    """Shuffle names; the result does not depend on the order in which they come."""
    ordered = sorted(names)
    return [ordered[position] for position in generator(seed, purpose).permutation(len(ordered))]


def _draw_test(names: Sequence[str], test: float, seed: int, leave: int) -> set[str]:
    """Draw the test units and leave at least ``leave`` units for the other sides."""
    return set(_shuffle(names, seed, "split test")[: _count(test, len(names), len(names) - leave)]) if test else set()


def _split_units(units: Sequence[str], validation: Sequence[str], test: Collection[str]) -> Split:
    sides = dict.fromkeys(units, "training") | dict.fromkeys(validation, "validation") | dict.fromkeys(test, "test")
    return _collect_sides(sides[unit] for unit in units)


def _collect_sides(sides: Iterable[str]) -> Split:
    """Turn the side of each pair into the positions of each side."""
    positions: dict[str, list[int]] = {"training": [], "validation": [], "test": [], "none": []}
    for position, side in enumerate(sides):
        positions[side].append(position)
    return Split(positions["training"], positions["validation"], positions["test"])

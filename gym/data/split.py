"""Which pairs train, which validate and which test.

What must not be parted (the images of one scene, site or date) is a unit, and all of a unit stands on one side. A
split comes before any augmentation and is a function of the units' names, the shares and the seed alone: the order of
the files does not matter to it. The one exception is `split_paper`, which leaks on purpose.

What a pair belongs to: its scene, its site, its date, and what a table says of it.

Each comes from a column of the table of that name, else from a pattern in the file's stem. Without either a pair is a
scene of its own, and all pairs are of one site.
"""

import csv
import io
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from gym.core.errors import ConfigError, DataError
from gym.core.seeding import generator
from gym.core.text import pluralize

ONE_SITE = "all"
_ENDINGS = re.compile(r"\.(png|jpe?g|tiff?|npz)$", re.IGNORECASE)


@dataclass(frozen=True)
class Grouping:
    """Patterns by group (scene, site, date), each a regular expression or empty, and rows of a table by pair name."""

    patterns: Mapping[str, str] = field(default_factory=dict)
    table: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def find_unmatched(self, names: Iterable[str]) -> list[str]:
        """The names in the table that no pair has, in the table's order."""
        known = set(names)
        return [name for name in self.table if name not in known]

    def groups_of(self, name: str) -> dict[str, str]:
        """Every group of the pair ``name``: scene and site, date where there is one, and the table's other columns.

        Raises:
            DataError: The table lacks the pair, or a pattern is not in its name.
        """
        if self.table and name not in self.table:
            raise DataError(f"{name} has no row in data.table; add one.")
        groups = {"scene": name, "site": ONE_SITE}
        groups |= {group: match_group(name, pattern, group) for group, pattern in self.patterns.items() if pattern}
        return groups | dict(self.table.get(name, {}))


def match_group(stem: str, pattern: str, group: str) -> str:
    """Take the first group of a pattern in a file's stem.

    Raises:
        DataError: The pattern is not in the stem.
    """
    match = re.search(pattern, stem)
    if match is None or not match.group(1):
        raise DataError(f"{stem} does not match data.{group}_pattern={pattern}; mend the pattern.")
    return match.group(1)


def read_group_table(path: Path) -> dict[str, dict[str, str]]:
    """Read a CSV with a header and a row a pair; its column ``name`` holds the stem, with or without a file ending.

    Raises:
        DataError: The file cannot be read, has no such column, or names a pair twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            reader.fieldnames = [column.strip() for column in reader.fieldnames or ()]
            rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a CSV ({error}); mend data.table.") from error
    table: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, start=2):
        name = _ENDINGS.sub("", (row.pop("name", None) or "").strip())
        if not name:
            raise DataError(f"{path}, line {number}: no name; data.table must have a column name, filled in each row.")
        if name in table:
            raise DataError(f"{path}, line {number}: {name} has a row already; keep one.")
        table[name] = {column: value.strip() for column, value in row.items() if column and value and value.strip()}
    return table


_WORDS = {
    "training": "training",
    "train": "training",
    "validation": "validation",
    "val": "validation",
    "test": "test",
    "none": "none",
}
_CHECK_UNITS = "check split.by and data.scene_pattern"
_REMEDIES = {
    "scene": "put the whole scene on one side: check split.by, data.scene_pattern and the table of sides",
    "image": "give them one scene with data.scene_pattern, or remove one",
}


class Split(NamedTuple):
    """Positions of the pairs of each side, ascending; a pair may stand on none."""

    training: list[int]
    validation: list[int]
    test: Sequence[int] = ()


class Samples(NamedTuple):
    """Numbers of the samples that train and that validate, ascending; see `split_paper`."""

    training: list[int]
    validation: list[int]


def split_random(units: Sequence[str], validation: float, test: float, seed: int) -> Split:
    """Draw the test units, then the validation units from the rest.

    Args:
        units: The unit of each pair.
        validation: Share of all units that validates, in (0, 1).
        test: Share of all units that tests, in [0, 1). Each wanted side gets one unit at least, training also where
            the shares would leave it none.
        seed: The draw.

    Raises:
        DataError: There are fewer units than sides.
    """
    names = sorted(set(units))
    if test:
        remedy = f"set split.test=0, or {_CHECK_UNITS}"
        _refuse_too_few(names, "unit", 3, "training, validation and test", remedy)
    else:
        _refuse_too_few(names, "unit", 2, "training and validation", _CHECK_UNITS)
    testing = _draw_test(names, test, seed, leave=2)
    rest = _shuffle(set(names) - testing, seed, "split")
    return _place(units, rest[: _count(validation, len(names), len(rest) - 1)], testing)


def split_folds(units: Sequence[str], folds: int, fold: int, test: float, seed: int) -> Split:
    """Let one fold validate of those that the units fall into after the test units are drawn.

    The test side is the same for each ``fold``, and each other unit validates in exactly one.

    Args:
        units: The unit of each pair.
        folds: Number of folds, 2 or more; they differ in size by one unit at most.
        fold: The fold that validates, in [0, folds).
        test: Share of all units that tests, in [0, 1); it leaves one unit a fold at least.
        seed: The draw.

    Raises:
        ConfigError: There is no such fold.
        DataError: There are fewer units than folds and test side.
    """
    if not 0 <= fold < folds:
        raise ConfigError(f"split.fold={fold} must be at least 0 and below split.folds={folds}.")
    names = sorted(set(units))
    sides = f"{folds} folds and a test side" if test else f"{folds} folds"
    _refuse_too_few(names, "unit", folds + (test > 0), sides, f"lower split.folds, or {_CHECK_UNITS}")
    testing = _draw_test(names, test, seed, leave=folds)
    rest = _shuffle(set(names) - testing, seed, "split")
    return _place(units, rest[fold::folds], testing)


def split_leave_one_out(
    units: Sequence[str], scenes: Sequence[str], held_out: str, validation: float, seed: int
) -> Split:
    """Let one unit (a site, say) test, and draw the validation scenes from the rest.

    Args:
        units: The unit of each pair.
        scenes: The scene of each pair.
        held_out: The unit that tests.
        validation: Share of the other units' scenes that validates, in (0, 1); each side gets one scene at least.
        seed: The draw.

    Raises:
        DataError: No pair is of ``held_out``, or fewer than two scenes are not.
    """
    names = sorted(set(units))
    if held_out not in names:
        near = get_close_matches(held_out, names, n=8, cutoff=0)
        raise DataError(
            f"split.held_out={held_out} must be one of {len(names)} units; the nearest are {', '.join(near)}."
        )
    rest = {scene for unit, scene in zip(units, scenes, strict=True) if unit != held_out}
    remedy = "hold out another with split.held_out, or check data.scene_pattern"
    _refuse_too_few(sorted(rest), "scene", 2, f"training and validation besides {held_out}", remedy)
    validating = set(_shuffle(rest, seed, "split")[: _count(validation, len(rest), len(rest) - 1)])
    return _gather(
        "test" if unit == held_out else "validation" if scene in validating else "training"
        for unit, scene in zip(units, scenes, strict=True)
    )


def split_given(names: Sequence[str], sides: Mapping[str, str]) -> Split:
    """Split as a table says.

    Args:
        names: Of each pair what the table names: its own name, or its scene.
        sides: The side of each name: training or train, validation or val, test, or none for pairs on no side.
            Upper and lower case are one. Names of no pair do no harm; `find_unmatched` lists them.

    Raises:
        DataError: A side is no such word, a pair has no side, or training or validation would be empty.
    """
    wrong = [f"{name}: {side}" for name, side in sides.items() if side.lower() not in _WORDS]
    if wrong:
        raise DataError(f"the table of sides must say training, validation, test or none; mend {_some(wrong, 'line')}.")
    missing = sorted(set(names) - set(sides))
    if missing:
        raise DataError(
            f"the table of sides must name every pair; add {_some(missing, 'name')}, with none to leave one out."
        )
    split = _gather(_WORDS[sides[name].lower()] for name in names)
    for side in ("training", "validation"):
        if not getattr(split, side):
            raise DataError(f"the table of sides has no pair for {side}, which must have one; add one.")
    return split


def find_unmatched(names: Sequence[str], sides: Mapping[str, str]) -> list[str]:
    """List the names of a table that fit no pair, ascending; arguments as in `split_given`."""
    return sorted(set(sides) - set(names))


def read_side_table(path: Path) -> dict[str, str]:
    """Read a table of sides: a CSV in UTF-8 with the columns ``name`` and ``side``, others being passed over.

    Returns:
        The side of each name, as it stands there; `split_given` knows the words.

    Raises:
        DataError: The file cannot be read, lacks a column or a value, or has a name twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            text = stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a CSV in UTF-8 ({error}); mend split.sides or the file.") from error
    table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    sides: dict[str, str] = {}
    try:
        columns = [column.strip() for column in table.fieldnames or ()]
        if not {"name", "side"} <= set(columns):
            raise DataError(f"{path}, line 1: {','.join(columns)!r} must have the columns name and side; add them.")
        table.fieldnames = columns
        for row in table:
            name, side = ((row[column] or "").strip() for column in ("name", "side"))
            if not name or not side:
                raise DataError(f"{path}, line {table.line_num}: {name!r},{side!r} must be a name and a side; mend it.")
            if name in sides:
                raise DataError(f"{path}, line {table.line_num}: {name} must be there once; remove the other line.")
            sides[name] = side
    except csv.Error as error:
        raise DataError(f"{path}, line {table.reader.line_num}: must be CSV ({error}); check the quotes.") from error
    return sides


def split_paper(pairs: int, copies: int, validation: float) -> Samples:
    """Split augmented samples as the paper's program did, after augmentation, so that the sides share their sources.

    The copies of all pairs are numbered by copy and then by pair, and listed by name, so that 10 comes before 2, for
    the program wrote no leading zeros; the first share of that list validates. Samples that validate have another copy
    of their pair in training, so scores look better than they are.

    Args:
        pairs: Number of pairs.
        copies: Augmented copies of each.
        validation: Share of the samples that validates, rounded down, in (0, 1).

    Returns:
        Sample numbers, ``pairs * (copy + 1) + position`` with ``copy`` from 0; below ``pairs`` they would mean the
        pairs as they are, of which none is used.

    Raises:
        DataError: Not one sample would validate.

    Source:
        The paper, section 3: 419 pairs, 5 copies, share 0.6.
    """
    samples = pairs * copies
    validating = int(validation * samples)
    if not validating:
        raise DataError(
            f"split.validation={validation} of {samples} samples must be one sample at least; raise it or "
            "augment.copies."
        )
    listed = [pairs + number for number in sorted(range(samples), key=str)]
    return Samples(sorted(listed[validating:]), sorted(listed[:validating]))


def subsample_training(training: Sequence[int], units: Sequence[str], share: float, seed: int) -> list[int]:
    """Keep a share of the units that train; a larger share keeps every unit that a smaller one does.

    Args:
        training: The samples that train, ascending.
        units: The unit of each of them.
        share: Of the units, in (0, 1]; one unit at least is kept, and with 1 all are.
        seed: The draw.

    Returns:
        The samples of the units that are kept, ascending.
    """
    order = _shuffle(set(units), seed, "training share")
    kept = set(order[: _count(share, len(order), len(order))])
    return [sample for sample, unit in zip(training, units, strict=True) if unit in kept]


def check_leaks(split: Split, names: Sequence[str], scenes: Sequence[str], hashes: Sequence[str]) -> None:
    """Make sure that no scene, and no image under another name, stands on two sides.

    Args:
        split: The split to check.
        names: Name of each pair, for the message.
        scenes: Scene of each pair.
        hashes: Hash of the image of each pair.

    Raises:
        DataError: Something leaks.
    """
    for kind, values in (("scene", scenes), ("image", hashes)):
        for (first, ours), (second, theirs) in combinations(split._asdict().items(), 2):
            seen = {values[position]: names[position] for position in ours}
            for position in theirs:
                if values[position] in seen:
                    raise DataError(
                        f"{seen[values[position]]} ({first}) and {names[position]} ({second}) must not be of one "
                        f"{kind}; {_REMEDIES[kind]}."
                    )


def _refuse_too_few(names: Sequence[str], kind: str, needed: int, sides: str, remedy: str) -> None:
    if len(names) < needed:
        raise DataError(f"{_some(names, kind)} cannot make {sides}, which need one {kind} each at least; {remedy}.")


def _some(names: Sequence[str], kind: str) -> str:
    """Say how many there are and name up to five, as in '2 scenes (a, b)'."""
    named = f" ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})" if names else ""
    return pluralize(len(names), kind) + named


def _count(share: float, of: int, most: int) -> int:
    """A share of units in whole units, one at least and ``most`` at most."""
    return min(most, max(1, round(share * of)))


def _shuffle(names: Iterable[str], seed: int, purpose: str) -> list[str]:
    """Put names in a random order that does not depend on the one they come in."""
    ordered = sorted(names)
    return [ordered[position] for position in generator(seed, purpose).permutation(len(ordered))]


def _draw_test(names: Sequence[str], test: float, seed: int, leave: int) -> set[str]:
    """Draw the units that test, of which ``leave`` or more are left for the other sides."""
    return set(_shuffle(names, seed, "split test")[: _count(test, len(names), len(names) - leave)]) if test else set()


def _place(units: Sequence[str], validating: Sequence[str], testing: Collection[str]) -> Split:
    """Put each pair on the side of its unit."""
    sides = dict.fromkeys(units, "training") | dict.fromkeys(validating, "validation") | dict.fromkeys(testing, "test")
    return _gather(sides[unit] for unit in units)


def _gather(sides: Iterable[str]) -> Split:
    """Turn the side of each pair into the pairs of each side."""
    positions: dict[str, list[int]] = {"training": [], "validation": [], "test": [], "none": []}
    for position, side in enumerate(sides):
        positions[side].append(position)
    return Split(positions["training"], positions["validation"], positions["test"])

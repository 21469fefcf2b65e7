"""What a pair belongs to: its scene, its site, its date, and what a table says of it.

Each comes from a column of the table of that name, else from a pattern in the file's stem. Without either a pair is a
scene of its own, and all pairs are of one site.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gym.errors import DataError

ONE_SITE = "all"
_ENDINGS = re.compile(r"\.(png|jpe?g|tiff?|npz)$", re.IGNORECASE)


@dataclass(frozen=True)
class Grouping:
    """Patterns by group (scene, site, date), each a regular expression or empty, and rows of a table by pair name."""

    patterns: Mapping[str, str] = field(default_factory=dict)
    table: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def unmatched(self, names: Iterable[str]) -> list[str]:
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
        groups |= {group: find_group(name, pattern, group) for group, pattern in self.patterns.items() if pattern}
        return groups | dict(self.table.get(name, {}))


def find_group(stem: str, pattern: str, group: str) -> str:
    """Take the first group of a pattern in a file's stem.

    Raises:
        DataError: The pattern is not in the stem.
    """
    match = re.search(pattern, stem)
    if match is None or not match.group(1):
        raise DataError(f"{stem} does not match data.{group}_pattern={pattern}; mend the pattern.")
    return match.group(1)


def read_table(path: Path) -> dict[str, dict[str, str]]:
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

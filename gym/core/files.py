"""Atomic writes, also of CSV, reading of JSON and YAML, and SHA-256 hashes of files and values."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from gym.core.errors import DataError, first_line
from gym.core.typed_json import build

_MAX_NESTING = 64
_TOO_DEEP = f"lists or objects are nested more than {_MAX_NESTING} deep"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[-+](\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+](inf|nan|Infinity)", re.ASCII)
_MAX_STEM = 150  # bytes; the names of files have at most 255
_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # several times as fast, if PyYAML was built with it


@contextmanager
def translate_disk_errors(
    target: object, remedy: str = "set outputs=...", errors: tuple[type[Exception], ...] = (OSError,)
) -> Iterator[None]:
    """Raise `DataError` when the disk refuses a write.

    Args:
        target: What is being written; the message begins with it.
        remedy: What to do when no space can be freed; the message ends with it.
        errors: Exceptions that the writer raises when the disk refuses.
    """
    try:
        yield
    except errors as error:
        raise DataError(
            f"{target} cannot be written ({first_line(error)}); check its permissions and free space, or {remedy}"
        ) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` when the block succeeds.

    The temporary file is in the same folder and has the same suffix, because some writers choose the format by suffix.
    Parent folders are created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_sibling(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that replaces the folder ``path`` when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_sibling(path)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary_sibling(path: Path) -> Path:
    # tempfile would create the file with mode 0600, and colleagues could not read the result.
    return path.with_name(f".{cut_name(path.stem, _MAX_STEM)}-{uuid.uuid4().hex}{path.suffix}")


def cut_name(name: str, size: int) -> str:
    """Cut a file name after at most ``size`` bytes, between two characters."""
    return os.fsencode(name)[:size].decode(errors="ignore") if len(os.fsencode(name)) > size else name


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` atomically as indented JSON with sorted keys."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def write_cells(path: Path, rows: Iterable[Iterable[Any]]) -> None:
    """Write rows of cells atomically as CSV in UTF-8 (RFC 4180); None becomes an empty cell.

    A spreadsheet would run text that begins like a formula, and names come from anywhere. Such text begins with an
    apostrophe, which spreadsheets hide; numbers are unchanged.

    Raises:
        OSError: The file cannot be written.
    """
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows([_escape_formula(cell) for cell in row] for row in rows)
    write_text(path, text.getvalue())


def _escape_formula(cell: Any) -> Any:
    is_formula = isinstance(cell, str) and cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def read_json(path: Path) -> Any:
    """Read a JSON file in UTF-8; `gym.core.typed_json.build` checks the types of its values.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not JSON of moderate nesting, or not UTF-8.
    """
    text = path.read_bytes().decode()
    value = parse_json(text)
    if _SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode()  # text that cannot be written again raises here
    return value


def parse_json(text: str) -> Any:
    """Parse JSON whose lists and objects are nested at most 64 deep.

    Raises:
        ValueError: It is not JSON, or nested more deeply.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    level = [value]
    for _ in range(_MAX_NESTING):
        level = [part for whole in level if isinstance(whole, dict | list) for part in _parts_of(whole)]
        if not level:
            return value
    raise ValueError(_TOO_DEEP)


def _parts_of(whole: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return whole.values() if isinstance(whole, dict) else whole


def read_yaml(path: Path) -> Any:
    """Read a YAML file of this program."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_YAML_LOADER)  # noqa: S506 - both are safe


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_value(value: Any) -> str:
    """Return the SHA-256 of a JSON-like value as 64 hexadecimal digits, whatever the order of its keys."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


_Entry = tuple[int, int, int, str]  # size, modification time, status change time, SHA-256


class HashCache:
    """Cache the SHA-256 of files between runs.

    A file is hashed again when its size or one of its two times has changed. The status change time is included because
    copying tools can restore the modification time but not that one.

    Args:
        cache_file: JSON file that holds the cache. A missing or damaged one is treated as empty.
    """

    def __init__(self, cache_file: Path) -> None:
        self._cache_file = cache_file
        self._entries = _read_entries(cache_file)
        self._is_changed = False

    def sha256(self, path: Path) -> str:
        """Return the SHA-256 of a file's bytes as 64 hexadecimal digits.

        Raises:
            DataError: The file cannot be read.
        """
        key = str(path.absolute())
        try:
            status = path.stat()
            current = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            *cached, digest = self._entries.get(key, (-1, -1, -1, ""))
            if current == tuple(cached):
                return digest
            digest = hash_file(path)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror or error}); check its permissions.") from error
        self._entries[key] = (*current, digest)
        self._is_changed = True
        return digest

    def save(self) -> None:
        """Write the cache if it has changed."""
        if self._is_changed:
            write_json(self._cache_file, self._entries)
            self._is_changed = False


def _read_entries(cache_file: Path) -> dict[str, _Entry]:
    try:
        entries: dict[str, _Entry] = build(dict[str, _Entry], read_json(cache_file))
    except (OSError, ValueError):
        return {}
    return entries

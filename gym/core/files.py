"""Writes that are whole or absent, and hashes that name contents.

Hashes of source files, taken once: a file is hashed again only when its size or one of its two times differs.

The time of modification can be set back, as by a copy that keeps it; that of the change of status cannot.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gym.core.errors import DataError, first_line

_READ_SIZE = 1 << 20


@contextmanager
def naming_disk_errors(
    place: object, remedy: str = "set outputs=...", caught: tuple[type[Exception], ...] = (OSError,)
) -> Iterator[None]:
    """Make a `DataError` of what the disk refuses.

    Args:
        place: What cannot be written then.
        remedy: What to do where there is no space to free.
        caught: How writers say that the disk refuses.
    """
    try:
        yield
    except caught as error:
        raise DataError(f"{place} cannot be written ({first_line(error)}); free space there, or {remedy}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write beside ``path``; it takes the place of ``path`` only when the block ends well.

    The given path has the suffix of ``path``, for writers that choose a format by it. Folders are made as needed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = name_beside(path)
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill beside ``path``; it takes the place of ``path`` only when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = name_beside(path)
    beside.mkdir()
    try:
        yield beside
        if path.exists():
            shutil.rmtree(path)
        beside.replace(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def name_beside(path: Path) -> Path:
    """Make a hidden name next to ``path`` that nobody else has, with its suffix."""
    return path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_READ_SIZE):
            digest.update(block)
    return digest.hexdigest()


def hash_value(value: Any) -> str:
    """Return the SHA-256 of a JSON-like value, the same whatever the order of its keys."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


Known = dict[str, tuple[int, int, int, str]]


class Hashes:
    """SHA-256 of files, remembered in a file between runs.

    Args:
        remembered_in: A JSON file; a missing or damaged one is begun anew.
    """

    def __init__(self, remembered_in: Path) -> None:
        self._place = remembered_in
        self._known: Known = _read(remembered_in)
        self._is_new = False

    def of(self, path: Path) -> str:
        """The SHA-256 of a file's bytes, as 64 hexadecimal digits.

        Raises:
            DataError: The file cannot be read.
        """
        key = str(path.absolute())
        try:
            state = path.stat()
            now = (state.st_size, state.st_mtime_ns, state.st_ctime_ns)
            *before, digest = self._known.get(key, (-1, -1, -1, ""))
            if now == tuple(before):
                return digest
            digest = hash_file(path)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror or error}); mend its permissions.") from error
        self._known[key] = (*now, digest)
        self._is_new = True
        return digest

    def remember(self) -> None:
        """Write down what was hashed."""
        if self._is_new:
            write_json(self._place, self._known)
            self._is_new = False


def _read(place: Path) -> Known:
    try:
        raw: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        return {key: (int(size), int(m), int(c), str(digest)) for key, (size, m, c, digest) in raw.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}

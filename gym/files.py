"""Writes that are whole or absent, and hashes that name contents."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gym.errors import DataError, first_line

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

"""Atomic writes, also of CSV, reading of JSON and YAML, and SHA-256 hashes of files and values."""

import csv
import errno
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from gym.core.errors import DataError, DiskError, GymError, first_line
from gym.core.temporary import is_in_temporary_folder, remove_below, temporary_sibling
from gym.core.typed_json import build

_MAX_NESTING = 64
_TOO_DEEP = f"lists or objects are nested more than {_MAX_NESTING} deep"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[-+](\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+](inf|nan|Infinity)", re.ASCII)
_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # several times as fast, if PyYAML was built with it


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM)
# Of SQLite, and of NumPy, whose exception has no error number.
_FULL_TEXTS = re.compile(r"database or disk is full|attempt to write a readonly database|\d+ requested and \d+ written")


@contextmanager
def translate_disk_errors(
    target: object, remedy: str = "set outputs=...", errors: tuple[type[Exception], ...] = (OSError,)
) -> Iterator[None]:
    """Raise `DiskError` when the disk refuses a write.

    Args:
        target: What is being written; the message begins with it.
        remedy: What to do when no space can be freed; the message ends with it.
        errors: Exceptions that the writer raises when the disk refuses.
    """
    try:
        yield
    except errors as error:
        raise DiskError(
            f"{target} cannot be written ({first_line(origin_of(error))}); check its permissions and free space, or "
            f"{remedy}"
        ) from origin_of(error)


def origin_of(error: BaseException) -> BaseException:
    """Return the library's error behind a `DiskError`; any other error itself."""
    return error.__cause__ if isinstance(error, DiskError) and error.__cause__ else error


def find_disk_error(error: BaseException) -> BaseException | None:
    """Return the error of a full disk or read-only folder that caused an exception; None if none did."""
    # Our own errors about permissions concern files that are read.
    numbers = _FULL if isinstance(error, GymError) else _FULL + _FORBIDDEN
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.errno in numbers:
            return link
        if _FULL_TEXTS.search(first_line(link)) and not isinstance(link, GymError):
            return link
        link = link.__cause__
    return None


@contextmanager
def translate_full_disk(outputs: object) -> Iterator[None]:
    """Raise `DiskError` instead of any exception that a full disk or read-only folder caused.

    Writers translate errors where they know what they write; this is for those of libraries.

    Args:
        outputs: What could not be written, unless the exception names a file.
    """
    try:
        yield
    except DiskError:
        raise
    except Exception as error:
        # No local variable may hold an exception: open files would live on in a cycle with its traceback.
        if not (found := find_disk_error(error)) or _is_of_input(found, outputs):
            raise
        raise _translate(error, Path(str(outputs))) from error


def _is_of_input(error: BaseException, outputs: object) -> bool:
    """Whether access was denied to a file outside of ``outputs`` and the temporary folder, which was read."""
    name = getattr(error, "filename", None)
    if getattr(error, "errno", None) not in _FORBIDDEN or not isinstance(name, str):
        return False
    path = Path(name).absolute()
    return not (path.is_relative_to(Path(str(outputs)).absolute()) or is_in_temporary_folder(path))


def _translate(error: Exception, outputs: Path) -> DiskError:
    if isinstance(error, GymError):
        return DiskError(str(error))
    cause = find_disk_error(error) or error
    name = getattr(cause, "filename", None)
    return _describe_refusal(Path(name).parent if isinstance(name, str) else outputs, cause)


def _describe_refusal(folder: Path, error: BaseException) -> DiskError:
    remedy = "set TMPDIR=FOLDER" if is_in_temporary_folder(folder) else "free space there"
    return DiskError(
        f"{folder} cannot be written ({_explain(error)}); check its permissions, or {remedy}, and repeat the command."
    )


def _explain(error: BaseException) -> str:
    return getattr(error, "strerror", None) or first_line(error)


@contextmanager
def _name_folder(folder: Path) -> Iterator[None]:
    try:
        yield
    except DiskError:
        raise
    except OSError as error:
        raise _describe_refusal(folder, error) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` when the block succeeds.

    The temporary file is in the same folder and has the same suffix, because some writers choose the format by suffix.
    Parent folders are created.

    Raises:
        DiskError: The block or the replacement raised an `OSError`.
    """
    temporary = temporary_sibling(path)
    with _name_folder(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that replaces the folder ``path`` when the block succeeds.

    Raises:
        DiskError: The block or the replacement raised an `OSError`.
    """
    temporary, replaced = temporary_sibling(path), temporary_sibling(path)
    with _name_folder(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        try:
            yield temporary
            if path.exists():
                path.replace(replaced)
            temporary.replace(path)
        finally:
            if replaced.exists() and not path.exists():
                replaced.replace(path)
            for folder in (temporary, replaced):
                shutil.rmtree(folder, ignore_errors=True)


def is_locked(path: Path) -> bool:
    """Whether a living process holds a lock file. The file is neither created nor changed."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # closing the file releases it
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def cut_name(name: str, size: int) -> str:
    """Cut a file name after at most ``size`` bytes, between two characters."""
    return os.fsencode(name)[:size].decode(errors="ignore") if len(os.fsencode(name)) > size else name


def copy_file(source: Path, path: Path) -> None:
    """Copy a file atomically, and remove what a killed copy to the same folder left behind."""
    with atomic_file(path) as temporary:
        shutil.copyfile(source, temporary)
    remove_below(path.parent)


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

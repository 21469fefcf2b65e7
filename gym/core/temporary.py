"""Names of temporary files and folders that identify their process, so that those of killed processes can be removed.

    .<stem>-<place>-<process>-<start>-<random><suffix>

``place`` is a hash of the machine, its boot and the namespace of process ids; ``start`` tells apart two processes that
had the same id.
"""

import functools
import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gym.core.errors import DiskError

_NAME = re.compile(r"\..+-(?P<place>[0-9a-f]{8})-(?P<process>\d+)-(?P<start>\d+)-[0-9a-f]{8}(\..*)?", re.DOTALL)
# Version 0.1.0 did not name the process.
_EARLIER = re.compile(r"\.(.+-[0-9a-f]{32}(\..*)?|mlflow\.db\..*partial.*|inspected-\w{8})")
_DAY = 24 * 3600.0
_WEEK = 7 * _DAY  # after this time, a process of another machine has ended
_LONGEST_STEM = 100  # file systems allow names of 255 bytes
_TEMPORARY = "segsweep"

# Folders in outputs where files are written, and how deep.
_PLACES = {".": 0, "stores": 1, "runs": 2, "sweeps": 4, "reports": 2, "evaluations": 3, "published": 1, "exports": 1}


def temporary_sibling(path: Path) -> Path:
    """Return a new name in the same folder, with the same suffix."""
    # tempfile would create the file with mode 0600, and colleagues could not read the result.
    return path.with_name(_temporary_name(path.stem, path.suffix))


@contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """Create a folder for a block, in ``parent`` or the system's folder for temporary files.

    Raises:
        DiskError: No folder for temporary files can be written.
        OSError: It cannot be created.
    """
    folder = (parent or _find_system_folder()) / _temporary_name(_TEMPORARY)
    folder.mkdir(mode=0o777 if parent else 0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _find_system_folder() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise DiskError(
            "none of the folders for temporary files can be written; free space in one, or set TMPDIR=FOLDER, and "
            "repeat the command."
        ) from error


def is_in_temporary_folder(path: Path) -> bool:
    """Whether a path is the system's folder for temporary files, or in one that `temporary_folder` created there."""
    place = _find_system_folder()
    if path == place:
        return True
    return path.is_relative_to(place) and path.relative_to(place).parts[0].startswith(f".{_TEMPORARY}-")


def remove_leftovers(outputs: Path, *others: Path) -> None:
    """Remove what killed processes left in an outputs folder, in the system's temporary folder, and in others.

    What a living process may own stays. An error, such as that of a read-only folder, is ignored.
    """
    for name, depth in _PLACES.items():
        remove_below(outputs / name, depth)
    with suppress(DiskError):
        remove_below(_find_system_folder(), is_ours=False)
    for folder in others:
        remove_below(folder, 1, is_ours=False)


def remove_below(folder: Path, depth: int = 0, *, is_ours: bool = True) -> None:
    """Remove temporary files and folders without a living owner; arguments as for `find_leftovers`."""
    for path in find_leftovers(folder, depth, is_ours=is_ours):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def find_leftovers(folder: Path, depth: int, *, is_ours: bool = True) -> Iterator[Path]:
    """Yield temporary files and folders without a living owner.

    Args:
        folder: Where to look; it may be missing.
        depth: How many levels of folders below it to look into.
        is_ours: Whether only this program writes there. The names that version 0.1.0 used may be those of others.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if is_leftover(Path(entry.path), is_ours=is_ours):
            yield Path(entry.path)
        elif depth and entry.is_dir(follow_symlinks=False):
            yield from find_leftovers(Path(entry.path), depth - 1, is_ours=is_ours)


def is_leftover(path: Path, *, is_ours: bool = True) -> bool:
    """Whether a path is a temporary file or folder whose process has ended; arguments as for `find_leftovers`."""
    if match := _NAME.fullmatch(path.name):
        if match["place"] == _describe_place():
            return not _is_alive(int(match["process"]), int(match["start"]))
        return _age(path) > _WEEK
    return is_ours and _EARLIER.fullmatch(path.name) is not None and _age(path) > _DAY


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0


def _temporary_name(stem: str, suffix: str = "") -> str:
    process = os.getpid()
    short = os.fsdecode(os.fsencode(stem)[:_LONGEST_STEM])
    return f".{short}-{_describe_place()}-{process}-{_start_of(process)}-{uuid.uuid4().hex[:8]}{suffix}"


@functools.cache
def _describe_place() -> str:
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _is_alive(process: int, start: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # it belongs to another user
    now = _start_of(process)
    return now == start or 0 in (now, start)


def _start_of(process: int) -> int:
    """Return when a process started, in clock ticks since boot; 0 if unknown, -1 if it has ended but has an entry."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return -1 if fields[0] in "ZX" else int(fields[19])
    except (OSError, ValueError, IndexError):
        return 0

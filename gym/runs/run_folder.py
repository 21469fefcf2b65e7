"""The folder of a run: its checkpoints, its result and the attempt in progress.

outputs/runs/<fingerprint>/
attempt.json    the attempt in progress; removed when the run is finished
best.npz        weights of the best epoch
next.npz        those of an epoch that is about to become the best
last.npz        state after the last epoch
plugins.json    SHA-256 of the run's plugins, if it has any
result.json     the result, with matrices.npy
"""

import logging
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from gym.config.schema import PRECISIONS
from gym.core.errors import RunError
from gym.core.files import read_json, write_json
from gym.core.typed_json import IDENTIFIER, build_fields

# Types of the entries of attempt.json and plugins.json.
PRECISION = re.compile("|".join(PRECISIONS))
_ATTEMPT = {"attempt": IDENTIFIER, "requested": IDENTIFIER, "precision": PRECISION, "threads": int, "tuned": bool}
_PLUGINS = {"unversioned": str, "plugins": dict[str, str]}

log = logging.getLogger(__name__)


class Attempt(NamedTuple):
    """The name of an attempt, and of an earlier unfinished one that it replaces, if any."""

    name: str
    abandoned: str | None = None


@contextmanager
def hold_run_folder(
    folder: Path, conditions: dict[str, object], resume: bool, requested: str = ""
) -> Iterator[Attempt]:
    """Lock the folder of a run for a block; yield the attempt, which lasts until `end_attempt`.

    Args:
        folder: Created if missing, and emptied unless an attempt resumes in it.
        conditions: Recorded when an attempt starts, such as precision and threads. An attempt that resumes under other
            conditions logs a warning, because it may differ from an uninterrupted one in the last bits.
        resume: Whether to resume an interrupted attempt.
        requested: `gym.runs.spec.RunSpec.requested`, by which `find_precision` finds the attempt.

    Raises:
        RunError: Another process holds the folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(folder.with_name(f".{folder.name}.lock")).acquire(timeout=0)
    except Timeout:
        raise RunError(
            f"{folder} is in use by another process that trains the same run; wait for it, or change the seed."
        ) from None
    with lock:
        before = read_attempt(folder)
        if before and resume:
            _warn_about_changes(before, conditions)
            if requested and before.get("requested") != requested:  # it was started with an explicit data type
                write_json(folder / "attempt.json", before | {"requested": requested})
            yield Attempt(str(before["attempt"]))
        else:
            shutil.rmtree(folder, ignore_errors=True)
            name = uuid.uuid4().hex
            known = {"attempt": name, **conditions} | ({"requested": requested} if requested else {})
            write_json(folder / "attempt.json", known)
            yield Attempt(name, str(before["attempt"]) if before else None)


def _warn_about_changes(before: dict[str, object], now: dict[str, object]) -> None:
    for key, value in now.items():
        if before.get(key) != value:
            log.warning("this run started with %s=%s and resumes with %s", key, before.get(key), value)


def write_plugins(folder: Path, plugins: Mapping[str, str], unversioned: str) -> None:
    """Write ``plugins.json``, and warn if an interrupted attempt of the same run had other versions of its plugins.

    Args:
        folder: The folder of the run.
        plugins: SHA-256 of each plugin by name. Nothing is written without plugins.
        unversioned: The fingerprint of the run without these hashes.
    """
    if not plugins:
        return
    for path in sorted(folder.parent.glob("*/plugins.json")):
        known = _read_fields(path, _PLUGINS) or {}
        is_same = known.get("unversioned") == unversioned
        if is_same and "plugins" in known and known["plugins"] != plugins and read_attempt(path.parent):
            changes = ", ".join(
                f"{name} {digest[:12]}, now {plugins.get(name, '')[:12] or 'none'}"
                for name, digest in known["plugins"].items()
                if digest != plugins.get(name)
            )
            log.warning(
                "a plugin changed after this run was interrupted (%s); restore its file to resume the run, which now "
                "starts again",
                changes,
            )
    write_json(folder / "plugins.json", {"plugins": dict(plugins), "unversioned": unversioned})


def read_attempt(folder: Path) -> dict[str, object] | None:
    """Read the attempt in progress and its conditions; None if there is none, or its file is damaged."""
    attempt = _read_fields(folder / "attempt.json", _ATTEMPT)
    return attempt if attempt and attempt.get("attempt") else None


def _read_fields(path: Path, kinds: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        return build_fields(kinds, read_json(path))
    except (OSError, ValueError):
        return None


def find_precision(folder: Path, requested: str) -> str:
    """Return the data type of an interrupted attempt that was started with ``training.precision=auto``.

    Args:
        folder: Where a version before 0.2.0 would have put the run, next to the folders of all runs.
        requested: The fingerprint of the run with ``auto``.

    Returns:
        The data type, of the latest such attempt; empty if none was interrupted.
    """
    earlier = read_attempt(folder) or {}
    if "precision" in earlier:
        return str(earlier["precision"])
    attempts = (read_attempt(place) or {} for place in find_attempts(folder.parent, requested))
    return next((str(attempt["precision"]) for attempt in attempts if "precision" in attempt), "")


def find_attempts(runs: Path, requested: str) -> list[Path]:
    """Return the folders of interrupted attempts that were started with ``training.precision=auto``, the latest first.

    Args:
        runs: The folder of all runs.
        requested: The fingerprint of the run with ``auto``.
    """
    files = sorted(runs.glob("*/attempt.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent for path in files if (read_attempt(path.parent) or {}).get("requested") == requested]


def end_attempt(folder: Path) -> None:
    """Mark a run as finished, so that its next start is a new attempt."""
    (folder / "attempt.json").unlink(missing_ok=True)

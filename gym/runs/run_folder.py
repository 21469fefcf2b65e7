"""The folder in which a run is made: its checkpoints, its result, and what tells an attempt from the next.

outputs/runs/<fingerprint>/
attempt.json    made when the run is begun, removed when it is done with: while it is there, the run goes on
best.npz        weights of the best epoch
last.npz        state after the last epoch
result.json     what it came to, with matrices.npy
"""

import json
import logging
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from gym.core.errors import RunError
from gym.core.files import write_json

log = logging.getLogger(__name__)


class Attempt(NamedTuple):
    """What a run is made in: the name of the attempt, and of the one before that is not gone on with, if there is."""

    name: str
    abandoned: str | None = None


@contextmanager
def hold_run_folder(folder: Path, begins_with: dict[str, object], resume: bool) -> Iterator[Attempt]:
    """Hold a run's folder for a block; gives the attempt, which lasts until `end_attempt`.

    Args:
        folder: Made as needed; emptied first unless an attempt is to go on in it.
        begins_with: What an attempt keeps of where it began, as precision and threads; one that goes on under other
            conditions is warned of, since it may differ from an undisturbed one in the last bits.
        resume: Go on with the attempt that was cut off, if there is one.

    Raises:
        RunError: Another process holds the folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(f"{folder} is in use: another process trains this very run; wait, or change its seed.") from None
    try:
        before = read_attempt(folder)
        if before and resume:
            warn_of_changes(before, begins_with)
            yield Attempt(str(before["attempt"]))
        else:
            shutil.rmtree(folder, ignore_errors=True)
            name = uuid.uuid4().hex
            write_json(folder / "attempt.json", {"attempt": name, **begins_with})
            yield Attempt(name, str(before["attempt"]) if before else None)
    finally:
        lock.release()


def warn_of_changes(before: dict[str, object], now: dict[str, object]) -> None:
    """Warn where an attempt goes on under other conditions than it began with."""
    for key, value in now.items():
        if before.get(key) != value:
            log.warning("this run began with %s=%s and goes on with %s", key, before.get(key), value)


def read_attempt(folder: Path) -> dict[str, object] | None:
    """What the attempt in a folder began with; None where there is none."""
    try:
        attempt = json.loads((folder / "attempt.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return attempt if isinstance(attempt, dict) and "attempt" in attempt else None


def end_attempt(folder: Path) -> None:
    """Say that a run is done with: its next start will be a new attempt."""
    (folder / "attempt.json").unlink(missing_ok=True)

"""What an outputs folder holds, and what of it nothing refers to. Nothing is changed here.

Without a list of MLflow's runs it is unknown what they refer to, so only temporary files and checkpoints are found.
"""

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gym.config.composed import load_settings
from gym.core.files import is_locked, read_json
from gym.core.redaction import redact
from gym.core.temporary import find_leftovers
from gym.core.text import pluralize
from gym.runs.mlflow_inventory import LoggedRun
from gym.runs.model_archive import RUN_FILE
from gym.runs.result import find_result
from gym.runs.run_folder import read_attempt
from gym.sweeps.ledger import FINISHED, PRUNED, Job
from gym.sweeps.sweep_folder import SweepFolder
from gym.training.checkpoint import FILES

RUNNING = "a running process uses it"
_OURS = (*FILES, "attempt.json", "result.json", "plugins.json", "error.txt")  # in the folder of a run
_RUN_ID = re.compile("[0-9a-f]{32}")  # others may be those of a server or of a user
_DEEP = 8  # levels of folders below outputs


class Item(NamedTuple):
    """Something that can be removed as a whole.

    Attributes:
        kind: One of `gym.config.schema.LEFTOVERS`.
        name: What to call it.
        reason: Why it may be removed.
        paths: Files and folders.
        runs: Ids of the runs to delete in MLflow.
        locks: Lock files of the processes that would use it.
        kept: Why it must be kept; empty if it need not.
        sweep: Sweep that it belongs to; empty if it belongs to none.
    """

    kind: str
    name: str
    reason: str
    paths: tuple[Path, ...]
    runs: tuple[str, ...] = ()
    locks: tuple[Path, ...] = ()
    kept: str = ""
    sweep: str = ""


class RunFolder(NamedTuple):
    """A folder with the files of one run, its lock files, the sweep that it belongs to, and where it is logged."""

    path: Path
    sweep: str
    locks: tuple[Path, ...]
    run_id: str
    tracking_uri: str
    attempt: str

    @property
    def is_finished(self) -> bool:
        """Whether it holds a result."""
        return bool(self.run_id)

    @property
    def is_used(self) -> bool:
        """Whether a living process works in it."""
        return any(map(is_locked, self.locks))


class Inventory:
    """The contents of an outputs folder, as they are when this object is created.

    Args:
        outputs: The folder.
        list_runs: Lists all runs of MLflow; None if they are unknown. It is called after the files have been listed, so
            that the files of a run that starts meanwhile are not taken for those of no run.
        tracking_uri: The configured tracking URI of that MLflow.
    """

    def __init__(
        self, outputs: Path, list_runs: Callable[[], Sequence[LoggedRun]] | None, tracking_uri: str = ""
    ) -> None:
        self.outputs, self._tracking_uri = outputs, tracking_uri
        self._artifacts = sorted((outputs / "artifacts").glob("*"))
        self.sweeps = sorted(path.name for path in (outputs / "sweeps").glob("*") if path.is_dir())
        self.jobs = {name: _read_jobs(outputs, name) for name in self.sweeps}
        self._parents = {name: SweepFolder(outputs, name).read_metadata().get("run_id", "") for name in self.sweeps}
        self.folders = [*self._read_folders("")]
        for name in self.sweeps:
            self.folders += self._read_folders(name)
        self.datasets = sorted(path.parent for path in (outputs / "stores").glob("[!.]*-*/manifest.json"))
        self.archives = list(_read_archives(outputs / "published"))
        self.logged = list_runs() if list_runs else None
        self._by_id = {run.run_id: run for run in self.logged or ()}
        unknown = set(self._find_tracking_uris())
        others = unknown - {tracking_uri}
        self._elsewhere = f"runs are also logged to {redact(min(others) or 'mlflow.db')}" if others else ""
        self._unknown = self._elsewhere or ("it holds results of runs that are not in MLflow" if unknown else "")

    def _find_tracking_uris(self) -> Iterator[str]:
        """Yield where the runs are logged that the listed MLflow does not know."""
        yield from (
            folder.tracking_uri for folder in self.folders if folder.run_id and folder.run_id not in self._by_id
        )
        for path in self._artifacts:
            config = path / "artifacts" / "config.yaml"
            if path.name not in self._by_id and config.is_file():
                yield _read_tracking_uri(config)

    def artifacts(self, run_id: str) -> Path:
        """Return the folder of a run's artifacts."""
        return self.outputs / "artifacts" / run_id

    def protection(self, run: LoggedRun) -> str:
        """Return why a run must be kept; empty if it need not."""
        if run.version:
            return f"models:/{run.version} was made from it"
        if archive := next((path.name for path, of in self.archives if of.get("run_id") == run.run_id), ""):
            return f"published/{archive} was made from it"
        folder = self.folder_of(run)
        lock = self.outputs / "sweeps" / run.sweep / ".lock"
        # Without a folder here, another outputs folder may be that of its process.
        is_used = folder.is_used if folder else run.status == "RUNNING" or bool(run.sweep and is_locked(lock))
        return RUNNING if is_used else ""

    def folder_of(self, run: LoggedRun) -> RunFolder | None:
        """Find the folder in which a run was trained; None if it is missing or holds another attempt."""
        for folder in self.folders:
            if folder.run_id == run.run_id or (run.attempt and folder.attempt == run.attempt):
                return folder
        return None

    def places_of(self, run: LoggedRun) -> tuple[Path, ...]:
        """Return the folders of a run: its artifacts, and where it was trained."""
        folder = self.folder_of(run)
        return (self.artifacts(run.run_id), *([folder.path] if folder else []))

    def users(self, dataset: Path) -> list[str]:
        """Return the names of the runs and archives that refer to a dataset."""
        fingerprint = _fingerprint_of(dataset)
        runs = [run.name for run in self.logged or () if run.data == fingerprint and not self._is_gone(run)]
        of = [path.name for path, described in self.archives if _data_of(described) == fingerprint]
        return runs + of

    def _is_gone(self, run: LoggedRun) -> bool:
        return run.status == "DELETED" and not self.protection(run)

    def find_unneeded(self) -> list[Item]:
        """Find everything that can be removed, by kind."""
        found = [*self._find_temporary(), *self._find_checkpoints()]
        if self.logged is not None:
            found += [*self._find_datasets(), *self._find_attempts(), *self._find_artifacts(), *self._find_folders()]
        return found

    def _find_temporary(self) -> Iterator[Item]:
        for path in find_leftovers(self.outputs, _DEEP):
            yield Item("temporary", str(path.relative_to(self.outputs)), "its process has ended", (path,))

    def _find_checkpoints(self) -> Iterator[Item]:
        for folder in self.folders:
            files = tuple(path for path in (folder.path / name for name in FILES) if path.is_file())
            if files and find_result(folder.path):  # which takes long for large results
                name = str(folder.path.relative_to(self.outputs))
                yield self._item("checkpoints", name, "the run has finished", files, folder)

    def _find_datasets(self) -> Iterator[Item]:
        waiting = next((name for name in self.sweeps if self._waits_for_data(name)), "")
        kept = f"sweep {waiting} can be resumed and may need it" if waiting else ""
        if any(folder.is_used for folder in self.folders) or self._is_any_sweep_used():
            kept = RUNNING
        kept = kept or self._unknown
        for path in self.datasets:
            if not self.users(path):
                lock = path.with_suffix(".lock")
                used = RUNNING if is_locked(lock) or _is_mapped(path) else kept
                yield Item("datasets", path.name, "no run refers to it", (path,), locks=(lock,), kept=used)

    def _is_any_sweep_used(self) -> bool:
        return any(is_locked(self.outputs / "sweeps" / name / ".lock") for name in self.sweeps)

    def _waits_for_data(self, sweep: str) -> bool:
        is_logged = any(run.sweep == sweep and run.data for run in self.logged or ())
        return can_resume(self.jobs[sweep]) and not is_logged

    def _find_attempts(self) -> Iterator[Item]:
        for run in self.logged or ():
            if run.status in ("FINISHED", "DELETED") or run.is_parent or not self.is_here(run):
                continue
            folder, paths = self.folder_of(run), (self.artifacts(run.run_id),)
            kept = self.protection(run)
            if folder is None:
                reason = f"{run.status}, and nothing resumes it"
                yield Item("failed", title_of(run), reason, paths, (run.run_id,), (), kept, run.sweep)
            elif not folder.sweep and not folder.is_finished:
                files = self.places_of(run)
                reason = f"{run.status}; the same command would resume it"
                yield Item("interrupted", title_of(run), reason, files, (run.run_id,), folder.locks, kept)

    def is_here(self, run: LoggedRun) -> bool:
        """Whether a run was logged from this folder; a server or a shared database may know those of others."""
        if self.folder_of(run):
            return True
        if run.is_parent:
            return run.run_id == self._parents.get(run.sweep)
        return not (self._tracking_uri or run.tracking_uri) and self.artifacts(run.run_id).exists()

    def _find_artifacts(self) -> Iterator[Item]:
        for path in self._artifacts:
            run = self._by_id.get(path.name)
            if run is None and path.is_dir() and _RUN_ID.fullmatch(path.name):
                name = str(path.relative_to(self.outputs))
                shared = "artifacts is a link, so other folders may use it" if path.parent.is_symlink() else ""
                yield Item("orphaned", name, "its run is not in MLflow", (path,), kept=self._elsewhere or shared)
            elif run is not None and run.status == "DELETED":
                kept = self.protection(run)
                yield Item("deleted", title_of(run), "it was deleted in MLflow", (path,), kept=kept, sweep=run.sweep)

    def _find_folders(self) -> Iterator[Item]:
        attempts = {run.attempt for run in self.logged or () if run.status != "DELETED"}
        for folder in self.folders:
            run, name = self._by_id.get(folder.run_id), str(folder.path.relative_to(self.outputs))
            listed = {job.fingerprint[:16] for job in self.jobs.get(folder.sweep, [])}
            if folder.sweep and (not listed or folder.path.name in listed):
                continue  # the sweep needs it, or its ledger is damaged
            if run is not None and run.status == "DELETED":
                yield self._item("deleted", name, "its run was deleted in MLflow", (folder.path,), folder)
            elif run is None and folder.attempt and folder.attempt not in attempts and not folder.is_finished:
                reason = "its run is not in MLflow, but the same command would resume it"
                yield self._item("interrupted", name, reason, (folder.path,), folder)
            elif run is None and not (folder.attempt and folder.attempt in attempts):
                item = self._item("orphaned", name, "its run is not in MLflow", (folder.path,), folder)
                yield item._replace(kept=item.kept or self._elsewhere)

    @staticmethod
    def _item(kind: str, name: str, reason: str, paths: tuple[Path, ...], folder: RunFolder) -> Item:
        kept = RUNNING if folder.is_used else ""
        return Item(kind, name, reason, paths, locks=folder.locks, kept=kept, sweep=folder.sweep)

    def _read_folders(self, sweep: str) -> Iterator[RunFolder]:
        runs = self.outputs / "sweeps" / sweep / "runs" if sweep else self.outputs / "runs"
        shared = (self.outputs / "sweeps" / sweep / ".lock",) if sweep else ()
        for path in sorted(place for place in runs.glob("[!.]*") if any((place / name).is_file() for name in _OURS)):
            locks = tuple(path.with_name(f".{path.name}.{end}") for end in ("lock", "job.lock"))
            attempt = str((read_attempt(path) or {}).get("attempt", ""))
            yield RunFolder(path, sweep, (*shared, *locks), *_read_result(path), attempt)


def can_resume(jobs: Sequence[Job]) -> bool:
    """Whether a sweep has runs that its command would still train."""
    return any(job.status not in (FINISHED, PRUNED) for job in jobs)


def title_of(run: LoggedRun) -> str:
    """Return the name of a run with the beginning of its id."""
    return f"{run.name} ({run.run_id[:8]})"


def describe_jobs(jobs: Sequence[Job]) -> str:
    """Count the runs of a sweep, as in "8 runs, 6 finished"."""
    return f"{pluralize(len(jobs), 'run')}, {sum(job.status == FINISHED for job in jobs)} finished"


def measure(paths: Sequence[Path]) -> int:
    """Return the size of files and folders, in bytes; links are not followed."""
    total = 0
    for path in paths:
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                total += measure(list(path.iterdir()))
            else:
                total += path.lstat().st_size
    return total


def _read_jobs(outputs: Path, sweep: str) -> list[Job]:
    with suppress(OSError):
        return SweepFolder(outputs, sweep).ledger.jobs()
    return []


def _read_result(folder: Path) -> tuple[str, str]:
    """Read the id of the run that a result belongs to, and its tracking URI; empty if there is no result."""
    try:
        result = read_json(folder / "result.json")
        return str(result["run_id"]), str(result["settings"].get("tracking.uri", ""))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return "", ""


def _read_tracking_uri(config: Path) -> str:
    """Read the tracking URI from the configuration of a run; empty if it cannot be read."""
    try:
        return str(OmegaConf.select(load_settings(config), "tracking.uri") or "")
    except (OSError, ValueError, OmegaConfBaseException):
        return ""


def _fingerprint_of(dataset: Path) -> str:
    try:
        return str(read_json(dataset / "manifest.json")["fingerprint"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _read_archives(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Read what the model archives of a folder record of their runs."""
    for path in sorted(folder.glob("*.zip")):
        with suppress(OSError, ValueError, LookupError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
            described = json.loads(archive.read(RUN_FILE))
            if isinstance(described, dict):
                yield path, described


def _data_of(described: dict[str, Any]) -> str:
    tags = described.get("tags")
    return str(tags.get("data_fingerprint", "")) if isinstance(tags, dict) else ""


def _is_mapped(dataset: Path) -> bool:
    """Whether a process of this user has a file of a dataset in memory, as far as Linux tells."""
    place = str(dataset.resolve())
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):
            if f"{place}/" in maps.read_text(encoding="utf-8", errors="replace"):
                return True
    return False

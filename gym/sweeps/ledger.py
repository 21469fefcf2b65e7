"""The ledger of a sweep: an append-only log with one JSON line for each run queued, started or ended, and each epoch.

    outputs/sweeps/<name>/ledger.jsonl

    {"event": "queued", "job": 0, "fingerprint": "3f...", "name": "unet cce f2", "overrides": ["model=unet", ...], ...}
    {"event": "started", "job": 0, "time": 1771000000.0, "epochs": 15}
    {"event": "epoch", "job": 0, "epoch": 1, "iou": 0.41, ...}
    {"event": "phase", "job": 0, "phase": "scoring", ...}
    {"event": "finished", "job": 0, "scores": {"iou": 0.78, ...}, ...}     or "failed" with a message, or "pruned"

Every event has a time. A queued run also has its estimated work, if known.

Several processes append at the same time, and each may be killed at any moment. A line is therefore appended under a
file lock, in a single write that is synced to disk, and an incomplete or damaged line is ignored.
"""

import json
import logging
import math
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from filelock import FileLock

from gym.core.errors import RunError
from gym.core.files import parse_json, translate_disk_errors
from gym.core.text import pluralize
from gym.core.typed_json import IDENTIFIER, build_fields

QUEUED, STARTED, EPOCH, FINISHED, FAILED, PRUNED = "queued", "started", "epoch", "finished", "failed", "pruned"
PHASE = "phase"  # of a run after its training, as in "scoring"
ENDED = FINISHED, FAILED, PRUNED

Event = dict[str, Any]

# Types of the details of all events.
_NUMBERS = ("time", "iou", "work")
_KINDS = {
    **dict.fromkeys(("event", "name", "fingerprint", "message"), str),
    **dict.fromkeys(("job", "epoch", "epochs"), int),
    **dict.fromkeys(_NUMBERS, float),
    "overrides": list[str],
    "scores": dict[str, float],
    "run_id": IDENTIFIER,
}
_LATEST = 1e11  # seconds since 1970; no date is later


log = logging.getLogger(__name__)


class Ledger:
    """The events of one sweep, in a file.

    Args:
        path: The file. Its folder is created with the first event.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parsed: tuple[bytes, list[Event]] = b"", []

    def append(self, event: str, job: int, **details: Any) -> None:
        """Append an event with the current time.

        Args:
            event: One of the kinds defined in this module.
            job: Number of the run in the sweep, from 0.
            details: Further keys of the event, as JSON-compatible values.

        Raises:
            DataError: The file cannot be written.
            TypeError: A detail cannot be converted to JSON.
        """
        line = json.dumps({"event": event, "job": job, "time": time.time(), **details}, ensure_ascii=False)
        with translate_disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock")), self.path.open("ab+") as stream:
                if stream.seek(0, os.SEEK_END):
                    stream.seek(-1, os.SEEK_END)
                    line = line if stream.read(1) == b"\n" else f"\n{line}"  # a killed writer left half a line
                # File names may hold bytes that are not valid UTF-8.
                stream.write(f"{line}\n".encode("utf-8", "backslashreplace"))
                stream.flush()
                os.fsync(stream.fileno())  # a power failure must not lose a finished run

    def read(self) -> list[Event]:
        """Return all events so far, without incomplete lines.

        Only new lines are parsed, so that the live view can call this often.

        Raises:
            RunError: The file cannot be read.
        """
        content = self._read_bytes()
        before, events = self._parsed
        if not content.startswith(before):  # the file was replaced
            before, events = b"", []
        end = content.rfind(b"\n") + 1
        events = events + _parse_lines(content[len(before) : end])
        self._parsed = content[:end], events  # a single assignment, because several threads may read
        return events + _parse_lines(content[end:])

    def _read_bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be read ({error.strerror}); restore it, or use another name with sweep.name=NAME."
            ) from error

    def warn_about_damage(self) -> None:
        """Log the number of damaged lines, if there are any.

        Raises:
            RunError: The file cannot be read.
        """
        if warning := self.describe_damage():
            log.warning("%s", warning)

    def describe_damage(self) -> str:
        """Return a sentence about the damaged lines; empty if there are none. An incomplete last line is not damaged.

        Raises:
            RunError: The file cannot be read.
        """
        lines = self._read_bytes().split(b"\n")[:-1]
        damaged = [number for number, line in enumerate(lines, start=1) if _parse_line(line) is None]
        if not damaged:
            return ""
        return (
            f"{pluralize(len(damaged), 'damaged line')} in {self.path} (the first is line {damaged[0]}) "
            f"{'is' if len(damaged) == 1 else 'are'} ignored; what was recorded there is lost, and is done again."
        )

    def job(self, number: int) -> "Job":
        """Return the current state of one run.

        Raises:
            RunError: The sweep has no run with this number.
        """
        for job in self.jobs():
            if job.number == number:
                return job
        raise RunError(f"{self.path} does not contain run {number}; repeat the command that started the sweep.")

    def jobs(self) -> list["Job"]:
        """Return the current state of all runs, by number.

        Raises:
            RunError: The ledger cannot be read.
        """
        return replay_events(self.read())


def _parse_lines(lines: bytes) -> list[Event]:
    return [event for line in lines.split(b"\n") if (event := _parse_line(line)) is not None]


def _parse_line(line: bytes) -> Event | None:
    """Return the event in a line; None if the line is damaged."""
    try:
        event = build_fields(_KINDS, parse_json(line.decode()))
    except ValueError:
        return None
    numbers = [event.get(name, 0) for name in ("job", "epoch", "epochs", "time", "work")]
    is_possible = all(0 <= number < _LATEST for number in numbers) and not math.isinf(event.get("iou", 0))
    has_place = event.get("fingerprint", "") not in (".", "..") and not {"/", "\\"} & set(event.get("fingerprint", ""))
    return event if {"event", "job"} <= event.keys() and is_possible and has_place else None


@dataclass
class Job:
    """The state of one run of a sweep, replayed from its events.

    Attributes:
        number: Number in the sweep, from 0. It never changes.
        name: Readable name.
        fingerprint: Hash of everything the result depends on.
        overrides: Hydra overrides that make up its configuration.
        status: The latest of queued, started, finished, failed and pruned. A ``started`` run is either running or was
            interrupted; only the holder of the sweep's lock knows which.
        attempts: Number of starts.
        failures: Number of failures.
        epoch: Last complete epoch, from 1, including epochs of earlier attempts that this one resumed; 0 if none.
        epochs: Maximum number of epochs.
        iou: Mean validation IoU after the last epoch of this attempt; NaN before the first.
        started: Start of this attempt, in seconds since 1970.
        ended: End of this attempt; 0 if it has not ended.
        resumed_from: Epoch this attempt resumed from; 0 if it started from scratch.
        epoch_times: End of each epoch of this attempt, in seconds since 1970.
        work: Relative amount of computation, from `gym.sweeps.eta.estimate_work`; 0 if unknown.
        message: Error message of a failed run.
        phase: What is done after the training, as in "scoring"; empty before.
        scores: Scores of a finished run.
        run_id: Id of its MLflow run.
    """

    number: int
    name: str = ""
    fingerprint: str = ""
    overrides: list[str] = field(default_factory=list)
    status: str = QUEUED
    attempts: int = 0
    failures: int = 0
    epoch: int = 0
    epochs: int = 0
    iou: float = float("nan")
    started: float = 0.0
    ended: float = 0.0
    resumed_from: int = 0
    epoch_times: list[float] = field(default_factory=list)
    work: float = 0.0
    message: str = ""
    phase: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    run_id: str = ""

    def apply(self, event: Event) -> None:
        """Update the state with the next event of this run; kinds added by newer versions are ignored."""
        kind, when = event["event"], event.get("time", 0.0)
        if kind == EPOCH:
            self.epoch, self.iou = event.get("epoch", self.epoch), event.get("iou", self.iou)
            if when and not 0 < self.epoch <= self.resumed_from:  # a resumed run repeats the event of its last epoch
                self.epoch_times.append(when)
        elif kind == PHASE:
            self.phase = str(event.get("phase", ""))
        elif kind == QUEUED:
            self.status, self.overrides = kind, list(event.get("overrides", self.overrides))
            self.name, self.fingerprint = event.get("name", self.name), event.get("fingerprint", self.fingerprint)
            self.work = event.get("work", self.work)
        elif kind == STARTED:
            self.status, self.attempts, self.started, self.ended = kind, self.attempts + 1, when, 0.0
            self.epoch, self.epochs, self.iou = event.get("epoch", 0), event.get("epochs", self.epochs), float("nan")
            self.scores, self.message, self.run_id = {}, "", event.get("run_id", self.run_id)
            self.resumed_from, self.epoch_times, self.phase = self.epoch, [], ""
        elif kind in ENDED:
            self.status, self.ended, self.failures = kind, when, self.failures + (kind == FAILED)
            self.scores, self.message = dict(event.get("scores", {})), event.get("message", "")
            self.run_id = event.get("run_id", self.run_id)

    def elapsed(self, now: float) -> float:
        """Return the duration of this attempt until its end or ``now``, in seconds.

        Never negative, even if the clocks of two machines differ.
        """
        return max(0.0, (self.ended or now) - self.started) if self.started else 0.0

    @property
    def seconds_per_epoch(self) -> float | None:
        """Mean over this attempt; None before the second epoch, because the first one includes graph tracing."""
        if len(self.epoch_times) < 2:
            return None
        return max(0.0, self.epoch_times[-1] - self.epoch_times[0]) / (len(self.epoch_times) - 1)


def replay_events(events: Iterable[Event]) -> list[Job]:
    """Return the state of each run after the events, by number."""
    jobs: dict[int, Job] = {}
    for event in events:
        jobs.setdefault(event["job"], Job(event["job"])).apply(event)
    return [jobs[number] for number in sorted(jobs)]


class Fingerprinted(Protocol):
    """A planned run or a job."""

    @property
    def fingerprint(self) -> str:
        """Hash of everything the result depends on."""
        ...


RunT = TypeVar("RunT", bound=Fingerprinted)


def drop_duplicates(runs: Iterable[RunT]) -> list[RunT]:
    """Keep the first run of each fingerprint: equal runs have equal results."""
    first: dict[str, RunT] = {}
    for run in runs:
        first.setdefault(run.fingerprint, run)
    return list(first.values())

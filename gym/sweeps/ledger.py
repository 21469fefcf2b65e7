"""The record of a sweep: what was started, what came of it, a line each, never changed.

    outputs/sweeps/<name>/ledger.jsonl

    {"event": "queued", "job": 0, "fingerprint": "3f...", "name": "unet cce f2", "overrides": ["model=unet", ...], ...}
    {"event": "started", "job": 0, "time": 1771000000.0, "epochs": 15}
    {"event": "epoch", "job": 0, "epoch": 1, "iou": 0.41, ...}
    {"event": "finished", "job": 0, "scores": {"iou": 0.78, ...}, ...}     or failed with a message, or pruned

Each event has its time; a run that is queued has its work, too, where that is known.

Several processes append at once, and any of them may be killed at any instant: a line is appended under a lock, in
one write that reaches the disk before anything else is done, and a line that was cut off counts as not written.
"""

import json
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from filelock import FileLock

from gym.core.errors import RunError
from gym.core.files import translate_disk_errors

QUEUED, STARTED, EPOCH, FINISHED, FAILED, PRUNED = "queued", "started", "epoch", "finished", "failed", "pruned"
ENDS = FINISHED, FAILED, PRUNED

Event = dict[str, Any]


class HasFingerprint(Protocol):
    """A run, planned or entered."""

    @property
    def fingerprint(self) -> str:
        """Hash of all that its result depends on."""


Run = TypeVar("Run", bound=HasFingerprint)


class Ledger:
    """The events of one sweep, in a file.

    Args:
        path: Of the file; its folder is made when the first event is appended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parsed: tuple[bytes, list[Event]] = b"", []

    def append(self, event: str, job: int, **what: Any) -> None:
        """Append one event with the time of now.

        Args:
            event: One of this module's words.
            job: Number of the run in the sweep, from 0.
            what: Whatever else is to be known; JSON-like.

        Raises:
            DataError: It cannot be written.
            TypeError: It is not JSON-like.
        """
        line = json.dumps({"event": event, "job": job, "time": time.time(), **what}, ensure_ascii=False)
        with translate_disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock")), self.path.open("ab+") as stream:
                if stream.seek(0, os.SEEK_END):
                    stream.seek(-1, os.SEEK_END)
                    line = line if stream.read(1) == b"\n" else f"\n{line}"  # after a line that was cut off
                stream.write(f"{line}\n".encode("utf-8", "backslashreplace"))  # what no text can hold is an escape
                stream.flush()
                os.fsync(stream.fileno())

    def read(self) -> list[Event]:
        """All events so far; lines that were cut off are passed over.

        Reading again parses only what is new, so that a view may ask often.

        Raises:
            OSError: It cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            content = b""
        before, events = self._parsed
        if not content.startswith(before):  # another file has taken its place
            before, events = b"", []
        end = content.rfind(b"\n") + 1
        events = events + parse(content[len(before) : end])
        self._parsed = content[:end], events  # in one step: several threads may read
        return events + parse(content[end:])

    def job(self, number: int) -> "Job":
        """One run as it stands.

        Raises:
            RunError: The sweep has no run of that number.
        """
        for job in self.jobs():
            if job.number == number:
                return job
        raise RunError(f"{self.path} has no run {number}; start the sweep again.")

    def jobs(self) -> list["Job"]:
        """The runs of the sweep as they stand, by number.

        Raises:
            OSError: The ledger cannot be read.
        """
        return standing(self.read())


def parse(lines: bytes) -> list[Event]:
    """The events of some lines; what is no event is passed over."""
    events = []
    for line in lines.split(b"\n"):
        with suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and isinstance(event.get("event"), str) and isinstance(event.get("job"), int):
                events.append(event)
    return events


@dataclass
class Job:
    """One run of a sweep, as its events tell.

    Attributes:
        number: In the sweep, from 0; it never changes.
        name: What it is, in words.
        fingerprint: Hash of all that its result depends on.
        overrides: Those that make its configuration.
        status: The last of queued, started, finished, failed and pruned. ``started`` is either under way or was cut
            off; who holds the sweep's lock knows which.
        attempts: How often it was started.
        failures: How often it failed.
        epoch: The last complete epoch, from 1, also where this attempt went on after it; 0 before.
        epochs: Most epochs it may take.
        iou: Mean IoU of the validation side after the last epoch of this attempt; NaN before the first.
        started: When this attempt began, in seconds since 1970.
        ended: When it ended; 0 while it has not.
        resumed: The epoch that this attempt went on after; 0 where it began anew.
        epochs_ended: When each epoch of this attempt did, in seconds since 1970.
        work: What it computes beside others, as `gym.sweeps.eta.estimate_work` has it; 0 where that is not known.
        message: Why it failed.
        scores: What it came to.
        run_id: Of its MLflow run.
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
    resumed: int = 0
    epochs_ended: list[float] = field(default_factory=list)
    work: float = 0.0
    message: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    run_id: str = ""

    def take(self, event: Event) -> None:
        """Take one further event of this run; words of a newer version change nothing."""
        kind, when = event["event"], event.get("time", 0.0)
        if kind == EPOCH:
            self.epoch, self.iou = event.get("epoch", self.epoch), event.get("iou", self.iou)
            if when:
                self.epochs_ended.append(when)
        elif kind == QUEUED:
            self.status, self.overrides = kind, list(event.get("overrides", self.overrides))
            self.name, self.fingerprint = event.get("name", self.name), event.get("fingerprint", self.fingerprint)
            self.work = event.get("work", self.work)
        elif kind == STARTED:
            self.status, self.attempts, self.started, self.ended = kind, self.attempts + 1, when, 0.0
            self.epoch, self.epochs, self.iou = event.get("epoch", 0), event.get("epochs", self.epochs), float("nan")
            self.scores, self.message, self.run_id = {}, "", event.get("run_id", self.run_id)
            self.resumed, self.epochs_ended = self.epoch, []
        elif kind in ENDS:
            self.status, self.ended, self.failures = kind, when, self.failures + (kind == FAILED)
            self.scores, self.message = dict(event.get("scores", {})), event.get("message", "")
            self.run_id = event.get("run_id", self.run_id)

    def took(self, now: float) -> float:
        """Seconds from the start of this attempt to its end, or to ``now``; never below 0, since clocks differ."""
        return max(0.0, (self.ended or now) - self.started) if self.started else 0.0

    def pace(self) -> float | None:
        """Seconds an epoch of this attempt, but for the first, which waits for a graph; None before the second."""
        if len(self.epochs_ended) < 2:
            return None
        return max(0.0, self.epochs_ended[-1] - self.epochs_ended[0]) / (len(self.epochs_ended) - 1)


def standing(events: Iterable[Event]) -> list[Job]:
    """Where the runs of a sweep stand after its events, by number."""
    jobs: dict[int, Job] = {}
    for event in events:
        jobs.setdefault(event["job"], Job(event["job"])).take(event)
    return [jobs[number] for number in sorted(jobs)]


def first_of_each(runs: Sequence[Run]) -> list[Run]:
    """Runs in their order without those whose fingerprint one before them has: they have one result."""
    first: dict[str, Run] = {}
    for run in runs:
        first.setdefault(run.fingerprint, run)
    return list(first.values())

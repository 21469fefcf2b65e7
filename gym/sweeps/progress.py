"""How far a sweep is and how long the rest may take, as its events tell."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gym.core.text import format_duration
from gym.sweeps.eta import seconds_left
from gym.sweeps.ledger import ENDED, FAILED, FINISHED, PRUNED, QUEUED, STARTED, Event, Job, replay_events

DONE, RUNNING, INTERRUPTED = "done", "running", "interrupted"


@dataclass(frozen=True)
class Session:
    """One driver's part of a sweep.

    Attributes:
        began: In seconds since 1970.
        earlier: How many events there were by then.
        attempts: How often each run had been started by then, by number.
        only: Numbers of the runs it makes; None for all.
        runs: How many it makes at least, where not all are queued yet.
    """

    began: float
    earlier: int
    attempts: dict[int, int]
    only: Collection[int] | None = None
    runs: int = 0

    def has_started(self, job: Job) -> bool:
        """Whether the last attempt of a run is of this session."""
        return job.attempts > self.attempts.get(job.number, 0)

    def state(self, job: Job) -> str:
        """How a run stands, in a word; what an earlier session left under way is interrupted until it is started."""
        if job.status == STARTED:
            return RUNNING if self.has_started(job) else INTERRUPTED
        return DONE if job.status == FINISHED else job.status


def begin_session(events: Sequence[Event], now: float, only: Collection[int] | None = None, runs: int = 0) -> Session:
    """The session that begins after some events."""
    return Session(now, len(events), {job.number: job.attempts for job in replay_events(events)}, only, runs)


class Progress:
    """How a sweep stands after some events.

    Attributes:
        now: In seconds since 1970.
        jobs: The runs of the session, by number.
        states: The state of each, by number.
        counts: Runs by state; those that are still to be queued count as queued.
        total: Runs in all.
    """

    def __init__(self, events: Sequence[Event], session: Session, now: float) -> None:
        self.now, self._session = now, session
        self.jobs = [job for job in replay_events(events) if session.only is None or job.number in session.only]
        self.states = {job.number: session.state(job) for job in self.jobs}
        self.total = max(len(self.jobs), session.runs)
        self.counts = Counter(self.states.values())
        self.counts[QUEUED] += self.total - len(self.jobs)
        self._at_once = most_at_once(events[session.earlier :])

    def of(self, *states: str) -> list[Job]:
        """The runs in any of some states, by number."""
        return [job for job in self.jobs if self.states[job.number] in states]

    @property
    def ended(self) -> int:
        """Runs that have ended, whatever came of them."""
        return self.counts[DONE] + self.counts[FAILED] + self.counts[PRUNED]

    def runs_per_hour(self) -> float:
        """Runs that this session brought to a good end, an hour; 0 before the first."""
        good = sum(self._session.has_started(job) for job in self.of(DONE, PRUNED))
        return 3600.0 * good / max(self.now - self._session.began, 1.0)

    def seconds_left(self) -> float | None:
        """About how long the rest will take, as many at once as there were at most in this session."""
        return seconds_left(
            finished=self.of(DONE),
            pruned=self.of(PRUNED),
            running=self.of(RUNNING),
            waiting=self.of(QUEUED, INTERRUPTED),
            unnamed=self.total - len(self.jobs),
            at_once=self._at_once,
            now=self.now,
        )

    def time_left(self) -> str:
        """`seconds_left` in words; empty where nothing tells, or nothing is left."""
        seconds = self.seconds_left()
        if seconds is None or self.ended == self.total:
            return ""
        minutes = round(seconds / 60)
        if minutes == 0:
            return "less than a minute left"
        return f"about {minutes} min left" if minutes < 60 else f"about {format_duration(60 * minutes)} left"


def most_at_once(events: Sequence[Event]) -> int:
    """The most runs that were under way at one time."""
    under_way: set[int] = set()
    most = 0
    for event in events:
        if event["event"] == STARTED:
            under_way.add(event["job"])
        elif event["event"] in ENDED:
            under_way.discard(event["job"])
        most = max(most, len(under_way))
    return most

"""Progress of a sweep: state of each run, throughput and time left, computed from the events in its ledger."""

from collections import Counter
from collections.abc import Collection, Sequence

from gym.core.text import format_duration
from gym.sweeps.eta import seconds_left
from gym.sweeps.ledger import ENDED, FAILED, FINISHED, PRUNED, QUEUED, STARTED, Event, Job, replay_events

DONE, RUNNING, INTERRUPTED = "done", "running", "interrupted"


class Session:
    """One call of a sweep's command, which starts or resumes it.

    Args:
        events: The events in the ledger at the start.
        started: Seconds since 1970.
        numbers: Numbers of the runs of this session; None for all.
        runs: Least number of runs, if not all are queued yet.

    Attributes:
        is_over: Whether the command has ended, so that no run is in progress.
    """

    def __init__(
        self, events: Sequence[Event], started: float, numbers: Collection[int] | None = None, runs: int = 0
    ) -> None:
        self.started, self.skip, self.numbers, self.runs = started, len(events), numbers, runs
        self.is_over = False
        self._attempts = {job.number: job.attempts for job in replay_events(events)}

    def has_started(self, job: Job) -> bool:
        """Whether the latest attempt of a run belongs to this session."""
        return job.attempts > self._attempts.get(job.number, 0)

    def state_of(self, job: Job) -> str:
        """Return the state of a run; one that its session left running is interrupted until it restarts."""
        if job.status == STARTED:
            return RUNNING if self.has_started(job) and not self.is_over else INTERRUPTED
        return DONE if job.status == FINISHED else job.status


class Progress:
    """State of a sweep after some events.

    Attributes:
        now: Seconds since 1970.
        jobs: The runs of the session, by number.
        states: State of each run, by run number.
        counts: Number of runs in each state; runs that are not queued yet count as queued.
        total: Number of runs.
    """

    def __init__(self, events: Sequence[Event], session: Session, now: float) -> None:
        self.now, self._session = now, session
        jobs = replay_events(events)
        self.jobs = [job for job in jobs if session.numbers is None or job.number in session.numbers]
        self.states = {job.number: session.state_of(job) for job in self.jobs}
        self.total = max(len(self.jobs), session.runs)
        self.counts = Counter(self.states.values())
        self.counts[QUEUED] += self.total - len(self.jobs)
        # Measured, because a cluster decides by itself how many jobs it runs at the same time.
        self._workers = peak_concurrency(events[session.skip :])

    def jobs_in(self, *states: str) -> list[Job]:
        """Return the runs in any of the given states, by number."""
        return [job for job in self.jobs if self.states[job.number] in states]

    @property
    def ended(self) -> int:
        """Number of runs that are finished, failed or pruned."""
        return self.counts[DONE] + self.counts[FAILED] + self.counts[PRUNED]

    def runs_per_hour(self) -> float:
        """Return the throughput of this session, without failed runs."""
        completed = sum(self._session.has_started(job) for job in self.jobs_in(DONE, PRUNED))
        return 3600.0 * completed / max(self.now - self._session.started, 1.0)

    def seconds_left(self) -> float | None:
        """Estimate the time left, for as many workers as ran at the same time in this session; None if unknown."""
        ended, running, waiting = self.jobs_in(DONE, PRUNED), self.jobs_in(RUNNING), self.jobs_in(QUEUED, INTERRUPTED)
        unknown = self.total - len(self.jobs)
        return seconds_left(ended, running, waiting, unknown, self._workers, self.now)

    def format_time_left(self) -> str:
        """Return the time left as text; empty if it is unknown or all runs have ended."""
        seconds = self.seconds_left()
        if seconds is None or self.ended == self.total:
            return ""
        minutes = round(seconds / 60)
        if minutes == 0:
            return "less than a minute left"
        return f"about {minutes} min left" if minutes < 60 else f"about {format_duration(60 * minutes)} left"


def peak_concurrency(events: Sequence[Event]) -> int:
    """Return the largest number of runs that were in progress at the same time."""
    running: set[int] = set()
    peak = 0
    for event in events:
        if event["event"] == STARTED:
            running.add(event["job"])
        elif event["event"] in ENDED:
            running.discard(event["job"])
        peak = max(peak, len(running))
    return peak

"""How long the rest of a sweep may take, by the pace of the runs under way and by what runs took for their work."""

from collections.abc import Sequence
from statistics import fmean

from gym.sweeps.ledger import Job
from gym.sweeps.work import seconds_by_work


def seconds_left(
    finished: Sequence[Job],
    pruned: Sequence[Job],
    running: Sequence[Job],
    waiting: Sequence[Job],
    unnamed: int,
    at_once: int,
    now: float,
) -> float | None:
    """About how long the rest will take; None where nothing tells.

    A run under way goes on at its pace, until as many epochs as those took that finished and took more than it has.
    One that waits takes what its work does by the others, less what an earlier attempt has made of it.

    Args:
        finished: Runs that did.
        pruned: Runs that a search gave up.
        running: Runs under way.
        waiting: Runs that are queued or interrupted; ``epoch`` is the last that was made of them.
        unnamed: How many runs are to come that are not known yet; each takes what those known do on average.
        at_once: How many are under way at a time.
        now: In seconds since 1970.
    """
    reached = [job.epoch / job.epochs for job in finished if job.epoch and job.epochs]
    last = {job.number: last_epoch(job, reached) for job in running}
    by_pace = {job.number: left for job in running if (left := left_by_pace(job, last[job.number], now)) is not None}
    told = [whole_run(job, job.epoch, job.took(now)) for job in (*finished, *pruned)]
    told += [
        whole_run(job, last[job.number], job.took(now) + by_pace[job.number])
        for job in running
        if job.number in by_pace
    ]
    known = [pair for pair in told if pair is not None]
    if not known:
        return None
    seconds = seconds_by_work(known)
    under_way = [
        by_pace.get(job.number, max(seconds(job.work) * part_left(job, job.resumed) - job.took(now), 0.0))
        for job in running
    ]
    rest = [seconds(job.work) * part_left(job, job.epoch) for job in waiting]
    to_come = unnamed * fmean(seconds(job.work) for job in (*finished, *pruned, *running, *waiting))
    return max([(sum(rest) + sum(under_way) + to_come) / max(at_once, 1), *under_way])


def last_epoch(job: Job, reached: Sequence[float]) -> float:
    """The epoch that a run under way may end after, by the parts of their epochs that others reached."""
    return job.epochs * fmean([part for part in reached if part * job.epochs > job.epoch] or [1.0])


def left_by_pace(job: Job, last: float, now: float) -> float | None:
    """Seconds until a run under way ends after its last epoch; None while its pace is not known.

    The time since the latest epoch counts as one epoch at most, since clocks of machines differ.
    """
    pace = job.pace()
    if pace is None:
        return None
    since = min(max(now - job.epochs_ended[-1], 0.0), pace)
    return max(pace * (last - job.epoch) - since, 0.0)


def whole_run(job: Job, last: float, seconds: float) -> tuple[float, float] | None:
    """Work of a run and its seconds from the first epoch to its last; None where this attempt made nothing of it.

    Args:
        job: A run whose attempt may have gone on after an epoch.
        last: Its last epoch; 0 where epochs are not known.
        seconds: What the attempt takes.
    """
    if not job.started or (job.resumed and last <= job.resumed):
        return None
    return job.work, seconds * (last / (last - job.resumed) if job.resumed else 1.0)


def part_left(job: Job, epoch: int) -> float:
    """Of a run's epochs the part after one."""
    return 1.0 - min(epoch / job.epochs, 1.0) if job.epochs else 1.0

"""How long the rest of a sweep may take, by the pace of the runs under way and by what runs took for their work.

How much a run computes beside others, told by its configuration: of two, the one that takes longer has more.

Workers begin with the longest runs, so that none is left to a single one at the end while the others idle. What some
took tells about how long the others will.
"""

from collections.abc import Callable, Sequence
from math import exp, log
from statistics import fmean

from gym.config.registries import ARCHITECTURES
from gym.config.schema import Config, frame_of
from gym.sweeps.ledger import Job

_POWER = 0.5  # of work in time: 36 times the work, 12 filters for 2, took a step 3 to 14 times as long where measured


def estimate_work(config: Config, samples: int) -> float:
    """Estimate the work of a run, in no unit.

    Multiply-adds grow with the square of the filters and of the kernel, and are the same on every level; the epochs
    are the most there can be.

    Args:
        config: Its configuration.
        samples: How many it trains on in an epoch.
    """
    rows, columns = frame_of(config.data.size)
    model = config.model
    network = ARCHITECTURES.get(model.name).work * (model.levels + 1) * (model.filters * model.kernel) ** 2
    return network * rows * columns * samples * config.training.epochs


def seconds_by_work(known: Sequence[tuple[float, float]]) -> Callable[[float], float]:
    """How long work takes, by what some took: as a power of it, fitted in logarithms by ridge regression.

    Small networks are slow for their work, so the power is that of `_POWER` until runs of different work tell better;
    the pace is such that those of known work take as long together as they took. A run whose work is not known, 0,
    takes the mean of all.

    Args:
        known: Work and seconds of some runs, one at least.

    Returns:
        What gives the seconds that some work takes.
    """
    mean = fmean(seconds for _, seconds in known)
    points = [(log(work), log(seconds)) for work, seconds in known if work and seconds]
    if not points:
        return lambda _: mean
    center, middle = (fmean(values) for values in zip(*points, strict=True))
    spread = sum((x - center) ** 2 for x, _ in points)
    power = (sum((x - center) * (y - middle) for x, y in points) + _POWER) / (spread + 1.0)
    power = min(max(power, 0.0), 1.0)
    pace = fmean(exp(y) for _, y in points) / fmean(exp(power * (x - center)) for x, _ in points)
    return lambda work: pace * exp(power * (log(work) - center)) if work else mean


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
    told = [whole_run(job, job.epoch, job.elapsed(now)) for job in (*finished, *pruned)]
    told += [
        whole_run(job, last[job.number], job.elapsed(now) + by_pace[job.number])
        for job in running
        if job.number in by_pace
    ]
    known = [pair for pair in told if pair is not None]
    if not known:
        return None
    seconds = seconds_by_work(known)
    under_way = [
        by_pace.get(job.number, max(seconds(job.work) * part_left(job, job.resumed_from) - job.elapsed(now), 0.0))
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
    pace = job.seconds_per_epoch
    if pace is None:
        return None
    since = min(max(now - job.epoch_times[-1], 0.0), pace)
    return max(pace * (last - job.epoch) - since, 0.0)


def whole_run(job: Job, last: float, seconds: float) -> tuple[float, float] | None:
    """Work of a run and its seconds from the first epoch to its last; None where this attempt made nothing of it.

    Args:
        job: A run whose attempt may have gone on after an epoch.
        last: Its last epoch; 0 where epochs are not known.
        seconds: What the attempt takes.
    """
    if not job.started or (job.resumed_from and last <= job.resumed_from):
        return None
    return job.work, seconds * (last / (last - job.resumed_from) if job.resumed_from else 1.0)


def part_left(job: Job, epoch: int) -> float:
    """Of a run's epochs the part after one."""
    return 1.0 - min(epoch / job.epochs, 1.0) if job.epochs else 1.0

"""Estimate the time left of a sweep.

A run in progress is extrapolated from its own pace. A waiting run is predicted from its work, a relative amount of
computation derived from its configuration, and from the time that other runs took for theirs. Work also decides which
runs start first when there are several workers.
"""

from collections.abc import Callable, Sequence
from math import exp, log
from statistics import fmean
from typing import Any

from gym.config.registries import ARCHITECTURES
from gym.config.schema import ModelConfig, parse_size
from gym.sweeps.ledger import FINISHED, Job

_POWER = 0.5  # prior exponent of time over work: 12 filters instead of 2 are 36 times the work, but took 3 to 14 times


def seconds_left(
    ended: Sequence[Job], running: Sequence[Job], waiting: Sequence[Job], unknown: int, workers: int, now: float
) -> float | None:
    """Estimate the time until all runs have ended, in seconds.

    A run in progress continues at its pace up to the mean final epoch of the finished runs that ran for longer.
    A waiting run takes as long as its work predicts, minus the epochs of an earlier attempt.

    Args:
        ended: Finished and pruned runs.
        running: Runs in progress.
        waiting: Queued and interrupted runs. ``epoch`` is the last one they completed.
        unknown: Number of runs that are not queued yet. Each is predicted to take the mean of the other runs.
        workers: Number of runs executed at a time.
        now: Seconds since 1970.

    Returns:
        The estimate, or None if no run provides one yet.
    """
    reached = [job.epoch / job.epochs for job in ended if job.status == FINISHED and job.epoch and job.epochs]
    measured = [scale_to_full_run(job, job.epoch, job.elapsed(now)) for job in ended]
    paced: dict[int, float] = {}
    for job in running:
        last = expected_last_epoch(job, reached)
        if (left := seconds_left_at_pace(job, last, now)) is not None:
            paced[job.number] = left
            measured.append(scale_to_full_run(job, last, job.elapsed(now) + left))
    known = [point for point in measured if point is not None]
    if not known:
        return None
    predict = fit_seconds(known)
    in_progress = [
        paced.get(job.number, max(predict(job.work) * fraction_left(job, job.resumed_from) - job.elapsed(now), 0.0))
        for job in running
    ]
    queued = [predict(job.work) * fraction_left(job, job.epoch) for job in waiting]
    unqueued = unknown * fmean(predict(job.work) for job in (*ended, *running, *waiting))
    return max([(sum(queued) + sum(in_progress) + unqueued) / max(workers, 1), *in_progress])


def estimate_work(model: ModelConfig, size: Any, samples: int, epochs: int) -> float:
    """Estimate the amount of computation of a run, in arbitrary units.

    Multiply-adds grow with the square of filters and kernel size, and are the same on every level.

    Args:
        model: Architecture and its size.
        size: Image size, ``data.size``.
        samples: Training samples per epoch.
        epochs: Maximum number of epochs.
    """
    rows, columns = parse_size(size)
    network = ARCHITECTURES.get(model.name).work * (model.levels + 1) * (model.filters * model.kernel) ** 2
    return network * rows * columns * samples * epochs


def fit_seconds(known: Sequence[tuple[float, float]]) -> Callable[[float], float]:
    """Fit the duration of a run as a power of its work, by ridge regression on logarithms.

    Small networks are slow relative to their work, so the exponent starts at `_POWER` and moves away from it as runs of
    different work provide evidence. The fit preserves the total duration of the runs of known work.

    Args:
        known: Work and seconds of each measured run; at least one. Work 0 means unknown.

    Returns:
        A function from work to seconds. For unknown work, it returns the mean duration.
    """
    mean = fmean(seconds for _, seconds in known)
    points = [(log(work), log(seconds)) for work, seconds in known if work and seconds]
    if not points:
        return lambda _: mean
    center, middle = (fmean(values) for values in zip(*points, strict=True))
    spread = sum((x - center) ** 2 for x, _ in points)
    # The penalty of 1.0 pulls the exponent towards the prior as strongly as one run at a distance of 1 in log work.
    power = (sum((x - center) * (y - middle) for x, y in points) + _POWER) / (spread + 1.0)
    power = min(max(power, 0.0), 1.0)
    pace = fmean(exp(y) for _, y in points) / fmean(exp(power * (x - center)) for x, _ in points)
    return lambda work: pace * exp(power * (log(work) - center)) if work else mean


def expected_last_epoch(job: Job, reached: Sequence[float]) -> float:
    """Estimate the epoch at which a run in progress will stop.

    Args:
        job: The run.
        reached: Final epoch of each finished run as a fraction of its maximum.
    """
    return job.epochs * fmean([fraction for fraction in reached if fraction * job.epochs > job.epoch] or [1.0])


def seconds_left_at_pace(job: Job, last: float, now: float) -> float | None:
    """Return the seconds until a run in progress completes epoch ``last``; None while its pace is unknown.

    The time since its latest epoch counts as one epoch at most, because the clocks of machines may differ.
    """
    pace = job.seconds_per_epoch
    if pace is None:
        return None
    since = min(max(now - job.epoch_times[-1], 0.0), pace)
    return max(pace * (last - job.epoch) - since, 0.0)


def scale_to_full_run(job: Job, last: float, seconds: float) -> tuple[float, float] | None:
    """Return the work of a run and the seconds it would take from its first epoch.

    Args:
        job: A run whose current attempt may have resumed from a checkpoint.
        last: Its last epoch; 0 if unknown.
        seconds: Duration of the attempt.

    Returns:
        Work and seconds, or None if the attempt trained no epoch.
    """
    if not job.started or (job.resumed_from and last <= job.resumed_from):
        return None
    return job.work, seconds * (last / (last - job.resumed_from) if job.resumed_from else 1.0)


def fraction_left(job: Job, epoch: int) -> float:
    """Return the fraction of a run's epochs that comes after ``epoch``, between 0 and 1."""
    return 1.0 - min(epoch / job.epochs, 1.0) if job.epochs else 1.0

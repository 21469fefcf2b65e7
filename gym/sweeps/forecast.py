"""What a sweep would take, without training it: ``sweep.plan=true``."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import NamedTuple

import numpy as np
from rich.progress import track
from rich.table import Column, Table

from gym.config.schema import Config
from gym.core.text import format_duration, format_size, plain_console, pluralize, print_table
from gym.data.dataset import Dataset
from gym.data.split import Split
from gym.runs.result import find_result
from gym.sweeps.eta import fraction_left
from gym.sweeps.ledger import Job, drop_duplicates
from gym.sweeps.plan import DatasetCache, Overrides, PlannedRun, plan_each
from gym.sweeps.precision import is_auto, known_precision, set_precision
from gym.sweeps.sweep_folder import SweepFolder
from gym.training.forecast import Forecast, forecast_training
from gym.training.model_setup import set_up_training
from gym.training.runtime import prepare_tensorflow

_MEASURED = 3  # runs whose steps are timed: the smallest, the largest, and one between


class PlannedTraining(NamedTuple):
    """A run that is still to be trained, with its configuration and data."""

    run: PlannedRun
    config: Config
    dataset: Dataset
    split: Split


def show_plan(
    folder: SweepFolder,
    configs: Sequence[Config],
    combinations: Sequence[Overrides],
    cache: DatasetCache,
    workers: int,
    threads: int,
    trials: int | None = None,
) -> None:
    """Print what the runs that have not finished would take; nothing is trained, and nothing recorded in the sweep.

    Args:
        folder: The folder of the sweep, which need not exist.
        configs: The configuration of each run.
        combinations: The overrides that each was composed from.
        cache: Opens the datasets; one that is missing is built.
        workers: Number of runs trained at a time.
        threads: CPU threads of a run; 0 means all.
        trials: Number of trials left of a search, whose extremes the runs are; None for a sweep.
    """
    precision = known_precision(folder, threads) if is_auto(configs) else ""
    if precision:
        plain_console().print(f"training.precision=auto: {precision}")
    pairs = [set_precision(*pair, precision) for pair in zip(configs, combinations, strict=True)]
    resolved = [config for config, _ in pairs]
    planned = plan_each(resolved, [overrides for _, overrides in pairs], cache)
    of_run = {run.fingerprint: config for config, run in zip(resolved, planned, strict=True)}
    runs = drop_duplicates(planned)
    jobs = {job.fingerprint: job for job in folder.ledger.jobs()}
    waiting = runs if trials else [run for run in runs if _is_left(folder, jobs.get(run.fingerprint), run, resolved[0])]
    trainings = [_open(run, of_run[run.fingerprint], cache) for run in waiting] if trials != 0 else []
    left = {name: fraction_left(job, job.epoch) for name, job in jobs.items()} if trials is None else {}
    print_plan(trainings, forecast_sweep(trainings, threads), len(runs) - len(waiting), workers, trials, left)


def _is_left(folder: SweepFolder, job: Job | None, run: PlannedRun, config: Config) -> bool:
    """Whether the command would train a run: it has no result, and has not failed too often."""
    has_failed = job is not None and job.failures >= config.sweep.attempts
    return not has_failed and find_result(folder.run_folder(run.fingerprint)) is None


def _open(run: PlannedRun, config: Config, cache: DatasetCache) -> PlannedTraining:
    return PlannedTraining(run, config, *cache.open(config.data, config.split, config.augment, config.outputs))


def forecast_sweep(trainings: Sequence[PlannedTraining], threads: int) -> dict[str, Forecast]:
    """Time steps of the smallest and the largest run and of one between, and return their forecasts by fingerprint.

    Args:
        trainings: The runs.
        threads: CPU threads of a run; 0 means all.
    """
    by_work = sorted(trainings, key=lambda training: training.run.work)
    chosen = (
        {round(place * (len(by_work) - 1) / max(1, _MEASURED - 1)) for place in range(_MEASURED)} if by_work else []
    )
    shown = track([by_work[at] for at in sorted(chosen)], "timing steps", console=plain_console(), transient=True)
    return {training.run.fingerprint: _forecast_run(training, threads) for training in shown}


def _forecast_run(training: PlannedTraining, threads: int) -> Forecast:
    config = training.config
    prepare_tensorflow(replace(config.training, threads=threads))
    model, batches = set_up_training(config, training.dataset, training.split)
    return forecast_training(model, batches, config.training.epochs)


def interpolate_seconds(known: Sequence[tuple[float, float]]) -> Callable[[float], float]:
    """Interpolate the seconds of a run between timed ones, on logarithms; runs of equal work take equally long.

    Args:
        known: Work and seconds of each timed run, the smallest and the largest run included.

    Returns:
        A function from work to seconds.
    """
    seconds_of: dict[float, list[float]] = {}
    for work, seconds in known:
        seconds_of.setdefault(math.log(max(work, 1.0)), []).append(math.log(max(seconds, 1e-3)))
    works = sorted(seconds_of)
    logarithms = [fmean(seconds_of[work]) for work in works]
    return lambda work: math.exp(np.interp(math.log(max(work, 1.0)), works, logarithms))


def print_plan(
    trainings: Sequence[PlannedTraining],
    forecasts: dict[str, Forecast],
    done: int,
    workers: int,
    trials: int | None = None,
    left: Mapping[str, float] | None = None,
) -> None:
    """Print one row per run and the total.

    A run's time covers its maximum number of epochs. That of a run whose steps were not timed is interpolated, and
    marked with ~; all are taken to need at most the memory and disk space of the largest timed run.

    Args:
        trainings: The runs that are still to be trained.
        forecasts: The timed ones, by fingerprint.
        done: Number of runs that have finished already.
        workers: Number of runs trained at a time.
        trials: As for `show_plan`.
        left: The fraction of its epochs that a run has left, by fingerprint; 1 if missing.
    """
    console = plain_console()
    if not trainings:
        console.print(f"the command would train nothing: all of its runs ({done}) have finished or failed too often")
        return
    workers = min(workers, trials or len(trainings))
    work = {training.run.fingerprint: training.run.work for training in trainings}
    predict = interpolate_seconds([(work[name], timed.start + timed.seconds) for name, timed in forecasts.items()])
    table = Table("run", *(Column(title, justify="right") for title in ("time", "memory", "disk")))
    seconds = []
    for training in trainings:
        forecast = forecasts.get(training.run.fingerprint)
        whole = forecast.start + forecast.seconds if forecast else predict(training.run.work)
        seconds.append(whole * (left or {}).get(training.run.fingerprint, 1.0))
        sizes = [format_size(forecast.memory), format_size(forecast.disk)] if forecast else ["", ""]
        table.add_row(training.run.name, ("" if forecast else "~ ") + format_duration(seconds[-1]), *sizes)
    print_table(table)
    if trials is None:
        amount, few, most = f"{pluralize(len(trainings), 'run')} to train, {done} finished", sum(seconds), sum(seconds)
    else:
        amount, few, most = f"{pluralize(trials, 'trial')} to train", trials * min(seconds), trials * max(seconds)
    least, longest = (max(total / workers, max(seconds)) for total in (few, most))
    time = format_duration(longest) if trials is None else f"{format_duration(least)} to {format_duration(longest)}"
    largest = max(forecasts.values(), key=lambda forecast: forecast.memory)
    at_once = f" with {workers} at a time" if workers > 1 else ""
    disk = (len(trainings) if trials is None else trials) * largest.disk
    console.print(
        f"{amount}: about {time}{at_once} on a machine like this one, up to {format_size(workers * largest.memory)} of "
        f"memory and {format_size(disk)} on disk"
    )
    if len(forecasts) < len(trainings):
        console.print("~ is interpolated between runs whose steps were timed")

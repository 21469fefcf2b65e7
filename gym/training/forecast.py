"""Forecast what a training takes, from steps of its own that are timed before it begins and then undone."""

import logging
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import keras

from gym.core.text import format_duration, format_size, pluralize
from gym.models.architectures import count_parameters
from gym.training.loop import BatchStreams

_TIMED_SECONDS, _TIMED_STEPS = 0.5, 10  # timing stops at the first of both
# Of four bytes per parameter: best.npz and the one that replaces it, and twice last.npz with two moments of Adam.
_COPIES_ON_DISK = 2 * 1 + 2 * 3
_OTHER_FILES = 3_000_000  # bytes of pictures, model card and database rows of a run

log = logging.getLogger(__name__)


class Forecast(NamedTuple):
    """What a training takes.

    Attributes:
        epochs: Maximum number of epochs.
        steps: Training steps of an epoch.
        step: Seconds of a training step.
        start: Seconds of the first steps of training and validation, which build the graphs.
        seconds: Seconds of all epochs with their validation; early stopping may end sooner.
        memory: Peak memory of this process so far, steps of training and validation included, in bytes.
        disk: Most bytes that checkpoints, model and pictures occupy.
    """

    epochs: int
    steps: int
    step: float
    start: float
    seconds: float
    memory: int
    disk: int

    def __str__(self) -> str:
        pace = (
            f"{pluralize(self.epochs, 'epoch')} of {pluralize(self.steps, 'step')} at {self.step:.2g} s, and validation"
        )
        return (
            f"about {format_duration(self.seconds)} for all epochs ({pace}), {format_size(self.memory)} of memory, "
            f"{format_size(self.disk)} on disk"
        )


def forecast_training(model: keras.Model, batches: BatchStreams, epochs: int) -> Forecast:
    """Time some steps of training and validation, and leave the model as it was.

    The traced graphs stay, so that the training itself starts sooner.

    Args:
        model: A model from `gym.training.loop.compile_model`.
        batches: Its batches.
        epochs: Maximum number of epochs.
    """
    with unchanged(model):
        model.make_train_function()
        model.make_test_function()
        started = time.perf_counter()
        trained, validated = iter(batches.training(0)), iter(batches.validation.repeat())
        model.train_function(trained)
        model.test_function(validated)
        start = time.perf_counter() - started
        step, validation = time_steps(model.train_function, trained), time_steps(model.test_function, validated)
    validations = int(batches.validation.cardinality())
    disk = 4 * count_parameters(model).total * _COPIES_ON_DISK + _OTHER_FILES
    seconds = epochs * (batches.per_epoch * step + validations * validation)
    return Forecast(epochs, batches.per_epoch, step, start, seconds, peak_memory(), disk)


@contextmanager
def unchanged(model: keras.Model) -> Iterator[None]:
    """Restore weights, optimizer and metrics after the block, to the last bit."""
    metrics = [variable for metric in (*model.metrics, *model.validation_metrics) for variable in metric.variables]
    variables = [*model.variables, *model.optimizer.variables, *metrics]
    before = [variable.numpy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def time_steps(run: Callable[[Any], Any], iterator: Any) -> float:
    """Return the median of the seconds of some steps.

    Args:
        run: Runs a step on the next batch of an iterator.
        iterator: Batches without end.
    """
    times: list[float] = []
    while len(times) < _TIMED_STEPS and sum(times) < _TIMED_SECONDS:
        started = time.perf_counter()
        logs = run(iterator)
        [float(value) for value in logs.values()]  # waits for the result
        times.append(time.perf_counter() - started)
    return median(times)


def peak_memory() -> int:
    """Return the largest amount of memory that this process has occupied, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def warn_if_disk_is_small(folder: Path, needed: int) -> None:
    """Log a warning if less than the needed number of bytes is free where a folder is or will be."""
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if (free := shutil.disk_usage(place).free) < needed:
        log.warning(
            "the run needs up to %s, but only %s are free in %s; free some, or set outputs=FOLDER on another disk",
            format_size(needed),
            format_size(free),
            place,
        )

"""Do the same to many scenes, on all cores where that pays, and show how far it is."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gym.core.errors import ConfigError, DataError

_PROBED = 4  # items that are timed before processes are started
_WORTH_PROCESSES = 8.0  # seconds of work; a process takes two or three to start

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def available_cores() -> int:
    """Count the cores this process may use: by its affinity, its container's quota, and ``LOKY_MAX_CPU_COUNT``.

    Raises:
        ConfigError: That variable is no number.
    """
    from joblib.externals import loky

    try:
        return int(loky.cpu_count())
    except ValueError:
        given = os.environ.get("LOKY_MAX_CPU_COUNT")
        raise ConfigError(f"LOKY_MAX_CPU_COUNT={given} must be a whole number of cores; unset it, or try 2.") from None


def each_in_order(
    work: Callable[[Item], Outcome], items: Sequence[Item], workers: int, title: str, key: str
) -> Iterator[Outcome]:
    """Yield ``work(item)`` for every item, in order, with a progress bar that knows the time left.

    Args:
        work: A function, or an object with ``__call__``, that can be pickled if there is more than one worker.
        items: What to work on.
        workers: Processes; 1 works in this one, 0 in one a core if the first items show that there is enough to do.
        title: What is done, for the bar.
        key: Of the configuration, where ``workers`` comes from; for the error.

    Raises:
        DataError: A process was ended from outside.
    """
    columns: tuple[Any, ...] = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, transient=True, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=len(items))
        for outcome in _work(work, items, workers, key):
            bar.advance(task)
            yield outcome


def _work(work: Callable[[Item], Outcome], items: Sequence[Item], workers: int, key: str) -> Iterator[Outcome]:
    probed = 0 if workers else min(_PROBED, len(items))
    started = time.monotonic()
    yield from map(work, items[:probed])
    seconds_left = (time.monotonic() - started) / max(1, probed) * (len(items) - probed)
    chosen = workers or (available_cores() if seconds_left > _WORTH_PROCESSES else 1)
    rest = items[probed:]
    yield from map(work, rest) if chosen == 1 else _in_processes(work, rest, chosen, key)


def _in_processes(work: Callable[[Item], Outcome], items: Sequence[Item], workers: int, key: str) -> Iterator[Outcome]:
    # Not forked: a fork of a process that runs TensorFlow's threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_keep, initargs=(work,)) as processes:
        try:
            yield from processes.map(_do, items, chunksize=4)
        except BrokenProcessPool as error:
            raise DataError(
                f"a worker process was ended from outside, most likely for want of memory; set {key}=1."
            ) from error


_kept: list[Callable[[Any], Any]] = []


def _keep(work: Callable[[Any], Any]) -> None:
    _kept[:] = [work]
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Else a worker whose parent was killed would wait for work for ever."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _do(item: Any) -> Any:
    return _kept[0](item)

"""Map a function over many items, in parallel when that pays, with a progress bar."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gym.core.errors import ConfigError, DataError

_TIMED_ITEMS = 4  # items timed in this process before others are started
_WORTH_PROCESSES = 8.0  # seconds of work; a process takes two or three to start

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """Count the cores that this process may use.

    CPU affinity, container quotas and ``LOKY_MAX_CPU_COUNT`` lower the number.

    Raises:
        ConfigError: ``LOKY_MAX_CPU_COUNT`` is not a whole number.
    """
    from joblib.externals import loky

    try:
        return int(loky.cpu_count())
    except ValueError:
        value = os.environ.get("LOKY_MAX_CPU_COUNT")
        raise ConfigError(f"LOKY_MAX_CPU_COUNT={value} must be a whole number of cores; unset it, or try 2.") from None


def map_in_order(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, title: str, key: str
) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, in order, behind a progress bar with the time left.

    Args:
        function: Function to apply. With more than one worker it must be picklable.
        items: Items to process.
        workers: Number of processes. 1 uses this process; 0 uses one per core if the first items suggest enough work.
        title: Label of the progress bar.
        key: Configuration key that sets ``workers``, for the error message.

    Raises:
        DataError: A worker process died.
    """
    columns: tuple[Any, ...] = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, transient=True, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=len(items))
        for result in _map(function, items, workers, key):
            progress.advance(task)
            yield result


def _map(function: Callable[[Item], Result], items: Sequence[Item], workers: int, key: str) -> Iterator[Result]:
    timed = 0 if workers else min(_TIMED_ITEMS, len(items))
    started = time.monotonic()
    yield from map(function, items[:timed])
    seconds_left = (time.monotonic() - started) / max(1, timed) * (len(items) - timed)
    chosen = workers or (available_cores() if seconds_left > _WORTH_PROCESSES else 1)
    rest = items[timed:]
    yield from map(function, rest) if chosen == 1 else _map_in_processes(function, rest, chosen, key)


def _map_in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, key: str
) -> Iterator[Result]:
    # A fork of a process that runs TensorFlow's threads can deadlock.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(function,)) as pool:
        try:
            yield from pool.map(_call, items, chunksize=4)
        except BrokenProcessPool as error:
            time.sleep(0.2)  # a signal may have ended the workers first, as a cluster sends it to all processes
            raise DataError(
                f"a worker process died, probably because memory ran out; set {key}=1 to use a single process."
            ) from error


# Each worker receives the function once, as it starts, instead of pickled with every item.
_function: list[Callable[[Any], Any]] = []


def _start_worker(function: Callable[[Any], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends the others
    _function[:] = [function]
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    # A worker whose parent was killed would wait for items forever.
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _call(item: Any) -> Any:
    return _function[0](item)

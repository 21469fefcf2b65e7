"""Graceful termination on SIGTERM, SIGHUP and Ctrl-C.

A signal handler raises an exception, so that open files and runs are closed. That exception can be lost: Python
discards it inside a finalizer or a C callback
(https://docs.python.org/3/library/signal.html#note-on-signal-handlers-and-exceptions), and a library that handles an
error of its own may raise that one instead. So the handler also records it; long-running loops call
`raise_pending_signal`, and `signals_first` puts it in the place of any error that came after it.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from gym.core.errors import Terminated

_TERMINATING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

_LONGEST_EXIT = 5.0  # seconds
STOPPED = "stopped; repeat the command to continue"

_pending: list[type[BaseException]] = []
_held: list[bool] = []  # one entry for each block of `hold_signals` that is running


def exit_on_signals() -> None:
    """Let a signal end the process in one line, until `handle_signals`: nothing has begun that must be closed."""
    for number in _TERMINATING:
        signal.signal(number, _exit)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # shells ignore SIGINT in background jobs
        signal.signal(signal.SIGINT, _exit)


def _exit(number: int, frame: Any) -> NoReturn:
    os.write(2, f"{STOPPED}\n".encode())
    os._exit(128 + (signal.SIGINT if number == signal.SIGINT else signal.SIGTERM))


def handle_signals() -> None:
    """Install handlers for SIGTERM (sent by SLURM), SIGHUP (a closed terminal) and SIGINT (Ctrl-C)."""
    _pending.clear()
    for number in _TERMINATING:
        signal.signal(number, _terminate)
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, _exit):
        signal.signal(signal.SIGINT, _interrupt)
    sys.unraisablehook = _skip_stops
    threading.excepthook = _skip_after_stop


def force_exit(code: int, seconds: float = _LONGEST_EXIT) -> None:
    """End child processes, which a second Ctrl-C may have left alive, and this process after some seconds at most."""
    children = multiprocessing.active_children()
    for process in children:
        process.terminate()
    if not children:
        return
    signal.signal(signal.SIGALRM, lambda number, frame: os._exit(code))
    signal.setitimer(signal.ITIMER_REAL, seconds)  # no thread: one more would have to end, too


def raise_pending_signal() -> None:
    """Raise the exception of a signal received earlier, in case it was lost."""
    if _pending:
        raise _pending[0]


@contextmanager
def signals_first() -> Iterator[None]:
    """Raise the exception of a signal instead of an error that came after it, within the block."""
    try:
        yield
    except Exception as error:
        if _pending:
            raise _pending[0] from error
        raise


@contextmanager
def hold_signals() -> Iterator[None]:
    """Let a block end before a signal takes effect, such as one that opens what must be closed again.

    A second Ctrl-C takes effect at once, in case the block waits for a server; a second SIGTERM is ignored, because
    SLURM sends two.
    """
    _held.append(True)
    is_pending = bool(_pending)
    try:
        yield
    finally:
        _held.pop()
    if not _held and not is_pending:
        raise_pending_signal()


def _terminate(number: int, frame: Any) -> None:
    # A further signal would interrupt the cleanup.
    for other in (*_TERMINATING, signal.SIGINT):
        signal.signal(other, signal.SIG_IGN)
    _stop(Terminated)


def _interrupt(number: int, frame: Any) -> None:
    _stop(KeyboardInterrupt)


def _stop(exception: type[BaseException]) -> None:
    is_first = not _pending
    _pending.append(exception)
    if not (_held and is_first):
        raise exception


def _skip_stops(lost: Any) -> None:
    """Print an exception that Python discards, unless it is that of a signal, which is raised again later."""
    if not (_pending and issubclass(lost.exc_type, (KeyboardInterrupt, Terminated))):
        sys.__unraisablehook__(lost)


def _skip_after_stop(lost: Any) -> None:
    """Print an exception that ends a thread, unless a signal has ended what the thread was working for."""
    if not _pending:
        threading.__excepthook__(lost)

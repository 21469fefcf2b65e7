"""Graceful termination on SIGTERM, SIGHUP and Ctrl-C.

A signal handler raises an exception, so that open files and runs are closed. Python discards an exception raised inside
a finalizer or a C callback (https://docs.python.org/3/library/signal.html#note-on-signal-handlers-and-exceptions), so
the handler also records it, and long-running loops call `raise_pending_signal`.
"""

import signal
from typing import Any, NoReturn

from gym.core.errors import Terminated

_TERMINATING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

_pending: list[type[BaseException]] = []


def handle_signals() -> None:
    """Install handlers for SIGTERM (sent by SLURM), SIGHUP (a closed terminal) and SIGINT (Ctrl-C)."""
    for number in _TERMINATING:
        signal.signal(number, _terminate)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # shells ignore SIGINT in background jobs
        signal.signal(signal.SIGINT, _interrupt)


def raise_pending_signal() -> None:
    """Raise the exception of a signal received earlier, in case Python discarded it."""
    if _pending:
        raise _pending[0]


def _terminate(number: int, frame: Any) -> NoReturn:
    # A further signal would interrupt the cleanup.
    for other in (*_TERMINATING, signal.SIGINT):
        signal.signal(other, signal.SIG_IGN)
    _pending.append(Terminated)
    raise Terminated


def _interrupt(number: int, frame: Any) -> NoReturn:
    _pending.append(KeyboardInterrupt)
    raise KeyboardInterrupt

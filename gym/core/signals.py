"""Signals that ask a process to stop, and are not lost.

A handler stops what is under way by an exception, so that whatever is open is closed. Python drops that exception where
it happens to be deleting an object or to be called back by a C library. So what was asked is kept, and long work asks.
"""

import signal
from typing import Any, NoReturn

from gym.core.errors import Terminated

STOPPING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

_asked: list[type[BaseException]] = []


def heed_signals() -> None:
    """Stop this process in good order on SIGTERM (SLURM cancels with it), SIGHUP (of a terminal) and Ctrl-C."""
    for number in STOPPING:
        signal.signal(number, _terminate)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell may have it ignored
        signal.signal(signal.SIGINT, _interrupt)


def stop_if_asked() -> None:
    """Raise once more what a signal raised; to be called again and again by long work."""
    if _asked:
        raise _asked[0]


def _terminate(number: int, frame: Any) -> NoReturn:
    """Further signals are ignored: they would break the closing off."""
    for other in (*STOPPING, signal.SIGINT):
        signal.signal(other, signal.SIG_IGN)
    _asked.append(Terminated)
    raise Terminated


def _interrupt(number: int, frame: Any) -> NoReturn:
    _asked.append(KeyboardInterrupt)
    raise KeyboardInterrupt

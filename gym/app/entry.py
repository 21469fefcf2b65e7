"""How a command starts: a signal ends it in one line, also while the modules that it needs are imported.

This module imports nothing large, so that only a few milliseconds come before.
"""

import functools
from collections.abc import Callable

from gym.core.signals import exit_on_signals


def command(name: str) -> Callable[[], None]:
    """Return the main function of a command. It reads ``sys.argv``."""
    return functools.partial(_run, name)


def _run(name: str) -> None:
    exit_on_signals()
    from gym.app.command_line import command

    command(name)()


def dispatch() -> None:
    """Run the command named by the first argument, list the commands, or print the version."""
    exit_on_signals()
    from gym.app.command_line import dispatch

    dispatch()

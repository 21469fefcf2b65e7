"""Commands run by tests: in this process, or as a process whose CPU time is measured."""

import logging
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable

from gym.app.command_line import dispatch
from tests.conftest import ROOT

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def run_here(monkeypatch, capsys, *arguments: str, main: Callable[[], None] = dispatch) -> tuple[int, str, str]:
    """Run ``segsweep ARGUMENTS`` in this process; return its exit code, standard output and standard error."""
    monkeypatch.setattr(sys, "argv", ["segsweep", *arguments])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    root = logging.getLogger()
    level, log_handlers = root.level, root.handlers[:]
    # Configuring the log closes all handlers, and absl's handler then closes the stream that pytest captures.
    monkeypatch.setattr(logging, "shutdown", lambda _: None)
    code = 0
    try:
        main()
    except SystemExit as stop:
        code = stop.code
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        root.level, root.handlers[:] = level, log_handlers
    streams = capsys.readouterr()
    return code, streams.out, streams.err


def run_process(*arguments: str, module: str = "gym.train", **environment) -> tuple[subprocess.CompletedProcess, float]:
    """Run ``python -m MODULE ARGUMENTS``; return the finished process and its CPU time in seconds.

    Wall time would depend on the tests that run at the same time.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

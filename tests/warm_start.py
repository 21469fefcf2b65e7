"""Start a verb in a fork of a process that has imported all it needs, so that the seconds of importing are paid once.

TensorFlow computes nothing while it is imported, so the fork is what a fresh process is when it has come as far.
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import threading
from contextlib import suppress
from typing import NoReturn

import pytest

from tests.blank import draw_nothing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.warm"])


class WarmProcess:
    """``python -m MODULE ARGUMENTS`` in a process group of its own; with what tests use of `subprocess.Popen`.

    Its pictures are blank unless it ``draws``; those of its workers, which are processes of their own, are not.
    """

    def __init__(self, module: str, *arguments: str, draws: bool = False) -> None:
        reader, writer = FORKS.Pipe(duplex=False)
        self._process = FORKS.Process(target=_become, args=(writer, dict(os.environ), module, arguments, draws))
        self._process.start()
        writer.close()
        self.pid = self._process.pid
        self.stdout = os.fdopen(os.dup(reader.fileno()), encoding="utf-8")
        reader.close()
        self._said: list[str] = []
        self._listener = threading.Thread(target=lambda: self._said.extend(self.stdout), daemon=True)

    @property
    def returncode(self) -> int | None:
        """Of an ended process, negative for a signal."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """To the process alone, if it has not ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Wait until no process holds the other end of the output, and this one has ended; gives what was said."""
        if self._listener.ident is None:
            self._listener.start()
        self._listener.join(timeout)
        if self._listener.is_alive():
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        self._process.join()
        self.stdout.close()
        return "".join(self._said), None


def _become(writer, environment, module, arguments, draws) -> NoReturn:
    """Turn the fork into the process that was asked for."""
    os.setsid()
    os.dup2(writer.fileno(), 1)
    os.dup2(writer.fileno(), 2)
    writer.close()
    os.environ.clear()
    os.environ.update(environment)
    sys.stdout.reconfigure(line_buffering=True)
    multiprocessing.process._parent_process = None  # to the program, this is no worker
    sys.argv = [module, *arguments]
    if not draws:
        draw_nothing(pytest.MonkeyPatch())
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:  # as the interpreter ends: joblib ends its workers so, which would be waited for otherwise
        threading._shutdown()
        atexit._run_exitfuncs()

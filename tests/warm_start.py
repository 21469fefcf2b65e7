"""Start commands in forks of a process that has already imported all it needs, which saves seconds per command.

TensorFlow computes nothing while it is imported, so a fork equals a new process after its imports.
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

from tests.blank import save_blank_pictures

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.warm"])


class WarmProcess:
    """``python -m MODULE ARGUMENTS`` in a new process group, with the part of `subprocess.Popen` that tests use.

    Its pictures are blank unless ``draws`` is set. Its workers are new processes, so they always draw.
    """

    def __init__(self, module: str, *arguments: str, draws: bool = False) -> None:
        reader, writer = FORKS.Pipe(duplex=False)
        self._process = FORKS.Process(target=_become, args=(writer, dict(os.environ), module, arguments, draws))
        self._process.start()
        writer.close()
        self.pid = self._process.pid
        self.stdout = os.fdopen(os.dup(reader.fileno()), encoding="utf-8")
        reader.close()
        self._output: list[str] = []
        self._listener = threading.Thread(target=lambda: self._output.extend(self.stdout), daemon=True)

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while the process runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return `returncode`."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process alone, unless it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Wait until the process has ended and no other process holds its output; return the output."""
        if self._listener.ident is None:
            self._listener.start()
        self._listener.join(timeout)
        if self._listener.is_alive():
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        self._process.join()
        self.stdout.close()
        return "".join(self._output), None


def _become(writer, environment, module, arguments, draws) -> NoReturn:
    """Run a module in this fork, as ``python -m`` would in a new process."""
    os.setsid()
    os.dup2(writer.fileno(), 1)
    os.dup2(writer.fileno(), 2)
    writer.close()
    os.environ.clear()
    os.environ.update(environment)
    sys.stdout.reconfigure(line_buffering=True)
    multiprocessing.process._parent_process = None  # otherwise, the program would behave as a worker
    sys.argv = [module, *arguments]
    if not draws:
        save_blank_pictures(pytest.MonkeyPatch())
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:  # as the interpreter does at exit, where joblib ends its workers
        threading._shutdown()
        atexit._run_exitfuncs()

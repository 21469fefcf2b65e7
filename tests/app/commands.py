"""Helpers that run commands in this process, or in a new one whose CPU time is measured."""

import ast
import builtins
import contextlib
import functools
import importlib
import io
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.singleton import Singleton

from gym.app.command_line import dispatch

ROOT = Path(__file__).parent.parent.parent
_HEAVY = {"keras", "matplotlib", "mlflow", "numpy", "rasterio", "rich", "tensorflow"}


class Done(NamedTuple):
    """Exit code, standard output and standard error of a command."""

    code: int
    out: str
    err: str


def run_here(*arguments: str, main: Callable[[], None] = dispatch) -> Done:
    """Run ``segsweep ARGUMENTS`` in this process; an unhandled exception prints its traceback and sets exit code 1."""
    return _run(arguments, main)[0]


def run_lightly(*arguments: str, main: Callable[[], None] = dispatch) -> Done:
    """Run a command like `run_here`, and assert that it would import no large library in a new process."""
    done, heavy = _run(arguments, main)
    assert heavy == set(), f"{arguments} imports {heavy}"
    return done


def heavy_imports(*arguments: str) -> set[str]:
    """Return the large libraries that ``segsweep ARGUMENTS`` would import in a new process."""
    return _run(arguments, dispatch)[1]


def _run(arguments: tuple[str, ...], main: Callable[[], None]) -> tuple[Done, set[str]]:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with _restored_process(), _recorded_imports() as imported:
        sys.argv = ["segsweep", *arguments]
        os.environ.setdefault("HYDRA_FULL_ERROR", "0")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            except Exception:
                traceback.print_exc()
                code = 1
    return Done(code, out.getvalue(), err.getvalue()), _heavy_imports({"gym.app.command_line", *imported})


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


@contextlib.contextmanager
def _restored_process() -> Iterator[None]:
    """Restore what a command changes in its process: arguments, environment, signals, logging and Hydra's globals."""
    argv, environment, hydra = sys.argv, dict(os.environ), {**Singleton._instances}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    hooks, make_record = (sys.excepthook, sys.unraisablehook, threading.excepthook), logging.getLogRecordFactory()
    root = logging.getLogger()
    logged, known = (root.handlers[:], root.level), logging._handlerList[:]
    logging._handlerList.clear()  # Hydra closes all of these, and absl's closes the stream that pytest captures
    try:
        yield
    finally:
        sys.argv = argv
        os.environ.clear()
        os.environ.update(environment)
        Singleton._instances = hydra
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
        logging.setLogRecordFactory(make_record)
        root.handlers[:], root.level = logged
        logging._handlerList[:] = known


@contextlib.contextmanager
def _recorded_imports() -> Iterator[set[str]]:
    """Record every module that is named by an import statement, even if it was imported before."""
    found: set[str] = set()
    original_import, original_import_module = builtins.__import__, importlib.import_module

    def import_(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if level == 0:
            found.update({name, *(f"{name}.{item}" for item in fromlist or ())})
        return original_import(name, globals, locals, fromlist, level)

    def import_module(name: str, package: str | None = None) -> Any:
        found.add(name)
        return original_import_module(name, package)

    builtins.__import__, importlib.import_module = import_, import_module
    try:
        yield found
    finally:
        builtins.__import__, importlib.import_module = original_import, original_import_module


def _heavy_imports(names: set[str]) -> set[str]:
    """Return the large libraries that these modules are or import, directly or indirectly."""
    return {name.partition(".")[0] for name in names} & _HEAVY | set().union(*map(_heavy_behind, names))


@functools.cache
def _heavy_behind(module: str) -> frozenset[str]:
    """Return the large libraries that a module of this program imports; empty for any other module."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    if not module.startswith("gym.") or not path.is_file():
        return frozenset()
    return frozenset(_heavy_imports(_imports_of(ast.parse(path.read_text(encoding="utf-8")).body)))


def _imports_of(statements: list[ast.stmt]) -> set[str]:
    """Return the modules that these statements import when they are executed, except inside functions."""
    names: set[str] = set()
    for statement in statements:
        if isinstance(statement, ast.ImportFrom) and statement.module:
            names |= {statement.module, *(f"{statement.module}.{alias.name}" for alias in statement.names)}
        elif isinstance(statement, ast.Import):
            names |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.Try | ast.With):
            names |= _imports_of(statement.body)
    return names

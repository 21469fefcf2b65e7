"""Three tiers of tests: markers choose them, a guard keeps the fast one fast, the last line counts the rest.

A test that trains a network or starts a process says so with a marker. The guard fails a test that does either without
its marker, in every tier, so that a forgotten marker cannot slow the fast tier down.
"""

import functools
import multiprocessing.process
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# A test with several markers counts for the first: it needs at least that.
LEFT_TO = {
    "drill": "./scripts/test -m drill",
    "outside": "./scripts/test --outside",
    "trains": "./scripts/test --all",
    "process": "./scripts/test --all",
}
# Libraries ask these about the machine and the program about its commit, once and in milliseconds.
_QUICK = ("uname", "git")
_DEEDS = {"trains": "train", "process": "start processes"}
_MAY_DO_ALL = ("drill", "outside")


class Guard:
    """Fail a test that trains or starts a process without the marker that says so.

    What is patched stays patched for the whole session: fixtures of a wider scope than a test are watched too.
    """

    def __init__(self) -> None:
        self._item: pytest.Item | None = None
        self._is_open = False

    def _watch(self) -> None:
        """Patch the places through which every process and every training starts; Keras once it is imported."""
        self._precede(subprocess.Popen, "__init__", "process", "starts a process")
        self._precede(multiprocessing.process.BaseProcess, "start", "process", "starts a process")
        if sys.modules.get("keras"):
            import keras

            self._precede(keras.Model, "fit", "trains", "trains a network")

    def _precede(self, owner: type, name: str, marker: str, deed: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)
        if hasattr(original, "is_guarded"):
            return

        @functools.wraps(original)
        def guarded(*arguments: Any, **options: Any) -> Any:
            if not _is_quick(arguments):
                self._check(marker, deed)
            return original(*arguments, **options)

        guarded.is_guarded = True
        setattr(owner, name, guarded)

    def _check(self, marker: str, deed: str) -> None:
        item = self._item
        if item is None or self._is_open or any(item.get_closest_marker(name) for name in (marker, *_MAY_DO_ALL)):
            return
        pytest.fail(
            f"{item.nodeid} {deed} without saying so: mark it with @pytest.mark.{marker}, which leaves it to "
            "./scripts/test --all, or read one of the golden fixtures instead.",
            pytrace=False,
        )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Let a golden fixture train and start processes, whichever test asks for it first."""
        before, self._is_open = self._is_open, True
        try:
            yield
        finally:
            self._is_open = before

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Know which test runs, with the set-up of its fixtures and their end."""
        self._watch()
        self._item = item
        try:
            return (yield)
        finally:
            self._item = None


def _is_quick(arguments: Sequence[Any]) -> bool:
    """Return whether the arguments of `subprocess.Popen` start one of the quick programs."""
    command = arguments[1] if len(arguments) > 1 else None
    return isinstance(command, list | tuple) and Path(os.fspath(command[0])).name in _QUICK


guard = Guard()


def work_unit(item: pytest.Item) -> str | None:
    """Name the tests that must run on one core, one after the other, for pytest-xdist; None for a test on its own.

    Tests that share a fixture of their file stay together, so that it is made once. A dear test that shares none goes
    wherever a core is free. The cheap ones of a file stay together, because sending each alone takes longer than most.
    """
    definitions = item._fixtureinfo.name2fixturedefs
    shared = {name for name, found in definitions.items() if found[-1].scope == "module"}
    if not shared and any(item.get_closest_marker(marker) for marker in LEFT_TO):
        return None
    return "+".join([item.nodeid.partition("::")[0], *sorted(shared)])


def rank(item: pytest.Item) -> int:
    """Order of a test: what trains, what starts processes, then the short ones, which fill the gaps at the end."""
    return next((place for place, marker in enumerate(LEFT_TO) if item.get_closest_marker(marker)), len(LEFT_TO))


class TierReport:
    """Count the tests left to other tiers and the reasons of skips, and print them as the last line."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._left: dict[str, str] = {}
        self._skipped: Counter[str] = Counter()

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Note the tests that the markers leave out; with -k, which also lands here, there is nothing to count."""
        if self._config.option.keyword:
            return
        for item in items:
            marker = next((name for name in LEFT_TO if item.get_closest_marker(name)), None)
            if marker:
                self._left[item.nodeid] = marker

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker counted: with pytest-xdist only workers collect."""
        self._left |= getattr(node, "workeroutput", {}).get("left", {})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a skip by its reason."""
        if report.skipped and isinstance(report.longrepr, tuple):
            self._skipped[report.longrepr[2].removeprefix("Skipped: ")] += 1

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Iterator[None]:
        """Print the line after pytest's own last one; a worker hands its counts over instead."""
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["left"] = self._left
            return (yield)
        result = yield
        if reporter := self._config.pluginmanager.get_plugin("terminalreporter"):
            reporter.write_line(self.summary())
        return result

    def summary(self) -> str:
        """Word the line: ``left to ./scripts/test --all: 12 (5 train, 7 start processes); skipped: 1 (1 no GPU)``."""
        parts = []
        for command in dict.fromkeys(reversed(LEFT_TO.values())):
            if counts := Counter(marker for marker in self._left.values() if LEFT_TO[marker] == command):
                kinds = ", ".join(f"{counts[marker]} {deed}" for marker, deed in _DEEDS.items() if counts[marker])
                parts.append(f"left to {command}: {counts.total()}" + (f" ({kinds})" if kinds else ""))
        reasons = ", ".join(f"{count} {reason}" for reason, count in self._skipped.most_common())
        parts.append(f"skipped: {self._skipped.total()}" + (f" ({reasons})" if reasons else ""))
        return "; ".join(parts)

"""Test tiers: markers select them, a guard keeps the fast tier fast, and a summary counts the tests left out.

A test that trains a network or starts a process needs a marker. The guard fails a test without it in every tier, so
that a forgotten marker cannot slow down the fast tier.
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

# The command that includes each marker. A test with several markers counts for the first of them.
LEFT_TO = {
    "drill": "./scripts/test -m drill",
    "outside": "./scripts/test --outside",
    "trains": "./scripts/test --all",
    "process": "./scripts/test --all",
}
# Libraries run uname and the program runs git; both take milliseconds and run once.
_QUICK = ("uname", "git")
# Fixtures that train, the dearest first; a test with both belongs to the first.
GOLDEN = ("golden_sweep", "golden_run")
_ACTIONS = {"trains": "train", "process": "start processes"}
_UNRESTRICTED = ("drill", "outside")


class Guard:
    """Fails a test that trains or starts a process without the required marker.

    Patches stay for the whole session, because fixtures of a wider scope are watched, too.
    """

    def __init__(self) -> None:
        self._item: pytest.Item | None = None
        self._is_open = False

    def _watch(self) -> None:
        """Patch the methods that start processes and trainings, those of Keras once it is imported."""
        self._guard_method(subprocess.Popen, "__init__", "process", "starts a process")
        self._guard_method(multiprocessing.process.BaseProcess, "start", "process", "starts a process")
        if sys.modules.get("keras"):
            import keras

            self._guard_method(keras.Model, "fit", "trains", "trains a network")

    def _guard_method(self, owner: type, name: str, marker: str, action: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)
        if hasattr(original, "is_guarded"):
            return

        @functools.wraps(original)
        def guarded(*arguments: Any, **options: Any) -> Any:
            if not _is_quick(arguments):
                self._check(marker, action)
            return original(*arguments, **options)

        guarded.is_guarded = True
        setattr(owner, name, guarded)

    def _check(self, marker: str, action: str) -> None:
        item = self._item
        if item is None or self._is_open or any(item.get_closest_marker(name) for name in (marker, *_UNRESTRICTED)):
            return
        pytest.fail(
            f"{item.nodeid} {action} without its marker: mark it with @pytest.mark.{marker}, which leaves it to "
            "./scripts/test --all, or read one of the golden fixtures instead.",
            pytrace=False,
        )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Let a golden fixture train and start processes, whichever test requests it first."""
        before, self._is_open = self._is_open, True
        try:
            yield
        finally:
            self._is_open = before

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Remember the current test during its setup, call and teardown."""
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


def shared_fixtures(item: pytest.Item) -> set[str]:
    """Return the module fixtures that a test uses, directly or indirectly."""
    return {name for name, found in item._fixtureinfo.name2fixturedefs.items() if found[-1].scope == "module"}


def join_fixtures(items: Sequence[pytest.Item]) -> dict[str, set[str]]:
    """Return the module fixtures of each test, with those that other tests of its file use together with them.

    Two tests that share one of them need it in the same worker, even if one of the two uses a second fixture.
    """
    joined: dict[str, list[set[str]]] = {}
    for item in items:
        families = joined.setdefault(item.nodeid.partition("::")[0], [])
        found = shared_fixtures(item)
        for family in [family for family in families if family & found]:
            families.remove(family)
            found |= family
        families.append(found)
    return {
        item.nodeid: next(
            (family for family in joined[item.nodeid.partition("::")[0]] if family & shared_fixtures(item)), set()
        )
        for item in items
    }


def work_unit(item: pytest.Item, shared: set[str]) -> str | None:
    """Return the group of tests that pytest-xdist must run in one worker; None for a test that may run in any worker.

    Tests that share a module fixture form a group, so that the fixture is created once; so do those that read the
    golden sweep, and those that read the golden run, so that no worker waits for another to create them. An expensive
    test without such a fixture may run in any worker. The cheap tests of a file form a group, because sending each of
    them to a worker takes longer than most of them run.

    Args:
        item: The test.
        shared: Its module fixtures, from `join_fixtures`.
    """
    definitions = item._fixtureinfo.name2fixturedefs
    if golden := [name for name in GOLDEN if name in definitions]:
        return golden[0]
    if not shared and any(item.get_closest_marker(marker) for marker in LEFT_TO):
        return None
    return "+".join([item.nodeid.partition("::")[0], *sorted(shared)])


def rank(item: pytest.Item) -> int:
    """Return the sort key of a test: expensive tests run first, and cheap ones fill the gaps at the end."""
    return next((place for place, marker in enumerate(LEFT_TO) if item.get_closest_marker(marker)), len(LEFT_TO))


class TierReport:
    """Counts the tests left to other tiers and the reasons for skips, and prints a summary as the last line."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._left: dict[str, str] = {}
        self._skipped: Counter[str] = Counter()

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count the tests that the markers deselect, unless ``-k`` deselects tests as well."""
        if self._config.option.keyword:
            return
        for item in items:
            marker = next((name for name in LEFT_TO if item.get_closest_marker(name)), None)
            if marker:
                self._left[item.nodeid] = marker

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Merge the counts of a worker, because only workers collect tests with pytest-xdist."""
        self._left |= getattr(node, "workeroutput", {}).get("left", {})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the reason for a skip."""
        if report.skipped and isinstance(report.longrepr, tuple):
            self._skipped[report.longrepr[2].removeprefix("Skipped: ")] += 1

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Iterator[None]:
        """Print the summary after pytest's last line, or send the counts from a worker to its controller."""
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["left"] = self._left
            return (yield)
        result = yield
        if reporter := self._config.pluginmanager.get_plugin("terminalreporter"):
            reporter.write_line(self.summary())
        return result

    def summary(self) -> str:
        """Return the line: ``left to ./scripts/test --all: 12 (5 train, 7 start processes); skipped: 1 (1 no GPU)``."""
        parts = []
        for command in dict.fromkeys(reversed(LEFT_TO.values())):
            if counts := Counter(marker for marker in self._left.values() if LEFT_TO[marker] == command):
                kinds = ", ".join(f"{counts[marker]} {action}" for marker, action in _ACTIONS.items() if counts[marker])
                parts.append(f"left to {command}: {counts.total()}" + (f" ({kinds})" if kinds else ""))
        reasons = ", ".join(f"{count} {reason}" for reason, count in self._skipped.most_common())
        parts.append(f"skipped: {self._skipped.total()}" + (f" ({reasons})" if reasons else ""))
        return "; ".join(parts)

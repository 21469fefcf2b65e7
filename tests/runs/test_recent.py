"""The latest runs are found on disk."""

import json
import os

import pytest

from gym.runs.recent import recent_run_names
from tests.app.commands import run_lightly


@pytest.fixture
def finish(tmp_path):
    """Write the result of a run, each later than the one before."""
    times = iter(range(1000, 2000))

    def write(name, place="runs/{}", text=None):
        folder = tmp_path / place.format(name.replace(" ", "_"))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "result.json"
        path.write_text(json.dumps({"name": name}) if text is None else text)
        os.utime(path, (next(times),) * 2)

    return write


def test_the_latest_names_come_first_and_once(tmp_path, finish):
    """Runs of sweeps count, and damaged results do not."""
    for name in ("a", "b", "c"):
        finish(name)
    finish("b", "sweeps/s/runs/x")
    for number, text in enumerate(["", "[]", "{}", "[" * 100_000, "null"]):
        finish(f"damaged {number}", text=text)

    assert recent_run_names(tmp_path) == ["b", "c", "a"]
    assert recent_run_names(tmp_path, 1) == []  # only so many files are read
    assert recent_run_names(tmp_path / "none") == []


@pytest.mark.parametrize("command", ["evaluate", "predict", "publish"])
def test_a_command_without_a_run_lists_the_latest_ones(tmp_path, finish, command):
    """The example can be typed; nothing large is imported."""
    done = run_lightly(command, f"outputs={tmp_path}")
    assert done == (
        1,
        "",
        f"error: run is missing, and {tmp_path} has no finished run; train one, or set run=... to an id or a name.\n",
    )

    finish("resunet cce f6")
    finish("seed=2, or (3)")
    done = run_lightly(command, f"outputs={tmp_path}")
    example = "'run='\"'\"'seed=2, or (3)'\"'\"''"
    assert done.err == (
        f"error: run is missing; set it, as in {example}, to one of the latest runs: seed=2, or (3), resunet cce f6.\n"
    )

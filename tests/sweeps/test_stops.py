"""Sweeps that are stopped politely or killed at any moment end with the same table, and leave nothing behind."""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter

import pytest

from gym.sweeps.ledger import FINISHED
from gym.sweeps.sweep_folder import SweepFolder
from tests.sweeps.commands import complete, rows_of, runs_of, start

pytestmark = pytest.mark.process

EPOCHS = 3
SWEEP = [
    *("+debug=tiny", "model.levels=2", "model.kernel=3", f"training.epochs={EPOCHS}", "sweep.name=stops"),
    *("model=unet,resunet", "seed=1,2", "sweep.attempts=1000", "training.threads=1"),
]
LAUNCHERS = {"basic": [], "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]}
POLITE = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 143}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The table of the sweep when nothing stops it."""
    outputs = tmp_path_factory.mktemp("undisturbed")
    complete(outputs, *SWEEP)
    return rows_of(outputs, "stops")


def events_of(outputs):
    """Return the events in the ledger of the sweep."""
    path = SweepFolder(outputs, "stops").ledger.path
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def phase_of(outputs, before):
    """Return what the runs do since some events: starting, training, or finishing (evaluation, card, logging)."""
    jobs = {}
    for event in events_of(outputs)[before:]:
        if event["event"] in ("started", "epoch"):
            jobs[event["job"]] = event.get("epoch", 0)
        elif event["event"] == "finished":
            jobs.pop(event["job"], None)
    if any(epoch >= EPOCHS for epoch in jobs.values()):
        return "finishing"
    return "training" if jobs else "starting"


def stop_in(outputs, phase, seconds, number, launcher, *, is_alone):
    """Start the sweep and send a signal some seconds after a phase begins.

    Returns:
        The phase that the signal found, or an empty string if the sweep ended before; its exit code and its output.
    """
    before = len(events_of(outputs))
    process = start(outputs, *SWEEP, *LAUNCHERS[launcher])
    until = time.monotonic() + 120
    while (
        phase != "starting"
        and process.poll() is None
        and phase_of(outputs, before) != phase
        and time.monotonic() < until
    ):
        time.sleep(0.05)
    try:
        output, _ = process.communicate(timeout=seconds)
        found = ""
    except subprocess.TimeoutExpired:
        found = phase_of(outputs, before)
        try:
            (os.kill if is_alone else os.killpg)(process.pid, number)
        except ProcessLookupError:  # on a busy machine, it may not have made its process group yet
            process.send_signal(number)
        output, _ = process.communicate(timeout=120)
        found = "" if process.returncode == 0 else found  # it had just ended
    return found, process.returncode, output


def assert_stopped(outputs, number, code, output):
    """Assert that a polite stop was one: one line, its exit code, and no run that seems to be running."""
    assert code == POLITE[number], output
    assert output.strip().splitlines()[-1] == "stopped; repeat the command to continue"
    assert "Traceback" not in output
    if (outputs / "mlflow.db").exists():
        assert "RUNNING" not in {run.info.status for run in runs_of(outputs)}


def assert_complete(outputs, undisturbed):
    """Assert that the sweep ended as if nothing had stopped it."""
    assert rows_of(outputs, "stops") == undisturbed
    runs = runs_of(outputs)
    assert len(runs) == 1 + len(undisturbed)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {job.status for job in SweepFolder(outputs, "stops").ledger.jobs()} == {FINISHED}
    left = [path for path in (outputs / "runs").rglob("*") if path.suffix == ".npz" or path.name == "attempt.json"]
    assert left == []


@pytest.mark.parametrize(
    ("launcher", "number", "is_alone", "phase"),
    [
        ("basic", signal.SIGTERM, True, "finishing"),
        ("joblib", signal.SIGINT, False, "training"),
        ("joblib", signal.SIGTERM, True, "finishing"),
    ],
)
def test_a_stopped_sweep_continues(launcher, number, is_alone, phase, undisturbed, tmp_path):
    """Ctrl-C reaches all processes, SIGTERM the driver alone; the MLflow runs are KILLED at once."""
    found, code, output = stop_in(tmp_path, phase, 0.3, number, launcher, is_alone=is_alone)
    assert found
    assert_stopped(tmp_path, number, code, output)

    complete(tmp_path, *SWEEP, *LAUNCHERS[launcher])
    assert_complete(tmp_path, undisturbed)


@pytest.mark.drill
@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize(("kind", "times"), [("kill", 50), ("stop", 20)])
def test_sweeps_survive_any_moment(launcher, kind, times, undisturbed, tmp_path):
    """100 SIGKILLs and 40 polite stops in all; whenever a sweep ends between them, the next one begins."""
    moments, found, outputs = random.Random(f"{launcher} {kind}"), Counter(), tmp_path / "0"
    phases, longest = ["finishing"] * 3 + ["training"] * 2 + ["starting"], {"finishing": 0.6, "training": 1.5}
    while found.total() < times:
        number = signal.SIGKILL if kind == "kill" else moments.choice(list(POLITE))
        phase, is_alone = moments.choice(phases), kind == "stop" and moments.random() < 0.5
        seconds = moments.uniform(0, longest.get(phase, 8.0))
        hit, code, output = stop_in(outputs, phase, seconds, number, launcher, is_alone=is_alone)
        if not hit:
            assert_complete(outputs, undisturbed)
            outputs = tmp_path / str(found.total())
            continue
        found[hit] += 1
        # The signal may come before the process has become the program.
        has_begun = bool(output and "import exit_on_signals" not in output) or hit != "starting"
        if kind == "stop" and has_begun:
            assert_stopped(outputs, number, code, output)
    complete(outputs, *SWEEP, *LAUNCHERS[launcher])
    assert_complete(outputs, undisturbed)
    print(f"{launcher}: {found.total()} times {kind}: {dict(found)}")  # noqa: T201 - the result of the drill
    assert found["finishing"] >= times / 5
    assert found["training"] >= times / 5

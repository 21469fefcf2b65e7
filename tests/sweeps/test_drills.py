"""Long drills with SIGKILL, on whole sweeps: ``./scripts/test -m drill``, half an hour; not part of every test run.

``GYM_DRILL=pocket_matrix`` takes the pocket matrix in place of the smoke matrix, and an hour.
"""

import os
import random
import signal
import subprocess
import sys

import optuna
import pytest
from mlflow import MlflowClient

from gym.result import read_result
from gym.sweeps.folder import SweepFolder

pytestmark = pytest.mark.drill

MATRIX = os.environ.get("GYM_DRILL", "smoke_matrix")
LONGEST = {"smoke_matrix": 30.0, "pocket_matrix": 150.0}[MATRIX]  # seconds from the start to a kill
SEARCH = [
    *("+experiment=search", "data.size=32", "data.scenes=24", "model.levels=2", "training.epochs=6"),
    *("search.startup=8", "search.warmup=2", "model.kernel=choice(3,5)"),
]


def start(outputs, *arguments):
    """Start a sweep as a user does; what it says goes to a file beside its outputs."""
    outputs.mkdir(exist_ok=True)
    command = [sys.executable, "-u", "-m", "gym.train", "-m", f"outputs={outputs}", "sweep.name=drill", *arguments]
    with (outputs / "said.txt").open("a") as said:
        return subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)


def kill_often(outputs, kills, shortest, longest, *arguments):
    """Kill a sweep after random times until that was done so often, then let it end; gives the kills that hit it."""
    moments, hit = random.Random(0), 0
    for _ in range(kills):
        process = start(outputs, *arguments)
        try:
            process.wait(timeout=moments.uniform(shortest, longest))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            hit += 1
    assert start(outputs, *arguments).wait() == 0, (outputs / "said.txt").read_text()
    return hit


def rows_of(outputs):
    """Name, weights and scores of each run of a sweep."""
    folder = SweepFolder(outputs, "drill")
    results = [read_result(folder.run(job.fingerprint)) for job in folder.ledger.jobs()]
    return sorted(
        (one.name, one.weights_sha256, sorted((key, score) for key, score in one.scores.items() if key != "seconds"))
        for one in results
    )


def runs_of(outputs):
    """All MLflow runs."""
    client = MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")
    return client.search_runs([client.get_experiment_by_name("segsweep").experiment_id])


def test_the_matrix_is_killed_ten_times_and_ends_the_same(tmp_path):
    """The same 30 rows and weights as undisturbed, each run once in MLflow, none left RUNNING."""
    assert start(tmp_path / "whole", f"+experiment={MATRIX}").wait() == 0
    assert kill_often(tmp_path / "killed", 10, 15.0, LONGEST, f"+experiment={MATRIX}") >= 8

    whole, killed = rows_of(tmp_path / "whole"), rows_of(tmp_path / "killed")
    assert len(whole) == 30
    assert killed == whole
    runs = runs_of(tmp_path / "killed")
    assert len(runs) == 31
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_search_of_forty_trials_is_killed_twice_and_has_forty(tmp_path):
    """Exactly forty ended, none twice, none open; the same as undisturbed."""
    assert start(tmp_path / "whole", *SEARCH).wait() == 0
    assert kill_often(tmp_path / "killed", 2, 30.0, 60.0, *SEARCH) == 2

    studies = [
        optuna.load_study(study_name="drill", storage=f"sqlite:///{tmp_path / place}/sweeps/drill/search.db")
        for place in ("whole", "killed")
    ]
    whole, killed = ([(one.number, one.state, one.params, one.values) for one in study.trials] for study in studies)
    assert len(killed) == 40
    assert all(state.is_finished() for _, state, *_ in killed)
    assert killed == whole
    assert {run.info.status for run in runs_of(tmp_path / "killed")} <= {"FINISHED", "FAILED"}
    assert len(runs_of(tmp_path / "killed")) == len(runs_of(tmp_path / "whole"))

"""Long drills that kill whole sweeps with SIGKILL; ``./scripts/test -m drill`` runs them in half an hour.

With ``GYM_DRILL=pocket_matrix`` they take an hour and use the pocket matrix instead of the smoke matrix.
"""

import os
import random

import optuna
import pytest

from tests.sweeps.commands import complete, kill_after, rows_of, runs_of

pytestmark = [pytest.mark.process, pytest.mark.drill]

MATRIX = os.environ.get("GYM_DRILL", "smoke_matrix")
LONGEST = {"smoke_matrix": 30.0, "pocket_matrix": 150.0}[MATRIX]  # seconds from the start to a kill
DRILL = [f"+experiment={MATRIX}", "sweep.name=drill"]
SEARCH = [
    *("+experiment=search", "data.size=32", "data.scenes=24", "model.levels=2", "training.epochs=6"),
    *("sweep.name=drill", "search.startup=8", "search.warmup=2", "model.kernel=choice(3,5)"),
]


def kill_often(outputs, kills, shortest, longest, *arguments):
    """Kill a sweep after random times, then let it finish; return how many kills hit it while running."""
    moments = random.Random(0)
    hit = sum(kill_after(moments.uniform(shortest, longest), outputs, *arguments) for _ in range(kills))
    complete(outputs, *arguments)
    return hit


def test_a_matrix_killed_ten_times_has_the_same_results(tmp_path):
    """All 30 results and weights are equal, and each run is logged to MLflow once and FINISHED."""
    complete(tmp_path / "whole", *DRILL)
    assert kill_often(tmp_path / "killed", 10, 15.0, LONGEST, *DRILL) >= 8

    whole, killed = rows_of(tmp_path / "whole", "drill"), rows_of(tmp_path / "killed", "drill")
    assert len(whole) == 30
    assert killed == whole
    runs = runs_of(tmp_path / "killed")
    assert len(runs) == 31
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_search_killed_twice_has_the_same_forty_trials(tmp_path):
    """All 40 trials have ended, and equal those of an undisturbed search."""
    complete(tmp_path / "whole", *SEARCH)
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

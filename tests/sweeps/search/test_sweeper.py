"""Searches, started as a user starts them, end with the requested number of trials however often they are killed."""

import random

import optuna
import pytest

from gym.sweeps.sweep_folder import SweepFolder
from tests.sweeps.commands import client_of, complete_cold, finish, kill_after, runs_of

pytestmark = pytest.mark.process

# One level, two filters, four epochs: a trial takes a second or two.
SMALL = [
    *("hydra/sweeper=optuna", "+debug=tiny", "model=simple_unet", "model.levels=1", "training.precision=float32"),
    *("training.threads=1", "training.epochs=4", "training.patience=4", "sweep.name=search", "search.trials=6"),
    *("search.startup=2", "search.pruner=median", "search.warmup=1", "schedule.start_rate=1e-5"),
    *("schedule.max_rate=tag(log,interval(1e-4,1e-1))", "seed=1,2", "training.batch=range(2,5,2)"),
]


def trials_of(outputs, name="search"):
    """Return number, state, parameters and values of each trial."""
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{outputs / 'sweeps' / name / 'search.db'}")
    return [(trial.number, trial.state.name, trial.params, trial.values) for trial in study.trials]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A search of six trials that was not interrupted."""
    outputs = tmp_path_factory.mktemp("undisturbed")
    return outputs, complete_cold(outputs, *SMALL)


def test_each_trial_is_a_run_of_a_sweep(undisturbed):
    """Trials and runs have the same numbers, and the parent run contains the figures of the search."""
    outputs, output = undisturbed
    trials, jobs = trials_of(outputs), SweepFolder(outputs, "search").ledger.jobs()
    states = {"finished": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}

    assert [number for number, *_ in trials] == [job.number for job in jobs] == [0, 1, 2, 3, 4, 5]
    assert [state for _, state, *_ in trials] == [states[job.status] for job in jobs]
    for (_, state, _, values), job in zip(trials, jobs, strict=True):
        assert state != "COMPLETE" or values == [job.scores["iou"]]
    assert "best: trial" in output
    finished = sum(state == "COMPLETE" for _, state, *_ in trials)
    assert f"chosen among {finished} finished trials, which makes validation scores optimistic" in output
    runs = runs_of(outputs)
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert {run.info.status for run in runs} == {"FINISHED"}
    client = client_of(outputs)
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"comparison.csv", "search"} <= files
    assert "search/history.png" in {file.path for file in client.list_artifacts(parent.info.run_id, "search")}


def test_repeating_a_finished_search_adds_no_trials(undisturbed):
    """``search.trials`` is a total."""
    outputs, _ = undisturbed
    before = trials_of(outputs)
    code, _ = finish(outputs, *SMALL)

    assert code == 0
    assert trials_of(outputs) == before


@pytest.mark.drill
def test_a_search_killed_repeatedly_has_the_same_trials(undisturbed, tmp_path):
    """Each trial is logged to MLflow once and FINISHED."""
    outputs, _ = undisturbed
    moments = random.Random(1)
    for _ in range(2):
        kill_after(moments.uniform(4, 12), tmp_path, *SMALL)
    code, output = finish(tmp_path, *SMALL)

    assert code == 0, output
    assert trials_of(tmp_path) == trials_of(outputs)
    assert {run.info.status for run in runs_of(tmp_path)} == {"FINISHED"}
    assert len(runs_of(tmp_path)) == len(runs_of(outputs))


def test_two_objectives_have_a_pareto_front(tmp_path):
    """Both values of each trial are recorded."""
    two = [one for one in SMALL if "pruner" not in one and "seed" not in one]
    code, output = finish(
        *(tmp_path, *two, "search.objective=[iou,parameters]", "search.sampler=nsga2", "model.filters=2,3"),
        "search.trials=3",
    )

    assert code == 0, output
    assert all(len(values) == 2 for _, state, _, values in trials_of(tmp_path) if state == "COMPLETE")
    assert "parameters" in output


def test_a_failed_trial_does_not_stop_the_search(tmp_path):
    """It counts towards the total."""
    fixed = [one for one in SMALL if not one.startswith(("schedule.max_rate", "seed", "training.batch"))]
    code, output = finish(tmp_path, *fixed, "schedule.max_rate=1e-3,1e30", "search.sampler=grid", "search.trials=2")

    assert code == 0, output
    assert sorted(state for _, state, *_ in trials_of(tmp_path)) == ["COMPLETE", "FAIL"]
    assert "the loss is" in output


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["model.dropout=interval(0,1)"], "model.dropout=1.0 must be at least 0 and below 1"),
        (["search.objective=[beauty]"], "search.objective=beauty is not a score; choose from"),
        (["search.sampler=gp"], "search.sampler=gp must be one of"),
        (["search.objective=[iou,parameters]"], "search.pruner=median supports one objective, not 2"),
        (["search.trials=0"], "search.trials=0 must be at least 1"),
    ],
)
def test_an_invalid_search_is_rejected_before_the_first_trial(tmp_path, arguments, line):
    """Configurations that the search could propose are checked, too."""
    code, output = finish(tmp_path, *SMALL, *arguments)

    assert code == 1
    assert f"error: {line}" in output
    assert not SweepFolder(tmp_path, "search").ledger.path.exists()


def test_the_predefined_search_runs(tmp_path):
    """The experiment selects the sweeper; two small trials are run."""
    small = ["data.size=32", "data.scenes=8", "model.levels=1", "training.epochs=2", "search.warmup=1"]
    code, output = finish(tmp_path, "+experiment=search", "sweep.name=search", "search.trials=2", *small)

    assert code == 0, output
    assert [state for _, state, *_ in trials_of(tmp_path)] == ["COMPLETE", "COMPLETE"]

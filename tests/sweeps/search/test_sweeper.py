"""A search as a user starts it: it ends with as many trials as were asked for, however often it is killed."""

import random

import optuna
import pytest

from gym.sweeps.sweep_folder import SweepFolder
from tests.sweeps.commands import client_of, complete_cold, finish, kill_after, runs_of

pytestmark = pytest.mark.process

# One level, two filters, four epochs: a trial takes a second or two.
SMALL = [
    *("hydra/sweeper=optuna", "+debug=tiny", "model=simple_unet", "model.levels=1", "training.precision=float32"),
    *("training.threads=1", "training.epochs=4", "training.patience=4", "sweep.name=mine", "search.trials=6"),
    *("search.startup=2", "search.pruner=median", "search.warmup=1", "schedule.start_rate=1e-5"),
    *("schedule.max_rate=tag(log,interval(1e-4,1e-1))", "seed=1,2", "training.batch=range(2,5,2)"),
]


def trials_of(outputs, name="mine"):
    """The trials of a search: number, state, parameters, values."""
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{outputs / 'sweeps' / name / 'search.db'}")
    return [(trial.number, trial.state.name, trial.params, trial.values) for trial in study.trials]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search of six trials that nothing disturbed."""
    outputs = tmp_path_factory.mktemp("whole")
    return outputs, complete_cold(outputs, *SMALL)


def test_a_search_is_a_sweep_of_its_trials(whole):
    """Number of the trial and of the run are one; the parent holds what Optuna makes of it."""
    outputs, said = whole
    trials, jobs = trials_of(outputs), SweepFolder(outputs, "mine").ledger.jobs()
    states = {"finished": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}

    assert [number for number, *_ in trials] == [job.number for job in jobs] == [0, 1, 2, 3, 4, 5]
    assert [state for _, state, *_ in trials] == [states[job.status] for job in jobs]
    for (_, state, _, values), job in zip(trials, jobs, strict=True):
        assert state != "COMPLETE" or values == [job.scores["iou"]]
    assert "best: trial" in said
    runs = runs_of(outputs)
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert {run.info.status for run in runs} == {"FINISHED"}
    client = client_of(outputs)
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"comparison.csv", "search"} <= files
    assert "search/history.png" in {file.path for file in client.list_artifacts(parent.info.run_id, "search")}


def test_a_search_that_was_finished_adds_no_trial(whole):
    """The number of trials is a total."""
    outputs, _ = whole
    before = trials_of(outputs)
    code, _ = finish(outputs, *SMALL)

    assert code == 0
    assert trials_of(outputs) == before


@pytest.mark.drill
def test_a_search_that_is_killed_again_and_again_ends_the_same(whole, tmp_path):
    """The same trials with the same values, none twice, none left open."""
    outputs, _ = whole
    moments = random.Random(1)
    for _ in range(2):
        kill_after(moments.uniform(4, 12), tmp_path, *SMALL)
    code, said = finish(tmp_path, *SMALL)

    assert code == 0, said
    assert trials_of(tmp_path) == trials_of(outputs)
    assert {run.info.status for run in runs_of(tmp_path)} == {"FINISHED"}
    assert len(runs_of(tmp_path)) == len(runs_of(outputs))


def test_two_objectives_give_a_front(tmp_path):
    """Small and good; both values of each trial are kept."""
    two = [one for one in SMALL if "pruner" not in one and "seed" not in one]
    code, said = finish(
        *(tmp_path, *two, "search.objective=[iou,parameters]", "search.sampler=nsga2", "model.filters=2,3"),
        "search.trials=3",
    )

    assert code == 0, said
    assert all(len(values) == 2 for _, state, _, values in trials_of(tmp_path) if state == "COMPLETE")
    assert "parameters" in said


def test_a_failing_trial_is_passed_over(tmp_path):
    """It counts, and the search ends well."""
    fixed = [one for one in SMALL if not one.startswith(("schedule.max_rate", "seed", "training.batch"))]
    code, said = finish(tmp_path, *fixed, "schedule.max_rate=1e-3,1e30", "search.sampler=grid", "search.trials=2")

    assert code == 0, said
    assert sorted(state for _, state, *_ in trials_of(tmp_path)) == ["COMPLETE", "FAIL"]
    assert "the loss is" in said


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["model.dropout=interval(0,1)"], "model.dropout=1.0 must be at least 0 and below 1"),
        (["search.objective=[beauty]"], "search.objective=beauty is no score of a run"),
        (["search.sampler=gp"], "search.sampler=gp must be one of"),
        (["search.objective=[iou,parameters]"], "search.pruner=median wants one objective"),
        (["search.trials=0"], "search.trials=0 must be at least 1"),
    ],
)
def test_a_bad_search_is_refused_before_any_trial(tmp_path, arguments, line):
    """The value, the rule, the remedy; also of a configuration that the search might choose."""
    code, said = finish(tmp_path, *SMALL, *arguments)

    assert code == 1
    assert f"error: {line}" in said
    assert not SweepFolder(tmp_path, "mine").ledger.path.exists()


def test_the_ready_made_search_starts(tmp_path):
    """Two trials of it, in small: the experiment chooses the sweeper by itself."""
    small = ["data.size=32", "data.scenes=8", "model.levels=1", "training.epochs=2", "search.warmup=1"]
    code, said = finish(tmp_path, "+experiment=search", "sweep.name=mine", "search.trials=2", *small)

    assert code == 0, said
    assert [state for _, state, *_ in trials_of(tmp_path)] == ["COMPLETE", "COMPLETE"]

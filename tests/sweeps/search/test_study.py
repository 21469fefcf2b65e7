"""A search that is killed anywhere continues as if nothing had happened, and skips undefined results."""

import math
import random
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import pytest
import sqlalchemy.event
from optuna.trial import TrialState
from sqlalchemy.engine import Engine

from gym.config.schema import SearchConfig
from gym.core.errors import ConfigError, RunError
from gym.sweeps.ledger import FAILED, FINISHED, PRUNED
from gym.sweeps.search.space import read_space
from gym.sweeps.search.study import (
    best_trials,
    check_pruning,
    limit_trials,
    open_study,
    propose_trials,
    read_directions,
    record_result,
)
from tests.sweeps.search.searching import ROOT, Search, run_to_end

SPACE = read_space(["x=interval(0,1)"])
PROBES = [
    Search("", "tpe", "median"),
    Search("", "tpe", batch=3),
    Search("", "random", "hyperband", batch=2),
    Search("", "grid"),
    Search("", "cmaes", "hyperband"),
    Search("", "nsga2", objectives=("iou", "parameters")),
]


class Killed(BaseException):
    """Simulated death of a process."""


pytestmark = pytest.mark.usefixtures("quick_writes")


@pytest.fixture
def url(tmp_path):
    """The URL of a database that does not exist yet."""
    return f"sqlite:///{tmp_path}/new/search.db"


@contextmanager
def killed_at_write(number):
    """Raise `Killed` instead of executing the n-th write to a database, from 0."""
    left = [number]

    def count(connection, cursor, statement, *others):
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            left[0] -= 1
            if left[0] < 0:
                raise Killed

    sqlalchemy.event.listen(Engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        sqlalchemy.event.remove(Engine, "before_cursor_execute", count)


def opened(url, *overrides, name="probe", shared=None, **settings):
    """Open a study with random sampling unless ``settings`` of the search say otherwise."""
    space = read_space(overrides or ["x=interval(0,1)"])
    return open_study(url, name, space, SearchConfig(**{"sampler": "random"} | settings), 15, shared)


def finish(study, *scores, space=SPACE):
    """Propose trials one by one, and record these mean IoUs."""
    for iou in scores:
        (trial,) = propose_trials(study, space, total=100)
        record_result(study, trial, FINISHED, {"iou": iou})


def numbers(batch):
    return [trial.number for trial in batch]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: "-".join(map(str, probe[1:5])))
def test_a_search_killed_at_any_write_proposes_the_same_trials(tmp_path, probe):
    """The study ends with exactly the same numbers as an undisturbed one."""
    undisturbed = probe._replace(url=f"sqlite:///{tmp_path}/undisturbed.db")
    run_to_end(undisturbed)
    expected = undisturbed.rows()
    assert len(expected) == undisturbed.total
    assert len({str(row[1]) for row in expected}) > undisturbed.total - 3
    killed = probe._replace(url=f"sqlite:///{tmp_path}/killed.db")
    killed.study()

    kills = 0
    while True:
        with suppress(Killed), killed_at_write(14):
            run_to_end(killed)
            break
        kills += 1

    assert kills > 3
    assert killed.rows() == expected


def test_seeds_propose_different_trials(tmp_path):
    """The seed is that of the search, not of the runs."""
    first, second = (opened(f"sqlite:///{tmp_path}/{seed}.db", seed=seed) for seed in (1, 2))

    assert propose_trials(first, SPACE, 1)[0].params != propose_trials(second, SPACE, 1)[0].params


def test_parameters_of_a_trial_are_sampled_independently(url):
    """Two parameters with the same range get different values."""
    space = read_space(["x=interval(0,1)", "y=interval(0,1)"])
    (trial,) = propose_trials(opened(url, "x=interval(0,1)", "y=interval(0,1)"), space, 1)

    assert trial.params["x"] != trial.params["y"]


@pytest.mark.parametrize(("sampler", "learns"), [("random", 0), ("tpe", 1), ("cmaes", 1), ("nsga2", 1)])
def test_samplers_learn_after_the_startup_trials(tmp_path, sampler, learns):
    """Results do not affect the random startup trials; they affect later trials of all samplers but random."""
    proposed = []
    for sign in (1, -1):
        overrides = ["x=interval(0,1)", "y=interval(0,1)"]
        study = opened(f"sqlite:///{tmp_path}/{sign}.db", *overrides, sampler=sampler, startup=3)
        for _ in range(12):
            (trial,) = propose_trials(study, read_space(overrides), 12)
            record_result(study, trial, FINISHED, {"iou": sign * trial.params["x"]})
        proposed.append([tuple(trial.params.values()) for trial in study.trials])

    first, second = proposed
    assert first[:3] == second[:3]
    assert (first != second) == bool(learns)


def test_each_grid_point_gets_one_trial(url):
    """The number of trials is limited to the number of points."""
    overrides = ["x=1,2,3", "y=a,b"]
    space = read_space(overrides)
    study = opened(url, *overrides, sampler="grid", seed=5)
    total = limit_trials(SearchConfig(sampler="grid", trials=100), space)
    while batch := propose_trials(study, space, total):
        record_result(study, batch[0], FINISHED, {"iou": 0.5})

    assert total == 6
    assert sorted((trial.params["x"], trial.params["y"]) for trial in study.trials) == [
        (1, "a"),
        (1, "b"),
        (2, "a"),
        (2, "b"),
        (3, "a"),
        (3, "b"),
    ]


def test_the_number_of_trials_is_limited_to_the_grid():
    """Only a grid is finite."""
    assert limit_trials(SearchConfig(sampler="grid", trials=4), read_space(["x=1,2,3", "y=a,b"])) == 4
    assert limit_trials(SearchConfig(sampler="tpe", trials=100), SPACE) == 100


def test_a_repeated_search_continues_to_the_total(url):
    """A second call adds no trials; a higher total adds the difference."""
    study = opened(url)
    finish(study, 0.1, 0.2, 0.3)

    assert propose_trials(opened(url), SPACE, total=3) == []
    assert propose_trials(opened(url), SPACE, total=2) == []
    assert numbers(propose_trials(opened(url), SPACE, total=5)) == [3]


def test_every_ended_trial_counts(url):
    """Finished, pruned and failed trials count towards the total."""
    study = opened(url)
    for event in (FINISHED, PRUNED, FAILED):
        (trial,) = propose_trials(study, SPACE, total=3)
        assert record_result(study, trial, event, {"iou": 0.5}) == event

    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    assert propose_trials(study, SPACE, total=3) == []


def test_interrupted_trials_come_first(url):
    """They keep their numbers and parameters."""
    lost = propose_trials(opened(url), SPACE, total=8, batch=2)
    study = opened(url)

    again = propose_trials(study, SPACE, total=8, batch=2)
    assert [(trial.number, trial.params) for trial in again] == [(trial.number, trial.params) for trial in lost]
    for trial in again:
        record_result(study, trial, FINISHED, {"iou": 0.5})
    assert numbers(propose_trials(study, SPACE, total=8, batch=2)) == [2, 3]


def test_an_interrupted_batch_is_completed(url):
    """Trials of a batch are proposed before the result of any is known, also after a resume."""
    propose_trials(opened(url), SPACE, total=8, batch=2)
    study = opened(url)

    assert numbers(propose_trials(study, SPACE, total=8, batch=3)) == [0, 1, 2]
    study = opened(url)
    batch = propose_trials(study, SPACE, total=8, batch=3)
    record_result(study, batch[0], FINISHED, {"iou": 0.5})
    assert numbers(propose_trials(study, SPACE, total=8, batch=3)) == [1, 2]


def test_the_last_batch_stops_at_the_total(url):
    """Its trials may be new or interrupted."""
    study = opened(url)
    finish(study, 0.1, 0.2)

    assert numbers(propose_trials(study, SPACE, total=4, batch=4)) == [2, 3]
    assert numbers(propose_trials(opened(url), SPACE, total=4, batch=4)) == [2, 3]
    assert numbers(propose_trials(opened(url), SPACE, total=3, batch=4)) == [2]
    assert numbers(propose_trials(opened(url), SPACE, total=4, batch=1)) == [2]
    assert propose_trials(opened(url), SPACE, total=2, batch=4) == []


def test_enqueued_trials_come_before_new_ones(url):
    """A configuration enqueued by the user keeps its number."""
    study = opened(url)
    study.enqueue_trial({"x": 0.25})
    study.enqueue_trial({"x": 0.75})

    first = propose_trials(study, SPACE, total=5, batch=3)
    assert numbers(first) == [0, 1, 2]
    assert [trial.params["x"] for trial in first[:2]] == [0.25, 0.75]
    assert numbers(propose_trials(opened(url), SPACE, total=5, batch=3)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ({"iou": math.nan, "kld": 0.5}, "iou not finite"),
        ({"iou": 0.5, "kld": math.inf}, "kld not finite"),
        ({"kld": 0.5}, "iou not finite"),
        ({}, "iou and kld not finite"),
        (None, "iou and kld not finite"),
    ],
)
def test_a_result_that_is_not_finite_is_a_failure(url, scores, reason):
    """The study records the reason, and the search continues."""
    study = opened(url, objective=["iou", "kld"])
    (trial,) = propose_trials(study, SPACE, total=3)

    assert record_result(study, trial, FINISHED, scores) == FAILED
    (frozen,) = study.trials
    assert frozen.state == TrialState.FAIL
    assert frozen.values is None
    assert frozen.user_attrs["reason"] == reason
    assert numbers(propose_trials(study, SPACE, total=3)) == [1]


def test_a_failed_trial_keeps_its_message(url):
    """The message is a user attribute of the trial."""
    study = opened(url)
    (trial,) = propose_trials(study, SPACE, total=3)
    record_result(study, trial, FAILED, message="the loss is not finite")

    assert study.trials[0].user_attrs["reason"] == "the loss is not finite"


def test_values_follow_the_order_of_the_objectives(url):
    """Other scores of the run are ignored."""
    study = opened(url, objective=["parameters", "iou"])
    (trial,) = propose_trials(study, SPACE, total=3)
    record_result(study, trial, FINISHED, {"iou": 0.5, "kld": 0.1, "parameters": 1000})

    assert study.trials[0].values == [1000.0, 0.5]
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]


def test_a_recorded_result_is_kept(url):
    """A worker that outlives its driver cannot change it."""
    study = opened(url)
    (trial,) = propose_trials(study, SPACE, total=3)
    record_result(study, trial, FINISHED, {"iou": 0.5})

    assert record_result(study, trial, FAILED, message="late") == FINISHED
    assert study.trials[0].value == 0.5


def test_the_best_trial_has_the_best_value(url):
    """Failed trials are excluded, and the first of equal trials is chosen."""
    study = opened(url)
    assert best_trials(study) == []
    finish(study, 0.2, math.nan, 0.7, 0.7)
    assert numbers(best_trials(study)) == [2]

    lowest = opened(url, name="lowest", objective=["kld"])
    for kld in (0.5, 0.25, 0.75):
        record_result(lowest, propose_trials(lowest, SPACE, 100)[0], FINISHED, {"kld": kld})
    assert numbers(best_trials(lowest)) == [1]


def test_the_best_trials_are_the_pareto_front(url):
    """No other trial is better in all objectives."""
    study = opened(url, objective=["iou", "parameters"])
    assert best_trials(study) == []
    for iou, parameters in ((0.5, 100), (0.9, 900), (0.4, 200), (0.9, 800), (0.3, 50)):
        record_result(study, propose_trials(study, SPACE, 100)[0], FINISHED, {"iou": iou, "parameters": parameters})

    assert numbers(best_trials(study)) == [0, 3, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"overrides": ["x=interval(0,2)"]},
            r"^search probe was started with other settings: x was 0\.0 to 1\.0 and is now 0\.0 to 2\.0; restore it",
        ),
        ({"overrides": ["x=tag(log,interval(0.1,1))"]}, r"is now 0\.1 to 1\.0, by its logarithm; restore it"),
        ({"overrides": ["x=interval(0,1)", "y=1,2"]}, r"settings: y was not set and is now one of 1, 2; restore it"),
        ({"overrides": ["z=1,2"]}, r"settings: (z was not set|x was 0\.0 to 1\.0 and is now not set)"),
        ({"objective": ["kld"]}, r"settings: kld was not set and is now minimize; restore it"),
        ({"objective": ["iou", "kld"]}, r"settings: kld was not set and is now minimize"),
        ({"objective": ["dice"]}, r"settings: dice was not set and is now maximize"),
        ({"shared": {"training.epochs": "30"}}, r"settings: training\.epochs was 15 and is now 30; restore it"),
        ({"shared": {"training.epochs": "0f" * 32}}, r"training\.epochs was 15 and is now (0f){6}; restore it"),
        ({"shared": {}}, r"settings: training\.epochs was 15 and is now not set; restore it"),
    ],
)
@pytest.mark.parametrize("trials", [0, 1])
def test_a_search_with_other_settings_is_rejected(url, change, message, trials):
    """All trials of a study have the same space, objectives and shared properties."""
    finish(opened(url, shared={"training.epochs": "15"}), *[0.5] * trials)
    changed = {"shared": {"training.epochs": "15"}} | change
    overrides = changed.pop("overrides", ["x=interval(0,1)"])

    with pytest.raises(ConfigError, match=message):
        opened(url, *overrides, **changed)
    assert len(opened(url, shared={"training.epochs": "15"}).trials) == trials


def test_the_order_of_keys_does_not_matter(url):
    """The same space may be written in another order."""
    first = opened(url, "x=1,2", "y=interval(0,1)")
    again = opened(url, "y=interval(0,1)", "x=1,2")

    assert again._study_id == first._study_id


def test_a_study_killed_during_its_creation_is_completed(url, created_databases):
    """Settings that were not stored yet are added later."""
    kills = 0
    while True:
        with suppress(Killed), killed_at_write(kills):
            opened(url, shared={"a": "1"})
            break
        kills += 1

    assert kills > 3
    with pytest.raises(ConfigError, match=r"settings: a was 1 and is now 2"):
        opened(url, shared={"a": "2"})


def test_a_study_of_another_program_is_rejected(url):
    """A study with trials but without settings was not created here."""
    import optuna

    from gym.sweeps.search.storage import open_storage

    foreign = optuna.create_study(storage=open_storage(url), study_name="probe", direction="maximize")
    foreign.tell(foreign.ask(), 0.5)

    with pytest.raises(
        ConfigError, match=r"search probe was started with other settings: iou was not set and is now maximize"
    ):
        opened(url)


def test_several_studies_can_share_a_database(url):
    """Each has its own trials."""
    finish(opened(url, name="one"), 0.5)

    assert opened(url, "y=1,2", name="two", objective=["kld"]).trials == []


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        (
            ["ioo"],
            r"^search\.objective=ioo is not a score; choose from iou, dice, .*, kld, loss, "
            r"stopping_epoch, best_epoch, parameters",
        ),
        (["iou", "iou"], r"^search\.objective=\[iou,iou\] must list one or more different scores, as in \["),
        ([], r"^search\.objective=\[\] must list one or more different scores, as in \["),
    ],
)
def test_objectives_must_be_different_scores(objectives, message):
    """Unknown, repeated and missing scores are rejected."""
    with pytest.raises(ConfigError, match=message):
        read_directions(objectives)


def test_the_direction_follows_from_the_score():
    """Overlap is maximized; divergence, size and time are minimized."""
    wanted = {
        "iou": "maximize",
        "dice": "maximize",
        "kld": "minimize",
        "parameters": "minimize",
        "seconds": "minimize",
        "stopping_epoch": "minimize",
    }

    assert read_directions(list(wanted)) == wanted


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"pruner": "median", "objective": ["iou", "parameters"]},
            r"^search\.pruner=median supports one objective, not 2; set search\.pruner=none\.$",
        ),
        (
            {"pruner": "hyperband", "objective": ["parameters"]},
            r"needs an objective that is known after each epoch \(iou, kld, loss\), not parameters; set search\.pruner",
        ),
        (
            {"pruner": "median", "warmup": 15},
            r"^search\.warmup=15 must be less than training\.epochs=15 to prune any trial; lower it, or set search\.pr",
        ),
    ],
)
def test_impossible_pruning_is_rejected(url, settings, message):
    """The error comes before the study is created."""
    with pytest.raises(ConfigError, match=message):
        opened(url, **settings)


def test_hyperband_rejects_a_search_over_epochs():
    """Its rungs are fractions of one number of epochs."""
    space = read_space(["training.epochs=10,20"])

    with pytest.raises(ConfigError, match=r"needs the same training\.epochs in all trials, but they are searched; fix"):
        check_pruning(SearchConfig(pruner="hyperband"), 15, space)
    check_pruning(SearchConfig(pruner="median"), 15, space)
    check_pruning(SearchConfig(pruner="none", warmup=99, objective=["iou", "parameters"]), 15, space)


@pytest.mark.parametrize(
    ("overrides", "objective", "message"),
    [
        (
            ["x=interval(0,1)"],
            ["iou", "kld"],
            r"^search\.sampler=cmaes supports one objective, not 2; use search\.sampler=nsga2",
        ),
        (
            ["x=a,b", "y=range(7,8)"],
            ["iou"],
            r"^search\.sampler=cmaes needs a key with a numeric range, but all are lists; use search",
        ),
    ],
)
def test_cmaes_requires_numbers_and_one_objective(url, overrides, objective, message):
    """Lists and several objectives are rejected."""
    with pytest.raises(ConfigError, match=message):
        opened(url, *overrides, objective=objective, sampler="cmaes")


def test_an_infinite_grid_is_rejected(url):
    """The error names the key."""
    with pytest.raises(ConfigError, match=r"^x has infinitely many values, but search\.sampler=grid tries all"):
        opened(url, sampler="grid")


def test_a_database_lost_during_a_search_is_one_error_line(url, tmp_path):
    """The error names the search."""
    study = opened(url)
    finish(study, 0.5)
    (trial,) = propose_trials(study, SPACE, 5)
    (tmp_path / "new" / "search.db").unlink()

    for act in (lambda: propose_trials(study, SPACE, 5), lambda: record_result(study, trial, FINISHED, {"iou": 0.5})):
        with pytest.raises(
            RunError, match=r"^the database of search probe cannot be used \(.+\); check it and the free"
        ):
            act()


@pytest.mark.process
def test_a_search_killed_by_sigkill_ends_the_same(tmp_path):
    """The process is killed at random moments, several times."""
    undisturbed, killed = (
        Search(f"sqlite:///{tmp_path}/{name}.db", "tpe", "hyperband") for name in ("undisturbed", "killed")
    )
    run_to_end(undisturbed)
    chance = random.Random(7)
    kills = 0
    while True:
        command = [sys.executable, "-m", "tests.sweeps.search.searching", *killed[:3]]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as driver:
            driver.stdout.readline()
            if kills < 4:
                time.sleep(chance.uniform(0.02, 0.3))
                driver.kill()
        if driver.returncode == 0:
            break
        kills += 1

    rows = killed.rows()
    assert kills > 2
    assert [row[0] for row in rows] == list(range(undisturbed.total))
    assert rows == undisturbed.rows()

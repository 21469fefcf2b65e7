"""A search goes on as if nothing had happened, wherever it was cut off, and passes over what is no result."""

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

from gym.core.errors import ConfigError, RunError
from gym.sweeps.ledger import FAILED, FINISHED, PRUNED
from gym.sweeps.search.pruners import Pruning
from gym.sweeps.search.samplers import Sampling
from gym.sweeps.search.space import read_space
from gym.sweeps.search.study import (
    best_trials,
    check_pruning,
    directions_of,
    next_trials,
    open_study,
    tell,
    trials_in_all,
)
from tests.sweeps.search.searching import ROOT, Search, carry_on

SPACE = read_space(["x=interval(0,1)"])
PROBES = [
    Search("", "tpe", "median"),
    Search("", "tpe", at_once=3),
    Search("", "random", "hyperband", at_once=2),
    Search("", "grid"),
    Search("", "cmaes", "hyperband"),
    Search("", "nsga2", objectives=("iou", "parameters")),
]


class Killed(BaseException):
    """The end of a process, as far as a test in one process can have it."""


pytestmark = pytest.mark.usefixtures("quick_writes")


@pytest.fixture
def url(tmp_path):
    """A database that does not exist yet."""
    return f"sqlite:///{tmp_path}/new/search.db"


@contextmanager
def killed_at_write(number):
    """End a block before its so-many-th write to a database."""
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


def opened(url, *overrides, name="probe", objectives=("iou",), sampling=None, pruning=None, shared=None):
    """A study of the simplest kind."""
    space = read_space(overrides or ["x=interval(0,1)"])
    return open_study(url, name, objectives, space, sampling or Sampling("random"), pruning or Pruning(), shared)


def finish(study, *scores, space=SPACE):
    """Tell the next trials these mean IoUs, each as soon as it is proposed."""
    for iou in scores:
        (trial,) = next_trials(study, space, total=100)
        tell(study, trial, FINISHED, {"iou": iou})


def numbers(batch):
    return [trial.number for trial in batch]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: "-".join(map(str, probe[1:5])))
def test_a_search_cut_off_anywhere_proposes_the_same(tmp_path, probe):
    """Whichever write a process dies before, the study ends as one that was never cut off, number for number."""
    whole = probe._replace(url=f"sqlite:///{tmp_path}/whole.db")
    carry_on(whole)
    expected = whole.rows()
    assert len(expected) == whole.total
    assert len({str(row[1]) for row in expected}) > whole.total - 3
    broken = probe._replace(url=f"sqlite:///{tmp_path}/broken.db")
    broken.study()

    kills = 0
    while True:
        with suppress(Killed), killed_at_write(14):
            carry_on(broken)
            break
        kills += 1

    assert kills > 3
    assert broken.rows() == expected


def test_seeds_differ(tmp_path):
    """Another seed is another search."""
    first, second = (
        opened(f"sqlite:///{tmp_path}/{seed}.db", sampling=Sampling("random", seed=seed)) for seed in (1, 2)
    )

    assert next_trials(first, SPACE, 1)[0].params != next_trials(second, SPACE, 1)[0].params


def test_parameters_differ_within_a_trial(url):
    """Two parameters of one range are drawn apart."""
    space = read_space(["x=interval(0,1)", "y=interval(0,1)"])
    (trial,) = next_trials(opened(url, "x=interval(0,1)", "y=interval(0,1)"), space, 1)

    assert trial.params["x"] != trial.params["y"]


@pytest.mark.parametrize(("sampler", "learns"), [("random", 0), ("tpe", 1), ("cmaes", 1), ("nsga2", 1)])
def test_samplers_learn(tmp_path, sampler, learns):
    """The random first trials are the same whatever comes of them; what is proposed after them is not."""
    proposed = []
    for sign in (1, -1):
        overrides = ["x=interval(0,1)", "y=interval(0,1)"]
        study = opened(f"sqlite:///{tmp_path}/{sign}.db", *overrides, sampling=Sampling(sampler, startup=3))
        for _ in range(12):
            (trial,) = next_trials(study, read_space(overrides), 12)
            tell(study, trial, FINISHED, {"iou": sign * trial.params["x"]})
        proposed.append([tuple(trial.params.values()) for trial in study.trials])

    first, second = proposed
    assert first[:3] == second[:3]
    assert (first != second) == bool(learns)


def test_a_grid_is_visited_once_each(url):
    """Every point of a grid has one trial, and there are no more trials than points."""
    overrides = ["x=1,2,3", "y=a,b"]
    space, sampling = read_space(overrides), Sampling("grid", seed=5)
    study = opened(url, *overrides, sampling=sampling)
    total = trials_in_all(100, sampling, space)
    while batch := next_trials(study, space, total):
        tell(study, batch[0], FINISHED, {"iou": 0.5})

    assert total == 6
    assert sorted((trial.params["x"], trial.params["y"]) for trial in study.trials) == [
        (1, "a"),
        (1, "b"),
        (2, "a"),
        (2, "b"),
        (3, "a"),
        (3, "b"),
    ]


def test_the_total_is_no_more_than_wanted():
    """Only a grid has an end of its own."""
    assert trials_in_all(4, Sampling("grid"), read_space(["x=1,2,3", "y=a,b"])) == 4
    assert trials_in_all(100, Sampling("tpe"), SPACE) == 100


def test_a_rerun_goes_on_to_the_total(url):
    """The number of trials is a total: a second call adds none, a higher total adds the difference."""
    study = opened(url)
    finish(study, 0.1, 0.2, 0.3)

    assert next_trials(opened(url), SPACE, total=3) == []
    assert next_trials(opened(url), SPACE, total=2) == []
    assert numbers(next_trials(opened(url), SPACE, total=5)) == [3]


def test_whatever_ended_counts(url):
    """Finished, pruned and failed trials all count towards the total."""
    study = opened(url)
    for event in (FINISHED, PRUNED, FAILED):
        (trial,) = next_trials(study, SPACE, total=3)
        assert tell(study, trial, event, {"iou": 0.5}) == event

    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    assert next_trials(study, SPACE, total=3) == []


def test_orphans_come_first_under_their_number(url):
    """What was under way when the process died is made again, with the same parameters, before anything new."""
    lost = next_trials(opened(url), SPACE, total=8, at_once=2)
    study = opened(url)

    again = next_trials(study, SPACE, total=8, at_once=2)
    assert [(trial.number, trial.params) for trial in again] == [(trial.number, trial.params) for trial in lost]
    for trial in again:
        tell(study, trial, FINISHED, {"iou": 0.5})
    assert numbers(next_trials(study, SPACE, total=8, at_once=2)) == [2, 3]


def test_a_batch_cut_off_is_made_whole(url):
    """Proposals are made a batch at a time, so the rest of one that was cut off knows as little as its first."""
    next_trials(opened(url), SPACE, total=8, at_once=2)
    study = opened(url)

    assert numbers(next_trials(study, SPACE, total=8, at_once=3)) == [0, 1, 2]
    study = opened(url)
    batch = next_trials(study, SPACE, total=8, at_once=3)
    tell(study, batch[0], FINISHED, {"iou": 0.5})
    assert numbers(next_trials(study, SPACE, total=8, at_once=3)) == [1, 2]


def test_the_last_batch_is_as_small_as_it_must(url):
    """A batch never goes beyond the total, whether trials of it are new or were cut off."""
    study = opened(url)
    finish(study, 0.1, 0.2)

    assert numbers(next_trials(study, SPACE, total=4, at_once=4)) == [2, 3]
    assert numbers(next_trials(opened(url), SPACE, total=4, at_once=4)) == [2, 3]
    assert numbers(next_trials(opened(url), SPACE, total=3, at_once=4)) == [2]
    assert numbers(next_trials(opened(url), SPACE, total=4, at_once=1)) == [2]
    assert next_trials(opened(url), SPACE, total=2, at_once=4) == []


def test_trials_put_in_line_come_before_new_ones(url):
    """A configuration that somebody wants tried is tried, at once and under its number."""
    study = opened(url)
    study.enqueue_trial({"x": 0.25})
    study.enqueue_trial({"x": 0.75})

    first = next_trials(study, SPACE, total=5, at_once=3)
    assert numbers(first) == [0, 1, 2]
    assert [trial.params["x"] for trial in first[:2]] == [0.25, 0.75]
    assert numbers(next_trials(opened(url), SPACE, total=5, at_once=3)) == [0, 1, 2]


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
def test_what_is_no_result_has_failed(url, scores, reason):
    """A run without a finite value of each objective is recorded as failed, with the reason, and passed over."""
    study = opened(url, objectives=("iou", "kld"))
    (trial,) = next_trials(study, SPACE, total=3)

    assert tell(study, trial, FINISHED, scores) == FAILED
    (frozen,) = study.trials
    assert frozen.state == TrialState.FAIL
    assert frozen.values is None
    assert frozen.user_attrs["reason"] == reason
    assert numbers(next_trials(study, SPACE, total=3)) == [1]


def test_a_failure_keeps_its_message(url):
    """Why a run failed stands in the study."""
    study = opened(url)
    (trial,) = next_trials(study, SPACE, total=3)
    tell(study, trial, FAILED, message="the loss is not finite")

    assert study.trials[0].user_attrs["reason"] == "the loss is not finite"


def test_objectives_keep_their_order(url):
    """Values stand in the order of the objectives, whatever else a run scored."""
    study = opened(url, objectives=("parameters", "iou"))
    (trial,) = next_trials(study, SPACE, total=3)
    tell(study, trial, FINISHED, {"iou": 0.5, "kld": 0.1, "parameters": 1000})

    assert study.trials[0].values == [1000.0, 0.5]
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]


def test_what_was_told_stays(url):
    """A worker that outlived its driver changes nothing: what was told first counts."""
    study = opened(url)
    (trial,) = next_trials(study, SPACE, total=3)
    tell(study, trial, FINISHED, {"iou": 0.5})

    assert tell(study, trial, FAILED, message="late") == FINISHED
    assert study.trials[0].value == 0.5


def test_best_of_one_objective(url):
    """The best is the highest or the lowest; failed trials are none, and of equals the first counts."""
    study = opened(url)
    assert best_trials(study) == []
    finish(study, 0.2, math.nan, 0.7, 0.7)
    assert numbers(best_trials(study)) == [2]

    lowest = opened(url, name="lowest", objectives=("kld",))
    for kld in (0.5, 0.25, 0.75):
        tell(lowest, next_trials(lowest, SPACE, 100)[0], FINISHED, {"kld": kld})
    assert numbers(best_trials(lowest)) == [1]


def test_best_of_several_objectives(url):
    """The Pareto front: what nothing else beats in every respect."""
    study = opened(url, objectives=("iou", "parameters"))
    assert best_trials(study) == []
    for iou, parameters in ((0.5, 100), (0.9, 900), (0.4, 200), (0.9, 800), (0.3, 50)):
        tell(study, next_trials(study, SPACE, 100)[0], FINISHED, {"iou": iou, "parameters": parameters})

    assert numbers(best_trials(study)) == [0, 3, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"overrides": ["x=interval(0,2)"]},
            r"^search probe was begun with x 0\.0 to 1\.0, and now it is 0\.0 to 2\.0; restore it, or give the search",
        ),
        ({"overrides": ["x=tag(log,interval(0.1,1))"]}, r"now it is 0\.1 to 1\.0, by its logarithm; restore it"),
        ({"overrides": ["x=interval(0,1)", "y=1,2"]}, r"begun with y not set, and now it is one of 1, 2; restore it"),
        ({"overrides": ["z=1,2"]}, r"begun with z not set|begun with x 0\.0 to 1\.0, and now it is not set"),
        ({"objectives": ("kld",)}, r"begun with kld not set, and now it is minimize; restore it"),
        ({"objectives": ("iou", "kld")}, r"begun with kld not set, and now it is minimize"),
        ({"objectives": ("dice",)}, r"begun with dice not set, and now it is maximize"),
        ({"shared": {"training.epochs": "30"}}, r"begun with training\.epochs 15, and now it is 30; restore it"),
        ({"shared": {}}, r"begun with training\.epochs 15, and now it is not set; restore it"),
    ],
)
@pytest.mark.parametrize("trials", [0, 1])
def test_another_search_of_the_same_name_is_refused(url, change, message, trials):
    """A study holds trials that can be compared: one space, one objective, one of whatever else they share."""
    finish(opened(url, shared={"training.epochs": "15"}), *[0.5] * trials)
    changed = {"shared": {"training.epochs": "15"}} | change
    overrides = changed.pop("overrides", ["x=interval(0,1)"])

    with pytest.raises(ConfigError, match=message):
        opened(url, *overrides, **changed)
    assert len(opened(url, shared={"training.epochs": "15"}).trials) == trials


def test_the_order_of_keys_is_no_difference(url):
    """The same space written in another order is the same."""
    opened(url, "x=1,2", "y=interval(0,1)")
    opened(url, "y=interval(0,1)", "x=1,2")


def test_a_study_killed_as_it_is_made_is_made_whole(url):
    """A study without its description, killed before that was written, gets it."""
    kills = 0
    while True:
        with suppress(Killed), killed_at_write(kills):
            opened(url, shared={"a": "1"})
            break
        kills += 1

    assert kills > 3
    with pytest.raises(ConfigError, match=r"begun with a 1, and now it is 2"):
        opened(url, shared={"a": "2"})


def test_a_study_of_somebody_else_is_refused(url):
    """A study with trials that this program did not begin is not gone on with."""
    import optuna

    from gym.sweeps.search.storage import open_storage

    foreign = optuna.create_study(storage=open_storage(url), study_name="probe", direction="maximize")
    foreign.tell(foreign.ask(), 0.5)

    with pytest.raises(ConfigError, match=r"search probe was begun with iou not set, and now it is maximize"):
        opened(url)


def test_studies_share_a_database(url):
    """Searches of other names stand beside each other."""
    finish(opened(url, name="one"), 0.5)

    assert opened(url, "y=1,2", name="two", objectives=("kld",)).trials == []


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        (
            ["ioo"],
            r"^search\.objective=ioo is no score of a run; choose among iou, dice, .*, kld, loss, "
            r"stopping_epoch, best_epoch, parameters",
        ),
        (["iou", "iou"], r"^search\.objective=\[iou,iou\] must name one or more scores, each once\.$"),
        ([], r"^search\.objective=\[\] must name one or more scores, each once\.$"),
    ],
)
def test_objectives_are_scores(objectives, message):
    """An objective is a score that every run has."""
    with pytest.raises(ConfigError, match=message):
        directions_of(objectives)


def test_directions():
    """More overlap is better; less divergence, size and time are."""
    wanted = {
        "iou": "maximize",
        "dice": "maximize",
        "kld": "minimize",
        "parameters": "minimize",
        "seconds": "minimize",
        "stopping_epoch": "minimize",
    }

    assert directions_of(list(wanted)) == wanted


@pytest.mark.parametrize(
    ("pruning", "objectives", "message"),
    [
        (
            Pruning("median"),
            ["iou", "parameters"],
            r"search\.pruner=median wants one objective, and there are 2; set search\.pruner=none\.$",
        ),
        (
            Pruning("hyperband"),
            ["parameters"],
            r"wants an objective known after each epoch \(iou, kld, loss\), and parameters is not; set search\.pruner",
        ),
        (
            Pruning("median", warmup=15, epochs=15),
            ["iou"],
            r"^search\.warmup=15 leaves no epoch of 15 to prune at; lower it, or set search\.pruner=none\.$",
        ),
    ],
)
def test_pruning_that_cannot_be_is_refused(url, pruning, objectives, message):
    """It is refused before anything is begun."""
    with pytest.raises(ConfigError, match=message):
        opened(url, objectives=objectives, pruning=pruning)


def test_hyperband_over_different_lengths_is_refused():
    """Its rungs are shares of one number of epochs."""
    space = read_space(["training.epochs=10,20"])

    with pytest.raises(ConfigError, match=r"wants one number of epochs for all, and training\.epochs is searched; fix"):
        check_pruning(Pruning("hyperband"), ["iou"], space)
    check_pruning(Pruning("median"), ["iou"], space)
    check_pruning(Pruning("none", warmup=99), ["iou", "parameters"], space)


@pytest.mark.parametrize(
    ("overrides", "objectives", "message"),
    [
        (
            ["x=interval(0,1)"],
            ("iou", "kld"),
            r"^cmaes searches by one objective, not by 2; choose search\.sampler=nsga2",
        ),
        (
            ["x=a,b", "y=range(7,8)"],
            ("iou",),
            r"^cmaes wants a number to search, and all keys are lists; choose search",
        ),
    ],
)
def test_what_cmaes_cannot_search_is_refused(url, overrides, objectives, message):
    """CMA-ES moves through numbers, towards one goal."""
    with pytest.raises(ConfigError, match=message):
        opened(url, *overrides, objectives=objectives, sampling=Sampling("cmaes"))


def test_a_grid_without_end_is_refused(url):
    """A grid wants an end of values of each key."""
    with pytest.raises(ConfigError, match=r"^x has no end of values, and a grid visits each"):
        opened(url, sampling=Sampling("grid"))


def test_a_database_lost_in_between(url, tmp_path):
    """A database that is gone, or cannot be written, ends in one line that names the search."""
    study = opened(url)
    finish(study, 0.5)
    (trial,) = next_trials(study, SPACE, 5)
    (tmp_path / "new" / "search.db").unlink()

    for act in (lambda: next_trials(study, SPACE, 5), lambda: tell(study, trial, FINISHED, {"iou": 0.5})):
        with pytest.raises(RunError, match=r"^the database of search probe cannot be used \(.+\); nothing finished is"):
            act()


@pytest.mark.process
def test_killed_by_the_system_at_random(tmp_path):
    """The real thing: SIGKILL at random moments, again and again, and the study ends as if nothing had happened."""
    whole, broken = (Search(f"sqlite:///{tmp_path}/{name}.db", "tpe", "hyperband") for name in ("whole", "broken"))
    carry_on(whole)
    chance = random.Random(7)
    kills = 0
    while True:
        command = [sys.executable, "-m", "tests.sweeps.search.searching", *broken[:3]]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as driver:
            driver.stdout.readline()
            if kills < 4:
                time.sleep(chance.uniform(0.02, 0.3))
                driver.kill()
        if driver.returncode == 0:
            break
        kills += 1

    rows = broken.rows()
    assert kills > 2
    assert [row[0] for row in rows] == list(range(whole.total))
    assert rows == whole.rows()

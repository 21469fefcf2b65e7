"""A trial is pruned when it falls behind, with the same decisions however often its process is killed."""

import math
import random

import optuna
import pytest
from optuna.pruners import HyperbandPruner
from optuna.trial import TrialState

from gym.config.schema import SearchConfig
from gym.core.errors import RunError
from gym.sweeps.search.pruners import ResumableHyperband, TrialPruner, is_eliminated, make_pruner
from gym.sweeps.search.storage import open_storage

MEDIAN = SearchConfig(pruner="median", startup=1, warmup=2)


pytestmark = pytest.mark.usefixtures("quick_writes")


@pytest.fixture
def url(tmp_path):
    """A database with a study whose first trial reported 0.2, 0.4, 0.6 and 0.8; two more trials have started."""
    url = f"sqlite:///{tmp_path}/search.db"
    study = optuna.create_study(storage=open_storage(url), study_name="probe", direction="maximize")
    finish(study, [0.2, 0.4, 0.6, 0.8])
    study.ask()
    study.ask()
    return url


def finish(study, values, trial=None):
    """Report values of a trial, and finish it."""
    trial = trial or study.ask()
    for epoch, value in enumerate(values, start=1):
        trial.report(value, epoch)
    study.tell(trial, values[-1])


def stops(pruner, curves, direction):
    """Run trials one by one, and return the epoch at which each was pruned, or None."""
    study = optuna.create_study(study_name="probe", direction=direction, pruner=pruner)
    stopped = []
    for curve in curves:
        trial = study.ask()
        epochs = enumerate(curve, start=1)
        stopped.append(next((epoch for epoch, value in epochs if reports_and_stops(trial, value, epoch)), None))
        study.tell(trial, *([] if stopped[-1] else [curve[-1]]), state=TrialState.PRUNED if stopped[-1] else None)
    return stopped


def reports_and_stops(trial, value, epoch):
    trial.report(value, epoch)
    return trial.should_prune()


def test_no_trial_is_pruned_without_a_pruner():
    """Even the worst trials run to their end."""
    assert (
        stops(make_pruner(SearchConfig(pruner="none"), 9), [[0.9] * 5, [0.1] * 5, [0.0] * 5], "maximize") == [None] * 3
    )


def test_median_prunes_below_the_median_after_the_warmup():
    """The best value so far is compared with the median of the other trials, computed by hand."""
    curves = [
        [0.1, 0.2, 0.3, 0.4],
        [0.3, 0.4, 0.5, 0.6],
        [0.0, 0.31, 0.5, 0.6],  # median at 2: 0.3
        [0.9, 0.2, 0.3, 0.4],  # its best so far is 0.9
        [0.0, 0.1, 0.9, 0.9],  # at 1 it is still in the warm-up; median at 2: 0.255
        [0.0, 0.4, 0.39, 0.9],  # median at 3: 0.4, best so far 0.4
    ]
    pruner = make_pruner(SearchConfig(pruner="median", startup=2, warmup=2), 9)

    assert stops(pruner, curves, "maximize") == [None, None, None, None, 2, None]


def test_median_never_prunes_the_startup_trials():
    """The first three trials run to their end."""
    curves = [[0.5, 0.5], [0.4, 0.4], [0.3, 0.3], [0.2, 0.2]]

    assert stops(make_pruner(SearchConfig(pruner="median", startup=3, warmup=1), 9), curves, "maximize") == [
        None,
        None,
        None,
        1,
    ]


def test_the_rungs_of_each_bracket():
    """The values for 1 to 9 epochs and for 2 to 17 were computed by hand."""
    nine, seventeen = ResumableHyperband(1, 9), ResumableHyperband(2, 17)

    assert [list(nine.rungs(bracket)) for bracket in range(4)] == [[1, 3, 9], [3, 9], [9], []]
    assert [list(seventeen.rungs(bracket)) for bracket in range(3)] == [[2, 6], [6], []]


def test_trials_are_divided_between_brackets():
    """For nine epochs, three brackets get 9, 5 and 3 of 17 trials."""
    pruner = ResumableHyperband(1, 9)
    brackets = [pruner.bracket_of("probe", number) for number in range(17_000)]

    assert [round(brackets.count(bracket) / 1000) for bracket in range(3)] == [9, 5, 3]


@pytest.mark.parametrize(
    ("value", "rivals", "is_highest_best", "expected"),
    [
        (0.5, [], True, False),
        (0.5, [0.4], True, False),
        (0.4, [0.5], True, True),
        (0.4, [0.4], True, False),
        (0.5, [0.6, 0.1, 0.2, 0.3, 0.4], True, False),  # the second of six
        (0.4, [0.6, 0.1, 0.2, 0.3, 0.5], True, True),  # the third of six
        (0.5, [0.4, 0.6, 0.7, 0.8, 0.9], False, False),
        (0.6, [0.4, 0.5, 0.7, 0.8, 0.9], False, True),
    ],
)
def test_the_best_third_continues(value, rivals, is_highest_best, expected):
    """Of n trials, n // 3 continue, and always the best one."""
    assert is_eliminated(value, rivals, is_highest_best) == expected


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize(("least", "most"), [(1, 9), (2, 20), (3, 15), (1, 1), (5, 30)])
def test_hyperband_decides_as_in_optuna(least, most, direction):
    """All decisions are equal, for trials of any length."""
    chance = random.Random(f"{least} {most} {direction}")
    curves = [[chance.random() for _ in range(chance.choice([most, most, most // 2 + 1]))] for _ in range(40)]

    ours = stops(ResumableHyperband(least, most), curves, direction)

    theirs = HyperbandPruner(min_resource=least, max_resource=most, reduction_factor=3)
    assert ours == stops(theirs, curves, direction)
    assert any(ours)
    assert not all(ours)


def test_hyperband_without_rungs_never_prunes():
    """The warm-up may be longer than a run."""
    assert stops(ResumableHyperband(10, 9), [[0.9] * 9, [0.1] * 9], "maximize") == [None, None]


def test_a_worker_compares_its_trial_with_the_database(url):
    """It stores each value and does not end the trial."""
    pruner = TrialPruner(url, "probe", 1, MEDIAN, 9)

    assert [pruner.should_prune(1, 0.1), pruner.should_prune(2, 0.4), pruner.should_prune(3, 0.5)] == [
        False,
        False,
        True,
    ]
    trial = optuna.load_study(study_name="probe", storage=open_storage(url)).trials[1]
    assert trial.intermediate_values == {1: 0.1, 2: 0.4, 3: 0.5}
    assert trial.state == TrialState.RUNNING


def test_a_repeated_epoch_keeps_its_value_and_decision(url):
    """Results of other trials since then make no difference."""
    first = TrialPruner(url, "probe", 1, MEDIAN, 9)
    assert [first.should_prune(epoch, value) for epoch, value in ((1, 0.1), (2, 0.4))] == [False, False]
    study = optuna.load_study(study_name="probe", storage=open_storage(url))
    for _ in range(2):
        finish(study, [0.7, 0.8, 0.9, 0.9])

    again = TrialPruner(url, "probe", 1, MEDIAN, 9)
    assert [again.should_prune(1, 0.1), again.should_prune(2, 0.4)] == [False, False]
    assert again.should_prune(3, 0.6)
    once_more = TrialPruner(url, "probe", 1, MEDIAN, 9)
    assert [once_more.should_prune(epoch, 0.99) for epoch in (1, 2, 3)] == [False, False, True]
    assert study.trials[1].intermediate_values == {1: 0.1, 2: 0.4, 3: 0.6}


@pytest.mark.parametrize("kind", ["median", "hyperband"])
def test_an_epoch_without_a_decision_is_decided_later(url, kind):
    """The process was killed after it stored the value."""
    search = SearchConfig(pruner=kind, startup=1, warmup=1)
    study = optuna.load_study(study_name="probe", storage=open_storage(url))
    trial = optuna.trial.Trial(study, study.trials[1]._trial_id)
    trial.report(0.1, 1)

    assert TrialPruner(url, "probe", 1, search, 2).should_prune(1, 0.1)
    assert TrialPruner(url, "probe", 1, search, 2).should_prune(1, 0.1)


def test_values_that_are_not_finite_are_skipped(url):
    """Whether the run failed is decided at its end."""
    pruner = TrialPruner(url, "probe", 1, MEDIAN, 9)

    assert [pruner.should_prune(epoch, value) for epoch, value in ((1, math.nan), (2, math.inf), (3, 0.7))] == [
        False
    ] * 3
    study = optuna.load_study(study_name="probe", storage=open_storage(url))
    assert study.trials[1].intermediate_values == {3: 0.7}


@pytest.mark.parametrize(("name", "number"), [("probe", 3), ("other", 0)])
def test_an_unknown_trial_is_an_error(url, name, number):
    """The error names the search, the trial and the database."""
    with pytest.raises(
        RunError, match=rf"^search {name} has no trial {number} in sqlite:///.*; repeat the command that st"
    ):
        TrialPruner(url, name, number, MEDIAN, 9)


def test_an_ended_trial_is_an_error(url):
    """A worker may outlive its driver."""
    pruner = TrialPruner(url, "probe", 1, MEDIAN, 9)
    optuna.load_study(study_name="probe", storage=open_storage(url)).tell(1, 0.5)

    with pytest.raises(RunError, match=r"^the database of search probe cannot be used \(.*already finished"):
        pruner.should_prune(1, 0.5)

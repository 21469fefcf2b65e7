"""A trial is given up when it falls behind, and gets the same verdict however often its process is killed."""

import math
import random

import optuna
import pytest
from optuna.pruners import HyperbandPruner
from optuna.trial import TrialState

from gym.core.errors import RunError
from gym.sweeps.search.pruners import EpochPruner, Hyperband, Pruning, is_beaten, make_pruner
from gym.sweeps.search.storage import open_storage

MEDIAN = Pruning("median", startup=1, warmup=2, epochs=9)


pytestmark = pytest.mark.usefixtures("quick_writes")


@pytest.fixture
def url(tmp_path):
    """A database with a study whose first trial went 0.2, 0.4, 0.6, 0.8 and whose second and third have begun."""
    url = f"sqlite:///{tmp_path}/search.db"
    study = optuna.create_study(storage=open_storage(url), study_name="probe", direction="maximize")
    finish(study, [0.2, 0.4, 0.6, 0.8])
    study.ask()
    study.ask()
    return url


def finish(study, values, trial=None):
    """Run a trial to its end."""
    trial = trial or study.ask()
    for epoch, value in enumerate(values, start=1):
        trial.report(value, epoch)
    study.tell(trial, values[-1])


def stops(pruner, curves, direction):
    """After which epoch each trial was given up, or None, when they run one after the other."""
    study = optuna.create_study(study_name="probe", direction=direction, pruner=pruner)
    stopped = []
    for curve in curves:
        trial = study.ask()
        epochs = enumerate(curve, start=1)
        stopped.append(next((epoch for epoch, value in epochs if told_to_stop(trial, value, epoch)), None))
        study.tell(trial, *([] if stopped[-1] else [curve[-1]]), state=TrialState.PRUNED if stopped[-1] else None)
    return stopped


def told_to_stop(trial, value, epoch):
    trial.report(value, epoch)
    return trial.should_prune()


def test_none_never_prunes():
    """Without a pruner every trial runs to its end."""
    assert stops(make_pruner(Pruning("none")), [[0.9] * 5, [0.1] * 5, [0.0] * 5], "maximize") == [None] * 3


def test_median_by_hand():
    """After the warm-up a trial is given up whose best so far is below the median of those that finished."""
    curves = [
        [0.1, 0.2, 0.3, 0.4],
        [0.3, 0.4, 0.5, 0.6],
        [0.0, 0.31, 0.5, 0.6],  # median at 2: 0.3
        [0.9, 0.2, 0.3, 0.4],  # its best so far is 0.9
        [0.0, 0.1, 0.9, 0.9],  # at 1 it is still in the warm-up; median at 2: 0.255
        [0.0, 0.4, 0.39, 0.9],  # median at 3: 0.4, best so far 0.4
    ]
    pruner = make_pruner(Pruning("median", startup=2, warmup=2))

    assert stops(pruner, curves, "maximize") == [None, None, None, None, 2, None]


def test_median_waits_for_the_first_trials():
    """Until so many trials have run to their end, none is given up."""
    curves = [[0.5, 0.5], [0.4, 0.4], [0.3, 0.3], [0.2, 0.2]]

    assert stops(make_pruner(Pruning("median", startup=3, warmup=1)), curves, "maximize") == [None, None, None, 1]


def test_rungs_by_hand():
    """The brackets of 1 to 9 epochs, and of 2 to 17."""
    nine, seventeen = Hyperband(1, 9), Hyperband(2, 17)

    assert [list(nine.rungs(bracket)) for bracket in range(4)] == [[1, 3, 9], [3, 9], [9], []]
    assert [list(seventeen.rungs(bracket)) for bracket in range(3)] == [[2, 6], [6], []]


def test_brackets_share_the_trials():
    """Of nine epochs' three brackets the first gets 9 of 17 trials, the second 5, the third 3."""
    pruner = Hyperband(1, 9)
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
def test_the_best_third_goes_on(value, rivals, is_highest_best, expected):
    """Of n trials n // 3 go on, and always the best."""
    assert is_beaten(value, rivals, is_highest_best) == expected


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize(("least", "most"), [(1, 9), (2, 20), (3, 15), (1, 1), (5, 30)])
def test_hyperband_is_that_of_optuna(least, most, direction):
    """Verdict for verdict, over trials of any length."""
    chance = random.Random(f"{least} {most} {direction}")
    curves = [[chance.random() for _ in range(chance.choice([most, most, most // 2 + 1]))] for _ in range(40)]

    ours = stops(Hyperband(least, most), curves, direction)

    theirs = HyperbandPruner(min_resource=least, max_resource=most, reduction_factor=3)
    assert ours == stops(theirs, curves, direction)
    assert any(ours)
    assert not all(ours)


def test_hyperband_without_a_rung_never_prunes():
    """Where the warm-up is longer than a run, there is nothing to judge."""
    assert stops(Hyperband(10, 9), [[0.9] * 9, [0.1] * 9], "maximize") == [None, None]


def test_a_verdict_from_another_process(url):
    """A worker hears whether its trial falls behind those that the database holds."""
    pruner = EpochPruner(url, "probe", 1, MEDIAN)

    assert [pruner.report(1, 0.1), pruner.report(2, 0.4), pruner.report(3, 0.5)] == [False, False, True]
    trial = optuna.load_study(study_name="probe", storage=open_storage(url)).trials[1]
    assert trial.intermediate_values == {1: 0.1, 2: 0.4, 3: 0.5}
    assert trial.state == TrialState.RUNNING


def test_epochs_told_again_keep_value_and_verdict(url):
    """A run that goes on from its checkpoint hears again what it heard, whatever others came to since."""
    first = EpochPruner(url, "probe", 1, MEDIAN)
    assert [first.report(epoch, value) for epoch, value in ((1, 0.1), (2, 0.4))] == [False, False]
    study = optuna.load_study(study_name="probe", storage=open_storage(url))
    for _ in range(2):
        finish(study, [0.7, 0.8, 0.9, 0.9])

    again = EpochPruner(url, "probe", 1, MEDIAN)
    assert [again.report(1, 0.1), again.report(2, 0.4)] == [False, False]
    assert again.report(3, 0.6)
    once_more = EpochPruner(url, "probe", 1, MEDIAN)
    assert [once_more.report(epoch, 0.99) for epoch in (1, 2, 3)] == [False, False, True]
    assert study.trials[1].intermediate_values == {1: 0.1, 2: 0.4, 3: 0.6}


@pytest.mark.parametrize("kind", ["median", "hyperband"])
def test_a_process_killed_as_it_judged(url, kind):
    """An epoch that was told, but not judged before the process was killed, is judged when it is told again."""
    pruning = Pruning(kind, startup=1, warmup=1, epochs=2)
    study = optuna.load_study(study_name="probe", storage=open_storage(url))
    trial = optuna.trial.Trial(study, study.trials[1]._trial_id)
    trial.report(0.1, 1)

    assert EpochPruner(url, "probe", 1, pruning).report(1, 0.1)
    assert EpochPruner(url, "probe", 1, pruning).report(1, 0.1)


def test_what_is_not_finite_says_nothing(url):
    """An epoch without a score is passed over: whether the run failed shows at its end."""
    pruner = EpochPruner(url, "probe", 1, MEDIAN)

    assert [pruner.report(epoch, value) for epoch, value in ((1, math.nan), (2, math.inf), (3, 0.7))] == [False] * 3
    study = optuna.load_study(study_name="probe", storage=open_storage(url))
    assert study.trials[1].intermediate_values == {3: 0.7}


@pytest.mark.parametrize(("name", "number"), [("probe", 3), ("other", 0)])
def test_a_trial_that_is_not_there(url, name, number):
    """A trial that the database does not have is named."""
    with pytest.raises(
        RunError, match=rf"^search {name} has no trial {number} in sqlite:///.*; start the search again\.$"
    ):
        EpochPruner(url, name, number, MEDIAN)


def test_a_trial_that_is_over(url):
    """A worker that outlived its driver hears that its trial is over."""
    pruner = EpochPruner(url, "probe", 1, MEDIAN)
    optuna.load_study(study_name="probe", storage=open_storage(url)).tell(1, 0.5)

    with pytest.raises(RunError, match=r"^the database of search probe cannot be used \(.*already finished"):
        pruner.report(1, 0.5)

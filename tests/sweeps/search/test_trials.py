"""Trials become runs of a sweep, each once, whatever was cut off before."""

import pytest
from hydra import compose, initialize_config_dir

from gym.config.overrides import configuration_folder
from gym.config.schema import Config
from gym.config.validation import read_config
from gym.core.errors import ConfigError, RunError
from gym.sweeps.ledger import FAILED, FINISHED, QUEUED, STARTED
from gym.sweeps.plan import plan_sweep
from gym.sweeps.search.pruners import Pruning
from gym.sweeps.search.samplers import Sampling
from gym.sweeps.search.space import read_space
from gym.sweeps.search.study import next_trials, open_study
from gym.sweeps.search.sweeper import Search, corners_of, name_search, refuse_strangers
from gym.sweeps.sweep_folder import SweepFolder

SMALL = ["data.size=32", "data.scenes=8"]


class FakeLaunching:
    """Finishes every run that it is given."""

    def __init__(self, folder):
        self._folder, self.given = folder, []

    def launch(self, jobs):
        """Write start and end of each."""
        self.given += jobs
        for job in jobs:
            self._folder.ledger.append(STARTED, job.number)
            self._folder.ledger.append(FINISHED, job.number, scores={"iou": 0.5})


@pytest.fixture
def composing(tmp_path, configure):
    """Compose a command line as Hydra does."""
    configure()  # registers what the YAML refers to
    with initialize_config_dir(config_dir=str(configuration_folder()), version_base="1.3"):
        yield lambda overrides: compose("config", overrides=[*SMALL, f"outputs={tmp_path}", *overrides])


@pytest.fixture
def begun(tmp_path, composing):
    """Begin a search: the search, its study, its folder, and what stands for its launcher."""

    def begin(*arguments):
        space, folder = read_space(arguments), SweepFolder(tmp_path, "mine")
        study = open_study(f"sqlite:///{tmp_path}/search.db", "mine", ["iou"], space, Sampling("grid"), Pruning())
        launching = FakeLaunching(folder)
        return Search(space, composing, folder, study, launching), study, folder, launching

    return begin


def test_a_search_is_checked_at_its_corners():
    """One key at a time: both ends, every choice."""
    space = read_space(["seed=1", "loss=cce,dice,kld", "model.dropout=interval(0,0.5)", "model.filters=range(2,7,2)"])
    fixed = "seed=1"

    assert corners_of(space) == [
        [fixed, "loss=cce", "model.dropout=0.0", "model.filters=2"],
        [fixed, "loss=dice", "model.dropout=0.0", "model.filters=2"],
        [fixed, "loss=kld", "model.dropout=0.0", "model.filters=2"],
        [fixed, "loss=cce", "model.dropout=0.5", "model.filters=2"],
        [fixed, "loss=cce", "model.dropout=0.0", "model.filters=6"],
    ]


def test_trials_on_different_scenes_are_refused(composing):
    """Their scores are not comparable; who wants them all the same says so."""
    with pytest.raises(ConfigError, match=r"data\.seed=1 differ in their data or validation.*sweep\.mix=true"):
        plan_sweep(corners_of(read_space(["data.seed=0,1"])), composing)

    assert len(plan_sweep(corners_of(read_space(["data.seed=0,1", "sweep.mix=true"])), composing)) == 2


def test_a_search_has_one_name_however_it_is_worded(composing):
    """More trials, other places and keys in full are the same search; another space, sampler or dataset is not."""

    def name(*arguments):
        space = read_space(arguments)
        corners = corners_of(space)
        return name_search(plan_sweep(corners, composing)[0], read_config(composing(corners[0]), Config), space)

    range_of = "model.dropout=interval(0,0.4)"
    same = [
        (range_of, "search.trials=60"),
        (range_of, "search.at_once=2", "training.threads=1"),
        ("model.filters=6", range_of),
        ("loss=cce", range_of, "name=x"),
    ]
    others = [
        ("model.dropout=interval(0,0.5)",),
        (range_of, "search.sampler=random"),
        (range_of, "search.seed=1"),
        (range_of, "data.seed=1"),
        (range_of, "seed=1"),
    ]

    assert {name(*arguments) for arguments in same} == {name(range_of)}
    assert len({name(range_of), *(name(*arguments) for arguments in others)}) == 6


def test_equal_trials_are_made_once(begun):
    """The other is given the same scores."""
    search, study, folder, launching = begun("name=a,b")
    search.make(next_trials(study, read_space(["name=a,b"]), 2, 2))

    assert [job.number for job in launching.given] == [0]
    assert [trial.value for trial in study.trials] == [0.5, 0.5]
    assert [job.scores for job in folder.ledger.jobs()] == [{"iou": 0.5}] * 2


def test_a_trial_that_was_cut_off_while_it_was_entered_is_entered_again(begun):
    """One whose configuration breaks a rule has no run to go on with: it failed, and says why."""
    search, study, folder, launching = begun("model.dropout=0.1,1.5")
    space = read_space(["model.dropout=0.1,1.5"])
    trials = next_trials(study, space, 2, 2)
    bad = next(trial for trial in trials if trial.params["model.dropout"] == 1.5)
    folder.ledger.append(QUEUED, bad.number, name="x", fingerprint="", overrides=[])
    search.make(trials)

    job = folder.ledger.job(bad.number)
    assert job.status == FAILED
    assert job.message.startswith("model.dropout=1.5 must be")
    assert [given.number for given in launching.given] == [1 - bad.number]
    assert sorted(trial.state.name for trial in study.trials) == ["COMPLETE", "FAIL"]


def test_a_trial_goes_on_with_the_overrides_of_this_call(begun):
    """The folder may have been moved since, or the threads be fewer."""
    space = read_space(["training.threads=1", "model.dropout=0.1,0.2"])
    search, study, folder, launching = begun("training.threads=1", "model.dropout=0.1,0.2")
    trials = next_trials(study, space, 1, 1)
    search._enter(trials[0])
    search, study, folder, launching = begun("training.threads=2", "model.dropout=0.1,0.2")
    search.make(next_trials(study, space, 1, 1))

    assert [job.overrides[0] for job in launching.given] == ["training.threads=2"]
    assert [job.status for job in folder.ledger.jobs()] == [FINISHED]


def test_a_database_and_a_ledger_of_two_searches_are_refused(begun):
    """A finished trial that no run is known of, or a run whose trial is gone, would be told the scores of another."""
    search, study, folder, _ = begun("model.dropout=0.1,0.2")
    refuse_strangers(study, folder)
    trials = next_trials(study, read_space(["model.dropout=0.1,0.2"]), 2, 1)
    refuse_strangers(study, folder)  # proposed, and cut off before it was entered
    search.make(trials)
    refuse_strangers(study, folder)

    folder.ledger.path.rename(folder.path / "kept")
    with pytest.raises(
        RunError, match=r"trial 0 of search mine is not both in its database and in .*ledger\.jsonl; re"
    ):
        refuse_strangers(study, folder)
    (folder.path / "kept").rename(folder.ledger.path)
    folder.ledger.append(QUEUED, 1, fingerprint="f")
    with pytest.raises(RunError, match=r"trial 1 of search mine is not both"):
        refuse_strangers(study, folder)

"""Each trial becomes a run of a sweep exactly once, whatever was interrupted before."""

import pytest

from gym.config.schema import Config, SearchConfig
from gym.config.validation import read_config
from gym.core.errors import ConfigError, RunError
from gym.sweeps.ledger import FAILED, FINISHED, QUEUED, STARTED
from gym.sweeps.plan import DatasetCache, plan_runs, read_configs
from gym.sweeps.search.space import read_space
from gym.sweeps.search.study import open_study, propose_trials
from gym.sweeps.search.sweeper import TrialRunner, check_same_trials, list_extremes, name_search
from gym.sweeps.sweep_folder import SweepFolder
from tests.composition import compose_quickly

SMALL = ["data.size=32", "data.scenes=8"]


class FakeLauncher:
    """Launcher that finishes every run."""

    def __init__(self, folder):
        self._folder, self.given = folder, []

    def launch(self, jobs):
        """Append start and end of each run."""
        self.given += jobs
        for job in jobs:
            self._folder.ledger.append(STARTED, job.number)
            self._folder.ledger.append(FINISHED, job.number, scores={"iou": 0.5})


def plan_extremes(composing, *arguments):
    """Plan the runs at the ends of a search space."""
    combinations = list_extremes(read_space(arguments))
    return plan_runs(read_configs(combinations, composing), combinations, DatasetCache())


@pytest.fixture
def composing(tmp_path, configure):
    """Compose a command line as Hydra does."""
    configure()  # registers what the YAML refers to
    return lambda overrides: compose_quickly("config", [*SMALL, f"outputs={tmp_path}", *overrides])


@pytest.fixture
def begun(tmp_path, composing):
    """Start a search, and return its runner, study, folder and launcher."""

    def begin(*arguments):
        space, folder = read_space(arguments), SweepFolder(tmp_path, "search")
        study = open_study(f"sqlite:///{tmp_path}/search.db", "search", space, SearchConfig(sampler="grid"), 15)
        launcher = FakeLauncher(folder)
        return TrialRunner(space, composing, folder, study, launcher), study, folder, launcher

    return begin


def test_each_bound_and_choice_is_checked():
    """Only one key at a time differs from the first configuration."""
    space = read_space(["seed=1", "loss=cce,dice,kld", "model.dropout=interval(0,0.5)", "model.filters=range(2,7,2)"])
    fixed = "seed=1"

    assert list_extremes(space) == [
        [fixed, "loss=cce", "model.dropout=0.0", "model.filters=2"],
        [fixed, "loss=dice", "model.dropout=0.0", "model.filters=2"],
        [fixed, "loss=kld", "model.dropout=0.0", "model.filters=2"],
        [fixed, "loss=cce", "model.dropout=0.5", "model.filters=2"],
        [fixed, "loss=cce", "model.dropout=0.0", "model.filters=6"],
    ]


def test_trials_on_different_validation_scenes_are_rejected(composing):
    """Their scores are not comparable, unless ``sweep.mix=true`` allows it."""
    with pytest.raises(ConfigError, match=r"data\.seed=1 differ in their data or validation.*sweep\.mix=true"):
        plan_extremes(composing, "data.seed=0,1")

    assert len(plan_extremes(composing, "data.seed=0,1", "sweep.mix=true")) == 2


def test_the_name_of_a_search_depends_on_its_settings_only(composing):
    """It stays the same with more trials, other paths or other wording."""

    def name(*arguments):
        space = read_space(arguments)
        search = read_config(composing(list_extremes(space)[0]), Config).search
        return name_search(plan_extremes(composing, *arguments)[0].fingerprint, search, space)

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


def test_equal_trials_are_trained_once(begun):
    """The second one gets the scores of the first."""
    runner, study, folder, launcher = begun("name=a,b")
    runner.run(propose_trials(study, read_space(["name=a,b"]), 2, 2))

    assert [job.number for job in launcher.given] == [0]
    assert [trial.value for trial in study.trials] == [0.5, 0.5]
    assert [job.scores for job in folder.ledger.jobs()] == [{"iou": 0.5}] * 2


def test_a_trial_interrupted_while_queued_is_queued_again(begun):
    """A trial with an invalid configuration fails with its error."""
    runner, study, folder, launcher = begun("model.dropout=0.1,1.5")
    space = read_space(["model.dropout=0.1,1.5"])
    trials = propose_trials(study, space, 2, 2)
    bad = next(trial for trial in trials if trial.params["model.dropout"] == 1.5)
    folder.ledger.append(QUEUED, bad.number, name="x", fingerprint="", overrides=[])
    runner.run(trials)

    job = folder.ledger.job(bad.number)
    assert job.status == FAILED
    assert job.message.startswith("model.dropout=1.5 must be")
    assert [given.number for given in launcher.given] == [1 - bad.number]
    assert sorted(trial.state.name for trial in study.trials) == ["COMPLETE", "FAIL"]


def test_a_trial_resumes_with_the_overrides_of_this_call(begun):
    """The outputs folder or the number of threads may have changed."""
    space = read_space(["training.threads=1", "model.dropout=0.1,0.2"])
    runner, study, folder, launcher = begun("training.threads=1", "model.dropout=0.1,0.2")
    trials = propose_trials(study, space, 1, 1)
    runner._queue(trials[0])
    runner, study, folder, launcher = begun("training.threads=2", "model.dropout=0.1,0.2")
    runner.run(propose_trials(study, space, 1, 1))

    assert [job.overrides[0] for job in launcher.given] == ["training.threads=2"]
    assert [job.status for job in folder.ledger.jobs()] == [FINISHED]


def test_a_database_and_ledger_of_different_searches_are_rejected(begun):
    """Otherwise, a trial would get the scores of another one."""
    runner, study, folder, _ = begun("model.dropout=0.1,0.2")
    check_same_trials(study, folder)
    trials = propose_trials(study, read_space(["model.dropout=0.1,0.2"]), 2, 1)
    check_same_trials(study, folder)  # proposed, and cut off before it was entered
    runner.run(trials)
    check_same_trials(study, folder)

    folder.ledger.path.rename(folder.path / "kept")
    with pytest.raises(
        RunError, match=r"trial 0 of search search is missing from its database or from .*ledger\.jsonl; re"
    ):
        check_same_trials(study, folder)
    (folder.path / "kept").rename(folder.ledger.path)
    folder.ledger.append(QUEUED, 1, fingerprint="f")
    with pytest.raises(RunError, match=r"trial 1 of search search is missing from its database"):
        check_same_trials(study, folder)

"""Whatever a launcher does, every run that it was given has an end in the ledger, or one line says why not."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from gym.config.schema import Config
from gym.core.errors import ConfigError, RunError
from gym.sweeps import launch as launch_module
from gym.sweeps.launch import Launching, count_workers
from gym.sweeps.ledger import FAILED, FINISHED, QUEUED, STARTED
from gym.sweeps.sweep_folder import SweepFolder

WORDLESS = "its process ended without a word: killed, perhaps for want of memory"


class FakeLauncher:
    """A launcher that does what it is told in each round: a mapping from runs to events, and an error to end with."""

    def __init__(self, folder, *rounds, error=None, returns=()):
        self._folder, self._rounds, self._error, self._returns = folder, list(rounds), error, returns
        self.given, self.overrides = [], []

    def launch(self, overrides, initial_job_idx):
        """Write the events of the round, then end."""
        self.overrides = overrides
        numbers = [int(one.partition("=")[2]) for job in overrides for one in job if one.startswith("sweep.job=")]
        assert initial_job_idx == numbers[0]
        self.given.append(numbers)
        assert len(self.given) < 10, "it would go on for ever"
        events = self._rounds[min(len(self.given), len(self._rounds)) - 1] if self._rounds else {}
        for number, kinds in events.items():
            for kind in kinds:
                self._folder.ledger.append(kind, number, **({"message": "bad day"} if kind == FAILED else {}))
        if self._error:
            raise self._error
        return self._returns


@pytest.fixture
def folder(tmp_path):
    """A sweep of three runs that are queued."""
    sweep = SweepFolder(tmp_path, "mine")
    for number in range(3):
        sweep.ledger.append(QUEUED, number, name=f"run {number}", fingerprint=f"{number}" * 64, overrides=["seed=1"])
    return sweep


def launch(folder, launcher, attempts=2, launcher_keys=None, threads=0):
    """Launch what has not finished; gives the runs as they stand after it."""
    own = Config()
    own.sweep.attempts, own.training.threads = attempts, threads
    config = OmegaConf.create({"hydra": {"launcher": launcher_keys or {}}})
    left = [job for job in folder.ledger.jobs() if job.status != FINISHED]
    Launching(folder, own, launcher, config).launch(left)
    return folder.ledger.jobs()


def returned(error):
    """What Hydra gives of a run that raised."""
    run = JobReturn(status=JobStatus.FAILED)
    run.return_value = error
    return run


def test_runs_that_end_are_started_once(folder):
    """Finished or failed: an end is an end, and a failure waits for the next call."""
    launcher = FakeLauncher(folder, {0: [STARTED, FINISHED], 1: [STARTED, FAILED], 2: [STARTED, FINISHED]})
    jobs = launch(folder, launcher)

    assert launcher.given == [[0, 1, 2]]
    assert [(job.status, job.attempts) for job in jobs] == [(FINISHED, 1), (FAILED, 1), (FINISHED, 1)]


def test_nothing_to_start_is_not_launched(folder):
    """Launchers refuse an empty list."""
    launcher = FakeLauncher(folder)
    Launching(folder, Config(), launcher, OmegaConf.create({})).launch([])

    assert launcher.given == []


def test_a_launcher_that_starts_nothing_is_refused(folder):
    """With what it says: an error of its own, or that of the first run that came back with one."""
    with pytest.raises(RunError, match=r"^the launcher started not one run \(OSError: no queue\); mend hydra\.lau"):
        launch(folder, FakeLauncher(folder, error=OSError("no queue\nat all")))
    told = [JobReturn(status=JobStatus.COMPLETED), returned(ConfigError("data.images=x is no folder.\nx"))]
    with pytest.raises(RunError, match=r"not one run \(data\.images=x is no folder\.\); mend"):
        launch(folder, FakeLauncher(folder, returns=told))
    with pytest.raises(RunError, match=r"not one run \(it does not say why\); mend"):
        launch(folder, FakeLauncher(folder))

    assert [job.status for job in folder.ledger.jobs()] == [QUEUED] * 3


def test_it_is_refused_also_where_the_runs_failed_before(folder):
    """Their ends of another call are no ends of this one."""
    for number in range(3):
        folder.ledger.append(STARTED, number)
        folder.ledger.append(FAILED, number, message="bad day")
    with pytest.raises(RunError, match="started not one run"):
        launch(folder, FakeLauncher(folder, error=OSError("no queue")))


def test_runs_that_are_never_started_fail_in_the_end(folder):
    """The others have ended, and the sweep goes on to its summary rather than on for ever."""
    launcher = FakeLauncher(folder, {0: [STARTED, FINISHED]}, {}, error=OSError("no queue"))
    jobs = launch(folder, launcher)

    assert launcher.given == [[0, 1, 2], [1, 2]]
    assert [job.status for job in jobs] == [FINISHED, FAILED, FAILED]
    assert [job.message for job in jobs[1:]] == ["the launcher does not start it (OSError: no queue)"] * 2
    assert [job.attempts for job in jobs] == [1, 0, 0]


def test_a_run_without_an_end_is_started_again_but_not_for_ever(folder):
    """A worker that dies takes others with it; who dies each time is given up."""
    launcher = FakeLauncher(
        folder,
        {0: [STARTED], 1: [STARTED]},
        {0: [STARTED], 1: [STARTED, FINISHED], 2: [STARTED, FINISHED]},
        error=RuntimeError("a worker died"),
    )
    jobs = launch(folder, launcher, attempts=2)

    assert launcher.given == [[0, 1, 2], [0, 1, 2]]
    assert [job.status for job in jobs] == [FAILED, FINISHED, FINISHED]
    assert jobs[0].message == WORDLESS


def test_attempts_of_calls_before_do_not_count(folder):
    """A run that was cut off three times by the user has had no attempt of its own."""
    for _ in range(3):
        folder.ledger.append(STARTED, 0)
    ends = {number: [STARTED, FINISHED] for number in (1, 2)}
    launcher = FakeLauncher(folder, {0: [STARTED], **ends}, {0: [STARTED, FINISHED]})

    assert [job.status for job in launch(folder, launcher)] == [FINISHED] * 3
    assert launcher.given == [[0, 1, 2], [0]]


def test_a_run_that_another_worker_ended_is_ended(folder):
    """One of a driver that was killed: it started the run before this call."""
    for number in range(3):
        folder.ledger.append(STARTED, number)
    launcher = FakeLauncher(folder, {number: [FINISHED] for number in range(3)})

    assert [(job.status, job.attempts) for job in launch(folder, launcher)] == [(FINISHED, 1)] * 3


@pytest.mark.parametrize("name", ["mine", "12e456789012", "123", "two words", "a,b", "it's", "null", "a\\"])
def test_the_name_of_a_sweep_reaches_its_runs_as_it_is(tmp_path, name):
    """Hydra would read a number in ``12e4``, which a name made of hexadecimal digits may be."""
    folder = SweepFolder(tmp_path, name)
    folder.ledger.append(QUEUED, 0, fingerprint="f" * 64, overrides=["seed=1"])
    launcher = FakeLauncher(folder, {0: [STARTED, FINISHED]})
    launch(folder, launcher)
    seed, number, named = OverridesParser.create().parse_overrides(launcher.overrides[0])

    assert [seed.value(), number.value()] == [1, 0]
    assert named.value() == name
    assert not named.is_sweep_override()


def test_workers_share_the_cores(folder, monkeypatch):
    """Evenly, and at least one each, unless the number of threads is given."""
    monkeypatch.setattr(launch_module, "available_cores", lambda: 8)
    for workers, threads, wanted in [
        (2, 0, ["training.threads=4"]),
        (3, 0, ["training.threads=2"]),
        (20, 0, ["training.threads=1"]),
        (2, 5, []),
        (1, 0, []),
    ]:
        launcher = FakeLauncher(folder, {number: [STARTED] for number in range(3)})
        launch(folder, launcher, attempts=1, launcher_keys={"n_jobs": workers}, threads=threads)
        assert launcher.overrides[0][3:] == wanted


@pytest.mark.parametrize(("keys", "workers"), [({}, 1), ({"n_jobs": 3}, 3), ({"n_jobs": -1}, 8), ({"n_jobs": -3}, 6)])
def test_workers_are_counted_as_joblib_does(monkeypatch, keys, workers):
    """A number below 0 counts down from all cores; a launcher that does not say makes one at a time."""
    monkeypatch.setattr(launch_module, "available_cores", lambda: 8)

    assert count_workers(OmegaConf.create({"hydra": {"launcher": keys}})) == workers

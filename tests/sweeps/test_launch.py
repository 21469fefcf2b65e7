"""Whatever the launcher does, every run ends in the ledger, or an error says why no run started."""

import warnings

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from gym.core import signals
from gym.core.errors import ConfigError, DiskError, RunError, Terminated
from gym.sweeps import launch as launch_module
from gym.sweeps.launch import RunLauncher, count_workers
from gym.sweeps.ledger import FAILED, FINISHED, QUEUED, STARTED
from gym.sweeps.sweep_folder import SweepFolder

DIED = "the worker died without reporting an error; it may have run out of memory"


class FakeLauncher:
    """Launcher that appends given events in each round: a mapping from run to events. It can raise an error, too."""

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
    """A sweep of three queued runs."""
    sweep = SweepFolder(tmp_path, "mine")
    for number in range(3):
        sweep.ledger.append(QUEUED, number, name=f"run {number}", fingerprint=f"{number}" * 64, overrides=["seed=1"])
    return sweep


def launch(folder, launcher, attempts=2, workers=1, threads=0):
    """Launch the unfinished runs, and return the final state of all."""
    left = [job for job in folder.ledger.jobs() if job.status != FINISHED]
    RunLauncher(folder, launcher, workers, attempts, threads).launch(left)
    return folder.ledger.jobs()


def returned(error):
    """Return what Hydra returns for a run that raised an error."""
    run = JobReturn(status=JobStatus.FAILED)
    run.return_value = error
    return run


def test_runs_that_end_are_started_once(folder):
    """A failed run has ended, too; only the next call retries it."""
    launcher = FakeLauncher(folder, {0: [STARTED, FINISHED], 1: [STARTED, FAILED], 2: [STARTED, FINISHED]})
    jobs = launch(folder, launcher)

    assert launcher.given == [[0, 1, 2]]
    assert [(job.status, job.attempts) for job in jobs] == [(FINISHED, 1), (FAILED, 1), (FINISHED, 1)]


def test_no_runs_need_no_launcher(folder):
    """Launchers reject an empty list."""
    launcher = FakeLauncher(folder)
    RunLauncher(folder, launcher, workers=1, attempts=3, threads=0).launch([])

    assert launcher.given == []


def test_a_launcher_that_starts_nothing_is_an_error(folder):
    """The error quotes the launcher, or the first run that returned an error."""
    with pytest.raises(RunError, match=r"^the launcher did not start any run \(OSError: no queue\); check the set"):
        launch(folder, FakeLauncher(folder, error=OSError("no queue\nat all")))
    results = [JobReturn(status=JobStatus.COMPLETED), returned(ConfigError("data.images=x is no folder.\nx"))]
    with pytest.raises(RunError, match=r"any run \(data\.images=x is no folder\.\); check"):
        launch(folder, FakeLauncher(folder, returns=results))
    with pytest.raises(
        RunError, match=r"not start any run \(it gave no reason\); check the settings of hydra\.launcher\."
    ):
        launch(folder, FakeLauncher(folder))

    assert [job.status for job in folder.ledger.jobs()] == [QUEUED] * 3


def test_earlier_failures_do_not_count_as_started(folder):
    """The launcher is still reported if all runs had failed in an earlier call."""
    for number in range(3):
        folder.ledger.append(STARTED, number)
        folder.ledger.append(FAILED, number, message="bad day")
    with pytest.raises(RunError, match="did not start any run"):
        launch(folder, FakeLauncher(folder, error=OSError("no queue")))


def test_runs_that_never_start_fail(folder):
    """The sweep continues to its summary instead of retrying forever."""
    launcher = FakeLauncher(folder, {0: [STARTED, FINISHED]}, {}, error=OSError("no queue"))
    jobs = launch(folder, launcher)

    assert launcher.given == [[0, 1, 2], [1, 2]]
    assert [job.status for job in jobs] == [FINISHED, FAILED, FAILED]
    assert [job.message for job in jobs[1:]] == ["the launcher did not start this run (OSError: no queue)"] * 2
    assert [job.attempts for job in jobs] == [1, 0, 0]


def test_a_lost_run_is_restarted_a_limited_number_of_times(folder):
    """A dying worker may take other runs with it."""
    launcher = FakeLauncher(
        folder,
        {0: [STARTED], 1: [STARTED]},
        {0: [STARTED], 1: [STARTED, FINISHED], 2: [STARTED, FINISHED]},
        error=RuntimeError("a worker died"),
    )
    jobs = launch(folder, launcher, attempts=2)

    assert launcher.given == [[0, 1, 2], [0, 1, 2]]
    assert [job.status for job in jobs] == [FAILED, FINISHED, FINISHED]
    assert jobs[0].message == DIED


def test_attempts_of_earlier_calls_do_not_count(folder):
    """Interruptions by the user do not use up the attempts."""
    for _ in range(3):
        folder.ledger.append(STARTED, 0)
    ends = {number: [STARTED, FINISHED] for number in (1, 2)}
    launcher = FakeLauncher(folder, {0: [STARTED], **ends}, {0: [STARTED, FINISHED]})

    assert [job.status for job in launch(folder, launcher)] == [FINISHED] * 3
    assert launcher.given == [[0, 1, 2], [0]]


def test_a_run_completed_by_another_worker_has_ended(folder):
    """A worker of a killed driver may complete a run that it started earlier."""
    for number in range(3):
        folder.ledger.append(STARTED, number)
    launcher = FakeLauncher(folder, {number: [FINISHED] for number in range(3)})

    assert [(job.status, job.attempts) for job in launch(folder, launcher)] == [(FINISHED, 1)] * 3


@pytest.mark.parametrize("name", ["mine", "12e456789012", "123", "two words", "a,b", "it's", "null", "a\\"])
def test_any_sweep_name_reaches_the_runs_unchanged(tmp_path, name):
    """Unquoted, Hydra would read a name such as ``12e4`` as a number."""
    folder = SweepFolder(tmp_path, name)
    folder.ledger.append(QUEUED, 0, fingerprint="f" * 64, overrides=["seed=1"])
    launcher = FakeLauncher(folder, {0: [STARTED, FINISHED]})
    launch(folder, launcher)
    seed, number, named = OverridesParser.create().parse_overrides(launcher.overrides[0])

    assert [seed.value(), number.value()] == [1, 0]
    assert named.value() == name
    assert not named.is_sweep_override()


def test_workers_share_the_cores(folder, monkeypatch):
    """Each worker gets at least one thread, unless the number of threads is configured."""
    monkeypatch.setattr(launch_module, "available_cores", lambda: 8)
    for workers, threads, wanted in [
        (2, 0, ["training.threads=4"]),
        (3, 0, ["training.threads=2"]),
        (20, 0, ["training.threads=1"]),
        (2, 5, []),
        (1, 0, []),
    ]:
        launcher = FakeLauncher(folder, {number: [STARTED] for number in range(3)})
        launch(folder, launcher, attempts=1, workers=workers, threads=threads)
        assert launcher.overrides[0][3:] == wanted


@pytest.mark.parametrize(("keys", "workers"), [({}, 1), ({"n_jobs": 3}, 3), ({"n_jobs": -1}, 8), ({"n_jobs": -3}, 6)])
def test_workers_are_counted_as_in_joblib(monkeypatch, keys, workers):
    """Negative numbers count down from the number of cores; the default is one worker."""
    monkeypatch.setattr(launch_module, "available_cores", lambda: 8)

    assert count_workers(OmegaConf.create({"hydra": {"launcher": keys}})) == workers


@pytest.mark.parametrize("how", ["returned", "raised"])
def test_a_full_disk_ends_the_sweep(folder, how):
    """The run that met it is neither started again nor recorded as failed; the others have ended."""
    full = DiskError("x cannot be written")
    events = {0: [STARTED], 1: [STARTED, FINISHED], 2: [STARTED, FINISHED]}
    options = {"error": full} if how == "raised" else {"returns": [returned(full), returned(None)]}
    launcher = FakeLauncher(folder, events, **options)

    with pytest.raises(DiskError, match=r"^x cannot be written$"):
        launch(folder, launcher)

    assert launcher.given == [[0, 1, 2]]
    assert [job.status for job in folder.ledger.jobs()] == [STARTED, FINISHED, FINISHED]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Terminated])
def test_workers_ended_by_a_signal_are_not_started_again(folder, stop, monkeypatch):
    """A cluster sends it to all processes, and that of the driver may be handled last."""
    monkeypatch.setattr(signals, "_pending", [stop])
    launcher = FakeLauncher(folder, {0: [STARTED]}, error=RuntimeError("a worker was terminated"))

    with pytest.raises(stop):
        launch(folder, launcher)
    assert len(launcher.given) == 1


def test_replaced_workers_are_not_warned_of(folder):
    """Those that keep models are replaced by joblib."""

    class Replacing(FakeLauncher):
        def launch(self, overrides, initial_job_idx):
            """Warn as joblib does."""
            warnings.warn("A worker stopped while some jobs were given to the executor. This can be", stacklevel=1)
            return super().launch(overrides, initial_job_idx)

    jobs = launch(folder, Replacing(folder, {number: [STARTED, FINISHED] for number in range(3)}))

    assert {job.status for job in jobs} == {FINISHED}

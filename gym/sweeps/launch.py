"""Launch runs with a Hydra launcher, and relaunch those lost when a worker dies."""

import logging
import signal
import threading
import warnings
from collections.abc import Sequence

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from gym.core.errors import DiskError, RunError, first_line
from gym.core.parallel import available_cores
from gym.core.signals import raise_pending_signal
from gym.sweeps.ledger import ENDED, FAILED, Job
from gym.sweeps.sweep_folder import SweepFolder

_DIED = "the worker died without reporting an error; it may have run out of memory"

log = logging.getLogger(__name__)


class RunLauncher:
    """Launches the runs of one sweep, until each has ended.

    Args:
        folder: Folder of the sweep.
        launcher: Hydra's launcher. It returns when the runs have ended.
        workers: Number of runs that the launcher executes at a time. 1 or more.
        attempts: Maximum number of starts of a run whose worker dies.
        threads: Threads per run as configured; 0 divides the cores between the workers.
    """

    def __init__(self, folder: SweepFolder, launcher: Launcher, workers: int, attempts: int, threads: int) -> None:
        self._folder, self._launcher, self._attempts = folder, launcher, attempts
        self.workers = workers
        name = QuotedString(folder.name, Quote.single).with_quotes()  # unquoted, Hydra reads 12e4 as a number
        self._shared = [f"sweep.name={name}"]
        self.threads = threads
        if workers > 1 and not threads:
            self.threads = max(1, available_cores() // workers)
            self._shared.append(f"training.threads={self.threads}")

    def launch(self, jobs: Sequence[Job]) -> None:
        """Run all ``jobs``. Afterwards, each has ended according to the ledger.

        A run whose worker dies is started again, up to ``attempts`` times in total.

        Raises:
            DiskError: The disk is full or read-only; the runs that met it are not recorded as failed.
            RunError: The launcher did not start any run.
        """
        before, left = {job.number: job for job in jobs}, list(jobs)
        while left:
            error = self._launch_once(left)
            now = {job.number: job for job in self._folder.ledger.jobs()}
            if all(is_untouched(now[number], job) for number, job in before.items()):
                raise RunError(f"the launcher did not start any run ({error}); check the settings of hydra.launcher.")
            if all(is_untouched(now[job.number], job) for job in left):
                self._fail(left, f"the launcher did not start this run ({error})")
                return
            lost = [now[job.number] for job in left if not has_ended(now[job.number], before[job.number])]
            left = [job for job in lost if job.attempts - before[job.number].attempts < self._attempts]
            self._fail([job for job in lost if job not in left], _DIED)

    def _launch_once(self, jobs: Sequence[Job]) -> str:
        """Launch runs, wait until they end, and return the error of the launcher or of the first failed run."""
        overrides = [[*job.overrides, f"sweep.job={job.number}", *self._shared] for job in jobs]
        if self.workers > 1:
            _start_resource_tracker()
        try:
            with warnings.catch_warnings():
                # joblib replaces a worker whose memory has grown, as it does with the models that it keeps.
                warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
                returned = self._launcher.launch(overrides, initial_job_idx=min(job.number for job in jobs))
        except DiskError:
            raise
        except Exception as error:  # such as a broken process pool; the ledger has the state of each run
            raise_pending_signal()  # which may have ended the workers first
            message = f"{type(error).__name__}: {first_line(error)}"
            log.warning("the launcher failed with %s", message)
            return message
        values = (run._return_value for run in returned)  # the public property prints and raises
        failures = [value for value in values if isinstance(value, Exception)]
        if full := next((failure for failure in failures if isinstance(failure, DiskError)), None):
            raise full
        return next(map(first_line, failures), "it gave no reason")

    def _fail(self, jobs: Sequence[Job], message: str) -> None:
        for job in jobs:
            self._folder.ledger.append(FAILED, job.number, message=message)


def _start_resource_tracker() -> None:
    """Start the process with which joblib keeps track of its workers, so that a closed terminal does not end it first.

    It ignores Ctrl-C and SIGTERM by itself, and prints tracebacks if it is lost.
    """
    if not hasattr(signal, "SIGHUP") or threading.current_thread() is not threading.main_thread():
        return
    from joblib.externals.loky.backend.resource_tracker import ensure_running

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which a new process inherits
    try:
        ensure_running()
    finally:
        signal.signal(signal.SIGHUP, before)


def has_ended(job: Job, before: Job) -> bool:
    """Whether a run has ended since ``before``; an earlier failure does not count."""
    return job.status in ENDED and (job.status != FAILED or job.failures > before.failures)


def is_untouched(job: Job, before: Job) -> bool:
    """Whether a run has neither started nor ended since ``before``."""
    return job.attempts == before.attempts and not has_ended(job, before)


def count_workers(config: DictConfig) -> int:
    """Return how many runs the configured launcher executes at a time on this machine, counted as joblib does."""
    workers = OmegaConf.select(config, "hydra.launcher.n_jobs")
    if workers is None:
        return 1
    return int(workers) if workers > 0 else max(1, available_cores() + 1 + int(workers))

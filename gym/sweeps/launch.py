"""Hand runs to a launcher, and again those that a dying worker took with it."""

import logging
from collections.abc import Sequence

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from gym.config.schema import Config
from gym.core.errors import RunError, first_line
from gym.core.parallel import available_cores
from gym.sweeps.ledger import ENDED, FAILED, Job
from gym.sweeps.sweep_folder import SweepFolder

_WORDLESS = "its process ended without a word: killed, perhaps for want of memory"

log = logging.getLogger(__name__)


class Launching:
    """A launcher, and what every run that it starts is told.

    Args:
        folder: Of the sweep.
        own: The configuration of the sweep.
        launcher: Starts runs, here or elsewhere, and comes back when they have ended.
        config: The composed configuration, Hydra's part included.
    """

    def __init__(self, folder: SweepFolder, own: Config, launcher: Launcher, config: DictConfig) -> None:
        self._folder, self._attempts, self._launcher = folder, own.sweep.attempts, launcher
        self.workers = count_workers(config)
        name = QuotedString(folder.name, Quote.single).with_quotes()  # 12e4 is a number otherwise
        self._shared = [f"sweep.name={name}"]
        if self.workers > 1 and not own.training.threads:
            self._shared.append(f"training.threads={max(1, available_cores() // self.workers)}")

    def launch(self, jobs: Sequence[Job]) -> None:
        """Start runs; afterwards each has an end in the ledger.

        One that ends without a word is started again, up to ``sweep.attempts`` times in all.

        Raises:
            RunError: The launcher started none of them.
        """
        before, left = {job.number: job for job in jobs}, list(jobs)
        while left:
            trouble = self._start(left)
            now = {job.number: job for job in self._folder.ledger.jobs()}
            if all(is_untouched(now[number], job) for number, job in before.items()):
                raise RunError(f"the launcher started not one run ({trouble}); mend hydra.launcher.")
            if all(is_untouched(now[job.number], job) for job in left):
                self._give_up(left, f"the launcher does not start it ({trouble})")
                return
            open_ended = [now[job.number] for job in left if not has_ended(now[job.number], before[job.number])]
            left = [job for job in open_ended if job.attempts - before[job.number].attempts < self._attempts]
            self._give_up([job for job in open_ended if job not in left], _WORDLESS)

    def _start(self, jobs: Sequence[Job]) -> str:
        """Start runs and wait for their ends; gives what the launcher, or else the first that failed, says."""
        overrides = [[*job.overrides, f"sweep.job={job.number}", *self._shared] for job in jobs]
        try:
            returned = self._launcher.launch(overrides, initial_job_idx=min(job.number for job in jobs))
        except Exception as error:  # a pool that lost a worker; the ledger says what became of each run
            trouble = f"{type(error).__name__}: {first_line(error)}"
            log.warning("the launcher ended with %s", trouble)
            return trouble
        errors = (run._return_value for run in returned)  # its property prints and raises
        return next((first_line(error) for error in errors if isinstance(error, Exception)), "it does not say why")

    def _give_up(self, jobs: Sequence[Job], message: str) -> None:
        for job in jobs:
            self._folder.ledger.append(FAILED, job.number, message=message)


def has_ended(job: Job, before: Job) -> bool:
    """Whether a run has come to an end since it stood as before; one that failed before has not."""
    return job.status in ENDED and (job.status != FAILED or job.failures > before.failures)


def is_untouched(job: Job, before: Job) -> bool:
    """Whether a run has neither started nor ended since it stood as before."""
    return job.attempts == before.attempts and not has_ended(job, before)


def count_workers(config: DictConfig) -> int:
    """How many runs a launcher makes at once on this machine; 1 where it does not say."""
    workers = OmegaConf.select(config, "hydra.launcher.n_jobs")
    if workers is None:
        return 1
    return int(workers) if workers > 0 else max(1, available_cores() + 1 + int(workers))

"""Hand runs to a launcher, and again those that a dying worker took with it."""

import logging
from collections.abc import Sequence

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from gym.config import Config
from gym.data.parallel import available_cores
from gym.errors import RunError, first_line
from gym.sweeps.folder import SweepFolder
from gym.sweeps.ledger import ENDS, FAILED, Job

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
        self._shared = [f"sweep.name={folder.name}"]
        if self.workers > 1 and not own.training.threads:
            self._shared.append(f"training.threads={max(1, available_cores() // self.workers)}")

    def launch(self, jobs: Sequence[Job]) -> None:
        """Start runs; afterwards each has an end in the ledger.

        Raises:
            RunError: The launcher started none of them.
        """
        left, before = list(jobs), {job.number: job.attempts for job in jobs}
        while left:
            overrides = [[*job.overrides, f"sweep.job={job.number}", *self._shared] for job in left]
            trouble = "it does not say why"
            try:
                self._launcher.launch(overrides, initial_job_idx=left[0].number)
            except Exception as error:  # a pool that lost a worker; the ledger says what became of each run
                trouble = f"{type(error).__name__}: {first_line(error)}"
                log.warning("the launcher ended with %s", trouble)
            open_ended = [job for job in self._folder.ledger.jobs() if job.number in before and job.status not in ENDS]
            if len(open_ended) == len(jobs) and all(job.attempts == before[job.number] for job in open_ended):
                raise RunError(f"the launcher started not one run ({trouble}); mend hydra.launcher.")
            left = [job for job in open_ended if job.attempts - before[job.number] < self._attempts]
            for job in open_ended:
                if job not in left:
                    self._folder.ledger.append(FAILED, job.number, message=_WORDLESS)


def count_workers(config: DictConfig) -> int:
    """How many runs a launcher makes at once on this machine; 1 where it does not say."""
    workers = OmegaConf.select(config, "hydra.launcher.n_jobs")
    if workers is None:
        return 1
    return int(workers) if workers > 0 else max(1, available_cores() + 1 + int(workers))

"""Make a sweep, or what is left of it.

plan      every combination composed, checked and named; one dataset for all
ledger    new runs are entered; those that are finished are passed over
launch    the rest, in this process or in workers; each writes down what becomes of it
compare   table, figure and recommendation go to the parent run in MLflow
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from gym.config.schema import Config
from gym.config.validation import read_config
from gym.core.errors import RunError
from gym.core.text import plain_console, pluralize
from gym.runs.result import find_result
from gym.sweeps.launch import Launching
from gym.sweeps.ledger import FINISHED, QUEUED, Job
from gym.sweeps.mlflow_parent import parent_run
from gym.sweeps.plan import Compose, Planned, command_of, expand, longest_first, name_sweep, plan, queue
from gym.sweeps.sweep_folder import SweepFolder
from gym.sweeps.view import SweepView, summary_lines

log = logging.getLogger(__name__)


def sweep(
    params: dict[str, Any], arguments: Sequence[str], compose: Compose, launcher: Launcher, config: DictConfig
) -> list[Job]:
    """Make what is left of a grid.

    Args:
        params: What is swept over by the configuration.
        arguments: What the command line says.
        compose: Makes the configuration of some overrides.
        launcher: Starts runs.
        config: The configuration of the sweep itself, Hydra's part included.

    Returns:
        The runs as they stand at the end.

    Raises:
        ConfigError: A run's configuration breaks a rule; none is started.
        RunError: Some runs failed, or the sweep is under way elsewhere.
    """
    jobs = expand(params, arguments)
    planned = plan(jobs, compose)
    own = read_config(compose(jobs[0]), Config)
    folder = SweepFolder(Path(own.outputs), own.sweep.name or name_sweep(planned))
    with folder.lock():
        enter(folder, planned)
        folder.write_command(config)
        with parent_run(own, folder) as parent:
            queue_lost(folder, planned)
            launch(folder, planned, Launching(folder, own, launcher, config), own.sweep.attempts)
            standing = mine(folder, planned)
            lines = summary_lines(standing, lambda job: command_of(job.overrides), own.sweep.attempts)
            plain_console().print("\n".join(lines))
            for finding in parent.log_comparison(standing):
                plain_console().print(finding)
            refuse_unfinished(standing)
    return standing


def refuse_unfinished(jobs: Sequence[Job]) -> None:
    """Raise `RunError` where not all runs of a sweep are finished."""
    if failed := [job for job in jobs if job.status != FINISHED]:
        raise RunError(f"{pluralize(len(failed), 'run')} of {len(jobs)} did not finish; the lines above name each.")


def enter(folder: SweepFolder, planned: Sequence[Planned]) -> None:
    """Enter the runs that are new to a sweep; those it knows keep their numbers.

    Raises:
        ConfigError: The sweep holds runs on other data.
    """
    measured_on = {run.validation for run in planned}
    folder.initialize(measured_on.pop() if len(measured_on) == 1 else "", is_search=False)
    jobs = folder.ledger.jobs()
    entered, number = {job.fingerprint for job in jobs}, max((job.number + 1 for job in jobs), default=0)
    for run in planned:
        if run.fingerprint not in entered:
            queue(folder.ledger, number, run)
            number += 1


def mine(folder: SweepFolder, planned: Sequence[Planned]) -> list[Job]:
    """The runs of a plan as they stand."""
    by_fingerprint = {run.fingerprint: run for run in planned}
    jobs = [job for job in folder.ledger.jobs() if job.fingerprint in by_fingerprint]
    for job in jobs:
        run = by_fingerprint[job.fingerprint]  # places may have changed since it was entered, maybe without its work
        job.overrides, job.work = run.overrides, run.work
    return jobs


def queue_lost(folder: SweepFolder, planned: Sequence[Planned]) -> None:
    """Enter again what is finished by the ledger, but whose result somebody removed or damaged."""
    for job in mine(folder, planned):
        if job.status == FINISHED and find_result(folder.run_folder(job.fingerprint)) is None:
            log.warning("%s is made again: %s holds no readable result", job.name, folder.run_folder(job.fingerprint))
            folder.ledger.append(QUEUED, job.number)


def launch(folder: SweepFolder, planned: Sequence[Planned], launching: Launching, attempts: int) -> None:
    """Start what is not finished and has not failed too often."""
    runs = mine(folder, planned)
    left = [job for job in runs if job.status != FINISHED and job.failures < attempts]
    if len(left) < len(runs):
        log.info("%d of %s done before", len(runs) - len(left), pluralize(len(runs), "run"))
    with SweepView(folder.ledger, f"sweep {folder.name}", only={job.number for job in runs}):
        launching.launch(longest_first(left) if launching.workers > 1 else left)

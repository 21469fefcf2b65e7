"""Run a grid sweep, or resume it.

1. Compose, check and name every combination of the swept values, all on one dataset.
2. Add new runs to the ledger; keep the finished ones.
3. Start the unfinished runs, in this process or in workers. Each run records its own end in the ledger.
4. Log the comparison of all runs to the parent run in MLflow.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from gym.config.plugins import plugin_hashes
from gym.core.errors import RunError
from gym.core.startup import quiet_tensorflow_imports
from gym.core.text import plain_console, pluralize
from gym.runs.result import find_result
from gym.runs.tracking_uri import check_tracking
from gym.sweeps import plan
from gym.sweeps.launch import RunLauncher, count_workers
from gym.sweeps.ledger import FINISHED, QUEUED, Job
from gym.sweeps.mlflow_parent import log_comparison, next_steps, open_parent_run
from gym.sweeps.plan import Compose, PlannedRun
from gym.sweeps.precision import make_measure, report_retraining, resolve_precisions
from gym.sweeps.sweep_folder import SweepFolder
from gym.sweeps.view import show_sweep, summary_lines

log = logging.getLogger(__name__)


def run_grid(
    params: dict[str, Any], arguments: Sequence[str], compose: Compose, launcher: Launcher, config: DictConfig
) -> list[Job]:
    """Run all unfinished runs of a grid sweep.

    Args:
        params: Swept values by key, from the configuration.
        arguments: Overrides from the command line.
        compose: Composes a configuration from overrides.
        launcher: Hydra's launcher.
        config: Composed configuration of the sweep itself, including Hydra's part.

    Returns:
        The final state of all runs.

    Raises:
        ConfigError: The configuration of a run is invalid, or the sweep contains runs on other data or with other
            plugins; none was started.
        RunError: Runs failed, or another process is running the sweep.
    """
    combinations = plan.expand_grid(params, arguments)
    configs, cache = plan.read_configs(combinations, compose), plan.DatasetCache()
    check_tracking(configs[0].tracking, Path(configs[0].outputs))
    asked, own = plan.plan_runs(configs, combinations, cache), configs[0]
    folder = SweepFolder(Path(own.outputs), own.sweep.name or plan.name_sweep(asked))
    run_launcher = RunLauncher(folder, launcher, count_workers(config), own.sweep.attempts, own.training.threads)
    if own.sweep.plan:
        with quiet_tensorflow_imports():
            from gym.sweeps.forecast import show_plan

        show_plan(folder, configs, combinations, cache, run_launcher.workers, run_launcher.threads)
        return []
    with folder.lock():
        plugins, clips = plugin_hashes(own.plugins), {one.loss.clip for one in configs}
        folder.initialize(shared_validation(asked), is_search=False, plugins=plugins, clips=clips)
        measure = make_measure(launcher, config, combinations[0], run_launcher.threads)
        configs, combinations = resolve_precisions(folder, configs, combinations, measure)
        planned = plan.plan_runs(configs, combinations, cache)
        if equal := len(asked) - len(planned):
            log.info(
                "leaving out %s, equal to others now that training.precision=auto is resolved", pluralize(equal, "run")
            )
        report_retraining(folder, planned)
        queue_new_runs(folder, planned)
        folder.write_command(config)
        with open_parent_run(own.tracking, Path(own.outputs), folder) as parent:
            requeue_lost_runs(folder, planned)
            launch_unfinished(folder, planned, run_launcher, own.sweep.attempts)
            jobs = planned_jobs(folder, planned)
            plain_console().print_lines(summary_lines(jobs, plan.format_command, own.sweep.attempts))
            plain_console().print_lines([*log_comparison(parent, folder, jobs), *next_steps(folder, jobs, own)])
            if missing := sum(job.status != FINISHED for job in jobs):
                raise RunError(f"{missing} of {pluralize(len(jobs), 'run')} did not finish; see the messages above.")
    return jobs


def shared_validation(planned: Sequence[PlannedRun]) -> str:
    """Return the hash of the data that all runs are validated on; empty if they differ in it."""
    validations = {run.validation for run in planned}
    return validations.pop() if len(validations) == 1 else ""


def queue_new_runs(folder: SweepFolder, planned: Sequence[PlannedRun]) -> None:
    """Add the runs that are not yet in the ledger; the others keep their numbers."""
    jobs = folder.ledger.jobs()
    known, number = {job.fingerprint for job in jobs}, max((job.number + 1 for job in jobs), default=0)
    # Numbers are never reused, because the MLflow runs are tagged with them.
    for run in planned:
        if run.fingerprint not in known:
            plan.queue_run(folder.ledger, number, run)
            number += 1


def planned_jobs(folder: SweepFolder, planned: Sequence[PlannedRun]) -> list[Job]:
    """Return the current state of the planned runs, by number."""
    by_fingerprint = {run.fingerprint: run for run in planned}
    jobs = [job for job in folder.ledger.jobs() if job.fingerprint in by_fingerprint]
    for job in jobs:
        # Paths may have changed since the run was queued, and older versions did not record its work.
        run = by_fingerprint[job.fingerprint]
        job.overrides, job.work = run.overrides, run.work
    return jobs


def requeue_lost_runs(folder: SweepFolder, planned: Sequence[PlannedRun]) -> None:
    """Queue finished runs again if their result was deleted or damaged."""
    for job in planned_jobs(folder, planned):
        place = folder.run_folder(job.fingerprint)
        if job.status == FINISHED and find_result(place) is None:
            log.warning("repeating %s: its result in %s is missing or damaged", job.name, place)
            folder.ledger.append(QUEUED, job.number)


def launch_unfinished(folder: SweepFolder, planned: Sequence[PlannedRun], launcher: RunLauncher, attempts: int) -> None:
    """Start the runs that are neither finished nor have failed ``attempts`` times.

    Several workers start with the longest runs, so that none is still busy with one while the others are idle.
    """
    jobs = planned_jobs(folder, planned)
    unfinished = [job for job in jobs if job.status != FINISHED and job.failures < attempts]
    if skipped := len(jobs) - len(unfinished):
        log.info("skipping %d of %s: already finished, or failed too often", skipped, pluralize(len(jobs), "run"))
    with show_sweep(folder.ledger, f"sweep {folder.name}", numbers={job.number for job in jobs}):
        if launcher.workers > 1:
            unfinished.sort(key=lambda job: (-job.work, job.number))
        launcher.launch(unfinished)

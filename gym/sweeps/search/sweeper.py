"""Run a search, or resume it: Optuna proposes configurations, and each is a run of a sweep.

A trial has the same number as its run. A search that was killed starts with the trials that were in progress. Those
that have ended since are recorded, and the others resume after their last epoch.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig
from optuna import Study, Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution

from gym.config.groups import quote_options
from gym.config.overrides import to_dict
from gym.config.plugins import plugin_hashes
from gym.config.registries import SCORES
from gym.config.schema import Config, SearchConfig
from gym.config.validation import read_config
from gym.core.errors import GymError, RunError
from gym.core.files import hash_value
from gym.core.startup import quiet_tensorflow_imports
from gym.core.temporary import temporary_folder
from gym.core.text import plain_console, pluralize
from gym.runs.mlflow_log import RunLog
from gym.runs.spec import drop_clip, fingerprinted_settings
from gym.runs.tracking_uri import check_tracking
from gym.sweeps import plan
from gym.sweeps.launch import RunLauncher, count_workers
from gym.sweeps.ledger import ENDED, FAILED, FINISHED, STARTED, Job, drop_duplicates
from gym.sweeps.mlflow_parent import log_comparison, next_steps, open_parent_run
from gym.sweeps.plan import Compose, DatasetCache, Overrides, PlannedRun
from gym.sweeps.precision import is_auto, make_measure, report_earlier_trials, resolve_precision, set_precision
from gym.sweeps.search.figures import describe_counts, write_search_report
from gym.sweeps.search.space import SearchSpace, read_space
from gym.sweeps.search.storage import default_url
from gym.sweeps.search.study import OBJECTIVES, best_trials, limit_trials, open_study, propose_trials, record_result
from gym.sweeps.sweep_folder import SweepFolder
from gym.sweeps.view import run_label, show_sweep


def run_search(
    params: dict[str, Any], arguments: Sequence[str], compose: Compose, launcher: Launcher, config: DictConfig
) -> list[Job]:
    """Run all trials of a search that have not ended; arguments and result as in `gym.sweeps.grid.run_grid`.

    Raises:
        ConfigError: A configuration that the search may propose is invalid; no trial was started.
        RunError: No trial finished, or another process is running the search.
    """
    space = _read_space(params, arguments)
    extremes = list_extremes(space)
    configs = plan.read_configs(extremes, compose)
    check_tracking(configs[0].tracking, Path(configs[0].outputs))
    cache, own = DatasetCache(), configs[0]
    first = plan.plan_runs(configs, extremes, cache)[0]
    search, outputs, workers = own.search, Path(own.outputs), count_workers(config)
    folder = SweepFolder(outputs, own.sweep.name or name_search(first.unversioned or first.fingerprint, search, space))
    total = limit_trials(search, space)
    run_launcher = RunLauncher(folder, launcher, workers, own.sweep.attempts, own.training.threads)
    if own.sweep.plan:
        with quiet_tensorflow_imports():
            from gym.sweeps.forecast import show_plan

        left = total - sum(job.status in ENDED for job in folder.ledger.jobs())
        plain_console().print("the extremes between which the trials of this search lie:")
        show_plan(folder, configs, extremes, cache, workers, run_launcher.threads, trials=max(left, 0))
        return []
    with folder.lock():
        plugins, clips = plugin_hashes(own.plugins), {one.loss.clip for one in configs}
        folder.initialize(first.validation, is_search=True, plugins=plugins, clips=clips)
        report_earlier_trials(folder)
        measure = make_measure(launcher, config, extremes[0], run_launcher.threads)
        precision = resolve_precision(folder, measure) if is_auto(configs) else ""
        folder.write_command(config)
        kept = fingerprinted_settings(to_dict(own))
        kept["loss"] = drop_clip(kept["loss"])  # so that searches of 0.1.0 are recognized
        shared = {"data": first.validation, "configuration": hash_value(kept)}
        url = search.storage or default_url(folder.path)
        study = open_study(url, folder.name, space, search, own.training.epochs, shared)
        check_same_trials(study, folder)
        with open_parent_run(own.tracking, outputs, folder) as parent:
            runner = TrialRunner(space, compose, folder, study, run_launcher, precision)
            with show_sweep(folder.ledger, f"search {folder.name}", runs=total):
                while trials := propose_trials(study, space, total, search.at_once or workers):
                    runner.run(trials)
            jobs = folder.ledger.jobs()
            findings = log_search(parent, folder, study, jobs)
    print_results(study, jobs, [*findings, *next_steps(folder, jobs, own)])
    return jobs


def expand_search(params: dict[str, Any], arguments: Sequence[str]) -> list[Overrides]:
    """Return the configurations of `list_extremes`; arguments as for `run_search`."""
    return list_extremes(_read_space(params, arguments))


def _read_space(params: dict[str, Any], arguments: Sequence[str]) -> SearchSpace:
    return read_space([*(quote_options(f"{key}={value}") for key, value in params.items()), *arguments])


def list_extremes(space: SearchSpace) -> list[Overrides]:
    """Return the configurations to check before a search: each bound and each choice, one key at a time.

    The first one has the first value of every key, and represents the search itself.
    """
    extremes = {key: extreme_values(distribution) for key, distribution in space.distributions.items()}
    first = {key: values[0] for key, values in extremes.items()}
    others = [first | {key: value} for key, values in extremes.items() for value in values[1:]]
    return [space.trial_overrides(params) for params in (first, *others)]


def extreme_values(distribution: BaseDistribution) -> list[Any]:
    """Return both bounds of a numeric distribution, or all choices."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    return [getattr(distribution, bound) for bound in ("low", "high")]


def name_search(fingerprint: str, search: SearchConfig, space: SearchSpace) -> str:
    """Derive a name from the settings of a search, so that the same command resumes it, also with more trials.

    Args:
        fingerprint: Fingerprint of the first extreme configuration.
        search: Settings of the search.
        space: Search space.
    """
    settings = {key: value for key, value in vars(search).items() if key not in ("trials", "storage", "at_once")}
    return hash_value([fingerprint, space.describe(), settings])[:12]


def check_same_trials(study: Study, folder: SweepFolder) -> None:
    """Check that the database and the ledger contain the same trials.

    Raises:
        RunError: One of them is missing a trial, because it was deleted or belongs to another search.
    """
    trials = study.get_trials(deepcopy=False)
    recorded = {trial.number for trial in trials if trial.state.is_finished()}
    queued = {job.number for job in folder.ledger.jobs()}
    if missing := recorded - queued | queued - {trial.number for trial in trials}:
        raise RunError(
            f"trial {min(missing)} of search {folder.name} is missing from its database or from {folder.ledger.path}; "
            "restore that file, or start a new search with another sweep.name."
        )


class TrialRunner:
    """Runs trials as runs of a sweep.

    Args:
        space: Search space.
        compose: Composes a configuration from overrides.
        folder: Folder of the sweep, locked by this process.
        study: Optuna's study.
        launcher: Launches the runs.
        precision: The data type that ``training.precision=auto`` stands for.
    """

    def __init__(
        self,
        space: SearchSpace,
        compose: Compose,
        folder: SweepFolder,
        study: Study,
        launcher: RunLauncher,
        precision: str = "",
    ) -> None:
        self._space, self._compose, self._folder, self._study = space, compose, folder, study
        self._launcher, self._precision, self._datasets = launcher, precision, DatasetCache()

    def run(self, trials: Sequence[Trial]) -> None:
        """Run the trials, and record their results in the study."""
        ledger = self._folder.ledger
        # A trial with neither a fingerprint nor an end was interrupted while it was queued.
        known = {job.number for job in ledger.jobs() if job.fingerprint or job.status in ENDED}
        for trial in trials:
            if trial.number not in known:
                self._queue(trial)
        jobs = [self._copy_result(ledger.job(trial.number)) for trial in trials]
        ready = [
            replace(
                job, overrides=self._resolve(self._space.trial_overrides(trial.params))[1]
            )  # paths may have changed
            for job, trial in zip(jobs, trials, strict=True)
            if job.status not in ENDED
        ]
        self._launcher.launch(drop_duplicates(ready))
        for trial in trials:
            job = self._copy_result(ledger.job(trial.number))
            record_result(self._study, trial, job.status, job.scores, job.message)

    def _queue(self, trial: Trial) -> None:
        """Queue the run of a trial; a trial with an invalid configuration fails immediately."""
        distinct = [self._space.format_override(key, value) for key, value in trial.params.items()]
        overrides = [*self._space.fixed, *distinct]
        ledger = self._folder.ledger
        try:
            config, overrides = self._resolve(overrides)
            run = plan.plan_sweep_run(config, overrides, distinct, self._datasets)
        except GymError as error:
            plan.queue_run(ledger, trial.number, PlannedRun(" ".join(distinct), "", overrides))
            ledger.append(STARTED, trial.number, epochs=0)
            ledger.append(FAILED, trial.number, message=str(error))
        else:
            plan.queue_run(ledger, trial.number, run)

    def _resolve(self, overrides: Overrides) -> tuple[Config, Overrides]:
        """Compose a configuration, and put the data type of the search in the place of ``auto``."""
        return set_precision(read_config(self._compose(overrides), Config), overrides, self._precision)

    def _copy_result(self, job: Job) -> Job:
        """Copy the result of an equal run that has ended, if there is one."""
        if job.status in ENDED:
            return job
        ledger = self._folder.ledger
        for other in ledger.jobs():
            if other.fingerprint == job.fingerprint and other.status in ENDED:
                result = {"scores": other.scores, "run_id": other.run_id, "message": other.message}
                ledger.append(other.status, job.number, **result)
                return ledger.job(job.number)
        return job


def log_search(parent: RunLog, folder: SweepFolder, study: Study, jobs: Sequence[Job]) -> list[str]:
    """Log the comparison of the runs and the figures of the search, and return the findings as sentences."""
    findings = log_comparison(parent, folder, jobs)
    with temporary_folder() as temporary:
        findings += write_search_report(temporary / "search", study)
        parent.log_folder(temporary)
    return findings


def print_results(study: Study, jobs: Sequence[Job], findings: Sequence[str]) -> None:
    """Print the failed trials, the number of trials, and the best ones with their commands.

    Raises:
        RunError: No trial finished.
    """
    lines = [f"{run_label(job)}  failed: {job.message}" for job in jobs if job.status == FAILED]
    lines.append(describe_counts(study))
    overrides, best = {job.number: job.overrides for job in jobs}, best_trials(study)
    for trial in best:
        names = study.user_attrs[OBJECTIVES]
        values = "  ".join(f"{name} {value:.4g}" for name, value in zip(names, trial.values, strict=True))
        lines += [f"best: trial {trial.number}  {values}", f"    {plan.format_command(overrides[trial.number])}"]
    models = {job.fingerprint for job in jobs if job.status == FINISHED}
    if len(models) > 1 and any(SCORES.get(name).rates_predictions for name in study.user_attrs[OBJECTIVES]):
        lines.append(f"chosen among {len(models)} finished trials, which makes validation scores optimistic")
    plain_console().print_lines([*lines, *findings])
    if not best:
        raise RunError(f"none of {pluralize(len(jobs), 'trial')} finished; see the messages above.")

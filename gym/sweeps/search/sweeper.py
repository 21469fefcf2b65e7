"""Make a search, or what is left of it: Optuna proposes configurations, each is a run of a sweep.

A trial and its run have one number. A search that was killed begins with the trials that were under way: those that
have ended meanwhile are told, the others go on after their last epoch.

The settings of a search, as its parts take them.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig
from optuna import Study, Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution

from gym.config.overrides import quote_options
from gym.config.schema import Config
from gym.config.validation import read_config
from gym.core.errors import GymError, RunError
from gym.core.files import hash_value
from gym.core.text import plain_console, pluralize
from gym.runs.mlflow_log import RunLog
from gym.runs.spec import fingerprinted_settings
from gym.sweeps.launch import RunLauncher, count_workers
from gym.sweeps.ledger import ENDED, FAILED, FINISHED, STARTED, Job, drop_duplicates
from gym.sweeps.mlflow_parent import log_comparison, open_parent_run
from gym.sweeps.plan import (
    Compose,
    DatasetCache,
    Overrides,
    PlannedRun,
    format_command,
    plan_sweep,
    plan_sweep_run,
    queue_run,
)
from gym.sweeps.search.figures import write_search_report
from gym.sweeps.search.pruners import Pruning
from gym.sweeps.search.samplers import Sampling
from gym.sweeps.search.space import SearchSpace, read_space
from gym.sweeps.search.storage import default_url
from gym.sweeps.search.study import OBJECTIVES, best_trials, next_trials, open_study, tell, trials_in_all
from gym.sweeps.sweep_folder import SweepFolder
from gym.sweeps.view import SweepView


def storage_of(config: Config, sweep: SweepFolder) -> str:
    """The URL of the database."""
    return config.search.storage or default_url(sweep.path)


def sampling_of(config: Config) -> Sampling:
    """How trials are proposed."""
    return Sampling(config.search.sampler, config.search.startup, config.search.seed)


def pruning_of(config: Config) -> Pruning:
    """How trials are given up."""
    return Pruning(config.search.pruner, config.search.startup, config.search.warmup, config.training.epochs)


class Search:
    """A search that is held by this process.

    Args:
        space: What its trials choose.
        compose: Makes the configuration of some overrides.
        folder: Of the sweep.
        study: Of Optuna.
        launching: Starts runs.
    """

    def __init__(
        self, space: SearchSpace, compose: Compose, folder: SweepFolder, study: Study, launching: RunLauncher
    ) -> None:
        self._space, self._compose, self._folder, self._study = space, compose, folder, study
        self._launching, self._data = launching, DatasetCache()

    def make(self, trials: Sequence[Trial]) -> None:
        """Make some trials, and tell Optuna what became of them."""
        # One without a fingerprint and without an end was cut off while it was entered.
        known = {job.number for job in self._folder.ledger.jobs() if job.fingerprint or job.status in ENDED}
        for trial in trials:
            if trial.number not in known:
                self._enter(trial)
        jobs = [self._settle(self._folder.ledger.job(trial.number)) for trial in trials]
        ready = [
            replace(job, overrides=self._space.overrides_of(trial.params))  # outputs may be elsewhere since
            for job, trial in zip(jobs, trials, strict=True)
            if job.status not in ENDED
        ]
        self._launching.launch(drop_duplicates(ready))
        for trial in trials:
            job = self._settle(self._folder.ledger.job(trial.number))
            tell(self._study, trial, job.status, job.scores, job.message)

    def _enter(self, trial: Trial) -> None:
        """Enter a trial in the ledger; one whose configuration breaks a rule has failed."""
        chosen = [self._space.override_of(key, value) for key, value in trial.params.items()]
        overrides = [*self._space.fixed, *chosen]
        try:
            config = read_config(self._compose(overrides), Config)
            run = plan_sweep_run(config, overrides, chosen, self._data)
        except GymError as error:
            queue_run(self._folder.ledger, trial.number, PlannedRun(" ".join(chosen), "", overrides))
            self._folder.ledger.append(STARTED, trial.number, epochs=0)
            self._folder.ledger.append(FAILED, trial.number, message=str(error))
        else:
            queue_run(self._folder.ledger, trial.number, run)

    def _settle(self, job: Job) -> Job:
        """Give a run the scores of another with the same configuration, where that has finished."""
        if job.status in ENDED:
            return job
        for other in self._folder.ledger.jobs():
            if other.fingerprint == job.fingerprint and other.status in ENDED:
                what = {"scores": other.scores, "run_id": other.run_id, "message": other.message}
                self._folder.ledger.append(other.status, job.number, **what)
                return self._folder.ledger.job(job.number)
        return job


def run_search(
    params: dict[str, Any], arguments: Sequence[str], compose: Compose, launcher: Launcher, config: DictConfig
) -> list[Job]:
    """Make what is left of a search; arguments and result as those of `gym.sweeps.grid.run_grid`.

    Raises:
        ConfigError: A configuration that the search may choose breaks a rule.
        RunError: Not one trial finished, or the search is under way elsewhere.
    """
    texts = [quote_options(f"{key}={value}") for key, value in params.items()]
    space = read_space([*texts, *arguments])
    corners = corners_of(space)
    first = plan_sweep(corners, compose)[0]
    own = read_config(compose(corners[0]), Config)
    folder = SweepFolder(Path(own.outputs), own.sweep.name or name_search(first, own, space))
    sampling, total = sampling_of(own), trials_in_all(own.search.trials, sampling_of(own), space)
    with folder.lock():
        folder.initialize(first.validation, is_search=True)
        folder.write_command(config)
        study = open_study(
            storage_of(own, folder),
            folder.name,
            own.search.objective,
            space,
            sampling,
            pruning_of(own),
            {"data": first.validation, "configuration": hash_value(fingerprinted_settings(own))},
        )
        refuse_strangers(study, folder)
        with open_parent_run(own.tracking, Path(own.outputs), folder) as parent:
            workers = count_workers(config)
            launching = RunLauncher(folder, launcher, workers, own.sweep.attempts, own.training.threads)
            under_way = Search(space, compose, folder, study, launching)
            with SweepView(folder.ledger, f"search {folder.name}", runs=total):
                while trials := next_trials(study, space, total, own.search.at_once or workers):
                    under_way.make(trials)
            jobs = folder.ledger.jobs()
            findings = log_search(parent, folder, study, jobs)
    return report(study, jobs, findings)


def corners_of(space: SearchSpace) -> list[Overrides]:
    """What a search is checked at before it begins: both ends of each interval and every choice, one key at a time.

    The first has the first of each, and stands for the search itself.
    """
    ends = {key: ends_of(distribution) for key, distribution in space.distributions.items()}
    first = {key: values[0] for key, values in ends.items()}
    others = [first | {key: value} for key, values in ends.items() for value in values[1:]]
    return [space.overrides_of(corner) for corner in (first, *others)]


def ends_of(distribution: BaseDistribution) -> list[Any]:
    """Both ends of an interval, or all choices."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    return [getattr(distribution, end) for end in ("low", "high")]  # floats or integers


def name_search(first: PlannedRun, own: Config, space: SearchSpace) -> str:
    """A name that the same search always has, however it is worded; more trials of it are the same search."""
    asked = {key: value for key, value in vars(own.search).items() if key not in ("trials", "storage", "at_once")}
    return hash_value([first.fingerprint, space.words(), asked])[:12]


def refuse_strangers(study: Study, folder: SweepFolder) -> None:
    """See that the database and the ledger are of one search.

    Raises:
        RunError: One has trials that the other does not know: it was taken from elsewhere, or began anew.
    """
    trials = study.get_trials(deepcopy=False)
    told = {trial.number for trial in trials if trial.state.is_finished()}
    entered = {job.number for job in folder.ledger.jobs()}
    if strange := told - entered | entered - {trial.number for trial in trials}:
        raise RunError(
            f"trial {min(strange)} of search {folder.name} is not both in its database and in {folder.ledger.path}; "
            "restore the other of the two, or give the search another name with sweep.name=."
        )


def log_search(parent: RunLog, folder: SweepFolder, study: Study, jobs: Sequence[Job]) -> list[str]:
    """Log the comparison of the runs, and what Optuna makes of the search; gives what was found, in sentences."""
    findings = log_comparison(parent, folder, jobs)
    with tempfile.TemporaryDirectory() as place:
        findings += write_search_report(Path(place) / "search", study)
        parent.log_folder(Path(place))
    return findings


def report(study: Study, jobs: Sequence[Job], findings: Sequence[str]) -> list[Job]:
    """Say what was found.

    Raises:
        RunError: Not one trial finished.
    """
    by_number = {job.number: job for job in jobs}
    failed = [job for job in jobs if job.status == FAILED]
    lines = [f"trial {job.number} failed: {job.message}" for job in failed]
    best = best_trials(study)
    lines += [f"{pluralize(len(jobs), 'trial')}, {sum(job.status == FINISHED for job in jobs)} to the end"]
    for trial in best:
        values = "  ".join(
            f"{name} {value:.4g}" for name, value in zip(study.user_attrs[OBJECTIVES], trial.values, strict=True)
        )
        lines += [f"best: trial {trial.number}  {values}", f"  {format_command(by_number[trial.number].overrides)}"]
    plain_console().print("\n".join([*lines, *findings]))
    if not best:
        raise RunError(f"not one of {pluralize(len(jobs), 'trial')} finished; the lines above name each.")
    return list(jobs)

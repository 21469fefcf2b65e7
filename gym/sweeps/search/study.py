"""The Optuna study of a search: propose trials, and record their results.

The study is stored in a database, and nothing else is remembered. A search that is killed at any moment and resumed
proposes the same trials in the same order, and ends with the same number of them. Only one process at a time may do
this: the one that holds the lock of the sweep.
"""

import math
import re
from collections.abc import Mapping, Sequence

import optuna
from optuna import Study
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from gym.config.registries import SCORES, Place
from gym.config.schema import SearchConfig
from gym.core.errors import ConfigError
from gym.sweeps.ledger import FAILED, FINISHED, PRUNED
from gym.sweeps.search.pruners import make_pruner
from gym.sweeps.search.samplers import make_sampler
from gym.sweeps.search.space import SearchSpace
from gym.sweeps.search.storage import open_storage, translate_storage_errors

OBJECTIVES = "objectives"  # user attribute of a study: maximize or minimize, by score
_SPACE, _SHARED = "space", "shared"
_REASON = "reason"  # user attribute of a failed trial

_STATES = {TrialState.COMPLETE: FINISHED, TrialState.PRUNED: PRUNED, TrialState.FAIL: FAILED}


def read_directions(objectives: Sequence[str]) -> dict[str, str]:
    """Return ``maximize`` or ``minimize`` for each objective.

    Raises:
        ConfigError: An objective is unknown or repeated, or there is none.
    """
    entries = SCORES.at(Place.OBJECTIVE)
    known = {entry.name: "maximize" if entry.highest_is_best else "minimize" for entry in entries}
    for objective in objectives:
        if objective not in known:
            raise ConfigError(f"search.objective={objective} is not a score; choose from {', '.join(known)}.")
    if len(set(objectives)) != len(objectives) or not objectives:
        raise ConfigError(
            f"search.objective=[{','.join(objectives)}] must list one or more different scores, as in [iou,parameters]."
        )
    return {objective: known[objective] for objective in objectives}


def check_pruning(search: SearchConfig, epochs: int, space: SearchSpace) -> None:
    """Check that the pruner can compare the trials of a search.

    Args:
        search: Settings of the search.
        epochs: Maximum number of epochs of a trial.
        space: Search space.

    Raises:
        ConfigError: It cannot.
    """
    if search.pruner == "none":
        return
    pruner, objectives = f"search.pruner={search.pruner}", search.objective
    if len(objectives) > 1:
        raise ConfigError(f"{pruner} supports one objective, not {len(objectives)}; set search.pruner=none.")
    by_epoch = SCORES.names_at(Place.EPOCH)
    if objectives[0] not in by_epoch:
        raise ConfigError(
            f"{pruner} needs an objective that is known after each epoch ({', '.join(by_epoch)}), "
            f"not {objectives[0]}; set search.pruner=none."
        )
    if search.warmup >= epochs:
        raise ConfigError(
            f"search.warmup={search.warmup} must be less than training.epochs={epochs} to prune any trial; "
            "lower it, or set search.pruner=none."
        )
    if search.pruner == "hyperband" and "training.epochs" in space.distributions:
        raise ConfigError(
            f"{pruner} needs the same training.epochs in all trials, but they are searched; "
            "fix them, or set search.pruner=median."
        )


def open_study(
    url: str,
    name: str,
    space: SearchSpace,
    search: SearchConfig,
    epochs: int,
    shared: Mapping[str, str] | None = None,
) -> Study:
    """Create the study of a search, or open it if it exists.

    Args:
        url: URL of the database.
        name: Name of the study.
        space: Search space.
        search: Settings of the search.
        epochs: Maximum number of epochs of a trial.
        shared: Further properties that all trials must share to be comparable.

    Raises:
        ConfigError: The settings contradict each other, or those that the study was created with.
        RunError: The database cannot be used.
    """
    directions = read_directions(search.objective)
    check_pruning(search, epochs, space)
    sampler = make_sampler(search, space)
    storage = open_storage(url)
    with translate_storage_errors(name):
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            directions=[StudyDirection[direction.upper()] for direction in directions.values()],
            sampler=sampler,
            pruner=make_pruner(search, epochs),
            load_if_exists=True,
        )
        check_settings(study, {OBJECTIVES: directions, _SPACE: space.describe(), _SHARED: dict(shared or {})})
    return study


def check_settings(study: Study, wanted: Mapping[str, Mapping[str, str]]) -> None:
    """Store the settings of a new study, or check that an existing study has the same.

    Args:
        study: The study.
        wanted: Values of settings by part and key. Each part is a user attribute.

    Raises:
        ConfigError: A setting differs.
    """
    directions = [direction.name.lower() for direction in study.directions]
    # A study without trials may lack settings if the process that created it was killed.
    is_new = not study.get_trials(deepcopy=False) and not study.user_attrs.keys() >= wanted.keys()
    if is_new and directions == list(wanted[OBJECTIVES].values()):
        for part, values in wanted.items():
            study.set_user_attr(part, values)
    known = study.user_attrs
    for part, values in wanted.items():
        before = known.get(part, {})
        for key in [*values, *before]:
            if values.get(key) != before.get(key):
                old, new = (_shorten_hash(settings.get(key, "not set")) for settings in (before, values))
                raise ConfigError(
                    f"search {study.study_name} was started with other settings: {key} was {old} and is now {new}; "
                    "restore it, or choose another sweep.name."
                )


def _shorten_hash(text: str) -> str:
    return text[:12] if re.fullmatch("[0-9a-f]{64}", text) else text


def limit_trials(search: SearchConfig, space: SearchSpace) -> int:
    """Return the total number of trials: ``search.trials``, but at most the points of a grid."""
    if search.sampler != "grid":
        return search.trials
    return min(search.trials, math.prod(map(len, space.grid().values())))


def propose_trials(study: Study, space: SearchSpace, total: int, batch: int = 1) -> list[Trial]:
    """Return the next trials to train, with all their parameters; empty when the search is complete.

    Interrupted trials come first, under their old numbers, then enqueued trials, then new ones. All trials of a batch
    are proposed before the result of any is known. Batches end at multiples of ``batch``, so that an interrupted batch
    is completed before the next one begins.

    Args:
        study: The study. None of its trials may be in progress.
        space: Search space.
        total: Number of trials of the whole search, including failed and pruned ones.
        batch: Number of trials proposed together. 1 or more.

    Raises:
        RunError: The database cannot be used.
    """
    with translate_storage_errors(study.study_name):
        trials = study.get_trials(deepcopy=False)
        interrupted = [Trial(study, trial._trial_id) for trial in trials if trial.state == TrialState.RUNNING]
        proposed = [suggest_parameters(trial, space) for trial in interrupted]
        room = min(batch, total - sum(trial.state.is_finished() for trial in trials))
        enqueued = sum(trial.state == TrialState.WAITING for trial in trials)
        # Trial numbers are consecutive, so their count tells how far the last batch got.
        to_batch_end = -len(trials) % batch or (0 if proposed else batch)
        count = min(room - len(proposed), enqueued + to_batch_end)
        proposed += [suggest_parameters(study.ask(), space) for _ in range(count)]
        return proposed[: max(0, room)]


def suggest_parameters(trial: Trial, space: SearchSpace) -> Trial:
    """Sample the parameters that a trial does not have yet, and return the trial."""
    for key, distribution in space.distributions.items():
        if isinstance(distribution, CategoricalDistribution):
            trial.suggest_categorical(key, distribution.choices)
        elif isinstance(distribution, IntDistribution):
            trial.suggest_int(key, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
        else:
            trial.suggest_float(key, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
    return trial


def record_result(
    study: Study, trial: Trial, event: str, scores: Mapping[str, float] | None = None, message: str = ""
) -> str:
    """Record how a trial ended.

    Args:
        study: The study.
        trial: The trial.
        event: How its run ended, as in the ledger: finished, pruned or failed.
        scores: Scores of a finished trial, by name.
        message: Error message of a failed trial.

    Returns:
        The recorded event. A finished trial without a finite value for each objective is recorded as failed. A result
        recorded earlier is kept.

    Raises:
        RunError: The database cannot be used.
    """
    with translate_storage_errors(study.study_name):
        values = {name: (scores or {}).get(name, math.nan) for name in study.user_attrs[OBJECTIVES]}
        undefined = [name for name, value in values.items() if not math.isfinite(value)]
        if event == FINISHED and undefined:
            event, message = FAILED, f"{' and '.join(undefined)} not finite"
        state = study.get_trials(deepcopy=False)[trial.number].state
        if state.is_finished():
            return _STATES[state]
        if event == FAILED:
            trial.set_user_attr(_REASON, message)
        if event == FINISHED:
            study.tell(trial, list(values.values()))
        else:
            study.tell(trial, state=TrialState.PRUNED if event == PRUNED else TrialState.FAIL)
    return event


def best_trials(study: Study) -> list[FrozenTrial]:
    """Return the best trial, the first of equal ones, or the Pareto front by number; empty if no trial has finished."""
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return []
    if len(study.directions) == 1:
        return [study.best_trial]
    return sorted(study.best_trials, key=lambda trial: trial.number)

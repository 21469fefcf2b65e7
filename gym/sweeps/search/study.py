"""A search by Optuna: which trial comes next, and what became of it.

The study is in a database, and nothing else is remembered: a search that is killed at any instant and opened again
proposes what it would have proposed, in the same order, and ends with the same number of trials. One process at a time
does this; it holds the lock of the sweep.
"""

import math
from collections.abc import Mapping, Sequence

import optuna
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from gym.config.registries import SCORES, Place
from gym.core.errors import ConfigError
from gym.sweeps.ledger import FAILED, FINISHED, PRUNED
from gym.sweeps.search.pruners import Pruning, make_pruner
from gym.sweeps.search.samplers import Sampling, make_sampler
from gym.sweeps.search.space import SearchSpace
from gym.sweeps.search.storage import naming_storage_errors, open_storage

OBJECTIVES = "objectives"  # by name, maximize or minimize: an attribute of the study
_SPACE, _SHARED = "space", "shared"
_REASON = "reason"

_STATES = {TrialState.COMPLETE: FINISHED, TrialState.PRUNED: PRUNED, TrialState.FAIL: FAILED}


def directions_of(objectives: Sequence[str]) -> dict[str, str]:
    """Whether the highest or the lowest value of each objective is best.

    Raises:
        ConfigError: One is no score of a run, or is given twice; or there is none.
    """
    entries = SCORES.at(Place.OBJECTIVE)
    known = {entry.name: "maximize" if entry.highest_is_best else "minimize" for entry in entries}
    for objective in objectives:
        if objective not in known:
            raise ConfigError(f"search.objective={objective} is no score of a run; choose among {', '.join(known)}.")
    if len(set(objectives)) != len(objectives) or not objectives:
        raise ConfigError(f"search.objective=[{','.join(objectives)}] must name one or more scores, each once.")
    return {objective: known[objective] for objective in objectives}


def check_pruning(pruning: Pruning, objectives: Sequence[str], space: SearchSpace) -> None:
    """Refuse to prune where nobody could tell which trial falls behind.

    Raises:
        ConfigError: There are several objectives, or one that is known only at the end, or no epoch to prune at.
    """
    if pruning.pruner == "none":
        return
    if len(objectives) > 1:
        raise ConfigError(
            f"search.pruner={pruning.pruner} wants one objective, and there are {len(objectives)}; "
            "set search.pruner=none."
        )
    by_epoch = SCORES.names_at(Place.EPOCH)
    if objectives[0] not in by_epoch:
        raise ConfigError(
            f"search.pruner={pruning.pruner} wants an objective known after each epoch ({', '.join(by_epoch)}), "
            f"and {objectives[0]} is not; set search.pruner=none."
        )
    if pruning.warmup >= pruning.epochs:
        raise ConfigError(
            f"search.warmup={pruning.warmup} leaves no epoch of {pruning.epochs} to prune at; "
            "lower it, or set search.pruner=none."
        )
    if pruning.pruner == "hyperband" and "training.epochs" in space.distributions:
        raise ConfigError(
            "search.pruner=hyperband wants one number of epochs for all, and training.epochs is searched; "
            "fix it, or set search.pruner=median."
        )


def open_study(
    url: str,
    name: str,
    objectives: Sequence[str],
    space: SearchSpace,
    sampling: Sampling,
    pruning: Pruning,
    shared: Mapping[str, str] | None = None,
) -> Study:
    """Make the study of a search, or take it up again.

    Args:
        url: Of the database.
        name: Of the study.
        objectives: Names of scores.
        space: What the trials choose.
        sampling: How they are proposed.
        pruning: How they are given up.
        shared: Whatever else the trials must have in common to be compared.

    Raises:
        ConfigError: The settings do not go together, or the study was begun with others.
        RunError: The database cannot be used.
    """
    directions = directions_of(objectives)
    check_pruning(pruning, objectives, space)
    sampler = make_sampler(sampling, space, len(objectives))
    storage = open_storage(url)
    with naming_storage_errors(name):
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            directions=[StudyDirection[direction.upper()] for direction in directions.values()],
            sampler=sampler,
            pruner=make_pruner(pruning),
            load_if_exists=True,
        )
        settle(study, {OBJECTIVES: directions, _SPACE: space.words(), _SHARED: dict(shared or {})})
    return study


def settle(study: Study, wanted: Mapping[str, Mapping[str, str]]) -> None:
    """Note what a new study is about; see that an old one is about the same.

    Raises:
        ConfigError: It is not.
    """
    directions = [direction.name.lower() for direction in study.directions]
    is_bare = not study.get_trials(deepcopy=False) and not study.user_attrs.keys() >= wanted.keys()
    if is_bare and directions == list(wanted[OBJECTIVES].values()):
        for part, words in wanted.items():
            study.set_user_attr(part, words)
    known = study.user_attrs
    for part, words in wanted.items():
        before = known.get(part, {})
        for key in [*words, *before]:
            if words.get(key) != before.get(key):
                raise ConfigError(
                    f"search {study.study_name} was begun with {key} {before.get(key, 'not set')}, "
                    f"and now it is {words.get(key, 'not set')}; restore it, or give the search another name."
                )


def trials_in_all(total: int, sampling: Sampling, space: SearchSpace) -> int:
    """How many trials a search has: a grid no more than it has points."""
    return min(total, math.prod(map(len, space.grid().values()))) if sampling.sampler == "grid" else total


def next_trials(study: Study, space: SearchSpace, total: int, at_once: int = 1) -> list[Trial]:
    """The trials to make next, with all their parameters; none when the search is over.

    First come those that were begun and neither told nor given up: their process is gone, and they are made again
    under their number. Then those that were put in line, then new ones. A batch is proposed as a whole and told as a
    whole, and ends at a number that ``at_once`` divides, so that one cut off in between is made whole first.

    Args:
        study: Of `open_study`; no trial of it is under way.
        space: What the trials choose.
        total: How many trials there are to be in all, failed and pruned ones among them.
        at_once: How many are made at the same time. 1 or more.

    Raises:
        RunError: The database cannot be used.
    """
    with naming_storage_errors(study.study_name):
        trials = study.get_trials(deepcopy=False)
        orphans = [Trial(study, trial._trial_id) for trial in trials if trial.state == TrialState.RUNNING]
        batch = [choose(orphan, space) for orphan in orphans]
        room = min(at_once, total - sum(trial.state.is_finished() for trial in trials))
        in_line = sum(trial.state == TrialState.WAITING for trial in trials)
        to_the_end = -len(trials) % at_once or (0 if batch else at_once)
        batch += [choose(study.ask(), space) for _ in range(min(room - len(batch), in_line + to_the_end))]
        return batch[: max(0, room)]


def choose(trial: Trial, space: SearchSpace) -> Trial:
    """Have the values of a trial drawn that it has not; give the trial back."""
    for key, distribution in space.distributions.items():
        suggest(trial, key, distribution)
    return trial


def suggest(trial: Trial, key: str, distribution: BaseDistribution) -> None:
    """Have one value drawn, unless the trial has it."""
    if isinstance(distribution, FloatDistribution):
        trial.suggest_float(key, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
    elif isinstance(distribution, IntDistribution):
        trial.suggest_int(key, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
    elif isinstance(distribution, CategoricalDistribution):
        trial.suggest_categorical(key, distribution.choices)


def tell(study: Study, trial: Trial, event: str, scores: Mapping[str, float] | None = None, message: str = "") -> str:
    """Write down what became of a trial, and pass over what is no result.

    Args:
        study: Of `open_study`.
        trial: Of `next_trials`.
        event: As in the ledger: finished, pruned or failed.
        scores: Of a finished trial, by name.
        message: Why a failed trial failed.

    Returns:
        What it counts as: a finished trial without a finite value of each objective has failed; of one that was told
        before, what it was told to be.

    Raises:
        RunError: The database cannot be used.
    """
    with naming_storage_errors(study.study_name):
        values = {name: (scores or {}).get(name, math.nan) for name in study.user_attrs[OBJECTIVES]}
        lacking = [name for name, value in values.items() if not math.isfinite(value)]
        if event == FINISHED and lacking:
            event, message = FAILED, f"{' and '.join(lacking)} not finite"
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
    """The best finished trial, the first of equals; of several objectives the Pareto front, by number. Or none."""
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return []
    return (
        sorted(study.best_trials, key=lambda trial: trial.number) if len(study.directions) > 1 else [study.best_trial]
    )

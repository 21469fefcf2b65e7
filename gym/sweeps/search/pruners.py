"""Pruners, which stop trials that fall behind.

Everything a decision depends on is in the database, and so is the decision. If a process is killed, an epoch that is
trained again gets the same decision as before.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from itertools import accumulate

import optuna
from optuna import Study
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial

from gym.config.schema import SearchConfig
from gym.core.errors import RunError
from gym.core.redaction import redact
from gym.sweeps.search.storage import open_storage, translate_storage_errors

_REDUCTION_FACTOR = 3  # one in three trials continues after a rung
_LAST_DECISION = "judged"  # user attribute of a trial: [epoch, whether it was pruned]


def make_pruner(search: SearchConfig, epochs: int) -> BasePruner:
    """Create the pruner of a search; its steps are epochs, from 1.

    Args:
        search: ``startup`` is the number of trials that ``median`` never prunes, ``warmup`` that of epochs which every
            trial completes.
        epochs: Maximum number of epochs of a trial.
    """
    if search.pruner == "median":
        return MedianPruner(n_startup_trials=search.startup, n_warmup_steps=search.warmup)
    if search.pruner == "hyperband":
        return ResumableHyperband(search.warmup, epochs)
    return NopPruner()


class ResumableHyperband(BasePruner):
    """Hyperband whose decisions depend only on the values in the database.

    Each trial belongs to a bracket. In bracket b, it is compared with the other trials of the bracket after
    ``min_epochs x 3^b`` epochs, three times as many, and so on. It continues if it is among the best third so far.

    The decisions equal those of Optuna's HyperbandPruner, except that Optuna's stores the rungs that a trial has
    completed while it decides, so a process killed in between decides differently the second time. Optuna's also shows
    samplers only the trials of one bracket, which are too few to learn from in a search of some dozens of trials.

    Args:
        min_epochs: Epochs that every trial completes.
        max_epochs: Maximum number of epochs of a trial.

    Source:
        Li et al. 2018, https://jmlr.org/papers/v18/16-558.html; asynchronous: Li et al. 2020, arXiv:1810.05934.
    """

    def __init__(self, min_epochs: int, max_epochs: int) -> None:
        self._min_epochs, self._max_epochs = min_epochs, max_epochs
        brackets = sum(1 for _ in self.rungs(0))
        shares = [math.ceil(brackets * _REDUCTION_FACTOR**left / (left + 1)) for left in range(brackets - 1, -1, -1)]
        self._ends = list(accumulate(shares))

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the trial is eliminated at a rung that it reached with its last epoch."""
        last = trial.last_step
        if last is None or not self._ends:
            return False
        bracket = self.bracket_of(study.study_name, trial.number)
        before = max((step for step in trial.intermediate_values if step < last), default=0)
        rivals = [
            rival
            for rival in study.get_trials(deepcopy=False)
            if rival.number != trial.number and self.bracket_of(study.study_name, rival.number) == bracket
        ]
        is_highest_best = study.direction == StudyDirection.MAXIMIZE
        value = trial.intermediate_values[last]
        return any(
            is_eliminated(value, values_at_rung(rung, rivals), is_highest_best)
            for rung in self.rungs(bracket)
            if before < rung <= last
        )

    def rungs(self, bracket: int) -> Iterator[int]:
        """Yield the epochs after which the trials of a bracket are compared."""
        rung = self._min_epochs * _REDUCTION_FACTOR**bracket
        while rung <= self._max_epochs:
            yield rung
            rung *= _REDUCTION_FACTOR

    def bracket_of(self, study_name: str, number: int) -> int:
        """Return the bracket of a trial, from 0; brackets with early rungs get more trials."""
        place = zlib.crc32(f"{study_name}_{number}".encode()) % self._ends[-1]
        return next(bracket for bracket, end in enumerate(self._ends) if place < end)


def values_at_rung(rung: int, trials: Sequence[FrozenTrial]) -> list[float]:
    """Return the values at a rung of those trials that reached it."""
    reached = [[step for step in trial.intermediate_values if step >= rung] for trial in trials]
    return [trial.intermediate_values[min(steps)] for trial, steps in zip(trials, reached, strict=True) if steps]


def is_eliminated(value: float, rivals: Sequence[float], is_highest_best: bool) -> bool:
    """Whether a value is outside the best third of itself and its rivals; the best value never is."""
    ranked = sorted([*rivals, value], reverse=is_highest_best)
    threshold = ranked[max(len(ranked) // _REDUCTION_FACTOR, 1) - 1]
    return value < threshold if is_highest_best else value > threshold


class TrialPruner:
    """Pruner of one trial, in the process that trains it.

    Args:
        url: URL of the database.
        name: Name of the study.
        number: Number of the trial.
        search: Settings of the pruner.
        epochs: Maximum number of epochs of a trial.

    Raises:
        RunError: The database cannot be used, or does not contain the trial.
    """

    def __init__(self, url: str, name: str, number: int, search: SearchConfig, epochs: int) -> None:
        self._name = name
        storage, pruner = open_storage(url, is_ready=True), make_pruner(search, epochs)
        with translate_storage_errors(name):
            try:
                study = optuna.load_study(study_name=name, storage=storage, sampler=RandomSampler(), pruner=pruner)
                trial = study.get_trials(deepcopy=False)[number]
            except (KeyError, IndexError):
                raise RunError(
                    f"search {name} has no trial {number} in {redact(url)}; repeat the command that started the search."
                ) from None
            self._trial = Trial(study, trial._trial_id)
        self._known = set(trial.intermediate_values)

    def should_prune(self, epoch: int, value: float) -> bool:
        """Store the value of an epoch, and decide whether to prune the trial.

        Args:
            epoch: Epoch from 1, in order. An epoch reported before by a killed process keeps its value and decision.
            value: Value of the objective. The epoch is skipped if it is not finite.

        Raises:
            RunError: The database cannot be used, or the trial has already ended.
        """
        if not math.isfinite(value):
            return False
        decided, decision = self._trial.user_attrs.get(_LAST_DECISION, (0, False))
        if epoch <= decided:
            return bool(decision) and epoch == decided
        with translate_storage_errors(self._name):
            if epoch not in self._known:
                self._trial.report(value, epoch)
            decision = bool(self._trial.should_prune())  # NumPy booleans cannot be stored
            self._trial.set_user_attr(_LAST_DECISION, [epoch, decision])
        return decision

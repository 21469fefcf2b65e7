"""Which trials of a search are given up before their last epoch.

What a verdict rests on stands in the database, and the verdict too: an epoch that a trial trains again, after its
process was killed, gets the verdict that it had.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import optuna
from optuna import Study
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial

from gym.core.errors import RunError
from gym.core.text import redact_uri
from gym.sweeps.search.storage import naming_storage_errors, open_storage

PRUNERS = ("none", "median", "hyperband")
REDUCTION = 3  # of three trials that reach a rung one goes on

_JUDGED = "judged"


@dataclass(frozen=True)
class Pruning:
    """How trials are given up.

    Attributes:
        pruner: One of `PRUNERS`.
        startup: For ``median``, how many trials run to their end before any is given up.
        warmup: Epochs that every trial gets. 1 or more.
        epochs: Most epochs that a trial may take.
    """

    pruner: str = "none"
    startup: int = 10
    warmup: int = 3
    epochs: int = 15


def make_pruner(pruning: Pruning) -> BasePruner:
    """Make the pruner; its steps are epochs, from 1."""
    if pruning.pruner == "median":
        return MedianPruner(n_startup_trials=pruning.startup, n_warmup_steps=pruning.warmup)
    if pruning.pruner == "hyperband":
        return Hyperband(pruning.warmup, pruning.epochs)
    return NopPruner()


class Hyperband(BasePruner):
    """Hyperband by the values in the database alone.

    A trial belongs to a bracket. In bracket b it is held against the others of the bracket after ``least x 3^b``
    epochs, three times as many, and so on, and goes on if it is in the best third of those that came so far.

    The verdicts are those of Optuna's HyperbandPruner. That one notes the rungs a trial has reached as it judges, so
    that a process killed in between judges differently the second time; and it shows samplers only the bracket, of
    which a search of some dozens of trials has too few to learn from.

    Args:
        least: Epochs that every trial gets.
        most: Epochs of a whole run.

    Source:
        Li et al. 2018, https://jmlr.org/papers/v18/16-558.html; without waiting: Li et al. 2020, arXiv:1810.05934.
    """

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most
        brackets = sum(1 for _ in self.rungs(0))
        shares = [math.ceil(brackets * REDUCTION**left / (left + 1)) for left in range(brackets - 1, -1, -1)]
        self._ends = list(accumulate(shares))

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the trial is beaten at a rung that its last epoch reached."""
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
            is_beaten(value, values_at(rung, rivals), is_highest_best)
            for rung in self.rungs(bracket)
            if before < rung <= last
        )

    def rungs(self, bracket: int) -> Iterator[int]:
        """The epochs after which the trials of a bracket are held against each other."""
        rung = self._least * REDUCTION**bracket
        while rung <= self._most:
            yield rung
            rung *= REDUCTION

    def bracket_of(self, study_name: str, number: int) -> int:
        """The bracket of a trial, from 0; those with early rungs get more trials."""
        place = zlib.crc32(f"{study_name}_{number}".encode()) % self._ends[-1]
        return next(bracket for bracket, end in enumerate(self._ends) if place < end)


def values_at(rung: int, trials: Sequence[FrozenTrial]) -> list[float]:
    """What trials came to at a rung, of those that reached it."""
    reached = [[step for step in trial.intermediate_values if step >= rung] for trial in trials]
    return [trial.intermediate_values[min(steps)] for trial, steps in zip(trials, reached, strict=True) if steps]


def is_beaten(value: float, rivals: Sequence[float], is_highest_best: bool) -> bool:
    """Whether a value is not in the best third of itself and its rivals; the best one always is."""
    ranked = sorted([*rivals, value], reverse=is_highest_best)
    threshold = ranked[max(len(ranked) // REDUCTION, 1) - 1]
    return value < threshold if is_highest_best else value > threshold


class EpochPruner:
    """The pruner of one trial, in whatever process the trial runs.

    Args:
        url: Of the database.
        name: Of the study.
        number: Of the trial.
        pruning: How trials are given up.

    Raises:
        RunError: The database cannot be used, or has no such trial.
    """

    def __init__(self, url: str, name: str, number: int, pruning: Pruning) -> None:
        self._name = name
        storage = open_storage(url, is_ready=True)
        with naming_storage_errors(name):
            try:
                study = optuna.load_study(
                    study_name=name, storage=storage, sampler=RandomSampler(), pruner=make_pruner(pruning)
                )
                trial = study.get_trials(deepcopy=False)[number]
            except (KeyError, IndexError):
                raise RunError(
                    f"search {name} has no trial {number} in {redact_uri(url)}; start the search again."
                ) from None
            self._trial = Trial(study, trial._trial_id)
        self._known = set(trial.intermediate_values)

    def report(self, epoch: int, value: float) -> bool:
        """Tell what an epoch came to, and hear whether the trial is to be given up.

        Args:
            epoch: From 1, in order. One that was told before, by a process that was killed since, keeps its value and
                its verdict.
            value: Of the study's objective. One that is not finite says nothing, and its epoch is passed over.

        Raises:
            RunError: The database cannot be used, or says that the trial is over.
        """
        if not math.isfinite(value):
            return False
        judged, verdict = self._trial.user_attrs.get(_JUDGED, (0, False))
        if epoch <= judged:
            return bool(verdict) and epoch == judged
        with naming_storage_errors(self._name):
            if epoch not in self._known:
                self._trial.report(value, epoch)
            verdict = bool(self._trial.should_prune())  # a NumPy truth would not be stored
            self._trial.set_user_attr(_JUDGED, [epoch, verdict])
        return verdict

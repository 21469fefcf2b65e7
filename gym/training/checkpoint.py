"""Checkpoints: the best weights, the last state, and the history of a training run.

``best.npz`` is written when the validation loss reaches a new minimum, ``last.npz`` after every epoch. Both are NumPy
archives of the variables in the model's own order, and are written atomically.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from gym.core.errors import RunError, first_line
from gym.core.files import atomic_file, parse_json
from gym.core.typed_json import build
from gym.data.npy import DAMAGE, read_stored_arrays

FILES = BEST, LAST, NEXT = "best.npz", "last.npz", "next.npz"


class Epoch(NamedTuple):
    """The scores of one epoch.

    Attributes:
        number: Number of the epoch, from 1.
        learning_rate: Its learning rate.
        train_loss: Mean loss of its training batches, while the weights change.
        train_iou: Mean IoU of its training batches together.
        val_loss: Loss over all validation scenes as if they were one batch.
        val_iou: Mean IoU over all validation scenes.
        val_kld: Mean Kullback-Leibler divergence of the validation scenes, in nats per pixel.
    """

    number: int
    learning_rate: float
    train_loss: float
    train_iou: float
    val_loss: float
    val_iou: float
    val_kld: float


# Fields of `Epoch` and their names in MLflow, as in train/loss, where the step is the number of the epoch.
MLFLOW_NAMES = {name: re.sub("^(train|val)_", r"\1/", name) for name in Epoch._fields if name != "number"}


def epoch_metrics(epoch: Epoch) -> dict[str, float]:
    """Return the values of an epoch under their names in MLflow."""
    return {name: getattr(epoch, value) for value, name in MLFLOW_NAMES.items()}


def epochs_from_metrics(metrics: Mapping[str, Mapping[int, float]]) -> list[Epoch]:
    """Restore epochs from logged metrics by name and step; epochs with missing values are left out."""
    steps = [set(metrics.get(name, {})) for name in MLFLOW_NAMES.values()]
    return [
        Epoch(number=step, **{value: metrics[name][step] for value, name in MLFLOW_NAMES.items()})
        for step in sorted(set.intersection(*steps))
    ]


@dataclass
class EarlyStopping:
    """Stops training after ``patience`` epochs without a lower validation loss.

    Epochs count from 1; 0 means that there was none. The fields are stored in checkpoints.
    """

    patience: int
    best_loss: float = float("inf")
    best_epoch: int = 0
    last_epoch: int = 0

    def observe(self, epoch: int, loss: float) -> bool:
        """Record the validation loss of an epoch; return whether it is the lowest so far."""
        self.last_epoch = epoch
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, epoch
        return self.best_epoch == epoch

    @property
    def is_over(self) -> bool:
        """Whether the last ``patience`` epochs brought no improvement."""
        return self.last_epoch - self.best_epoch >= self.patience


@dataclass
class History:
    """The course of a training run over all its attempts.

    Attributes:
        stopping: The best and the last epoch.
        epochs: All epochs.
        seconds: Training time, without the time between attempts.
    """

    stopping: EarlyStopping
    epochs: list[Epoch] = field(default_factory=list)
    seconds: float = 0.0

    def is_finished(self, epochs: int) -> bool:
        """Whether training has stopped early or has reached its number of epochs."""
        return self.stopping.is_over or self.stopping.last_epoch >= epochs

    def to_dict(self) -> dict[str, Any]:
        """Convert to values that JSON can represent."""
        return {"stopping": asdict(self.stopping), "epochs": self.epochs, "seconds": self.seconds}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "History":
        """Restore a history from the values of `to_dict`.

        Raises:
            ValueError: They are damaged.
        """
        history: History = build(cls, values)
        best, last = history.stopping.best_epoch, history.stopping.last_epoch
        if not 0 <= best <= last or [epoch.number for epoch in history.epochs[-1:]] != [last]:
            raise ValueError(f"epoch {best} is the best of {last}, but {len(history.epochs)} are recorded")
        return history


def save_best(model: keras.Model, epoch: int, folder: Path) -> None:
    """Write the weights to ``next.npz``, which becomes ``best.npz`` once ``last.npz`` knows that this epoch is best."""
    _write_arrays(folder / NEXT, model.weights, {"epoch": epoch})


def load_best(model: keras.Model, folder: Path) -> None:
    """Load ``best.npz`` into a model of the same shape.

    Raises:
        RunError: The file is missing or damaged, or belongs to another model.
    """
    _load_arrays(folder / BEST, model.weights)


def save_last(model: keras.Model, history: History, folder: Path) -> None:
    """Write everything the next epoch depends on to ``last.npz``: weights, optimizer state and history."""
    _write_arrays(folder / LAST, [*model.weights, *model.optimizer.variables], history.to_dict())
    if (folder / NEXT).exists():
        (folder / NEXT).replace(folder / BEST)


def load_last(model: keras.Model, folder: Path) -> History:
    """Load ``last.npz`` into a compiled model of the same shape and return its history.

    Raises:
        RunError: The file is missing or damaged, or belongs to another model.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return _read_history(folder, _load_arrays(folder / LAST, [*model.weights, *model.optimizer.variables]))


def _read_history(folder: Path, notes: dict[str, Any]) -> History:
    try:
        return History.from_dict(notes)
    except ValueError as error:
        raise _damaged(folder / LAST, error) from error


def read_last_epoch(folder: Path) -> int:
    """Read the number of the last complete epoch of an interrupted run; 0 if there is none."""
    try:
        _, notes = _read_arrays(folder / LAST, only_notes=True)
        return _read_history(folder, notes).stopping.last_epoch
    except RunError:
        return 0


def settle_best(folder: Path) -> None:
    """Leave in ``best.npz`` the weights that ``last.npz`` knows as the best, wherever a kill came between both.

    Raises:
        RunError: A file is missing or damaged, or the weights are those of another epoch.
    """
    _, notes = _read_arrays(folder / LAST, only_notes=True)
    best = _read_history(folder, notes).stopping.best_epoch
    if (folder / NEXT).exists():
        if _read_arrays(folder / NEXT)[1].get("epoch") == best:
            (folder / NEXT).replace(folder / BEST)
        (folder / NEXT).unlink(missing_ok=True)
    found = _read_arrays(folder / BEST)[1].get("epoch", best)  # earlier versions did not record it
    if found != best:
        raise RunError(f"{folder / BEST} is of epoch {found}, but epoch {best} is the best; train the run again.")


def exists(folder: Path) -> bool:
    """Whether a training can be resumed from a folder."""
    return (folder / LAST).exists() and any((folder / name).exists() for name in (BEST, NEXT))


def remove_checkpoints(folder: Path) -> None:
    """Remove all of them."""
    for name in FILES:
        (folder / name).unlink(missing_ok=True)


def hash_weights(model: keras.Model) -> str:
    """Hash all weights, including batch-normalisation statistics; equal hashes mean bitwise equal weights."""
    digest = hashlib.sha256()
    for variable in model.weights:
        digest.update(variable.numpy().tobytes())
    return digest.hexdigest()


def _write_arrays(path: Path, variables: Sequence[Any], notes: dict[str, Any]) -> None:
    arrays: dict[str, Any] = {f"{index:04d}": variable.numpy() for index, variable in enumerate(variables)}
    with atomic_file(path) as partial, partial.open("wb") as stream:
        np.savez(stream, **arrays, notes=np.array(json.dumps(notes)))


def _read_arrays(path: Path, only_notes: bool = False) -> tuple[list[np.ndarray], dict[str, Any]]:
    try:
        arrays = read_stored_arrays(path, ["notes"] if only_notes else None)
        notes = parse_json(str(arrays.pop("notes")))
        return [arrays[name] for name in sorted(arrays)], build(dict[str, Any], notes, "notes")
    except DAMAGE as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> RunError:
    reason = first_line(error) or type(error).__name__
    return RunError(f"{path} cannot be read ({reason}); train the run again.")


def _load_arrays(path: Path, variables: Sequence[Any]) -> dict[str, Any]:
    arrays, notes = _read_arrays(path)
    expected = [variable.numpy() for variable in variables]
    if [(one.shape, one.dtype) for one in arrays] != [(one.shape, one.dtype) for one in expected]:
        raise RunError(
            f"{path} holds {len(arrays)} arrays, but this model has {len(variables)} variables or other shapes; "
            "train the run again."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return notes

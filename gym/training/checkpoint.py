"""Keep weights in files: the best ones, and the whole state after the last epoch.

The two are separate files under separate conditions: ``best.npz`` changes only when the validation loss is lower than
ever, ``last.npz`` after every epoch. Both are NumPy archives of the variables in the model's own order, written whole
or not at all.

When to stop: no better validation loss for ``patience`` epochs.

What is known of a training so far; plain numbers, so that a checkpoint can hold it.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from gym.core.errors import RunError
from gym.core.files import atomic_file


@dataclass
class EarlyStopping:
    """What is known of a run's validation loss so far; plain numbers, so a checkpoint can hold it.

    Epochs count from 1, and 0 stands for none. The stopping epoch of a run is the last that was trained.
    """

    patience: int
    best_loss: float = float("inf")
    best_epoch: int = 0
    last_epoch: int = 0

    def observe(self, epoch: int, loss: float) -> bool:
        """Take the validation loss of an epoch; tell whether it is the lowest so far."""
        self.last_epoch = epoch
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, epoch
        return self.best_epoch == epoch

    @property
    def is_over(self) -> bool:
        """Whether the last ``patience`` epochs brought nothing better."""
        return self.last_epoch - self.best_epoch >= self.patience


# Names of an epoch's values in MLflow, where its number is the step.
MLFLOW_NAMES = {
    "train_loss": "train/loss",
    "train_iou": "train/iou",
    "val_loss": "val/loss",
    "val_iou": "val/iou",
    "val_kld": "val/kld",
    "learning_rate": "learning_rate",
}


class Epoch(NamedTuple):
    """What one epoch came to.

    ``number`` counts from 1. ``train_loss`` is the mean over the epoch's batches, while the weights change;
    ``val_loss`` is the loss over all validation scenes as one, so it depends on neither batches nor order.
    """

    number: int
    learning_rate: float
    train_loss: float
    train_iou: float
    val_loss: float
    val_iou: float
    val_kld: float


def epoch_metrics(epoch: Epoch) -> dict[str, float]:
    """An epoch's values under their names in MLflow."""
    return {name: getattr(epoch, value) for value, name in MLFLOW_NAMES.items()}


def epochs_from_metrics(metrics: Mapping[str, Mapping[int, float]]) -> list[Epoch]:
    """The epochs that were logged, by name and step; one of which a value is missing is left out."""
    steps = [set(metrics.get(name, {})) for name in MLFLOW_NAMES.values()]
    return [
        Epoch(number=step, **{value: metrics[name][step] for value, name in MLFLOW_NAMES.items()})
        for step in sorted(set.intersection(*steps))
    ]


@dataclass
class History:
    """How a training went, from its first epoch, however often it was taken up again.

    Attributes:
        stopping: Which epoch was best, and which was the last.
        epochs: All epochs.
        seconds: What they took, without the time between attempts.
    """

    stopping: EarlyStopping
    epochs: list[Epoch] = field(default_factory=list)
    seconds: float = 0.0

    def is_finished(self, epochs: int) -> bool:
        """Whether there is nothing left to train."""
        return self.stopping.is_over or self.stopping.last_epoch >= epochs

    def to_dict(self) -> dict[str, Any]:
        """All of it, JSON-like."""
        return {"stopping": asdict(self.stopping), "epochs": self.epochs, "seconds": self.seconds}

    @classmethod
    def from_dict(cls, notes: dict[str, Any]) -> "History":
        """What `to_dict` gave, made a history again."""
        epochs = [Epoch(*values) for values in notes["epochs"]]
        return cls(EarlyStopping(**notes["stopping"]), epochs, notes["seconds"])


BEST, LAST = "best.npz", "last.npz"


def save_best(model: keras.Model, folder: Path) -> None:
    """Write the weights as the best so far."""
    _write_arrays(folder / BEST, _values(model.weights), {})


def load_best(model: keras.Model, folder: Path) -> None:
    """Put the best weights into a model of the same shape.

    Raises:
        RunError: The file is missing, damaged, or of another model.
    """
    arrays, _ = _read_arrays(folder / BEST)
    _assign(model.weights, arrays, folder / BEST)


def save_last(model: keras.Model, history: History, folder: Path) -> None:
    """Write all that the next epoch depends on: weights, optimizer, and what the epochs so far came to."""
    _write_arrays(folder / LAST, _values(_state(model)), history.to_dict())


def load_last(model: keras.Model, folder: Path) -> History:
    """Put the state after the last epoch into a compiled model of the same shape; return its history.

    Raises:
        RunError: The file is missing, damaged, or of another model.
    """
    arrays, notes = _read_arrays(folder / LAST)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    _assign(_state(model), arrays, folder / LAST)
    return History.from_dict(notes)


def read_last_epoch(folder: Path) -> int:
    """The last complete epoch of a run that was cut off; 0 where there is none."""
    try:
        _, notes = _read_arrays(folder / LAST, only_notes=True)
    except RunError:
        return 0
    return int(notes["stopping"]["last_epoch"])


def remove_checkpoints(folder: Path) -> None:
    """Remove both files, where they are."""
    for name in (BEST, LAST):
        (folder / name).unlink(missing_ok=True)


def hash_weights(model: keras.Model) -> str:
    """Hash all weights, batch-normalisation statistics included: equal only if they are bitwise equal."""
    digest = hashlib.sha256()
    for value in _values(model.weights):
        digest.update(value.tobytes())
    return digest.hexdigest()


def _state(model: keras.Model) -> list[Any]:
    return [*model.weights, *model.optimizer.variables]


def _values(variables: Sequence[Any]) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def _write_arrays(path: Path, arrays: list[np.ndarray], notes: dict[str, Any]) -> None:
    with atomic_file(path) as beside, beside.open("wb") as stream:
        named: dict[str, Any] = {f"{position:04d}": array for position, array in enumerate(arrays)}
        named["notes"] = np.array(json.dumps(notes))
        np.savez(stream, **named)


def _read_arrays(path: Path, only_notes: bool = False) -> tuple[list[np.ndarray], dict[str, Any]]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            names = [] if only_notes else sorted(set(archive.files) - {"notes"})
            return [archive[name] for name in names], json.loads(str(archive["notes"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path} cannot be read ({error}); train the run again.") from error


def _assign(variables: Sequence[Any], arrays: list[np.ndarray], path: Path) -> None:
    shapes, expected = [array.shape for array in arrays], [tuple(variable.shape) for variable in variables]
    if shapes != expected:
        raise RunError(f"{path} holds {len(shapes)} arrays that do not fit this model's {len(expected)}; train anew.")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)

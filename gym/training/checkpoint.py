"""Keep weights in files: the best ones, and the whole state after the last epoch.

The two are separate files under separate conditions: ``best.npz`` changes only when the validation loss is lower than
ever, ``last.npz`` after every epoch. Both are NumPy archives of the variables in the model's own order, written whole
or not at all.
"""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gym.errors import RunError
from gym.files import replacing
from gym.training.history import History

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
    _write_arrays(folder / LAST, _values(_state(model)), history.as_notes())


def load_last(model: keras.Model, folder: Path) -> History:
    """Put the state after the last epoch into a compiled model of the same shape; return its history.

    Raises:
        RunError: The file is missing, damaged, or of another model.
    """
    arrays, notes = _read_arrays(folder / LAST)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    _assign(_state(model), arrays, folder / LAST)
    return History.from_notes(notes)


def last_epoch(folder: Path) -> int:
    """The last complete epoch of a run that was cut off; 0 where there is none."""
    try:
        _, notes = _read_arrays(folder / LAST, only_notes=True)
    except RunError:
        return 0
    return int(notes["stopping"]["last_epoch"])


def remove(folder: Path) -> None:
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
    with replacing(path) as beside, beside.open("wb") as stream:
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

"""What a run came to, as files: its scores, and the confusion matrix of each validation image.

    result.json     everything but the matrices
    matrices.npy    (images, classes, classes) int64

They are what a sweep's table, figure and recommendation are made from.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gym.core.errors import RunError, first_line
from gym.core.files import atomic_file, write_json


@dataclass(frozen=True)
class RunResult:
    """What one run came to.

    Attributes:
        run_id: Of its MLflow run.
        name: What it is, in words.
        fingerprint: Hash of all that it depends on.
        settings: Its configuration by dotted keys, as in ``model.filters``.
        scores: The metrics logged at its end, by name: ``iou``, ``kld``, ``stopping_epoch``, ``parameters``,
            ``seconds`` and others; what is undefined is left out.
        weights_sha256: Of its weights.
        classes: Class names, by label value.
        images: Names of the validation images: whole scenes, tiles of them, or copies.
        scenes: The scene of each image; several may be of one.
        matrices: The confusion matrix of each, ``(images, classes, classes)`` int64, truth by prediction.
    """

    run_id: str
    name: str
    fingerprint: str
    settings: dict[str, Any]
    scores: dict[str, float]
    weights_sha256: str
    classes: list[str]
    images: list[str]
    scenes: list[str]
    matrices: np.ndarray


def write_result(folder: Path, result: RunResult) -> None:
    """Write a result; `read_result` finds either all of it or nothing.

    Raises:
        OSError: It cannot be written.
    """
    with atomic_file(folder / "matrices.npy") as beside:
        np.save(beside, result.matrices)
        (folder / "result.json").unlink(missing_ok=True)  # an earlier one must not stand beside these matrices
    plain = {name: value for name, value in vars(result).items() if name != "matrices"}
    write_json(folder / "result.json", plain)


def read_result(folder: Path) -> RunResult:
    """Read what `write_result` wrote.

    A result that was written before images had scenes has their names alone, each of which then stands for a scene.

    Raises:
        RunError: There is none, or it is damaged.
    """
    try:
        plain = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        plain = {"images": plain["scenes"]} | plain
        result = RunResult(**plain, matrices=np.load(folder / "matrices.npy", allow_pickle=False))
        check_matrices(result)
    except Exception as error:  # a damaged file may make its parser raise anything
        raise RunError(f"{folder} holds no readable result ({first_line(error)}); train the run again.") from error
    return result


def find_result(folder: Path) -> RunResult | None:
    """Read what `write_result` wrote; None where there is none, or it is damaged."""
    try:
        return read_result(folder)
    except RunError:
        return None


def check_matrices(result: RunResult) -> None:
    """Raise `ValueError` where matrices or scenes are not those of the images and classes of a result."""
    found, classes = result.matrices, len(result.classes)
    shape = len(result.images), classes, classes
    if found.shape != shape or found.dtype != np.int64:
        raise ValueError(f"matrices are {found.dtype} {found.shape}, not int64 {shape}")
    if len(result.scenes) != len(result.images):
        raise ValueError(f"{len(result.scenes)} scenes for {len(result.images)} images")

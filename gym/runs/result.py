"""The result of a run on disk: its scores, and the confusion matrix of each validation image.

    result.json     everything but the matrices
    matrices.npy    (images, classes, classes) int64

The tables, figures and recommendations of a sweep are made from these files.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gym.core.errors import RunError, first_line
from gym.core.files import atomic_file, read_json, write_json
from gym.core.typed_json import build
from gym.data.npy import read_npy
from gym.data.units import SCENE, Units


@dataclass(frozen=True)
class RunResult:
    """The result of one run.

    Attributes:
        run_id: Id of its MLflow run.
        name: Name of the run.
        fingerprint: Hash of everything that the result depends on.
        settings: The configuration by dotted keys such as ``model.filters``.
        scores: The final metrics by name, such as ``iou``, ``kld``, ``stopping_epoch``, ``parameters`` and ``seconds``,
            without undefined ones.
        weights_sha256: SHA-256 of the weights.
        classes: Class names by label value.
        images: Names of the validation images, which are scenes, crops of scenes or augmented copies.
        scenes: Scene of each image.
        matrices: Confusion matrix of each image, ``(images, classes, classes)`` int64, true by predicted class.
        unit_kind: What a unit of the bootstrap is, as in `gym.data.units.Units`.
        unit_names: Unit of each image; empty if each scene is a unit, as in all results of earlier versions.
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
    unit_kind: str = SCENE
    unit_names: list[str] = field(default_factory=list)

    @property
    def units(self) -> Units:
        """The units that a bootstrap redraws."""
        return Units(self.unit_kind, self.unit_names or self.scenes)


def write_result(folder: Path, result: RunResult) -> None:
    """Write a result so that `read_result` finds either all of it or nothing.

    Raises:
        OSError: It cannot be written.
    """
    with atomic_file(folder / "matrices.npy") as partial:
        np.save(partial, result.matrices)
        (folder / "result.json").unlink(missing_ok=True)  # an older one would not belong to these matrices
    write_json(folder / "result.json", {name: value for name, value in vars(result).items() if name != "matrices"})


def read_result(folder: Path) -> RunResult:
    """Read a result. In results written before images had scenes, each image counts as a scene.

    Raises:
        RunError: There is no result, or it is damaged.
    """
    try:
        values = build(dict[str, Any], read_json(folder / "result.json"))
        values = {"images": values.get("scenes")} | values
        result: RunResult = build(RunResult, values | {"matrices": read_npy(folder / "matrices.npy")}, "result.json")
        _check_shapes(result)
    except (OSError, ValueError) as error:
        raise RunError(f"{folder} contains no readable result ({first_line(error)}); train the run again.") from error
    return result


def find_result(folder: Path) -> RunResult | None:
    """Read a result; return None if there is none or it is damaged."""
    try:
        return read_result(folder)
    except RunError:
        return None


def _check_shapes(result: RunResult) -> None:
    found, classes = result.matrices, len(result.classes)
    shape = len(result.images), classes, classes
    if found.shape != shape or found.dtype != np.int64:
        raise ValueError(f"matrices are {found.dtype} {found.shape}, not int64 {shape}")
    if (found < 0).any():
        raise ValueError("matrices have negative counts")
    if len(result.scenes) != len(result.images):
        raise ValueError(f"{len(result.scenes)} scenes for {len(result.images)} images")
    if len(result.units.names) != len(result.images):
        raise ValueError(f"{len(result.unit_names)} units for {len(result.images)} images")

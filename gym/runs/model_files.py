"""A trained model as files: the network with its preprocessing, and what a user of it must know.

model/
    model.keras      prepared images in, class scores out; standardisation is its first layer
    model.json       how an image is prepared (values, indices, frame), and which classes come back
"""

import json
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from gym.core.errors import RunError, first_line
from gym.core.files import atomic_file, write_json
from gym.data.dataset import Dataset, parse_preparation
from gym.data.preparation import Preparation
from gym.models import blocks  # noqa: F401 - registers the layers that a saved model names

SCHEMA_VERSION = 2

# What reading a damaged archive can raise.
_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class ModelDescription:
    """How to use a model: what an image goes through before it, and class names by index."""

    preparation: Preparation
    classes: list[str]
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class SavedModel:
    """A model read back."""

    network: keras.Model
    description: ModelDescription


def save_model(network: keras.Model, dataset: Dataset, folder: Path) -> None:
    """Write a model that was trained on a dataset."""
    manifest = dataset.manifest
    bare = keras.Model(network.inputs, network.outputs, name=network.name)  # Adam's state is twice the weights
    with atomic_file(folder / "model.keras") as beside:
        bare.save(beside)
    write_json(folder / "model.json", asdict(ModelDescription(manifest.preparation, manifest.classes)))


def load_model(folder: Path) -> SavedModel:
    """Read a model that `save_model` wrote.

    Raises:
        RunError: A file is missing or damaged.
    """
    try:
        description = read_description(json.loads((folder / "model.json").read_text(encoding="utf-8")))
        refuse_damage(folder / "model.keras")
        return SavedModel(keras.saving.load_model(folder / "model.keras", compile=False), description)
    except _DAMAGE as error:
        reason = first_line(error) or type(error).__name__
        raise RunError(f"{folder} holds no readable model ({reason}); train the run again.") from error


def read_description(raw: dict[str, Any]) -> ModelDescription:
    """Make a description of its JSON.

    Raises:
        ValueError: It is of another version, or has a part that this one does not know.
        LookupError: A part is missing.
        TypeError: A part is of another kind.
    """
    if raw["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"version {raw['schema_version']}, not {SCHEMA_VERSION}")
    description = ModelDescription(parse_preparation(raw["preparation"]), [str(name) for name in raw["classes"]])
    if json.loads(json.dumps(asdict(description))) != raw:
        raise ValueError("a part is not known here")
    return description


def refuse_damage(path: Path) -> None:
    """Check every part of an archive against its checksum: a damaged weight may load without an error otherwise.

    Raises:
        BadZipFile: A part does not fit its checksum.
    """
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file '{damaged}'")

"""A trained model as files: the network with its preprocessing, and what a user of it must know.

model/
    model.keras      raw image values in, class scores out; standardisation is its first layer
    model.json       frame, bands, classes: how to bring an image to the network, and what comes back
"""

import json
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from gym.data.store import Store
from gym.errors import RunError, first_line
from gym.files import replacing, write_json
from gym.models import blocks  # noqa: F401 - registers the layers that a saved model names

SCHEMA_VERSION = 1

# What reading a damaged archive can raise.
_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class ModelDescription:
    """How to use a model: frame in ``[rows, columns]`` pixels, band names in order, class names by index."""

    frame: list[int]
    bands: list[str]
    classes: list[str]
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class SavedModel:
    """A model read back."""

    network: keras.Model
    description: ModelDescription


def save_model(network: keras.Model, store: Store, folder: Path) -> None:
    """Write a model that was trained on a store."""
    manifest = store.manifest
    with replacing(folder / "model.keras") as beside:
        network.save(beside)
    write_json(folder / "model.json", asdict(ModelDescription(manifest.frame, manifest.bands, manifest.classes)))


def load_model(folder: Path) -> SavedModel:
    """Read a model that `save_model` wrote.

    Raises:
        RunError: A file is missing or damaged.
    """
    try:
        description = ModelDescription(**json.loads((folder / "model.json").read_text(encoding="utf-8")))
        if description.schema_version != SCHEMA_VERSION:
            raise ValueError(f"version {description.schema_version}, not {SCHEMA_VERSION}")
        refuse_damage(folder / "model.keras")
        return SavedModel(keras.saving.load_model(folder / "model.keras", compile=False), description)
    except _DAMAGE as error:
        reason = first_line(error) or type(error).__name__
        raise RunError(f"{folder} holds no readable model ({reason}); train the run again.") from error


def refuse_damage(path: Path) -> None:
    """Check every part of an archive against its checksum: a damaged weight may load without an error otherwise.

    Raises:
        BadZipFile: A part does not fit its checksum.
    """
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file '{damaged}'")

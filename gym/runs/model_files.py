"""A trained model as files: the network with its preprocessing, and a description of its input and output.

model/
    model.keras      the network, from prepared images to probabilities; standardisation is its first layer
    model.json       how to prepare an image (values, indices, frame), and the class names
"""

import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from gym.config.registries import ARCHITECTURES
from gym.core.errors import RunError, first_line
from gym.core.files import atomic_file, read_json, write_json
from gym.data.dataset import Dataset, parse_preparation
from gym.data.preparation import Preparation
from gym.models import blocks  # noqa: F401 - registers the layers that saved models contain
from gym.runs.model_archive import DAMAGED_ZIP_ERRORS

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class ModelDescription:
    """The preparation of images for a model, and its class names by label value."""

    preparation: Preparation
    classes: list[str]
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class SavedModel:
    """A model restored from its files."""

    network: keras.Model
    description: ModelDescription


def save_model(network: keras.Model, dataset: Dataset, folder: Path) -> None:
    """Write a model that was trained on a dataset."""
    manifest = dataset.manifest
    # A model without an optimizer: the state of Adam is twice as large as the weights.
    bare = keras.Model(network.inputs, network.outputs, name=network.name)
    with atomic_file(folder / "model.keras") as partial:
        bare.save(partial)
    write_json(folder / "model.json", asdict(ModelDescription(manifest.preparation, manifest.classes)))


def load_model(folder: Path) -> SavedModel:
    """Read a model written by `save_model`.

    Raises:
        RunError: A file is missing or damaged.
    """
    try:
        description = _parse_description(read_json(folder / "model.json"))
        _check_archive(folder / "model.keras")
        _import_plugin_layers()
        return SavedModel(keras.saving.load_model(folder / "model.keras", compile=False), description)
    except (*DAMAGED_ZIP_ERRORS, TypeError) as error:
        reason = first_line(error) or type(error).__name__
        raise RunError(f"{folder} contains no readable model ({reason}); train the run again.") from error


def _import_plugin_layers() -> None:
    # Their modules register the layers that a saved model names.
    for entry in ARCHITECTURES:
        if entry.plugin:
            entry.load()


def _parse_description(raw: dict[str, Any]) -> ModelDescription:
    if raw["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"version {raw['schema_version']}, not {SCHEMA_VERSION}")
    description = ModelDescription(parse_preparation(raw["preparation"]), [str(name) for name in raw["classes"]])
    if json.loads(json.dumps(asdict(description))) != raw:
        raise ValueError("model.json has unknown fields")
    return description


def _check_archive(path: Path) -> None:
    # Keras may load a damaged weight without an error.
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file '{damaged}'")

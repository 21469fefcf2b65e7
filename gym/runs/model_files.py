"""A trained model as files: the network with its preprocessing, and a description of its input and output.

model/
    model.keras      the network, from prepared images to probabilities; standardisation is its first layer
    model.json       how to prepare an image (values, indices, frame), and the class names
"""

import warnings
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from gym.config.registries import ARCHITECTURES
from gym.core.errors import RunError, first_line
from gym.core.files import atomic_file, parse_json, read_json, write_json
from gym.core.typed_json import build
from gym.data.dataset import Dataset, check_preparation, check_version
from gym.data.preparation import Preparation
from gym.models import blocks  # noqa: F401 - registers the layers that saved models contain

SCHEMA_VERSION = 2
_IDENTITIES = ("shared_object_id", "seed")  # numbers in the configuration of Keras that are no sizes


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
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras only warns that it leaves a layer with random weights
            network = keras.saving.load_model(folder / "model.keras", compile=False)
        _check_shape(network, description)
        return SavedModel(network, description)
    except Exception as error:  # Keras raises errors of many types for damaged files
        reason = first_line(error) or type(error).__name__
        raise RunError(f"{folder} contains no readable model ({reason}); train the run again.") from error


def _import_plugin_layers() -> None:
    # Their modules register the layers that a saved model names.
    for entry in ARCHITECTURES:
        if entry.plugin:
            entry.load()


def _parse_description(raw: Any) -> ModelDescription:
    check_version(raw, SCHEMA_VERSION)
    description: ModelDescription = build(ModelDescription, raw, "model.json")
    check_preparation(description.preparation)
    return description


def _check_shape(network: keras.Model, description: ModelDescription) -> None:
    frame, bands, classes = description.preparation.frame, description.preparation.bands, description.classes
    for found, expected in ((network.input_shape, len(bands)), (network.output_shape, len(classes))):
        sides = zip(found, (None, *frame, expected), strict=True)
        if any(side is not None and side != wanted for side, wanted in sides):
            raise ValueError(
                f"model.json has {len(bands)} bands and {len(classes)} classes in {frame} pixels, unlike model.keras"
            )


def _check_archive(path: Path) -> None:
    # Keras may load a damaged weight without an error, and allocates whatever the configuration says.
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"Bad CRC-32 for file '{damaged}'")
        weights = archive.getinfo("model.weights.h5").file_size
        check_numbers(parse_json(archive.read("config.json").decode()), weights)


def check_numbers(config: Any, largest: int) -> None:
    """Raise `ValueError` if a number in a configuration exceeds the bytes of the weights that it describes."""
    if isinstance(config, dict | list):
        parts = config.items() if isinstance(config, dict) else enumerate(config)
        for value in (value for key, value in parts if key not in _IDENTITIES):
            check_numbers(value, largest)
    elif isinstance(config, int | float) and abs(config) > largest:
        raise ValueError(f"config.json has the number {config!r:.40}, which {largest} bytes of weights cannot fit")

"""The data that a trained model was trained on: found again, and known by their fingerprint.

Folders change: images come and go after a training. The run of a model has the fingerprint of its data, and
``split.json`` the names on each side, so that neither is guessed anew from a configuration.
"""

from pathlib import Path

from gym.config.data_rules import check_data
from gym.config.schema import Config
from gym.core.errors import GymError, RunError
from gym.data.build import open_or_build_dataset
from gym.data.dataset import Dataset
from gym.data.samples import find_samples
from gym.data.split import Split
from gym.evaluation.training_overlap import TrainingData
from gym.runs.model_source import ModelSource


def open_own(source: ModelSource, trained: Config, outputs: Path, given: Dataset | None) -> TrainingData:
    """The data that a model was trained on, or why they are not to be had.

    Args:
        source: The model.
        trained: How it was trained.
        outputs: Where stores are.
        given: Data that a user names: where these are its own, no others are looked for. With any given, those of a
            zip are not: its configuration names files and addresses of whoever made it.
    """
    if not source.data_fingerprint:
        return no_data("it is not known which they were")
    try:
        if given is not None and given.manifest.fingerprint == source.data_fingerprint:
            return TrainingData(given, read_sides(source, given))
        if given is not None and source.is_zip:
            return no_data("those of a zip are opened only without data=")
        check_data(trained.data)
        dataset = open_or_build_dataset(trained.data, outputs)
        if dataset.manifest.fingerprint != source.data_fingerprint:
            return no_data(f"{dataset.manifest.source} are no longer those it was trained on")
        return TrainingData(dataset, read_sides(source, dataset))
    except GymError as error:
        return no_data(str(error))


def no_data(obstacle: str) -> TrainingData:
    """No data, and why."""
    return TrainingData(None, Split([], [], []), obstacle)


def read_sides(source: ModelSource, dataset: Dataset) -> Split:
    """The sides that the model was trained with.

    Raises:
        RunError: They are not known, or are not those of the dataset.
    """
    names = source.read_split()
    sides = {side: list(find_samples(dataset, names.get(side, [])).values()) for side in Split._fields}
    for side, samples in sides.items():
        if len(samples) < len(names.get(side, [])):
            raise RunError(f"the {side} side in split.json of {source.name} names images that its data do not have")
    for side in ("training", "validation"):
        if not sides[side]:
            raise RunError(f"the {side} side in split.json of {source.name} is empty")
    return Split(**sides)

"""The dataset that a model was trained on, found again and verified by its fingerprint.

Folders change after training: images are added and removed. A run records the fingerprint of its dataset, and
``split.json`` the names on each side, so neither has to be derived again from the configuration.
"""

from pathlib import Path

from gym.config.data_rules import check_data
from gym.config.schema import DataConfig
from gym.core.errors import GymError, RunError
from gym.data.build import open_or_build_dataset
from gym.data.dataset import Dataset
from gym.data.samples import find_samples
from gym.data.split import Split
from gym.evaluation.training_overlap import TrainingData
from gym.runs.model_source import ModelSource


def open_training_data(
    source: ModelSource, trained_on: DataConfig, outputs: Path, candidate: Dataset | None
) -> TrainingData:
    """Open the dataset that a model was trained on, or explain why it is unavailable.

    Args:
        source: The model.
        trained_on: The ``data`` configuration of its training.
        outputs: Folder of datasets.
        candidate: A dataset that the user named. If it is the training dataset, no other is opened. If it is not, the
            data of a model archive is not opened: its configuration names files and URLs of whoever made it.
    """
    if not source.data_fingerprint:
        return _unavailable("the model does not record its fingerprint")
    try:
        if candidate is not None and candidate.manifest.fingerprint == source.data_fingerprint:
            return TrainingData(candidate, _read_split(source, candidate))
        if candidate is not None and source.is_zip:
            return _unavailable("the data of a model archive is opened only without data=")
        check_data(trained_on)
        dataset = open_or_build_dataset(trained_on, outputs)
        if dataset.manifest.fingerprint != source.data_fingerprint:
            return _unavailable(f"{dataset.manifest.source} changed after training")
        return TrainingData(dataset, _read_split(source, dataset))
    except GymError as error:
        return _unavailable(str(error))


def _unavailable(reason: str) -> TrainingData:
    return TrainingData(None, Split([], [], []), reason)


def _read_split(source: ModelSource, dataset: Dataset) -> Split:
    names = source.read_split()
    sides = {side: list(find_samples(dataset, names.get(side, [])).values()) for side in Split._fields}
    for side, samples in sides.items():
        if len(samples) < len(names.get(side, [])):
            raise RunError(f"the {side} side in split.json of {source.name} lists images that its data lacks")
    for side in ("training", "validation"):
        if not sides[side]:
            raise RunError(f"the {side} side in split.json of {source.name} is empty")
    return Split(**sides)

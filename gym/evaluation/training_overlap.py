"""The images a model is evaluated on, and how many of them it has seen in training.

Datasets are compared by fingerprint, images by their pixels: another dataset may hold images of the training data under
other names.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gym.config.schema import AugmentConfig
from gym.data.batches import SampleReader
from gym.data.dataset import Dataset, PairRecord, hash_pixels
from gym.data.samples import pair_positions, sample_name
from gym.data.split import Split
from gym.data.units import Units


class TrainingData(NamedTuple):
    """The dataset and split that a model was trained on; ``dataset`` is None if it is unavailable.

    ``obstacle`` is the reason why it is unavailable.
    """

    dataset: Dataset | None
    split: Split
    obstacle: str = ""


class EvaluationSet(NamedTuple):
    """The images that a model is evaluated on.

    Attributes:
        dataset: The dataset.
        samples: Sample numbers, as defined in `gym.data.batches`.
        side: Name of the side of the split, or ``all``.
        augment: Augmentation of the copies among the samples.
        seed: Seed of these copies.
        training_data: What the model was trained on.
        units: The units that a bootstrap redraws.
    """

    dataset: Dataset
    samples: Sequence[int]
    side: str
    augment: AugmentConfig
    seed: int
    training_data: TrainingData
    units: Units

    @property
    def is_training_data(self) -> bool:
        """Whether the dataset is the one that the model was trained on."""
        known = self.training_data.dataset
        return known is not None and known.manifest.fingerprint == self.dataset.manifest.fingerprint

    @property
    def training_side(self) -> str:
        """The evaluated side of the training data; empty for all its sides, or for another dataset."""
        return self.side if self.is_training_data and self.side != "all" else ""


def list_warnings(evaluated: EvaluationSet) -> list[str]:
    """Explain why the scores may be too optimistic: which images the model has seen before."""
    if evaluated.training_data.dataset is None:
        return [
            "it is unknown whether the model was trained on these images, because its training data is unavailable "
            f"({evaluated.training_data.obstacle})"
        ]
    trained, selected = (count_seen_images(evaluated, side) for side in ("training", "validation"))
    warnings = []
    if trained and evaluated.training_side in ("validation", "test"):
        warnings.append("these images include copies of training scenes, so all scores are too optimistic")
    elif trained:
        warnings.append(f"the model was trained on {trained} of these images, which inflates its scores")
    if selected and evaluated.training_side != "training":
        which = "these images" if selected == len(evaluated.samples) else f"{selected} of these images"
        warnings.append(f"{which} were used to select the best epoch, which slightly inflates the scores")
    return warnings


def count_seen_images(evaluated: EvaluationSet, side: str) -> int:
    """Count the evaluated images that are on a side of the training data, under whatever name.

    An augmented copy counts as its pair. Images without texture, such as clouds, may be equal by chance and match only
    under the same name. The count is 0 if the training data is unavailable.
    """
    known = evaluated.training_data
    if known.dataset is None:
        return 0
    seen = {_pixel_key(record) for record in _find_records(known.dataset, getattr(known.split, side))}
    return sum(_pixel_key(record) in seen for record in _find_records(evaluated.dataset, evaluated.samples))


def _find_records(dataset: Dataset, samples: Sequence[int]) -> list[PairRecord]:
    return [dataset.manifest.pairs[position] for position in pair_positions(samples, len(dataset))]


def _pixel_key(record: PairRecord) -> tuple[str, str]:
    return record.image_sha256, "" if record.likeness else record.name


class ImageIdentity(NamedTuple):
    """What must agree before two models can be compared on an image.

    Attributes:
        name: Name of the sample.
        files: SHA-256 of its source files.
        truth: SHA-256 of the true classes of its pixels.
    """

    name: str
    files: frozenset[str]
    truth: str

    def matches(self, other: "ImageIdentity") -> bool:
        """Whether two samples of the same name show the same image.

        The true classes must be equal, and the files of one must be among the files of the other, so that models with
        different numbers of bands can be compared.
        """
        return self.truth == other.truth and (self.files <= other.files or other.files <= self.files)


def identify_images(evaluated: EvaluationSet) -> list[ImageIdentity]:
    """Identify every evaluated image by name, source files and true classes."""
    read = SampleReader(evaluated.dataset, evaluated.augment, evaluated.seed)
    return [
        ImageIdentity(
            sample_name(evaluated.dataset, sample),
            frozenset(record.sources.values()),
            hash_pixels(np.asarray(read(sample)[1])),
        )
        for sample, record in zip(evaluated.samples, _find_records(evaluated.dataset, evaluated.samples), strict=True)
    ]


def find_differing_images(first: Sequence[ImageIdentity], other: Sequence[ImageIdentity]) -> list[str]:
    """List the names of the images that two models do not have in common, sorted."""
    theirs = {image.name: image for image in other}
    ours = {image.name: image for image in first}
    shared = {name for name, image in ours.items() if name in theirs and image.matches(theirs[name])}
    return sorted({*ours, *theirs} - shared)

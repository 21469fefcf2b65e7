"""What a model is judged on, and what of it the model has seen before.

Whether data are those that a model was trained on is asked by their fingerprint; whether an image trained it, by its
pixels: other data may hold the images of the model's own under other names.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gym.config.schema import AugmentConfig
from gym.data.batches import SampleReader
from gym.data.dataset import Dataset, PairRecord, hash_pixels
from gym.data.samples import pair_positions, sample_name
from gym.data.split import Split


class TrainingData(NamedTuple):
    """The data that a model was trained on, or None and why they are not to be had."""

    dataset: Dataset | None
    split: Split
    obstacle: str = ""


class EvaluationSet(NamedTuple):
    """On what a model is judged.

    Attributes:
        dataset: The data.
        samples: Which of them, as `gym.data.batches` numbers them.
        side: What these are called.
        augment: Of copies among the samples.
        seed: Likewise.
        own: What the model was trained on.
    """

    dataset: Dataset
    samples: Sequence[int]
    side: str
    augment: AugmentConfig
    seed: int
    own: TrainingData

    @property
    def is_own(self) -> bool:
        """Whether the data are those that the model was trained on."""
        own = self.own.dataset
        return own is not None and own.manifest.fingerprint == self.dataset.manifest.fingerprint

    @property
    def own_side(self) -> str:
        """The side of the model's own data that is judged; empty where it is all of them, or other data."""
        return self.side if self.is_own and self.side != "all" else ""


def list_warnings(judged: EvaluationSet) -> list[str]:
    """What makes the scores mean less than they seem to: which of the images the model has seen."""
    if judged.own.dataset is None:
        obstacle = judged.own.obstacle
        return [f"whether these images trained the model is not known: its own data are not to be had ({obstacle})"]
    trained, chose = (count_seen_images(judged, side) for side in ("training", "validation"))
    found = []
    if trained and judged.own_side in ("validation", "test"):
        found.append("copies of training scenes are among these images, so no score here is honest")
    elif trained:
        found.append(f"{trained} of these images trained the model, which flatters it")
    if chose and judged.own_side != "training":
        which = "these images" if chose == len(judged.samples) else f"{chose} of these images"
        found.append(f"{which} chose the epoch whose weights are kept, which flatters a little")
    return found


def count_seen_images(judged: EvaluationSet, side: str) -> int:
    """How many of the judged images are on a side of the model's own data, whatever they are called there.

    A copy that augmentation makes is its pair. Images without texture, as of a cloud, are equal by chance: of these
    only the same one counts. None is known where the model's own data are not to be had.
    """
    if judged.own.dataset is None:
        return 0
    seen = {pixels_of(record) for record in records_of(judged.own.dataset, getattr(judged.own.split, side))}
    return sum(pixels_of(record) in seen for record in records_of(judged.dataset, judged.samples))


def records_of(dataset: Dataset, samples: Sequence[int]) -> list[PairRecord]:
    """What the dataset says of the pair of each sample."""
    return [dataset.manifest.pairs[position] for position in pair_positions(samples, len(dataset))]


def pixels_of(record: PairRecord) -> tuple[str, str]:
    """What two pairs of the same pixels have in common."""
    return record.image_sha256, "" if record.likeness else record.name


class ImageIdentity(NamedTuple):
    """What must agree where two models are compared on an image.

    Attributes:
        name: Of the sample.
        files: SHA-256 of what it is made from.
        truth: SHA-256 of the classes of its pixels in the frame.
    """

    name: str
    files: frozenset[str]
    truth: str


def identify_images(judged: EvaluationSet) -> list[ImageIdentity]:
    """What must agree of each judged image."""
    read = SampleReader(judged.dataset, judged.augment, judged.seed)
    return [
        ImageIdentity(
            sample_name(judged.dataset, sample),
            frozenset(record.sources.values()),
            hash_pixels(np.asarray(read(sample)[1])),
        )
        for sample, record in zip(judged.samples, records_of(judged.dataset, judged.samples), strict=True)
    ]


def find_differing_images(first: Sequence[ImageIdentity], other: Sequence[ImageIdentity]) -> list[str]:
    """The names of the images that two models do not have in common, sorted.

    An image is one and the same where every pixel has the same true class, and where the files that the one model sees
    are among those that the other sees: a model of more bands may stand beside one of fewer.
    """
    theirs = {image.name: image for image in other}
    ours = {image.name: image for image in first}
    shared = [name for name, image in ours.items() if name in theirs and is_same(image, theirs[name])]
    return sorted({*ours, *theirs} - set(shared))


def is_same(first: ImageIdentity, other: ImageIdentity) -> bool:
    """Whether two of one name are one image."""
    return first.truth == other.truth and (first.files <= other.files or other.files <= first.files)

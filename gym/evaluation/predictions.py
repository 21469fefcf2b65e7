"""What a model predicts on the images of a side, kept on disk while it is counted.

The scores of a few hundred images are more than a laptop's memory: they go to a temporary file that is mapped, and the
counting, which has no need of the model, is spread over the cores.
"""

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import keras
import numpy as np

from gym.config.schema import AugmentConfig
from gym.core.parallel import map_in_order
from gym.data.batches import ordered_batches
from gym.data.dataset import Dataset
from gym.data.ground import PixelSize, pixel_size
from gym.data.samples import pair_positions
from gym.evaluation.confusion import MIN_PROBABILITY
from gym.evaluation.counts import Counts, count_image, pixel_lattice, stack_counts
from gym.evaluation.run_model import Evaluation, evaluate_model

MAPPED = 64  # images read through one mapping: what is read of it counts as memory until it is let go


@dataclass(frozen=True)
class StoredPredictions:
    """A model's scores on some images.

    Attributes:
        evaluation: The predicted classes, and what is counted while they are made.
        scenes: The scene of each image.
        pixel_sides: Height and width of a pixel of each image, in metres; NaN where they are not known.
        folder: Holds ``scores.npy``, ``(images, rows, columns, classes)`` float32 summing to one, and ``labels.npy``,
            ``(images, rows, columns)`` uint8.
    """

    evaluation: Evaluation
    scenes: list[str]
    pixel_sides: list[PixelSize]
    folder: Path

    @property
    def scores(self) -> np.ndarray:
        """The scores, mapped."""
        return np.load(self.folder / "scores.npy", mmap_mode="r", allow_pickle=False)

    @property
    def labels(self) -> np.ndarray:
        """The labels, mapped."""
        return np.load(self.folder / "labels.npy", mmap_mode="r", allow_pickle=False)

    def sample(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels and scores at the lattice points of every image."""
        places = pixel_lattice(*self.labels.shape[1:])
        each = range(len(self.scenes))  # one at a time: a copy lets go of what was mapped for it
        labels, scores = ([np.array(getattr(self, kind)[at][places]) for at in each] for kind in ("labels", "scores"))
        return np.stack(labels), np.stack(scores)


def store_predictions(
    model: keras.Model,
    dataset: Dataset,
    samples: Sequence[int],
    batch: int,
    augment: AugmentConfig,
    seed: int,
    folder: Path,
) -> StoredPredictions:
    """Predict the images of a side.

    Args:
        model: Of the dataset's bands and classes.
        dataset: The dataset.
        samples: As `gym.data.batches` numbers them.
        batch: Images at a time; no score but the legacy ones depends on it.
        augment: Of the copies, where there are any among the samples.
        seed: Likewise.
        folder: An empty one, which the result refers to.

    Raises:
        OSError: The disk is full.
    """
    folder.mkdir(parents=True)
    shape, classes = (len(samples), *dataset.frame), len(dataset.manifest.classes)
    # Written, not mapped: what is mapped counts as memory of this process.
    with (
        new_array(folder / "scores.npy", np.dtype(np.float32), (*shape, classes)) as scores,
        new_array(folder / "labels.npy", np.dtype(np.uint8), shape) as labels,
    ):

        def keep(truth: np.ndarray, given: np.ndarray) -> None:
            total = np.maximum(given.sum(axis=-1, keepdims=True), MIN_PROBABILITY)  # of a sigmoid head it is not 1
            scores.write((given / total).astype(np.float32).tobytes())
            labels.write(truth.astype(np.uint8).tobytes())

        evaluation = evaluate_model(
            model, dataset, samples, batches_in_parts(dataset, samples, batch, augment, seed), keep
        )
    records = [dataset.manifest.pairs[position] for position in pair_positions(samples, len(dataset))]
    return StoredPredictions(evaluation, [one.scene for one in records], [pixel_size(one) for one in records], folder)


def batches_in_parts(
    dataset: Dataset, samples: Sequence[int], batch: int, augment: AugmentConfig, seed: int
) -> Iterator[tuple[Any, Any]]:
    """The batches of `gym.data.batches.ordered_batches`, with a part of the imagery mapped at a time."""
    for part in in_parts(samples, batch * max(1, MAPPED // batch)):
        yield from ordered_batches(dataset, part, batch, augment, seed)
        gc.collect()  # tf.data's functions refer to one another, and would keep the part mapped


def in_parts(samples: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Cut samples into parts of a size; the last may have fewer."""
    return (samples[start : start + size] for start in range(0, len(samples), size))


def new_array(path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> BinaryIO:
    """Open a new ``.npy`` file, to which the values of an array are written one after another."""
    stream = path.open("wb")
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream


class _Counter:
    """Counts one image of a side; can be sent to another process."""

    def __init__(self, predicted: StoredPredictions, width: int, temperature: float) -> None:
        self._folder, self._sides = predicted.folder, predicted.pixel_sides
        self._matrices, self._kld_sums = predicted.evaluation.matrices, predicted.evaluation.kld_sums
        self._width, self._temperature = width, temperature

    def __call__(self, index: int) -> Counts:
        labels, scores = (self._read(name)[index] for name in ("labels", "scores"))
        known = self._matrices[index], self._kld_sums[index], self._width, self._temperature, self._sides[index]
        return count_image(np.array(labels), np.array(scores), *known)

    def _read(self, name: str) -> Any:
        return np.load(self._folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)


def count_predictions(predicted: StoredPredictions, width: int, temperature: float, workers: int = 0) -> Counts:
    """Count every image, ``(images, ...)``, on all cores where that pays, with a bar that shows the time left.

    Args:
        predicted: As `store_predictions` gives.
        width: Of the strip along boundaries, in pixels.
        temperature: As of `gym.evaluation.counts.count_image`.
        workers: Processes; 0 means as many as pay.
    """
    places = range(len(predicted.scenes))
    count = _Counter(predicted, width, temperature)
    return stack_counts(list(map_in_order(count, places, workers, "counting", "workers")))

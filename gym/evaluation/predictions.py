"""Predictions stored on disk, and counted there by several processes.

The probabilities of a few hundred images exceed a laptop's memory. They go to a temporary file that is memory-mapped,
and the counting, which does not need the model, is spread over all cores.
"""

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gym.config.schema import AugmentConfig
from gym.core.parallel import map_in_order
from gym.data.batches import SampleReader, ordered_batches
from gym.data.dataset import Dataset, create_array
from gym.data.ground import PixelSize, pixel_size
from gym.data.npy import map_npy
from gym.data.samples import pair_positions
from gym.evaluation.confusion import MIN_PROBABILITY
from gym.evaluation.counts import Counts, count_image, pixel_lattice, stack_counts
from gym.evaluation.run_model import Evaluation, evaluate_model
from gym.evaluation.training_overlap import EvaluationSet

# Pages read through a mapping count as memory of the process until it is closed.
IMAGES_PER_MAPPING = 64


@dataclass(frozen=True)
class StoredPredictions:
    """The probabilities that a model assigns to the pixels of some images.

    Attributes:
        evaluation: Predicted classes, and the counts made while predicting.
        scenes: Scene of each image.
        pixel_sizes: Pixel height and width of each image, in metres; NaN if unknown.
        folder: Holds ``probabilities.npy``, ``(images, rows, columns, classes)`` float32 summing to one, and
            ``labels.npy``, ``(images, rows, columns)`` uint8.
    """

    evaluation: Evaluation
    scenes: list[str]
    pixel_sizes: list[PixelSize]
    folder: Path

    @property
    def labels(self) -> np.ndarray:
        """The labels, memory-mapped."""
        return _map_array(self.folder, "labels")

    def sample_lattice(self) -> tuple[np.ndarray, np.ndarray]:
        """Read labels and probabilities at the lattice points of every image."""
        lattice = pixel_lattice(*self.labels.shape[1:])
        # Copying image by image, each from a mapping of its own, keeps only the copies in memory.
        labels, probabilities = (
            np.stack([np.array(_map_array(self.folder, kind)[index][lattice]) for index in range(len(self.scenes))])
            for kind in ("labels", "probabilities")
        )
        return labels, probabilities


def _map_array(folder: Path, kind: str) -> np.ndarray:
    return map_npy(folder / f"{kind}.npy")


def store_predictions(
    model: keras.Model,
    dataset: Dataset,
    samples: Sequence[int],
    batch: int,
    augment: AugmentConfig,
    seed: int,
    folder: Path,
) -> StoredPredictions:
    """Predict samples of a dataset and store the probabilities.

    Args:
        model: A model with the bands and classes of the dataset.
        dataset: The dataset.
        samples: Sample numbers, as defined in `gym.data.batches`.
        batch: Batch size; only the legacy scores depend on it.
        augment: Augmentation of the copies among the samples.
        seed: Seed of these copies.
        folder: A new folder, which must outlive the result.

    Raises:
        OSError: The disk is full.
    """
    folder.mkdir(parents=True)
    shape, classes = (len(samples), *dataset.frame), len(dataset.manifest.classes)
    # Files are written sequentially: pages of a mapping would count as memory of this process.
    with (
        create_array(folder / "probabilities.npy", np.dtype(np.float32).str, (*shape, classes)) as probability_file,
        create_array(folder / "labels.npy", "|u1", shape) as label_file,
    ):

        def store(labels: np.ndarray, probabilities: np.ndarray) -> None:
            # The probabilities of a sigmoid head do not sum to one.
            total = np.maximum(probabilities.sum(axis=-1, keepdims=True), MIN_PROBABILITY)
            probability_file.write((probabilities / total).astype(np.float32).tobytes())
            label_file.write(labels.astype(np.uint8).tobytes())

        batches = read_batches(dataset, samples, batch, augment, seed)
        evaluation = evaluate_model(model, dataset, samples, batches, store)
    records = [dataset.manifest.pairs[position] for position in pair_positions(samples, len(dataset))]
    scenes, sizes = [record.scene for record in records], [pixel_size(record) for record in records]
    return StoredPredictions(evaluation, scenes, sizes, folder)


def read_batches(
    dataset: Dataset, samples: Sequence[int], batch: int, augment: AugmentConfig, seed: int
) -> Iterator[tuple[Any, Any]]:
    """Yield the batches of `gym.data.batches.ordered_batches` while mapping part of the imagery at a time."""
    for part in split_into_parts(samples, batch * max(1, IMAGES_PER_MAPPING // batch)):
        yield from ordered_batches(dataset, part, batch, augment, seed)
        gc.collect()  # the functions of tf.data refer to each other, which would keep the part mapped


def read_lattice_images(evaluated: EvaluationSet) -> Iterator[np.ndarray]:
    """Yield the lattice of each image, ``(rows, columns, bands)`` float32."""
    for part in split_into_parts(evaluated.samples, IMAGES_PER_MAPPING):
        # A new reader for each part releases the imagery mapped for the part before.
        read = SampleReader(evaluated.dataset, evaluated.augment, evaluated.seed)
        for sample in part:
            yield np.asarray(read(sample)[0])[pixel_lattice(*evaluated.dataset.frame)]


def split_into_parts(samples: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Split samples into parts of the given size; the last part may be smaller."""
    return (samples[start : start + size] for start in range(0, len(samples), size))


def count_predictions(predictions: StoredPredictions, width: int, temperature: float, workers: int = 0) -> Counts:
    """Count every image behind a progress bar, ``(images, ...)``.

    Args:
        predictions: Stored predictions.
        width: Width of the strip along boundaries, in pixels.
        temperature: As for `gym.evaluation.counts.count_image`.
        workers: Number of processes; 0 uses one per core if there is enough work.
    """
    evaluation = predictions.evaluation
    known = list(zip(evaluation.matrices, evaluation.kld_sums, predictions.pixel_sizes, strict=True))
    count = partial(_count_stored, predictions.folder, known, width, temperature)
    return stack_counts(list(map_in_order(count, range(len(predictions.scenes)), workers, "counting", "workers")))


def _count_stored(
    folder: Path, known: Sequence[tuple[np.ndarray, float, PixelSize]], width: int, temperature: float, index: int
) -> Counts:
    """Count a stored image; its confusion matrix, its summed divergence and its pixel size are known."""
    labels, probabilities = (np.array(_map_array(folder, kind)[index]) for kind in ("labels", "probabilities"))
    matrix, kld_sum, pixel_size = known[index]
    return count_image(labels, probabilities, matrix, kld_sum, width, temperature, pixel_size)

"""Run a model over samples of a dataset and count its hits and misses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from gym.data.dataset import Dataset
from gym.data.samples import pair_positions, sample_name
from gym.evaluation import confusion
from gym.evaluation.legacy_scores import LegacyScores


@dataclass(frozen=True)
class Evaluation:
    """The predictions of a model on some samples, and the counts that scores are computed from.

    Attributes:
        names: Name of each sample.
        sites: Site of each sample.
        samples: Sample numbers, as defined in `gym.data.batches`.
        classes: Class names by label value.
        matrices: Confusion matrices, ``(samples, classes, classes)`` int64, true by predicted class.
        kld_sums: Kullback-Leibler divergence summed over the counted pixels of each sample, in nats, ``(samples,)``.
        predicted: Predicted class indices, ``(samples, rows, columns)`` uint8.
        legacy: Scores as the original program computes them, by name.
    """

    names: list[str]
    sites: list[str]
    samples: list[int]
    classes: list[str]
    matrices: np.ndarray
    kld_sums: np.ndarray
    predicted: np.ndarray
    legacy: dict[str, float]

    @property
    def matrix(self) -> np.ndarray:
        """The confusion matrix over all samples, ``(classes, classes)`` int64."""
        return self.matrices.sum(axis=0)

    @property
    def kld(self) -> float:
        """Mean Kullback-Leibler divergence, in nats per counted pixel; NaN if no pixel is counted."""
        return float(confusion.ratio(self.kld_sums.sum(), self.matrices.sum()))

    def site_matrices(self) -> dict[str, np.ndarray]:
        """Add up the confusion matrices of each site; the sites are sorted by name."""
        names = sorted(set(self.sites))
        return {name: self.matrices[[site == name for site in self.sites]].sum(axis=0) for name in names}


def evaluate_model(
    model: keras.Model,
    dataset: Dataset,
    samples: Sequence[int],
    batches: Any,
    on_batch: Callable[[np.ndarray, np.ndarray], None] = lambda truth, probabilities: None,
) -> Evaluation:
    """Predict some samples and count hits and misses.

    Args:
        model: A model with the bands and classes of the dataset.
        dataset: The dataset.
        samples: Sample numbers, as defined in `gym.data.batches`.
        batches: Batches of these samples in the same order, from `gym.data.batches.ordered_batches`. Only the legacy
            scores depend on the batch size.
        on_batch: Called with the labels and probabilities of each batch.
    """
    classes = len(dataset.manifest.classes)
    legacy = LegacyScores(classes)
    matrices: list[np.ndarray] = []
    kld_sums: list[float] = []
    # Allocated once: results kept between the large, short-lived arrays of the batches would fragment the memory.
    predictions = np.empty((len(samples), *dataset.frame), np.uint8)
    for images, labels in batches:
        probabilities, truth = keras.ops.convert_to_numpy(model.predict_on_batch(images)), np.asarray(labels)
        on_batch(truth, probabilities)
        legacy.add(truth, probabilities)
        predicted = predictions[len(matrices) : len(matrices) + len(truth)]
        predicted[:] = probabilities.argmax(axis=-1)
        matrices += [confusion.confusion_matrix(*pair, classes) for pair in zip(truth, predicted, strict=True)]
        kld_sums += [confusion.pixel_kld(*pair) for pair in zip(truth, probabilities, strict=True)]
    return Evaluation(
        names=[sample_name(dataset, sample) for sample in samples],
        sites=[dataset.manifest.pairs[position].site for position in pair_positions(samples, len(dataset))],
        samples=list(samples),
        classes=dataset.manifest.classes,
        matrices=np.array(matrices),
        kld_sums=np.array(kld_sums),
        predicted=predictions,
        legacy=legacy.result(),
    )


def named_scores(evaluation: Evaluation) -> dict[str, float]:
    """Compute every score under its name in MLflow, without the undefined ones."""
    matrix, sites = evaluation.matrix, evaluation.site_matrices()
    by_class = {
        "class_iou": confusion.class_iou(matrix),
        "class_dice": confusion.class_dice(matrix),
        "class_precision": confusion.class_precision(matrix),
        "class_recall": confusion.class_recall(matrix),
    }
    scores = {
        **confusion.score_matrix(matrix)._asdict(),
        "kld": evaluation.kld,
        **{
            f"{group}/{name}": float(value)
            for group, values in by_class.items()
            for name, value in zip(evaluation.classes, values, strict=True)
        },
        **{f"site_dice/{site}": confusion.mean_dice(counts) for site, counts in sites.items()},
        **{f"site_iou/{site}": confusion.mean_iou(counts) for site, counts in sites.items()},
        **{f"legacy/{name}": value for name, value in evaluation.legacy.items()},
    }
    return {name: value for name, value in scores.items() if not np.isnan(value)}

"""Run a model over samples of a dataset and count its hits and misses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from gym.config.registries import SCORES, Place
from gym.data.dataset import Dataset
from gym.data.samples import pair_positions, sample_name
from gym.evaluation import confusion
from gym.evaluation.confusion import TrainingCounts
from gym.evaluation.legacy_scores import LegacyScores, drop_incomparable


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
        legacy: Scores as the original program computes them, by name; those that assume a null class only with one.
        null_class: Whether the first class is the null class.
    """

    names: list[str]
    sites: list[str]
    samples: list[int]
    classes: list[str]
    matrices: np.ndarray
    kld_sums: np.ndarray
    predicted: np.ndarray
    legacy: dict[str, float]
    null_class: bool = False

    @property
    def matrix(self) -> np.ndarray:
        """The confusion matrix over all samples, ``(classes, classes)`` int64."""
        return self.matrices.sum(axis=0)

    @property
    def counts(self) -> TrainingCounts:
        """The counts of all pairs together."""
        return TrainingCounts(self.matrix, self.kld_sums.sum())

    def site_counts(self) -> dict[str, TrainingCounts]:
        """Add up the counts of each site; the sites are sorted by name."""
        places = {name: [site == name for site in self.sites] for name in sorted(set(self.sites))}
        return {
            name: TrainingCounts(self.matrices[place].sum(axis=0), self.kld_sums[place].sum())
            for name, place in places.items()
        }


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
        legacy=drop_incomparable(legacy.result(), dataset.manifest.null_class),
        null_class=dataset.manifest.null_class,
    )


def named_scores(evaluation: Evaluation) -> dict[str, float]:
    """Compute every score under its name in MLflow, without the undefined ones."""
    scores: dict[str, float] = confusion.training_scores(evaluation.counts)
    for entry in (entry for entry in SCORES.at(Place.RUN) if entry.by_class):
        values = confusion.compute_class_scores(entry, evaluation.counts)
        scores |= {f"class_{entry.name}/{name}": float(of) for name, of in zip(evaluation.classes, values, strict=True)}
    for site, counts in evaluation.site_counts().items():
        scores |= {
            f"site_{entry.name}/{site}": confusion.compute_score(entry, counts) for entry in SCORES.at(Place.SITE_CLASS)
        }
    scores |= {f"legacy/{name}": value for name, value in evaluation.legacy.items()}
    return {name: value for name, value in scores.items() if not np.isnan(value)}

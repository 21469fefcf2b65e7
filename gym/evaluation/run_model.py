"""Run a model over pairs of a dataset, and count."""

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
    """What a model did on some pairs, before any ratio is taken.

    ``matrices`` is ``(pairs, classes, classes)`` int64, ``kld_sums`` ``(pairs,)`` nats summed over counted pixels,
    ``predicted`` ``(pairs, rows, columns)`` uint8 class indices.
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
        """The confusion matrix over all pairs, ``(classes, classes)`` int64."""
        return self.matrices.sum(axis=0)

    @property
    def kld(self) -> float:
        """Mean Kullback-Leibler divergence, in nats per counted pixel; NaN where no pixel counts."""
        return float(confusion.ratio(self.kld_sums.sum(), self.matrices.sum()))

    def site_matrices(self) -> dict[str, np.ndarray]:
        """One confusion matrix a site, by name."""
        names = sorted(set(self.sites))
        return {name: self.matrices[[site == name for site in self.sites]].sum(axis=0) for name in names}


def evaluate_model(
    model: keras.Model,
    dataset: Dataset,
    samples: Sequence[int],
    batches: Any,
    keep: Callable[[np.ndarray, np.ndarray], None] = lambda truth, scores: None,
) -> Evaluation:
    """Predict some samples and count.

    Args:
        model: A model of the dataset's bands and classes.
        dataset: The dataset.
        samples: Which samples, as `gym.data.batches` numbers them.
        batches: The same in order, as `gym.data.batches.ordered_batches` gives; no score but the legacy ones depends
            on how many are in a batch.
        keep: Is given the labels and the scores of each batch.
    """
    classes = len(dataset.manifest.classes)
    legacy = LegacyScores(classes)
    matrices: list[np.ndarray] = []
    kld_sums: list[float] = []
    # Made at once: what is kept between large arrays that come and go would hold their memory in pieces.
    predictions = np.empty((len(samples), *dataset.frame), np.uint8)
    for images, labels in batches:
        scores, truth = keras.ops.convert_to_numpy(model.predict_on_batch(images)), np.asarray(labels)
        keep(truth, scores)
        legacy.add(truth, scores)
        predicted = predictions[len(matrices) : len(matrices) + len(truth)]
        predicted[:] = scores.argmax(axis=-1)
        matrices += [confusion.confusion_matrix(*pair, classes) for pair in zip(truth, predicted, strict=True)]
        kld_sums += [confusion.pixel_kld(*pair) for pair in zip(truth, scores, strict=True)]
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
    """Every score under the name it has in MLflow; what is undefined is left out."""
    matrix, sites = evaluation.matrix, evaluation.site_matrices()
    scores = {
        **confusion.score_matrix(matrix)._asdict(),
        "kld": evaluation.kld,
        **_per_class("class_iou", evaluation.classes, confusion.class_iou(matrix)),
        **_per_class("class_dice", evaluation.classes, confusion.class_dice(matrix)),
        **_per_class("class_precision", evaluation.classes, confusion.class_precision(matrix)),
        **_per_class("class_recall", evaluation.classes, confusion.class_recall(matrix)),
        **{f"site_dice/{site}": confusion.mean_dice(of) for site, of in sites.items()},
        **{f"site_iou/{site}": confusion.mean_iou(of) for site, of in sites.items()},
        **{f"legacy/{name}": value for name, value in evaluation.legacy.items()},
    }
    return {name: value for name, value in scores.items() if not np.isnan(value)}


def _per_class(group: str, classes: Sequence[str], values: np.ndarray) -> dict[str, float]:
    return {f"{group}/{name}": float(value) for name, value in zip(classes, values, strict=True)}

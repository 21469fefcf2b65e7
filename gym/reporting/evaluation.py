"""Run a model over pairs of a store, and count."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from gym import metrics
from gym.data.pipeline import ordered_batches
from gym.data.store import PairRecord, Store
from gym.legacy_metrics import LegacyScores


@dataclass(frozen=True)
class Evaluation:
    """What a model did on some pairs, before any ratio is taken.

    ``matrices`` is ``(pairs, classes, classes)`` int64, ``kld_sums`` ``(pairs,)`` nats summed over counted pixels,
    ``predicted`` ``(pairs, rows, columns)`` uint8 class indices.
    """

    records: list[PairRecord]
    positions: list[int]
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
        return float(metrics.ratio(self.kld_sums.sum(), self.matrices.sum()))

    def site_matrices(self) -> dict[str, np.ndarray]:
        """One confusion matrix a site, by name."""
        sites = [record.site for record in self.records]
        return {site: self.matrices[[other == site for other in sites]].sum(axis=0) for site in sorted(set(sites))}


def evaluate(model: keras.Model, store: Store, positions: Sequence[int], batch: int) -> Evaluation:
    """Predict the pairs at ``positions`` and count.

    Args:
        model: A model of the store's bands and classes.
        store: The data set.
        positions: Which pairs, in this order.
        batch: Pairs at a time; no score but the legacy ones depends on it.
    """
    classes = len(store.manifest.classes)
    legacy = LegacyScores(classes)
    matrices, kld_sums, predictions = [], [], []
    for images, labels in ordered_batches(store, positions, batch):
        scores, truth = keras.ops.convert_to_numpy(model.predict_on_batch(images)), np.asarray(labels)
        legacy.add(truth, scores)
        predicted = scores.argmax(axis=-1).astype(np.uint8)
        predictions.append(predicted)
        matrices += [metrics.confusion_matrix(*pair, classes) for pair in zip(truth, predicted, strict=True)]
        kld_sums += [metrics.pixel_kld(*pair) for pair in zip(truth, scores, strict=True)]
    return Evaluation(
        records=[store.manifest.pairs[position] for position in positions],
        positions=list(positions),
        classes=store.manifest.classes,
        matrices=np.array(matrices),
        kld_sums=np.array(kld_sums),
        predicted=np.concatenate(predictions),
        legacy=legacy.result(),
    )


def named_scores(evaluation: Evaluation) -> dict[str, float]:
    """Every score under the name it has in MLflow; what is undefined is left out."""
    matrix, sites = evaluation.matrix, evaluation.site_matrices()
    scores = {
        **metrics.summarize(matrix)._asdict(),
        "kld": evaluation.kld,
        **_per_class("class_iou", evaluation.classes, metrics.class_iou(matrix)),
        **_per_class("class_dice", evaluation.classes, metrics.class_dice(matrix)),
        **_per_class("class_precision", evaluation.classes, metrics.class_precision(matrix)),
        **_per_class("class_recall", evaluation.classes, metrics.class_recall(matrix)),
        **{f"site_dice/{site}": metrics.mean_dice(of) for site, of in sites.items()},
        **{f"site_iou/{site}": metrics.mean_iou(of) for site, of in sites.items()},
        **{f"legacy/{name}": value for name, value in evaluation.legacy.items()},
    }
    return {name: value for name, value in scores.items() if not np.isnan(value)}


def _per_class(group: str, classes: Sequence[str], values: np.ndarray) -> dict[str, float]:
    return {f"{group}/{name}": float(value) for name, value in zip(classes, values, strict=True)}

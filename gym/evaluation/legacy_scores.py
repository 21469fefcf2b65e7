"""The numbers the original program would have printed, so that a reader can set them beside the paper's.

They are not scores to compare models with: they average over batches, so they change with batch size and order; an
absent class counts as a perfect one; the present "KLD" is the share of wrong pixels times 16.118; and at the time of
the paper the "mean IoU" looked at the first class alone. `gym.evaluation.confusion` has the right ones.

Names without a year are the program's of today, names with ``_2022`` those at the time of the paper. Ignored pixels
are left out here too.
"""

from typing import Any

import numpy as np

from gym.data.labels import IGNORE
from gym.evaluation.confusion import confusion_matrix

_SMOOTHING = 1e-5
_EPSILON = 1e-7  # of Keras, as the original has it
_BATCHES_OF_2022 = 10
_WRONG = (_EPSILON - 1) * np.log(_EPSILON)  # the divergence of a wrong pixel: 16.118


class LegacyScores:
    """Averages over batches, as the original keeps them.

    Args:
        classes: Number of classes.
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._batches: list[dict[str, float]] = []

    def add(self, labels: np.ndarray, scores: np.ndarray) -> None:
        """Count one batch: labels ``(batch, rows, columns)``, scores ``(batch, rows, columns, classes)``."""
        counted = labels != IGNORE
        if not counted.any():
            return
        truth, soft = labels[counted].astype(int), scores[counted]
        matrix = confusion_matrix(truth, soft.argmax(axis=1), self._classes)
        of_truth, given = matrix.sum(axis=1), soft.sum(axis=0, dtype=np.float64)
        right = np.take_along_axis(soft, truth[:, np.newaxis], axis=1)[:, 0]
        met = np.bincount(truth, weights=right, minlength=self._classes)
        first, is_first = soft[:, 0] > 0.5, truth == 0
        self._batches.append(
            {
                "iou": float(_smoothed_iou(np.diag(matrix), of_truth, matrix.sum(axis=0)).mean()),
                "dice": float(_smoothed_dice(met, of_truth, given).mean()),
                "kld": float((matrix.sum() - np.trace(matrix)) / matrix.sum()) * _WRONG,
                "iou_2022": float(_smoothed_iou((first & is_first).sum(), is_first.sum(), first.sum())),
                "dice_2022": float((2 * met.sum() + 1) / (len(truth) + given.sum() + 1)),
                "kld_2022": _clipped_kld(soft, right),
            }
        )

    def result(self) -> dict[str, float]:
        """Average over the batches, those of 2022 over the first 10 only; nothing before any batch."""
        if not self._batches:
            return {}
        early = self._batches[:_BATCHES_OF_2022]
        return {
            name: float(np.mean([batch[name] for batch in (early if name.endswith("_2022") else self._batches)]))
            for name in self._batches[0]
        }


def _smoothed_iou(overlap: Any, truth: Any, predicted: Any) -> Any:
    return (overlap + _SMOOTHING) / (truth + predicted - overlap + _SMOOTHING)


def _smoothed_dice(overlap: Any, truth: Any, predicted: Any) -> Any:
    return (2 * overlap + _SMOOTHING) / (truth + predicted + _SMOOTHING)


def _clipped_kld(soft: np.ndarray, right: np.ndarray) -> float:
    """Of one-hot labels and scores, both clipped from below: the false classes of a label weigh 1e-7 each."""
    logs, true_logs = (np.log(np.clip(part, _EPSILON, 1)) for part in (soft, right))
    false_logs = logs.sum(dtype=np.float64) - true_logs.sum(dtype=np.float64)
    false = soft.size - len(soft)
    small = _EPSILON * (false * np.log(_EPSILON) - false_logs)
    return float((small - true_logs.sum(dtype=np.float64)) / len(soft))

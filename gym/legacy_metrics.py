"""The numbers the original program would have printed, so that a reader can set them beside the paper's.

They are not scores to compare models with: they average over batches, so they change with batch size and order; an
absent class counts as a perfect one; the present "KLD" is the share of wrong pixels times 16.118; and at the time of
the paper the "mean IoU" looked at the first class alone. `gym.metrics` has the right ones.

Names without a year are the program's of today, names with ``_2022`` those at the time of the paper. Ignored pixels
are left out here too.
"""

import numpy as np

from gym.data.labels import IGNORE

_SMOOTHING = 1e-5
_SMALLEST_SCORE = 1e-7
_BATCHES_OF_2022 = 10


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
        truth = np.eye(self._classes)[labels[counted]]
        soft = scores[counted].astype(np.float64)
        hard = np.eye(self._classes)[soft.argmax(axis=1)]
        self._batches.append(
            {
                "iou": float(_smoothed_iou(truth, hard).mean()),
                "dice": float(_smoothed_dice(truth, soft).mean()),
                "kld": _clipped_kld(truth, hard),
                "iou_2022": float(_smoothed_iou(truth[:, :1], soft[:, :1] > 0.5)[0]),
                "dice_2022": float((2 * (truth * soft).sum() + 1) / (truth.sum() + soft.sum() + 1)),
                "kld_2022": _clipped_kld(truth, soft),
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


def _smoothed_iou(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    overlap = (truth * predicted).sum(axis=0)
    return (overlap + _SMOOTHING) / (truth.sum(axis=0) + predicted.sum(axis=0) - overlap + _SMOOTHING)


def _smoothed_dice(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    overlap = (truth * predicted).sum(axis=0)
    return (2 * overlap + _SMOOTHING) / (truth.sum(axis=0) + predicted.sum(axis=0) + _SMOOTHING)


def _clipped_kld(truth: np.ndarray, predicted: np.ndarray) -> float:
    truth, predicted = np.clip(truth, _SMALLEST_SCORE, 1), np.clip(predicted, _SMALLEST_SCORE, 1)
    return float((truth * np.log(truth / predicted)).sum(axis=1).mean())

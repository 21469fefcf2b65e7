"""Scores as the original program computes them, for comparison with the numbers in the paper.

They are unsuitable for comparing models: they are averages over batches, so they change with batch size and order; an
absent class counts as perfectly predicted; the "KLD" of the present program is the share of wrong pixels times 16.118;
and at the time of the paper, the "mean IoU" covered the first class only. `gym.evaluation.confusion` has the correct
scores.

That first class was the null class, which holds the padding of the scenes. The "mean IoU" of a run whose first class is
another, such as water, is another quantity, so `drop_incomparable` leaves it out.

Names without a year refer to the present version of the original, names ending in ``_2022`` to the version at the time
of the paper. Ignored pixels are not counted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gym.data.labels import IGNORE
from gym.evaluation.confusion import confusion_matrix

_SMOOTHING = 1e-5
_EPSILON = 1e-7  # the epsilon of Keras, which the original uses
_BATCHES_OF_2022 = 10
_WRONG_PIXEL_KLD = (_EPSILON - 1) * np.log(_EPSILON)  # 16.118

MEANINGS = {
    "iou": "its mean IoU: averaged over batches; an absent class counts as perfect",
    "dice": "its mean Dice: computed from probabilities, with the same two flaws",
    "kld": "its KLD: the share of wrong pixels times 16.118",
    "iou_2022": "its mean IoU at the time of the paper: first class only, the null class",
    "dice_2022": "its Dice at the time of the paper: all classes at once, first ten batches only",
    "kld_2022": "its KLD at the time of the paper: first ten batches only",
}


_OF_NULL_CLASS = "iou_2022"


def drop_incomparable(scores: Mapping[str, float], null_class: bool) -> dict[str, float]:
    """Leave out ``iou_2022`` unless the first class is the null class, as it was in the paper's runs.

    Args:
        scores: Scores by name, such as ``iou_2022`` or ``test/legacy/iou_2022``.
        null_class: Whether the first class is the null class, as with ``data.null_class``.
    """
    return {name: value for name, value in scores.items() if null_class or name.rpartition("/")[2] != _OF_NULL_CLASS}


def explain_left_out(classes: Sequence[str], null_class: bool) -> str:
    """Say in one line why ``iou_2022`` is left out; empty if it is not.

    Args:
        classes: Class names by label value.
        null_class: Whether the first of them is the null class.
    """
    if null_class:
        return ""
    first = f"the first class here is {classes[0]}" if classes else "the first class here is another"
    return (
        "Its mean IoU at the time of the paper (iou_2022) is left out: it covered the first class only, which was the "
        f"null class of padding, and {first}; data.null_class names a null class."
    )


class LegacyScores:
    """Batch averages of the original's scores.

    Args:
        classes: Number of classes.
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._batches: list[dict[str, float]] = []

    def add(self, labels: np.ndarray, probabilities: np.ndarray) -> None:
        """Add a batch: labels ``(batch, rows, columns)``, probabilities ``(batch, rows, columns, classes)``."""
        counted = labels != IGNORE
        if not counted.any():
            return
        truth, soft = labels[counted].astype(int), probabilities[counted]
        matrix = confusion_matrix(truth, soft.argmax(axis=1), self._classes)
        true_sums, soft_sums = matrix.sum(axis=1), soft.sum(axis=0, dtype=np.float64)
        true_class = np.take_along_axis(soft, truth[:, np.newaxis], axis=1)[:, 0]
        overlap = np.bincount(truth, weights=true_class, minlength=self._classes)
        first, is_first = soft[:, 0] > 0.5, truth == 0
        self._batches.append(
            {
                "iou": float(_smoothed_iou(np.diag(matrix), true_sums, matrix.sum(axis=0)).mean()),
                "dice": float(_smoothed_dice(overlap, true_sums, soft_sums).mean()),
                "kld": float((matrix.sum() - np.trace(matrix)) / matrix.sum()) * _WRONG_PIXEL_KLD,
                "iou_2022": float(_smoothed_iou((first & is_first).sum(), is_first.sum(), first.sum())),
                "dice_2022": float((2 * overlap.sum() + 1) / (len(truth) + soft_sums.sum() + 1)),
                "kld_2022": _clipped_kld(soft, true_class),
            }
        )

    def result(self) -> dict[str, float]:
        """Average over the batches, for 2022 over the first 10; empty if no batch had a counted pixel."""
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


def _clipped_kld(soft: np.ndarray, true_class: np.ndarray) -> float:
    """Divergence of one-hot labels clipped from below, so that every false class weighs 1e-7."""
    logs, true_logs = (np.log(np.clip(part, _EPSILON, 1)) for part in (soft, true_class))
    false_logs = logs.sum(dtype=np.float64) - true_logs.sum(dtype=np.float64)
    false_classes = soft.size - len(soft)
    false_terms = _EPSILON * (false_classes * np.log(_EPSILON) - false_logs)
    return float((false_terms - true_logs.sum(dtype=np.float64)) / len(soft))

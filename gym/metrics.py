"""Every score from one accumulated confusion matrix.

A confusion matrix is ``(classes, classes)`` int64; row = true class, column = predicted class, value = pixels. It is
summed over the whole validation set before any ratio is taken, so no score depends on batch size or order, and
ignored pixels are in none of its cells.

0/0 is decided, not smoothed away: a class that is neither in the truth nor in the prediction has no IoU and no Dice,
one that is not in the truth no recall, one never predicted no precision. These are NaN and left out of the means.

Source: the paper, section 2.5; Matthews correlation for several classes: Gorodkin 2004,
doi:10.1016/j.compbiolchem.2004.09.006.
"""

from typing import NamedTuple

import numpy as np

from gym.data.labels import IGNORE

_SMALLEST_SCORE = 1e-7


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count pixels by true and predicted class.

    Args:
        truth: Class indices of any shape; `IGNORE` counts nowhere.
        predicted: Class indices of the same shape, each in ``[0, classes)``.
        classes: Number of classes.

    Returns:
        ``(classes, classes)`` int64.
    """
    counted = truth != IGNORE
    cells = truth[counted].astype(np.int64) * classes + predicted[counted]
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def pixel_kld(truth: np.ndarray, scores: np.ndarray) -> float:
    """Sum the Kullback-Leibler divergence over the counted pixels; the mean is this by their number.

    Args:
        truth: Class indices ``(...)``; `IGNORE` counts nowhere.
        scores: Soft predictions ``(..., classes)``, made to sum to one here.

    Returns:
        Nats, 0 or more. With hard labels each pixel gives ``-log`` of the score of its true class.
    """
    counted = truth != IGNORE
    rows = scores[counted].astype(np.float64)
    right = np.take_along_axis(rows, truth[counted][:, None].astype(int), axis=1)[:, 0]
    share = right / np.maximum(rows.sum(axis=1), _SMALLEST_SCORE)
    return float(-np.log(np.clip(share, _SMALLEST_SCORE, 1.0)).sum())


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide; NaN where the denominator is 0."""
    out = np.full(np.shape(denominator), np.nan)
    return np.divide(numerator, denominator, out=out, where=np.asarray(denominator) > 0)


def mean_of_defined(values: np.ndarray) -> float:
    """Average what is not NaN; NaN where nothing is left."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def class_iou(matrix: np.ndarray) -> np.ndarray:
    """Intersection over union of each class, ``(classes,)`` in [0, 1] or NaN."""
    hits = np.diag(matrix)
    return ratio(hits, matrix.sum(axis=0) + matrix.sum(axis=1) - hits)


def class_dice(matrix: np.ndarray) -> np.ndarray:
    """Dice coefficient of each class, which is also its F1, ``(classes,)`` in [0, 1] or NaN."""
    return ratio(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1))


def class_precision(matrix: np.ndarray) -> np.ndarray:
    """Share of the pixels predicted as a class that are of it, ``(classes,)`` in [0, 1] or NaN."""
    return ratio(np.diag(matrix), matrix.sum(axis=0))


def class_recall(matrix: np.ndarray) -> np.ndarray:
    """Share of the pixels of a class that are predicted as it, ``(classes,)`` in [0, 1] or NaN."""
    return ratio(np.diag(matrix), matrix.sum(axis=1))


def mean_iou(matrix: np.ndarray) -> float:
    """Mean IoU over the classes that have one."""
    return mean_of_defined(class_iou(matrix))


def mean_dice(matrix: np.ndarray) -> float:
    """Mean Dice over the classes that have one."""
    return mean_of_defined(class_dice(matrix))


def overall_accuracy(matrix: np.ndarray) -> float:
    """Share of the counted pixels that are right."""
    return float(ratio(np.trace(matrix), matrix.sum()))


def frequency_weighted_iou(matrix: np.ndarray) -> float:
    """IoU of the classes in the truth, each weighed by its share of the truth."""
    share = ratio(matrix.sum(axis=1), np.full(len(matrix), matrix.sum()))
    present = matrix.sum(axis=1) > 0
    return float((share[present] * class_iou(matrix)[present]).sum()) if present.any() else float("nan")


def matthews_correlation(matrix: np.ndarray) -> float:
    """Matthews correlation over all classes, in [-1, 1]; NaN where truth or prediction is one class only."""
    cells = matrix.astype(np.float64)
    total, truth, predicted = cells.sum(), cells.sum(axis=1), cells.sum(axis=0)
    covariance = np.trace(cells) * total - truth @ predicted
    spread = (total**2 - predicted @ predicted) * (total**2 - truth @ truth)
    return float(ratio(covariance, np.sqrt(spread)))


class Scores(NamedTuple):
    """The scores of one confusion matrix; a mean is over the classes that have the score."""

    iou: float
    dice: float
    precision: float
    recall: float
    f1: float
    overall_accuracy: float
    frequency_weighted_iou: float
    matthews_correlation: float


def summarize(matrix: np.ndarray) -> Scores:
    """Take all scores of one confusion matrix."""
    return Scores(
        iou=mean_iou(matrix),
        dice=mean_dice(matrix),
        precision=mean_of_defined(class_precision(matrix)),
        recall=mean_of_defined(class_recall(matrix)),
        f1=mean_dice(matrix),
        overall_accuracy=overall_accuracy(matrix),
        frequency_weighted_iou=frequency_weighted_iou(matrix),
        matthews_correlation=matthews_correlation(matrix),
    )

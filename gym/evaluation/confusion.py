"""Scores computed from an accumulated confusion matrix.

A confusion matrix is ``(classes, classes)`` int64: rows are true classes, columns predicted classes, values pixels. It
is summed over the whole validation set before any ratio is taken, so no score depends on batch size or order. Ignored
pixels are not counted. Every function also accepts a stack of matrices: for ``(..., classes, classes)``, class scores
have the shape ``(..., classes)`` and overall scores ``(...)``.

0/0 is NaN and left out of means. A class that occurs in neither truth nor prediction has no IoU and no Dice, a class
missing from the truth has no recall, and a class that is never predicted has no precision.

Source: the paper, section 2.5; Matthews correlation for several classes: Gorodkin 2004,
doi:10.1016/j.compbiolchem.2004.09.006.
"""

import functools
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from gym.config.registries import SCORES, Place, ScoreEntry
from gym.core.errors import ConfigError, first_line
from gym.core.registry import import_object
from gym.data.labels import IGNORE

log = logging.getLogger(__name__)

MIN_PROBABILITY = 1e-7  # lower bound of probabilities before taking logarithms or dividing; the epsilon of Keras


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count pixels by true and predicted class.

    Args:
        truth: Class indices of any shape; pixels labelled `IGNORE` are not counted.
        predicted: Class indices of the same shape, each in ``[0, classes)``.
        classes: Number of classes.

    Returns:
        ``(classes, classes)`` int64.
    """
    counted = truth != IGNORE
    return count_cells(truth[counted], predicted[counted], classes)


def count_cells(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count pixels as `confusion_matrix` does, for a truth without ignored pixels."""
    cells = truth.astype(np.int64) * classes + predicted
    return np.bincount(cells.ravel(), minlength=classes * classes).reshape(classes, classes)


def pixel_kld(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Sum the Kullback-Leibler divergence over the counted pixels.

    Args:
        truth: Class indices ``(...)``; pixels labelled `IGNORE` are not counted.
        probabilities: ``(..., classes)``, normalised here to sum to one.

    Returns:
        Nats, at least 0. With hard labels each pixel contributes ``-log`` of the probability of its true class.
    """
    counted = truth != IGNORE
    rows = probabilities[counted].astype(np.float64)
    right = np.take_along_axis(rows, truth[counted][:, None].astype(int), axis=1)[:, 0]
    share = right / np.maximum(rows.sum(axis=1), MIN_PROBABILITY)
    return float(-np.log(np.clip(share, MIN_PROBABILITY, 1.0)).sum())


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide element-wise; NaN where the denominator is 0."""
    out = np.full(np.shape(denominator), np.nan)
    return np.divide(numerator, denominator, out=out, where=np.asarray(denominator) > 0)


def nan_mean(values: np.ndarray) -> Any:
    """Average the values along the last axis that are not NaN; NaN, without a warning, if there are none."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1))[()]


def _hits(matrix: np.ndarray) -> np.ndarray:
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def class_iou(matrix: np.ndarray) -> np.ndarray:
    """Intersection over union of each class, in [0, 1] or NaN."""
    hits = _hits(matrix)
    return ratio(hits, matrix.sum(axis=-2) + matrix.sum(axis=-1) - hits)


def class_dice(matrix: np.ndarray) -> np.ndarray:
    """Dice coefficient of each class, which equals its F1 score, in [0, 1] or NaN."""
    return ratio(2 * _hits(matrix), matrix.sum(axis=-2) + matrix.sum(axis=-1))


def class_precision(matrix: np.ndarray) -> np.ndarray:
    """Share of the pixels predicted as a class that belong to it, in [0, 1] or NaN."""
    return ratio(_hits(matrix), matrix.sum(axis=-2))


def class_recall(matrix: np.ndarray) -> np.ndarray:
    """Share of the pixels of a class that are predicted as that class, in [0, 1] or NaN."""
    return ratio(_hits(matrix), matrix.sum(axis=-1))


def mean_iou(matrix: np.ndarray) -> Any:
    """Mean IoU over the classes whose IoU is defined."""
    return nan_mean(class_iou(matrix))


def mean_dice(matrix: np.ndarray) -> Any:
    """Mean Dice coefficient over the classes whose Dice is defined."""
    return nan_mean(class_dice(matrix))


def overall_accuracy(matrix: np.ndarray) -> Any:
    """Share of the counted pixels that are classified correctly."""
    return ratio(_hits(matrix).sum(axis=-1), matrix.sum(axis=(-2, -1)))[()]


def frequency_weighted_iou(matrix: np.ndarray) -> Any:
    """Mean IoU over the classes in the truth, weighted by their share of the true pixels."""
    truth = matrix.sum(axis=-1)
    weighted = np.where(truth > 0, truth * class_iou(matrix), 0)
    return ratio(weighted.sum(axis=-1), truth.sum(axis=-1))[()]


def matthews_correlation(matrix: np.ndarray) -> Any:
    """Multi-class Matthews correlation, in [-1, 1]; NaN if truth or prediction holds a single class."""
    cells = matrix.astype(np.float64)
    total, truth, predicted = cells.sum(axis=(-2, -1)), cells.sum(axis=-1), cells.sum(axis=-2)
    covariance = _hits(cells).sum(axis=-1) * total - (truth * predicted).sum(axis=-1)
    spread = (total**2 - (predicted**2).sum(axis=-1)) * (total**2 - (truth**2).sum(axis=-1))
    return ratio(covariance, np.sqrt(spread))[()]


def mean_kld(kld_sum: np.ndarray, matrix: np.ndarray) -> Any:
    """Kullback-Leibler divergence per counted pixel, in nats, from its sum over these pixels."""
    return ratio(kld_sum, matrix.sum(axis=(-2, -1)))[()]


def share_kld(probability_sums: np.ndarray, matrix: np.ndarray) -> Any:
    """Kullback-Leibler divergence of the predicted class shares from the true ones, in nats.

    The predicted share of a class is the mean of its probabilities over the counted pixels.
    """
    pixels = np.broadcast_to(matrix.sum(axis=(-2, -1))[..., None], probability_sums.shape)
    truth, given = ratio(matrix.sum(axis=-1), pixels), ratio(probability_sums, pixels)
    apart = np.log(np.maximum(truth, MIN_PROBABILITY)) - np.log(np.maximum(given, MIN_PROBABILITY))
    return (truth * apart).sum(axis=-1)


class TrainingCounts(NamedTuple):
    """What is counted at the end of training: the confusion matrix, and the summed Kullback-Leibler divergence."""

    matrix: np.ndarray
    kld_sum: np.ndarray


def compute_score(entry: ScoreEntry, counts: Any) -> Any:
    """Compute a registered score.

    Args:
        entry: Its entry.
        counts: Has the parts that the score reads as attributes, ``(..., their own axes)``.

    Returns:
        ``(...)``; NaN where it is undefined, and everywhere, with a warning, if the score of a plugin fails.
    """
    if not entry.implementation:
        return nan_mean(compute_class_scores(entry, counts))
    return _call(entry, entry.implementation, counts, np.shape(counts.matrix)[:-2])[()]


def compute_class_scores(entry: ScoreEntry, counts: Any) -> np.ndarray:
    """Compute a registered score of each class, ``(..., classes)``; arguments and failures as for `compute_score`."""
    return _call(entry, entry.by_class, counts, np.shape(counts.matrix)[:-1])


def _call(entry: ScoreEntry, implementation: str, counts: Any, shape: tuple[int, ...]) -> np.ndarray:
    try:
        return _call_checked(entry, implementation, counts, shape)
    except ConfigError as error:
        if not entry.plugin:
            raise
        later = "; gym.evaluate computes it for runs that lack it" if Place.EVALUATION in entry.places else ""
        _warn_once(f"{error} Until then the score is left out{later}.")
        return np.full(shape, np.nan)


def _call_checked(entry: ScoreEntry, implementation: str, counts: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Call the function of a score, whose result must have a shape.

    Raises:
        ConfigError: The function belongs to a plugin, and fails or returns something else.
    """
    owner, given = f"score {entry.name} of plugin {entry.plugin}", np.shape(counts.matrix)
    try:
        values = np.asarray(import_object(implementation, owner)(*_read_counts(entry, counts)))
    except (Exception, SystemExit) as error:
        if not entry.plugin or isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f"{owner} fails for matrices of shape {given} ({type(error).__name__}: {first_line(error)}); "
            f"correct {implementation}."
        ) from error
    if entry.plugin and (values.shape != shape or values.dtype.kind not in "buif"):
        raise ConfigError(
            f"{owner} must return real numbers of shape {shape} for matrices of shape {given}, but its result is "
            f"{values.dtype} of shape {values.shape}; correct {implementation}, which may sum over the last axes only."
        )
    return values.astype(np.float64) if entry.plugin else values


@functools.cache
def _warn_once(message: str) -> None:
    """Warn of a failure once in a process, because a score is computed for hundreds of images and draws."""
    log.warning("%s", message)


def _read_counts(entry: ScoreEntry, counts: Any) -> Iterator[np.ndarray]:
    """Yield the counts that a score reads, as views that a plugin cannot write to: all scores share them."""
    for part in entry.reads:
        view = np.asarray(getattr(counts, part)).view()
        view.flags.writeable = False
        yield view


def score_matrix(entry: ScoreEntry, matrix: np.ndarray) -> Any:
    """Compute a score that reads nothing but the confusion matrix, ``(..., classes, classes)``."""
    return compute_score(entry, TrainingCounts(matrix, np.array(np.nan)))


def training_scores(counts: TrainingCounts) -> dict[str, Any]:
    """Compute the scores that are logged at the end of training, by name."""
    return {entry.name: compute_score(entry, counts) for entry in SCORES.at(Place.RUN)}


def check_plugin_scores(classes: int) -> None:
    """Try the scores of plugins on small matrices, before hours of training end in one that fails.

    Args:
        classes: Number of classes of the dataset.

    Raises:
        ConfigError: One fails, or does not return one real number per matrix, or per class.
    """
    for entry in (entry for entry in SCORES if entry.plugin and entry.is_counted_in_training):
        for leading in ((3,), (), (2, 3)):
            _try_score(entry, leading, classes)


def _try_score(entry: ScoreEntry, leading: tuple[int, ...], classes: int) -> None:
    counts = TrainingCounts(np.ones((*leading, classes, classes), np.int64), np.ones(leading))
    if entry.implementation:
        _call_checked(entry, entry.implementation, counts, leading)
    if entry.by_class:
        _call_checked(entry, entry.by_class, counts, (*leading, classes))

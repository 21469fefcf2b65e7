"""The paper's three losses, and hinge, over the pixels that count.

``labels`` are class indices ``(batch, rows, columns)``, `gym.data.labels.IGNORE` (255) where a pixel counts nowhere;
``scores`` are ``(batch, rows, columns, classes)`` in [0, 1]. Every loss is a scalar: a mean over the counted pixels of
the batch (cce, kld, hinge) or over the classes (dice). A batch without a counted pixel has a loss of 0 and no gradient.

Labels are hard, so cce and kld have the same value and the same gradient; both are kept because the paper compares
them. Its two sets of results differ by chance alone.

Weights: cce, kld and hinge are weighted means over pixels, dice over classes; multiplying all weights by one number
changes nothing.

Source: the paper, section 2.4; hinge: Crammer & Singer 2001, as in ``keras.losses.CategoricalHinge``.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from gym.config.registries import LOSSES
from gym.evaluation.confusion import MIN_PROBABILITY
from gym.models import cpu_ops

Tensor = Any

LABELS = 256  # values that a label can have

_DICE_SMOOTHING = 1e-5


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Encode labels as ``(..., classes)`` float32; a row of zeros for a label that is no class, as IGNORE."""
    return ops.one_hot(ops.cast(labels, "int32"), classes, dtype="float32")


class LossSums(NamedTuple):
    """What a loss adds up over pixels before it takes a ratio: scalars, or one number a class."""

    numerator: Tensor
    denominator: Tensor


def weighted_sums(values: Tensor, labels: Tensor, weights: Tensor) -> LossSums:
    """Add up pixel values ``(batch, rows, columns)``, each with the weight of its true class, and the weights."""
    of_labels = ops.pad(ops.convert_to_tensor(weights), [(0, LABELS - len(weights))])
    weight = ops.take(of_labels, ops.cast(labels, "int32"), axis=0)
    return LossSums(ops.sum(values * weight), ops.sum(weight))


def weighted_mean(sums: LossSums, weights: Tensor) -> Tensor:
    """Take the mean of `weighted_sums`; 0 where no pixel counts."""
    del weights
    return sums.numerator / ops.where(sums.denominator > 0, sums.denominator, 1.0)


def log_probability(labels: Tensor, scores: Tensor) -> Tensor:
    """Take the logarithm of each pixel's score for its true class, ``(batch, rows, columns)``.

    Of scores made to sum to one, which those of a sigmoid head do not by themselves. A pixel that counts nowhere gets
    some finite number.
    """
    if cpu_ops.is_tuned():
        return cpu_ops.log_probability(labels, scores, MIN_PROBABILITY)
    truth = one_hot(labels, scores.shape[-1])
    share = ops.sum(truth * scores, axis=-1) / ops.maximum(ops.sum(scores, axis=-1), MIN_PROBABILITY)
    return ops.log(ops.clip(share, MIN_PROBABILITY, 1.0))


def cross_entropy(labels: Tensor, scores: Tensor, weights: Tensor) -> LossSums:
    """Categorical cross-entropy: the mean of ``-sum(Y log P)``.

    It is also the Kullback-Leibler divergence, the mean of ``sum(Y log(Y / P))``: of hard labels ``Y log Y`` is 0.
    """
    return weighted_sums(-log_probability(labels, scores), labels, weights)


def hinge(labels: Tensor, scores: Tensor, weights: Tensor) -> LossSums:
    """Multi-class hinge: the mean of ``max(0, 1 + best wrong score - right score)``."""
    truth = one_hot(labels, scores.shape[-1])
    right = ops.sum(truth * scores, axis=-1)
    best_wrong = ops.max((1 - truth) * scores, axis=-1)
    return weighted_sums(ops.maximum(1 + best_wrong - right, 0.0), labels, weights)


def dice(labels: Tensor, scores: Tensor, weights: Tensor) -> LossSums:
    """Twice the overlap, and the sizes, of each class: ``2 |Y P|`` and ``|Y| + |P|`` over the counted pixels."""
    del weights
    truth = one_hot(labels, scores.shape[-1])
    counted = ops.sum(truth, axis=-1, keepdims=True)
    pixels = tuple(range(len(truth.shape) - 1))
    return LossSums(2 * ops.sum(truth * scores, axis=pixels), ops.sum(truth + scores * counted, axis=pixels))


def dice_loss(sums: LossSums, weights: Tensor) -> Tensor:
    """One minus the weighted mean over classes of ``(2 |Y P| + s) / (|Y| + |P| + s)``, s = 1e-5."""
    coefficient = (sums.numerator + _DICE_SMOOTHING) / (sums.denominator + _DICE_SMOOTHING)
    return 1 - ops.sum(coefficient * weights) / ops.sum(weights)


class LossFormula(NamedTuple):
    """A loss in two steps: what adds up over pixels and batches, and the ratio taken in the end.

    ``by_class`` says that the sums are one number a class, and not scalars.
    """

    accumulate: Callable[[Tensor, Tensor, Tensor], LossSums]
    finalize: Callable[[LossSums, Tensor], Tensor]
    by_class: bool = False


CROSS_ENTROPY = LossFormula(cross_entropy, weighted_mean)
HINGE = LossFormula(hinge, weighted_mean)
DICE = LossFormula(dice, dice_loss, by_class=True)


class PixelLoss(keras.losses.Loss):
    """A loss by name, with class weights, over the counted pixels of a batch.

    Args:
        name: As registered in `gym.config.registries.LOSSES`.
        weights: One positive weight a class.
    """

    def __init__(self, name: str, weights: Sequence[float]) -> None:
        super().__init__(name=name, reduction=None, dtype="float32")
        self._formula: LossFormula = LOSSES.get(name).load()
        self._weights = np.asarray(weights, np.float32)

    def call(self, labels: Tensor, scores: Tensor) -> Tensor:
        return self._formula.finalize(self._formula.accumulate(labels, scores, self._weights), self._weights)


def frequency_weights(counts: np.ndarray) -> list[float]:
    """Weigh each class by the inverse of its share, so that all classes weigh the same together.

    Args:
        counts: Pixels of each class in the training scenes, ``(classes,)``.

    Returns:
        Weights with a mean of 1 over the counted pixels; 1 for a class that has none.
    """
    counts = np.asarray(counts, float)
    present = counts > 0
    weights = np.ones(len(counts))
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return [float(weight) for weight in weights]

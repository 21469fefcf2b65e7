"""The three losses of the paper, and hinge, over the counted pixels.

``labels`` are class indices ``(batch, rows, columns)``; pixels labelled `gym.data.labels.IGNORE` (255) are not counted.
``probabilities`` are ``(batch, rows, columns, classes)`` in [0, 1]. Every loss is a scalar: a mean over the counted
pixels of the batch (cce, kld, hinge) or over the classes (dice). A batch without counted pixels has a loss of 0 and no
gradient.

In training, cce and kld are computed from the logits behind the probabilities, so that a confidently wrong pixel keeps
its gradient. Computed from probabilities, as in validation or with ``loss.clip=true``, the share of the true class is
clipped at 1e-7, and a pixel below it has no gradient.

Labels are hard, so cce and kld have the same value and the same gradient. Both exist because the paper compares them;
its results for the two differ only by chance.

Class weights: cce, kld and hinge are weighted means over pixels, dice over classes. Multiplying all weights by the same
number changes nothing.

Source: the paper, section 2.4; hinge: Crammer & Singer 2001, as in ``keras.losses.CategoricalHinge``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from gym.config.registries import LOSSES
from gym.evaluation.confusion import MIN_PROBABILITY
from gym.models import cpu_ops

Tensor = Any

LABELS = 256  # number of possible label values

_DICE_SMOOTHING = 1e-5
_PLAIN_LAYERS = (keras.layers.Activation, keras.layers.Dense, keras.layers.Conv2D, keras.layers.Conv2DTranspose)


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Encode labels as ``(..., classes)`` float32; a label that is not a class, such as IGNORE, becomes all zeros."""
    return ops.one_hot(ops.cast(labels, "int32"), classes, dtype="float32")


class LossSums(NamedTuple):
    """The numerator and denominator of a loss, summed over pixels: scalars, or one number per class."""

    numerator: Tensor
    denominator: Tensor


def weighted_sums(values: Tensor, labels: Tensor, weights: Tensor) -> LossSums:
    """Sum pixel values ``(batch, rows, columns)`` times the weight of their true class, and sum these weights."""
    by_label = ops.pad(ops.convert_to_tensor(weights), [(0, LABELS - len(weights))])
    weight = ops.take(by_label, ops.cast(labels, "int32"), axis=0)
    return LossSums(ops.sum(values * weight), ops.sum(weight))


def weighted_mean(sums: LossSums, weights: Tensor) -> Tensor:
    """Divide the `weighted_sums`; 0 if no pixel is counted."""
    del weights
    return sums.numerator / ops.where(sums.denominator > 0, sums.denominator, 1.0)


def log_probability(labels: Tensor, probabilities: Tensor) -> Tensor:
    """Compute the logarithm of the probability of each pixel's true class, ``(batch, rows, columns)``.

    Probabilities are normalised to sum to one, because those of a sigmoid head do not. The result for an ignored pixel
    is finite but meaningless.
    """
    if cpu_ops.is_tuned():
        return cpu_ops.log_probability(labels, probabilities, MIN_PROBABILITY)
    truth, total = one_hot(labels, probabilities.shape[-1]), ops.sum(probabilities, axis=-1)
    share = ops.sum(truth * probabilities, axis=-1) / ops.maximum(total, MIN_PROBABILITY)
    return ops.log(ops.clip(share, MIN_PROBABILITY, 1.0))


def cross_entropy(labels: Tensor, probabilities: Tensor, weights: Tensor) -> LossSums:
    """Categorical cross-entropy, the mean of ``-sum(Y log P)``.

    It equals the Kullback-Leibler divergence, the mean of ``sum(Y log(Y / P))``, because ``Y log Y`` is 0 for hard
    labels.
    """
    return weighted_sums(-log_probability(labels, probabilities), labels, weights)


def cross_entropy_of_logits(labels: Tensor, logits: Tensor, activation: str, weights: Tensor) -> LossSums:
    """Categorical cross-entropy as in `cross_entropy`, without clipping.

    Args:
        labels: ``(batch, rows, columns)``.
        logits: ``(batch, rows, columns, classes)`` float32, of any size.
        activation: What turns them into probabilities, ``softmax`` or ``sigmoid``; those of a sigmoid are normalised.
        weights: ``(classes,)``.
    """
    if activation == "sigmoid":
        logits = ops.log_sigmoid(logits)
    logs = ops.log_softmax(logits, axis=-1)
    return weighted_sums(-ops.sum(one_hot(labels, logits.shape[-1]) * logs, axis=-1), labels, weights)


def hinge(labels: Tensor, probabilities: Tensor, weights: Tensor) -> LossSums:
    """Multi-class hinge, the mean of ``max(0, 1 + P(most likely wrong class) - P(true class))``."""
    truth = one_hot(labels, probabilities.shape[-1])
    right = ops.sum(truth * probabilities, axis=-1)
    best_wrong = ops.max((1 - truth) * probabilities, axis=-1)
    return weighted_sums(ops.maximum(1 + best_wrong - right, 0.0), labels, weights)


def dice(labels: Tensor, probabilities: Tensor, weights: Tensor) -> LossSums:
    """Twice the overlap and the summed sizes of each class, ``2 |Y P|`` and ``|Y| + |P|``, over the counted pixels."""
    del weights
    truth = one_hot(labels, probabilities.shape[-1])
    counted = ops.sum(truth, axis=-1, keepdims=True)
    pixels = tuple(range(len(truth.shape) - 1))
    sizes = ops.sum(truth + probabilities * counted, axis=pixels)
    return LossSums(2 * ops.sum(truth * probabilities, axis=pixels), sizes)


def dice_loss(sums: LossSums, weights: Tensor) -> Tensor:
    """One minus the weighted mean over classes of ``(2 |Y P| + s) / (|Y| + |P| + s)``, s = 1e-5."""
    coefficient = (sums.numerator + _DICE_SMOOTHING) / (sums.denominator + _DICE_SMOOTHING)
    return 1 - ops.sum(coefficient * weights) / ops.sum(weights)


class LossFormula(NamedTuple):
    """A loss in two steps, so that it can be computed over several batches as if they were one.

    Attributes:
        accumulate: Computes sums from labels, probabilities and class weights; the sums of batches can be added.
        finalize: Computes the loss from the sums and the class weights.
        by_class: Whether the sums hold one number per class instead of scalars.
        accumulate_logits: Computes the sums from labels, logits, the activation behind them and class weights, where
            that is more exact; None if a loss has no such form.
    """

    accumulate: Callable[[Tensor, Tensor, Tensor], LossSums]
    finalize: Callable[[LossSums, Tensor], Tensor]
    by_class: bool = False
    accumulate_logits: Callable[[Tensor, Tensor, str, Tensor], LossSums] | None = None


CROSS_ENTROPY = LossFormula(cross_entropy, weighted_mean, accumulate_logits=cross_entropy_of_logits)
HINGE = LossFormula(hinge, weighted_mean)
DICE = LossFormula(dice, dice_loss, by_class=True)


def load_formula(name: str, options: Mapping[str, Any] | None = None) -> LossFormula:
    """Import the formula of a registered loss; one with options is made for their values."""
    entry = LOSSES.get(name)
    return entry.load()(**(options or {})) if entry.options else entry.load()


class PixelLoss(keras.losses.Loss):
    """A registered loss with class weights, as a Keras loss of a batch.

    Args:
        name: A name registered in `gym.config.registries.LOSSES`.
        weights: One positive weight per class.
        options: The options of the loss, if it has some.
        activation: The activation that the probabilities come from, ``softmax`` or ``sigmoid``, to compute the loss
            from its logits if it has such a form; empty to compute it from the probabilities.
    """

    def __init__(
        self, name: str, weights: Sequence[float], options: Mapping[str, Any] | None = None, activation: str = ""
    ) -> None:
        super().__init__(name=name, reduction=None, dtype="float32")
        self._formula = load_formula(name, options)
        self._weights = np.asarray(weights, np.float32)
        self._activation = activation

    def call(self, labels: Tensor, probabilities: Tensor) -> Tensor:
        return self._formula.finalize(self._accumulate(labels, probabilities), self._weights)

    def _accumulate(self, labels: Tensor, probabilities: Tensor) -> LossSums:
        from_logits = self._formula.accumulate_logits
        if not self._activation or from_logits is None:
            return self._formula.accumulate(labels, probabilities, self._weights)
        # Keras keeps the logits of softmax and sigmoid with their result, for its own losses. If a version no longer
        # does, training must not go on with clipped gradients in silence: this raises AttributeError.
        logits = ops.cast(probabilities._keras_logits, "float32")
        return from_logits(labels, logits, self._activation, self._weights)


def output_activation(network: keras.Model) -> str:
    """Return the activation of a network's last layer: ``softmax``, ``sigmoid``, or empty for any other."""
    layer = network.output._keras_history.operation
    if layer.compute_dtype != "float32":
        return ""  # the loss casts the result, which loses the logits
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    is_plain = isinstance(layer, _PLAIN_LAYERS)
    name = getattr(layer.activation, "__name__", "") if is_plain else ""
    return name if name in ("softmax", "sigmoid") else ""


def frequency_weights(counts: np.ndarray) -> list[float]:
    """Weight each class by the inverse of its frequency, so that all classes have the same total weight.

    Args:
        counts: Pixels of each class in the training scenes, ``(classes,)``.

    Returns:
        Weights with a mean of 1 over the counted pixels; 1 for a class without pixels.
    """
    counts = np.asarray(counts, float)
    present = counts > 0
    weights = np.ones(len(counts))
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return [float(weight) for weight in weights]

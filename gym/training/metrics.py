"""Scores counted inside the training graph, without Python in each batch."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from gym.config.registries import LOSSES
from gym.models.losses import LossFormula, LossSums, cross_entropy

Tensor = Any


class ConfusionIoU(keras.metrics.Metric):
    """Mean IoU of the confusion matrix of all batches since the last reset.

    The matrix is ``(classes, classes)`` in whole numbers, so it is exact; a class in neither truth nor prediction is
    left out of the mean.
    """

    def __init__(self, classes: int, name: str = "iou") -> None:
        super().__init__(name=name, dtype="int64")
        self._classes = classes
        self.matrix = self.add_variable((classes, classes), initializer="zeros", dtype="int64", name="matrix")

    def update_state(self, labels: Tensor, scores: Tensor, sample_weight: Tensor | None = None) -> None:
        del sample_weight
        classes = self._classes
        predicted = ops.cast(ops.argmax(scores, axis=-1), "int32")
        cells = ops.minimum(ops.cast(labels, "int32") * classes + predicted, classes**2)  # the last: no class
        counts = ops.bincount(ops.reshape(cells, (-1,)), minlength=classes**2 + 1)[: classes**2]
        self.matrix.assign_add(ops.reshape(ops.cast(counts, "int64"), (classes, classes)))

    def result(self) -> Tensor:
        cells = ops.cast(self.matrix, "float32")
        hits = ops.diagonal(cells)
        union = ops.sum(cells, axis=0) + ops.sum(cells, axis=1) - hits
        present = ops.cast(union > 0, "float32")
        return ops.sum(hits / ops.maximum(union, 1.0)) / ops.maximum(ops.sum(present), 1.0)


class _Step:
    is_training = False


def train_without_validation_metrics(model: keras.Model) -> None:
    """Leave every `ValidationMetric` of a model out of its training steps, when they are traced."""
    step = model.train_step

    def train_step(data: Any) -> Any:
        _Step.is_training = True
        try:
            return step(data)
        finally:
            _Step.is_training = False

    model.train_step = train_step


class ValidationMetric(keras.metrics.Metric):
    """A score that is counted in validation alone: of training nobody asks for it, and it would cost a tenth of a step.

    A model that has one goes through `train_without_validation_metrics`.
    """

    def update_state(self, labels: Tensor, scores: Tensor, sample_weight: Tensor | None = None) -> None:
        del sample_weight
        if not _Step.is_training:
            self.count(labels, scores)

    def count(self, labels: Tensor, scores: Tensor) -> None:
        """Count a batch: labels ``(batch, rows, columns)``, scores ``(batch, rows, columns, classes)``."""
        raise NotImplementedError


class PixelKLD(ValidationMetric):
    """Mean Kullback-Leibler divergence, in nats per counted pixel, of all batches since the last reset."""

    def __init__(self, classes: int, name: str = "kld") -> None:
        super().__init__(name=name, dtype="float32")
        self._classes = classes
        self._total = self.add_variable((), initializer="zeros", name="total")
        self._count = self.add_variable((), initializer="zeros", dtype="int64", name="count")

    def count(self, labels: Tensor, scores: Tensor) -> None:
        sums = cross_entropy(labels, scores, np.ones(self._classes, np.float32))
        self._total.assign_add(sums.numerator)
        self._count.assign_add(ops.cast(sums.denominator, "int64"))

    def result(self) -> Tensor:
        return self._total / ops.maximum(ops.cast(self._count, "float32"), 1.0)


class EpochLoss(ValidationMetric):
    """A loss over all batches since the last reset, as if they were one.

    The mean of the batches' losses, which Keras keeps, depends on how scenes are batched: a batch counts the same
    whether much or little of it is labelled, and Dice of a batch is not Dice of the whole.

    Args:
        loss: As registered in `gym.config.registries.LOSSES`.
        weights: One positive weight a class.
    """

    def __init__(self, loss: str, weights: Sequence[float], name: str = "epoch_loss") -> None:
        super().__init__(name=name, dtype="float32")
        self._formula: LossFormula = LOSSES.get(loss).load()
        self._weights = np.asarray(weights, np.float32)
        shape = (len(weights),) if self._formula.by_class else ()
        self._over = self.add_variable(shape, initializer="zeros", name="over")
        self._under = self.add_variable(shape, initializer="zeros", name="under")

    def count(self, labels: Tensor, scores: Tensor) -> None:
        sums = self._formula.accumulate(labels, scores, self._weights)
        self._over.assign_add(sums.numerator)
        self._under.assign_add(sums.denominator)

    def result(self) -> Tensor:
        return self._formula.finalize(
            LossSums(ops.convert_to_tensor(self._over), ops.convert_to_tensor(self._under)), self._weights
        )

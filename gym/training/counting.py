"""Scores counted inside the training graph, without Python in each batch."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from gym.losses import RECIPES, Sums, log_probability, one_hot

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
        truth = ops.cast(labels, "int64")
        cells = ops.where(truth < classes, truth * classes + ops.cast(ops.argmax(scores, axis=-1), "int64"), classes**2)
        counts = ops.bincount(ops.reshape(cells, (-1,)), minlength=classes**2 + 1)[: classes**2]
        self.matrix.assign_add(ops.reshape(ops.cast(counts, "int64"), (classes, classes)))

    def result(self) -> Tensor:
        cells = ops.cast(self.matrix, "float32")
        hits = ops.diagonal(cells)
        union = ops.sum(cells, axis=0) + ops.sum(cells, axis=1) - hits
        present = ops.cast(union > 0, "float32")
        return ops.sum(hits / ops.maximum(union, 1.0)) / ops.maximum(ops.sum(present), 1.0)


class PixelKLD(keras.metrics.Metric):
    """Mean Kullback-Leibler divergence, in nats per counted pixel, of all batches since the last reset."""

    def __init__(self, classes: int, name: str = "kld") -> None:
        super().__init__(name=name, dtype="float32")
        self._classes = classes
        self._total = self.add_variable((), initializer="zeros", name="total")
        self._count = self.add_variable((), initializer="zeros", dtype="int64", name="count")

    def update_state(self, labels: Tensor, scores: Tensor, sample_weight: Tensor | None = None) -> None:
        del sample_weight
        truth = one_hot(labels, self._classes)
        self._total.assign_add(-ops.sum(ops.sum(truth, axis=-1) * log_probability(truth, scores)))
        self._count.assign_add(ops.cast(ops.sum(truth), "int64"))

    def result(self) -> Tensor:
        return self._total / ops.maximum(ops.cast(self._count, "float32"), 1.0)


class WholeLoss(keras.metrics.Metric):
    """A loss over all batches since the last reset, as if they were one.

    The mean of the batches' losses, which Keras keeps, depends on how scenes are batched: a batch counts the same
    whether much or little of it is labelled, and Dice of a batch is not Dice of the whole.

    Args:
        loss: A key of `gym.losses.RECIPES`.
        weights: One positive weight a class.
    """

    def __init__(self, loss: str, weights: Sequence[float], name: str = "whole_loss") -> None:
        super().__init__(name=name, dtype="float32")
        self._recipe, self._weights = RECIPES[loss], np.asarray(weights, np.float32)
        shape = (len(weights),) if loss == "dice" else ()
        self._over = self.add_variable(shape, initializer="zeros", name="over")
        self._under = self.add_variable(shape, initializer="zeros", name="under")

    def update_state(self, labels: Tensor, scores: Tensor, sample_weight: Tensor | None = None) -> None:
        del sample_weight
        sums = self._recipe.add_up(one_hot(labels, len(self._weights)), scores, self._weights)
        self._over.assign_add(sums.over)
        self._under.assign_add(sums.under)

    def result(self) -> Tensor:
        return self._recipe.take_ratio(
            Sums(ops.convert_to_tensor(self._over), ops.convert_to_tensor(self._under)), self._weights
        )

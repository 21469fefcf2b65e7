"""Scores computed inside the training graph, and the model that computes some of them in validation only."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from gym.models.losses import LossSums, cross_entropy, load_formula

Tensor = Any


class ValidatedModel(keras.Model):
    """A network with metrics that are computed in validation only.

    Nobody reads them during training, where they would add a tenth to the time of a step. The metrics given to
    ``compile`` are computed in both.

    Args:
        network: A model with one input and one output, whose layers and weights are shared.
        validation_metrics: Metrics updated with the labels and probabilities of each validation batch.
    """

    def __init__(self, network: keras.Model, validation_metrics: Sequence[keras.metrics.Metric]) -> None:
        super().__init__(network.input, network.output, name=network.name)
        self.validation_metrics = list(validation_metrics)

    def test_step(self, data: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        images, labels = data
        probabilities = self(images, training=False)
        for metric in self.validation_metrics:
            metric.update_state(labels, probabilities)
        return self.compute_metrics(images, labels, probabilities)


class ConfusionIoU(keras.metrics.Metric):
    """Mean IoU of the confusion matrix of all batches since the last reset.

    The matrix is ``(classes, classes)`` int64 and therefore exact. A class that is in neither the truth nor the
    prediction is left out of the mean.
    """

    def __init__(self, classes: int) -> None:
        super().__init__(name="iou", dtype="int64")
        self._classes = classes
        self.matrix = self.add_variable((classes, classes), initializer="zeros", dtype="int64", name="matrix")

    def update_state(self, labels: Tensor, probabilities: Tensor, sample_weight: Tensor | None = None) -> None:
        classes = self._classes
        predicted = ops.cast(ops.argmax(probabilities, axis=-1), "int32")
        # One cell beyond the matrix collects the pixels whose label is no class, such as IGNORE.
        cells = ops.minimum(ops.cast(labels, "int32") * classes + predicted, classes**2)
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

    def __init__(self, classes: int) -> None:
        super().__init__(name="kld", dtype="float32")
        self._classes = classes
        self._total = self.add_variable((), initializer="zeros", name="total")
        self._count = self.add_variable((), initializer="zeros", dtype="int64", name="count")

    def update_state(self, labels: Tensor, probabilities: Tensor, sample_weight: Tensor | None = None) -> None:
        sums = cross_entropy(labels, probabilities, np.ones(self._classes, np.float32))
        self._total.assign_add(sums.numerator)
        self._count.assign_add(ops.cast(sums.denominator, "int64"))

    def result(self) -> Tensor:
        return self._total / ops.maximum(ops.cast(self._count, "float32"), 1.0)


class EpochLoss(keras.metrics.Metric):
    """A loss over all batches since the last reset, computed as if they were a single batch.

    The mean of the batch losses, which Keras keeps, depends on how scenes are batched: a batch with few labelled pixels
    counts as much as any other, and the Dice of batches does not average to the Dice of the whole.

    Args:
        loss: A name registered in `gym.config.registries.LOSSES`.
        class_weights: One positive weight per class.
        options: The options of the loss, if it has some.
    """

    def __init__(self, loss: str, class_weights: Sequence[float], options: Mapping[str, Any] | None = None) -> None:
        super().__init__(name="epoch_loss", dtype="float32")
        self._formula = load_formula(loss, options)
        self._class_weights = np.asarray(class_weights, np.float32)
        shape = (len(class_weights),) if self._formula.by_class else ()
        self._numerator = self.add_variable(shape, initializer="zeros", name="numerator")
        self._denominator = self.add_variable(shape, initializer="zeros", name="denominator")

    def update_state(self, labels: Tensor, probabilities: Tensor, sample_weight: Tensor | None = None) -> None:
        sums = self._formula.accumulate(labels, probabilities, self._class_weights)
        self._numerator.assign_add(sums.numerator)
        self._denominator.assign_add(sums.denominator)

    def result(self) -> Tensor:
        sums = LossSums(ops.convert_to_tensor(self._numerator), ops.convert_to_tensor(self._denominator))
        return self._formula.finalize(sums, self._class_weights)

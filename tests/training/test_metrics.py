"""The metrics computed in the graph agree with NumPy."""

import keras
import numpy as np
import pytest

from gym.config.registries import LOSSES
from gym.data.labels import IGNORE
from gym.evaluation import confusion
from gym.models.losses import PixelLoss
from gym.training.metrics import ConfusionIoU, EpochLoss, PixelKLD, ValidatedModel


@pytest.fixture
def batches():
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, IGNORE], (7, 8, 9)).astype(np.uint8)
    return labels, rng.dirichlet(np.ones(4), labels.shape).astype(np.float32)


@pytest.mark.parametrize("parts", [1, 3, 7])
def test_the_confusion_matrix_does_not_depend_on_batches(batches, parts):
    """Matrix and mean IoU are exact however the scenes are batched; class 3 is predicted but never true."""
    labels, probabilities = batches
    counter = ConfusionIoU(4)
    for piece in zip(np.array_split(labels, parts), np.array_split(probabilities, parts), strict=True):
        counter.update_state(*piece)

    expected = confusion.confusion_matrix(labels, probabilities.argmax(-1), 4)
    np.testing.assert_array_equal(counter.matrix.numpy(), expected)
    assert float(counter.result()) == pytest.approx(confusion.mean_iou(expected))


def test_kld_is_the_mean_over_counted_pixels(batches):
    """Two unequal batches have one mean over their pixels, and a reset clears it."""
    labels, probabilities = batches
    counter = PixelKLD(4)
    counter.update_state(labels[:5], probabilities[:5])
    counter.update_state(labels[5:], probabilities[5:])

    assert float(counter.result()) == pytest.approx(
        confusion.pixel_kld(labels, probabilities) / (labels != IGNORE).sum(), rel=1e-5
    )
    counter.reset_state()
    assert float(counter.result()) == 0.0


def test_validation_metrics_are_not_computed_in_training_steps(batches):
    """A training step of the model computes only the IoU, validation computes all metrics."""
    labels, probabilities = batches
    images = keras.Input((8, 9, 4))
    network = keras.Model(images, keras.layers.Dense(4, use_bias=False, kernel_initializer="identity")(images))
    model = ValidatedModel(network, [PixelKLD(4)])
    model.compile(keras.optimizers.SGD(0.0), PixelLoss("cce", [1.0] * 4), metrics=[ConfusionIoU(4)], jit_compile=False)

    in_training = model.train_on_batch(probabilities, labels, return_dict=True)
    in_validation = model.evaluate(probabilities, labels, verbose=0, return_dict=True)

    assert (in_training["kld"], in_training["iou"]) == (0.0, pytest.approx(in_validation["iou"]))
    assert in_validation["kld"] == pytest.approx(
        confusion.pixel_kld(labels, probabilities) / (labels != IGNORE).sum(), rel=1e-5
    )


def test_an_absent_class_is_left_out():
    """A perfect prediction of the two present classes has an IoU of 1, although the model has three classes."""
    counter = ConfusionIoU(3)
    counter.update_state(np.array([[[0, 1]]]), np.array([[[[0.9, 0.1, 0], [0.2, 0.8, 0]]]]))

    assert float(counter.result()) == 1.0


@pytest.mark.parametrize("name", LOSSES.names)
@pytest.mark.parametrize("parts", [1, 3, 7])
def test_the_epoch_loss_does_not_depend_on_batches(batches, name, parts):
    """However the scenes are batched and ordered, it equals the loss of all of them as one batch."""
    labels, probabilities = batches
    order = np.random.default_rng(parts).permutation(len(labels))
    counter = EpochLoss(name, [1.0, 2.0, 0.5, 1.0])
    for piece in np.array_split(order, parts):
        counter.update_state(labels[piece], probabilities[piece])

    expected = float(PixelLoss(name, [1.0, 2.0, 0.5, 1.0])(labels, probabilities))
    assert float(counter.result()) == pytest.approx(expected, rel=1e-5)

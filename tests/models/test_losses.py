"""Losses compared with values worked out by hand, with NumPy and with Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.config.registries import LOSSES
from gym.data.labels import IGNORE
from gym.models.cpu_ops import use_tuning
from gym.models.losses import LossFormula, PixelLoss, frequency_weights

LABELS = np.array([[[0, 1, IGNORE, 1]]], np.uint8)
PROBABILITIES = np.array([[[[0.8, 0.2], [0.4, 0.6], [0.1, 0.9], [0.7, 0.3]]]], np.float32)


def loss_of(name, labels, probabilities, weights):
    return float(PixelLoss(name, weights)(labels, probabilities))


def by_numpy(name, labels, probabilities, weights):
    """Compute a loss pixel by pixel."""
    counted = labels != IGNORE
    truth, probabilities = labels[counted].astype(int), probabilities[counted].astype(np.float64)
    weights = np.asarray(weights, np.float64)
    if name == "dice":
        shares = []
        for index, weight in enumerate(weights):
            hit = probabilities[truth == index, index].sum()
            shares.append(weight * (2 * hit + 1e-5) / ((truth == index).sum() + probabilities[:, index].sum() + 1e-5))
        return 1 - sum(shares) / weights.sum()
    total = weight_sum = 0.0
    for true, row in zip(truth, probabilities, strict=True):
        wrong = max(value for index, value in enumerate(row) if index != true)
        value = max(0.0, 1 + wrong - row[true]) if name == "hinge" else -np.log(np.clip(row[true] / row.sum(), 1e-7, 1))
        total, weight_sum = total + weights[true] * value, weight_sum + weights[true]
    return total / weight_sum if weight_sum else 0.0


def test_every_registered_loss_exists():
    """Each entry names a formula that can be imported."""
    assert all(isinstance(entry.load(), LossFormula) for entry in LOSSES)


def test_losses_by_hand():
    """The true classes of three counted pixels have probabilities 0.8, 0.6 and 0.3."""
    entropy = -(np.log(0.8) + np.log(0.6) + np.log(0.3)) / 3
    first = 2 * 0.8 / (1 + 0.8 + 0.4 + 0.7)
    second = 2 * (0.6 + 0.3) / (2 + 0.2 + 0.6 + 0.3)

    assert loss_of("cce", LABELS, PROBABILITIES, [1, 1]) == pytest.approx(entropy, rel=1e-5)
    assert loss_of("kld", LABELS, PROBABILITIES, [1, 1]) == pytest.approx(entropy, rel=1e-5)
    assert loss_of("dice", LABELS, PROBABILITIES, [1, 1]) == pytest.approx(1 - (first + second) / 2, rel=1e-4)
    assert loss_of("hinge", LABELS, PROBABILITIES, [1, 1]) == pytest.approx((0.4 + 0.8 + 1.4) / 3, rel=1e-5)


def test_class_weights_by_hand():
    """In the weighted mean, the pixel of class 0 counts three times as much."""
    weighted = -(3 * np.log(0.8) + np.log(0.6) + np.log(0.3)) / 5

    assert loss_of("cce", LABELS, PROBABILITIES, [3, 1]) == pytest.approx(weighted, rel=1e-5)
    assert loss_of("cce", LABELS, PROBABILITIES, [6, 2]) == pytest.approx(weighted, rel=1e-5)


@pytest.mark.parametrize("is_tuned", [True, False])
@pytest.mark.parametrize("name", LOSSES.names)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 5), ignored=st.floats(0, 1))
def test_losses_agree_with_numpy(name, is_tuned, seed, classes, ignored):
    """Random labels, probabilities, weights and shares of ignored pixels agree."""
    use_tuning(is_tuned)
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, (2, 3, 4)).astype(np.uint8)
    labels[rng.random(labels.shape) < ignored] = IGNORE
    probabilities = rng.dirichlet(np.ones(classes), labels.shape).astype(np.float32)
    weights = rng.uniform(0.1, 3, classes)

    assert loss_of(name, labels, probabilities, weights) == pytest.approx(
        by_numpy(name, labels, probabilities, weights), abs=2e-5
    )


@pytest.mark.parametrize("name", ["cce", "kld"])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), is_sigmoid=st.booleans())
def test_tuning_changes_no_gradient(name, seed, is_sigmoid):
    """Softmax and sigmoid probabilities, confident or not, have the same gradient with ignored pixels."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 1, 2, IGNORE], (2, 3, 4)).astype(np.uint8)
    probabilities = rng.dirichlet(np.full(3, 0.1), labels.shape).astype(np.float32)
    probabilities = tf.Variable(rng.random(probabilities.shape).astype(np.float32) if is_sigmoid else probabilities)
    gradients = []
    for is_tuned in (True, False):
        use_tuning(is_tuned)
        with tf.GradientTape() as tape:
            loss = PixelLoss(name, [1.0, 2.0, 0.5])(labels, probabilities)
        gradients.append(tape.gradient(loss, probabilities).numpy())

    np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("is_tuned", [True, False])
@pytest.mark.parametrize("name", LOSSES.names)
def test_ignored_pixels_have_no_gradient(name, is_tuned):
    """The prediction for a pixel that is not counted does not matter."""
    use_tuning(is_tuned)
    probabilities = tf.Variable(PROBABILITIES)
    with tf.GradientTape() as tape:
        loss = PixelLoss(name, [1, 2])(LABELS, probabilities)
    gradient = tape.gradient(loss, probabilities).numpy()

    assert np.all(gradient[0, 0, 2] == 0)
    assert np.any(gradient[0, 0, 0] != 0)


@pytest.mark.parametrize("is_tuned", [True, False])
@pytest.mark.parametrize("name", ["cce", "kld", "hinge"])
def test_a_batch_without_counted_pixels_has_no_loss_and_no_gradient(name, is_tuned):
    """If all pixels are ignored, the loss is 0, not NaN."""
    use_tuning(is_tuned)
    probabilities = tf.Variable(PROBABILITIES)
    with tf.GradientTape() as tape:
        loss = PixelLoss(name, [1, 1])(np.full_like(LABELS, IGNORE), probabilities)

    assert float(loss) == 0.0
    assert np.all(tape.gradient(loss, probabilities).numpy() == 0)


def test_cce_and_kld_have_the_same_gradient():
    """With hard labels the two are the same loss."""
    gradients = []
    for name in ("cce", "kld"):
        probabilities = tf.Variable(PROBABILITIES)
        with tf.GradientTape() as tape:
            loss = PixelLoss(name, [1, 1])(LABELS, probabilities)
        gradients.append(tape.gradient(loss, probabilities).numpy())

    np.testing.assert_array_equal(*gradients)


def test_cce_agrees_with_keras():
    """Without weights and ignored pixels it equals Keras' loss."""
    labels = np.array([[[0, 1, 0, 1]]])
    theirs = keras.losses.SparseCategoricalCrossentropy()(labels, PROBABILITIES)

    assert loss_of("cce", labels, PROBABILITIES, [1, 1]) == pytest.approx(float(theirs), rel=1e-5)


def test_sigmoid_probabilities_are_normalised():
    """Two probabilities of 0.9 count as one half each."""
    probabilities = np.full((1, 1, 1, 2), 0.9, np.float32)

    assert loss_of("cce", np.zeros((1, 1, 1)), probabilities, [1, 1]) == pytest.approx(np.log(2), rel=1e-5)


def test_frequency_weights_balance_the_classes():
    """Each present class has the same total weight, and the mean weight of a pixel is 1."""
    counts = np.array([10, 30, 0, 60])
    weights = frequency_weights(counts)

    assert weights == pytest.approx([100 / 30, 100 / 90, 1.0, 100 / 180])
    assert (counts * weights).sum() == pytest.approx(counts.sum())

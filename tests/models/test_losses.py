"""Losses compared with values worked out by hand, with NumPy and with Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.config.registries import LOSSES
from gym.config.schema import OptimizerConfig
from gym.data.labels import IGNORE
from gym.models.cpu_ops import use_tuning
from gym.models.losses import LossFormula, PixelLoss, frequency_weights, output_activation
from gym.training.loop import compile_model

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


def trained(activation, logits, labels, loss="cce", weights=(1.0, 1.0, 1.0), *, clip=False):
    """Return loss and gradient of logits ``(1, 1, pixels, classes)`` in the network that training compiles."""
    use_tuning(False)
    images = keras.Input((1, None, 3), name="images")
    network = keras.Model(images, keras.layers.Activation(activation, dtype="float32", name="scores")(images))
    model = compile_model(network, OptimizerConfig(), loss, weights, clip=clip)
    shift = tf.Variable(np.asarray(logits, np.float32))
    with tf.GradientTape() as tape:
        value = model.compute_loss(y=labels, y_pred=model(shift, training=True))
    return float(value), tape.gradient(value, shift).numpy()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([1.0, 30.0, 1000.0]))
def test_the_gradient_of_logits_is_probability_minus_truth(seed, scale):
    """Pixels may be as wrong and confident as they like; they are weighted by class, and ignored ones do not count."""
    rng = np.random.default_rng(seed)
    logits = (scale * rng.normal(size=(1, 1, 7, 3))).astype(np.float32)
    labels = rng.choice([0, 1, 2, IGNORE], (1, 1, 7)).astype(np.uint8)
    labels[0, 0, 0] = 1
    weights = rng.uniform(0.1, 3, 3).astype(np.float32)
    shares = np.exp(logits - logits.max(-1, keepdims=True).astype(np.float64))
    shares /= shares.sum(-1, keepdims=True)
    weight = np.where(labels == IGNORE, 0, weights[np.minimum(labels, 2)])

    value, gradient = trained("softmax", logits, labels, weights=weights)

    truth = np.eye(3)[np.minimum(labels, 2)]
    expected = weight[..., None] * (shares - truth) / weight.sum()
    np.testing.assert_allclose(gradient, expected, atol=1e-6)
    assert value == pytest.approx(_cross_entropy_of(logits, labels, weight), rel=1e-5)


def _cross_entropy_of(logits, labels, weight):
    logits = logits.astype(np.float64)
    peak = logits.max(-1)
    true = np.take_along_axis(logits, np.minimum(labels, 2)[..., None].astype(int), -1)[..., 0]
    values = peak + np.log(np.exp(logits - peak[..., None]).sum(-1)) - true
    return (weight * values).sum() / weight.sum()


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("loss", ["cce", "kld"])
def test_a_confidently_wrong_pixel_has_a_gradient_unless_probabilities_are_clipped(activation, loss):
    """Its share of the true class is far below 1e-7."""
    logits, labels = [[[[0.0, 5.0, -40.0], [1.0, 0.0, 0.0]]]], np.array([[[2, 0]]], np.uint8)

    value, gradient = trained(activation, logits, labels, loss)
    clipped, none = trained(activation, logits, labels, loss, clip=True)

    assert gradient[0, 0, 0, 2] == pytest.approx(-0.5, abs=1e-3)
    assert value > clipped
    assert (none[0, 0, 0] == 0).all()
    np.testing.assert_allclose(gradient[0, 0, 1], none[0, 0, 1], atol=1e-6)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_logits_and_probabilities_give_the_same_loss_and_gradient(activation, seed):
    """Above the clipping, both forms are the same function; cce and kld are equal to the bit."""
    rng = np.random.default_rng(seed)
    logits = np.clip(3 * rng.normal(size=(1, 1, 9, 3)), -6, 6)  # no probability is clipped
    labels = rng.integers(0, 3, (1, 1, 9)).astype(np.uint8)

    value, gradient = trained(activation, logits, labels)
    clipped, of_clipped = trained(activation, logits, labels, clip=True)
    kld, of_kld = trained(activation, logits, labels, "kld")

    assert value == pytest.approx(clipped, rel=1e-5)
    np.testing.assert_allclose(gradient, of_clipped, atol=2e-6)
    assert value == kld
    np.testing.assert_array_equal(gradient, of_kld)


@pytest.mark.parametrize(
    ("last", "activation"),
    [
        (lambda maps: keras.layers.Conv2D(3, 1, activation="softmax")(maps), "softmax"),
        (lambda maps: keras.layers.Softmax()(maps), "softmax"),
        (lambda maps: keras.layers.Activation("sigmoid")(maps), "sigmoid"),
        (lambda maps: keras.layers.Activation("relu")(maps), ""),
        (lambda maps: keras.layers.Activation("softmax", dtype="bfloat16")(maps), ""),
        (lambda maps: keras.layers.Conv2D(3, 1, activation="softmax", dtype="mixed_bfloat16")(maps), ""),
        (lambda maps: keras.layers.SeparableConv2D(3, 1, activation="softmax")(maps), ""),
        (lambda maps: keras.layers.Add()([maps, maps]), ""),
    ],
)
def test_the_activation_of_any_network_is_found(last, activation):
    """Networks of plugins may end in other layers; without logits, their loss is computed from probabilities."""
    images = keras.Input((2, 2, 3))
    network = keras.Model(images, last(keras.layers.Conv2D(3, 1)(images)))
    model = compile_model(network, OptimizerConfig(), "cce", [1.0] * 3)

    assert output_activation(network) == activation
    assert np.isfinite(model.train_on_batch(np.ones((1, 2, 2, 3), np.float32), np.ones((1, 2, 2), np.uint8))[0])


def test_frequency_weights_balance_the_classes():
    """Each present class has the same total weight, and the mean weight of a pixel is 1."""
    counts = np.array([10, 30, 0, 60])
    weights = frequency_weights(counts)

    assert weights == pytest.approx([100 / 30, 100 / 90, 1.0, 100 / 180])
    assert (counts * weights).sum() == pytest.approx(counts.sum())

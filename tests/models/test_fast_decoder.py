"""The fast decoder computes the same as the plain one."""

import dataclasses
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from gym.config.schema import ModelConfig
from gym.models.architectures import build_model
from gym.models.fast_decoder import convolve_upsampled, phase_taps, upsample_nearest
from gym.models.losses import PixelLoss
from tests.models.outlines import build_outline

CLASSES = 3


def build(decoder, shape, **options):
    """A small model with the given decoder; its weights have a fixed seed."""
    keras.utils.set_random_seed(1)
    return build_model(ModelConfig(**{"filters": 2, "levels": 2, "decoder": decoder} | options), shape, CLASSES)


def learn(model, images, truth):
    """Probabilities, gradients and moving statistics after one training step."""
    with tf.GradientTape() as tape:
        probabilities = model(images, training=True)
        loss = -tf.reduce_mean(tf.reduce_sum(truth * tf.math.log(probabilities + 1e-7), -1))
    gradients = tape.gradient(loss, model.trainable_variables)
    return (
        probabilities.numpy(),
        [one.numpy() for one in gradients],
        [one.numpy() for one in model.non_trainable_variables],
    )


def difference(ours, theirs):
    """Relative difference of two lists of arrays, each flattened to one vector."""
    ours, theirs = (np.concatenate([np.ravel(one).astype("f8") for one in given]) for given in (ours, theirs))
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


def example(shape, batch):
    """Images and one-hot labels."""
    rng = np.random.default_rng(3)
    truth = np.eye(CLASSES, dtype="f4")[rng.integers(0, CLASSES, (batch, *shape[:2]))]
    return rng.normal(size=(batch, *shape)).astype("f4"), truth


def test_phase_taps_of_a_kernel_of_three_rows():
    """An odd row covers its own coarse row twice and then the next one; the even row after it, once and twice."""
    assert phase_taps(3).tolist() == [[[1, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 1]]]


def test_phase_taps_of_a_kernel_of_five_rows():
    """Even and odd rows cover the same three coarse rows."""
    assert phase_taps(5).tolist() == [
        [[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]],
        [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1]],
    ]


def test_each_pixel_becomes_four():
    """Checked for two columns with two channels."""
    doubled = upsample_nearest(tf.constant([[[[1.0, 2.0], [3.0, 4.0]]]]))

    assert doubled.numpy().tolist() == [[[[1, 2], [1, 2], [3, 4], [3, 4]]] * 2]


@given(
    side=st.sampled_from([1, 3, 5, 7, 9]),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6), st.integers(1, 4)),
    filters=st.integers(1, 4),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_the_result_equals_a_convolution_of_the_upsampled_map(side, shape, filters, seed):
    """SciPy's correlation of the upsampled map agrees for any size, even below that of the kernel."""
    rng = np.random.default_rng(seed)
    coarse, kernel = rng.normal(size=shape).astype("f4"), rng.normal(size=(side, side, shape[-1], filters)).astype("f4")

    found = convolve_upsampled(tf.constant(coarse), tf.constant(kernel)).numpy()

    large = np.pad(coarse.repeat(2, axis=1).repeat(2, axis=2), [(0, 0), *[(side // 2, side // 2)] * 2, (0, 0)])
    for image, result in zip(large, found, strict=True):
        expected = [correlate(image, kernel[..., one], mode="valid")[..., 0] for one in range(filters)]
        np.testing.assert_allclose(result, np.stack(expected, axis=-1), rtol=1e-4, atol=1e-4)


@pytest.mark.trains
@pytest.mark.parametrize(
    ("shape", "batch", "options"),
    [
        ((16, 16, 1), 1, {"name": "unet", "kernel": 3}),
        ((16, 32, 3), 8, {"name": "unet", "kernel": 5}),
        ((32, 16, 4), 1, {"name": "unet", "kernel": 7, "levels": 3}),
        ((16, 16, 5), 8, {"name": "unet", "kernel": 9, "levels": 1}),
        ((16, 16, 2), 1, {"name": "unet", "kernel": 1}),
        ((32, 32, 3), 8, {"name": "resunet", "kernel": 3, "levels": 4}),
        ((16, 32, 1), 1, {"name": "resunet", "kernel": 5, "levels": 1}),
        ((32, 16, 5), 8, {"name": "resunet", "kernel": 7, "filters": 3}),
        ((16, 16, 4), 1, {"name": "resunet", "kernel": 9}),
    ],
)
def test_a_training_step_has_the_same_results(tuning, shape, batch, options):
    """Probabilities, gradients of every weight and batch-normalisation statistics agree."""
    half, plain = (build(decoder, shape, dropout=0.0, **options) for decoder in ("half", "plain"))
    images, truth = example(shape, batch)

    for ours, theirs in zip(learn(half, images, truth), learn(plain, images, truth), strict=True):
        assert difference(ours, theirs) < 1e-5
    assert difference([half(images)], [plain(images)]) < 1e-5  # with the updated statistics


@pytest.mark.parametrize("name", ["unet", "resunet"])
@pytest.mark.parametrize(("saved", "loaded"), [("half", "plain"), ("plain", "half")])
def test_each_decoder_loads_the_weights_of_the_other(name, saved, loaded, tmp_path):
    """Their weights have the same names, order and shapes."""
    source, target = (build(decoder, (16, 16, 4), name=name, levels=1) for decoder in (saved, loaded))
    images, _ = example((16, 16, 4), 2)
    source(images, training=True)  # updates the statistics
    for weight in source.trainable_variables:
        weight.assign_add(np.full(weight.shape, 0.01))
    source.save_weights(tmp_path / "all.weights.h5")

    target.load_weights(tmp_path / "all.weights.h5")

    assert difference([target(images)], [source(images)]) < 1e-5
    assert [one.shape for one in target.weights] == [one.shape for one in source.weights]


def test_a_saved_model_is_restored(tmp_path):
    """Its file is sufficient."""
    model = build("half", (16, 16, 3), levels=1)
    model.save(tmp_path / "model.keras")
    images, _ = example((16, 16, 3), 2)

    again = keras.models.load_model(tmp_path / "model.keras")

    np.testing.assert_array_equal(again(images), model(images))


@pytest.mark.parametrize(
    "options",
    [{"decoder": "plain"}, {"upsampling": "transpose"}, {"dropout_on_up": True}, {"kernel": 4}],
    ids=lambda options: next(iter(options)),
)
def test_the_plain_decoder_is_used_where_the_fast_one_is_not_exact(options):
    """Concatenation layers identify the plain decoder."""
    config = ModelConfig(name="unet", filters=2, levels=2, decoder="half")
    half, other = (build_outline(one, (16, 16, 3), CLASSES) for one in (config, dataclasses.replace(config, **options)))

    def count_concatenations(model):
        return sum(isinstance(layer, keras.layers.Concatenate) for layer in model.layers)

    assert (count_concatenations(half), count_concatenations(other)) == (0, 2)


def test_dropout_on_up_with_a_rate_of_zero_allows_the_fast_decoder():
    """Without dropout the fast decoder is exact."""
    config = ModelConfig(name="unet", filters=2, levels=2, decoder="half", dropout=0.0, dropout_on_up=True)
    model = build_outline(config, (16, 16, 3), CLASSES)

    assert not any(isinstance(layer, keras.layers.Concatenate) for layer in model.layers)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_close(precision):
    """In 16 bits the folded kernel has one rounding error more than the plain one."""
    keras.config.set_dtype_policy(precision)
    try:
        half, plain = (build(decoder, (16, 16, 3), name="unet") for decoder in ("half", "plain"))
    finally:
        keras.config.set_dtype_policy("float32")
    images, _ = example((16, 16, 3), 2)

    assert difference([half(images)], [plain(images)]) < 2e-2


ON_JAX = """
import sys
import numpy as np
from gym.config.schema import ModelConfig
from gym.models.losses import PixelLoss
from gym.models.architectures import build_model

model = build_model(ModelConfig("resunet", 2, levels=2), (16, 16, 3), 3)
model.load_weights(sys.argv[1])
given = np.load(sys.argv[2])
probabilities = model(given["images"])
loss = PixelLoss("dice", [1.0, 2.0, 3.0])(given["labels"], probabilities)
model(given["images"], training=True)
assert "tensorflow" not in sys.modules
np.savez(sys.argv[3], probabilities=probabilities, loss=loss)
"""


@pytest.mark.process
def test_jax_computes_the_same(tmp_path):
    """A network and a loss agree on JAX, where TensorFlow is never imported."""
    model = build("half", (16, 16, 3), name="resunet")
    images, truth = example((16, 16, 3), 2)
    labels = truth.argmax(-1).astype("u1")
    model.save_weights(tmp_path / "all.weights.h5")
    np.savez(tmp_path / "in.npz", images=images, labels=labels)

    places = [tmp_path / name for name in ("all.weights.h5", "in.npz", "out.npz")]
    quickly_compiled = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    environment = os.environ | {"KERAS_BACKEND": "jax", "XLA_FLAGS": quickly_compiled}
    subprocess.run([sys.executable, "-c", ON_JAX, *places], check=True, env=environment, timeout=120)

    found = np.load(places[-1])
    np.testing.assert_allclose(found["probabilities"], model(images), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["loss"], PixelLoss("dice", [1.0, 2.0, 3.0])(labels, model(images)), rtol=1e-4)

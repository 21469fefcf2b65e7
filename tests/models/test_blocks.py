"""The layers of our own, each against the same thing computed another way."""

import keras
import numpy as np
import pytest

from gym.config import ModelConfig
from gym.models import blocks


def test_standardisation_by_hand():
    """Mean and deviation are of all bands together, over the pixels that hold data."""
    image = np.array([[[[1.0, 3.0], [5.0, 7.0], [0.0, 0.0]]]])

    standard = keras.ops.convert_to_numpy(blocks.Standardize()(image))

    np.testing.assert_allclose(standard[0, 0, :2].ravel(), (np.array([1, 3, 5, 7]) - 4) / np.sqrt(5), rtol=1e-6)
    np.testing.assert_array_equal(standard[0, 0, 2], 0)


def test_standardisation_is_of_each_image_alone():
    """What else is in a batch does not matter, nor the scale or offset of the imagery."""
    rng = np.random.default_rng(0)
    first, second = rng.uniform(1, 9, (2, 1, 4, 5, 3))
    layer = blocks.Standardize()

    both = keras.ops.convert_to_numpy(layer(np.concatenate([first, second])))
    alone = keras.ops.convert_to_numpy(layer(1000 * first + 77))

    np.testing.assert_allclose(both[:1], alone, atol=1e-4)
    assert both.mean(axis=(1, 2, 3)) == pytest.approx([0, 0], abs=1e-6)
    assert both.std(axis=(1, 2, 3)) == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.parametrize("value", [0.0, 4000.0])
def test_a_flat_image_becomes_zero(value):
    """No variation, and no data at all: 0, not NaN."""
    standard = keras.ops.convert_to_numpy(blocks.Standardize()(np.full((1, 4, 4, 2), value)))

    np.testing.assert_array_equal(standard, 0)


def test_a_strided_shortcut_is_a_strided_convolution():
    """Slice, then a 1x1 convolution of stride 1: the same as a 1x1 convolution of stride 2, by matrix product."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 6, 8, 3)).astype(np.float32)
    convolution = keras.layers.Conv2D(4, 1)

    ours = keras.ops.convert_to_numpy(convolution(blocks.EveryOtherPixel()(maps)))

    kernel, bias = convolution.get_weights()
    for row in range(3):
        for column in range(4):
            expected = maps[:, 2 * row, 2 * column] @ kernel[0, 0] + bias
            np.testing.assert_allclose(ours[:, row, column], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["unet", "resunet", "simple_unet", "simple_resunet"])
def test_no_model_has_a_strided_1x1_convolution(name):
    """Its gradient corrupts memory on CPUs."""
    from gym.models.catalog import build_model

    model = build_model(ModelConfig(name=name, filters=2), (32, 32, 3), 2)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]

    assert convolutions
    assert not [layer for layer in convolutions if layer.kernel_size == (1, 1) and layer.strides != (1, 1)]


def test_no_dropout_makes_no_layer():
    """A rate of 0 is no dropout layer at all."""
    maps = keras.Input((8, 8, 3))

    assert blocks.dropped(maps, 0, "standard") is maps
    assert blocks.dropped(maps, 0.5, "spatial") is not maps


def test_doubling_repeats_each_pixel():
    """Nearest neighbour: every pixel becomes four of its value."""
    maps = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)

    doubled = keras.ops.convert_to_numpy(blocks.doubled(maps, "nearest"))

    np.testing.assert_array_equal(doubled, maps.repeat(2, axis=1).repeat(2, axis=2))

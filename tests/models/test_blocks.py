"""The layers of our own, each against the same thing computed another way."""

import json
import zipfile

import keras
import numpy as np
import pytest

from gym.config.schema import ModelConfig
from gym.models import blocks, layers


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


def standardized(images, *arguments):
    """What the layer makes of images, as an array."""
    return keras.ops.convert_to_numpy(blocks.Standardize(*arguments)(images))


def test_standardisation_by_band_by_hand():
    """Mean and deviation are of one band, over the pixels that hold data; an offset and a factor change nothing."""
    image = np.array([[[[1.0, 0.0], [3.0, 10.0], [5.0, 0.0], [7.0, 30.0], [0.0, 0.0]]]])

    standard = standardized(image, "band")

    first, second = np.array([-3, -1, 1, 3]) / np.sqrt(5), np.array([-10, 0, -10, 20]) / np.sqrt(150)
    assert standard.dtype == np.float32
    np.testing.assert_allclose(standard[0, 0, :4], np.stack([first, second], axis=1), rtol=1e-6)
    np.testing.assert_array_equal(standard[0, 0, 4], 0)
    scaled = np.where(image.any(axis=-1, keepdims=True), [1000, 1e-6] * image + [77, 0.01], 0)
    np.testing.assert_allclose(standardized(scaled, "band"), standard, atol=2e-3)


def test_standardisation_by_band_is_of_each_image_alone():
    """What else is in a batch does not matter."""
    images = np.random.default_rng(0).uniform(1, 9, (2, 4, 5, 3)) * [[[[1.0]]], [[[50.0]]]]

    both = standardized(images, "band")

    np.testing.assert_allclose(both[1:], standardized(images[1:], "band"), atol=1e-6)
    np.testing.assert_allclose(both.mean(axis=(1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(both.std(axis=(1, 2)), 1, atol=1e-6)


@pytest.mark.parametrize("value", [0.1, 290.7, 4000.3])
def test_a_large_band_loses_nothing_to_rounding(value):
    """Against float64: a band that varies by a thousandth of its mean, beside one that does not vary."""
    images = np.full((1, 400, 512, 2), value, np.float32)
    images[..., 1] = np.random.default_rng(0).normal(value, value / 1000, (400, 512))
    images[:, :100] = 0
    valid = images[0, 100:, :, 1].astype(np.float64)

    standard = standardized(images, "band")

    np.testing.assert_array_equal(standard[..., 0], 0)
    np.testing.assert_array_equal(standard[:, :100], 0)
    np.testing.assert_allclose(standard[0, 100:, :, 1], (valid - valid.mean()) / valid.std(), atol=5e-6)


@pytest.mark.parametrize("value", [0.0, 4000.0])
def test_a_flat_image_becomes_zero_by_band(value):
    """No variation, and no data at all: 0, not NaN."""
    np.testing.assert_array_equal(standardized(np.full((1, 4, 4, 2), value), "band"), 0)


def test_standardisation_by_the_data_set_by_hand():
    """Each band by its own two numbers, whatever the image; nodata stays 0."""
    images = np.array([[[[3.0, 100.0], [7.0, 400.0], [0.0, 0.0], [0.0, 100.0]]]])

    standard = standardized(images, "dataset", [5, 200.0], [2, 100])

    assert standard.dtype == np.float32
    np.testing.assert_array_equal(standard, [[[[-1, -1], [1, 2], [0, 0], [-2.5, -1]]]])


@pytest.mark.parametrize(("mean", "deviation"), [(0, 0), (4000.3, 0), (-4000.3, 1e-4)])
def test_a_band_that_is_flat_in_the_data_set_becomes_zero(mean, deviation):
    """Also in a scene where it is not: nothing was learned of it."""
    images = np.array([[[[mean, 1.0], [50.0, 2.0]]]])

    np.testing.assert_array_equal(standardized(images, "dataset", [mean, 1], [deviation, 1]), [[[[0, 0], [0, 1]]]])


def test_no_standardisation_leaves_the_values():
    """They only become float32."""
    standard = standardized(np.array([[[[3, 100], [0, 0]]]], np.uint16), "none")

    assert standard.dtype == np.float32
    np.testing.assert_array_equal(standard, [[[[3, 100], [0, 0]]]])


METHODS = [("image",), ("band",), ("dataset", [3.0, 4.0], [2.0, 1.0]), ("none",)]


def saved_network(path, *arguments):
    """Save a network of one standardisation and one convolution, and give its scores of the images it comes with."""
    rng = np.random.default_rng(0)
    inputs = keras.Input((8, 8, 2))
    network = keras.Model(inputs, keras.layers.Conv2D(3, 1)(blocks.Standardize(*arguments)(inputs)))
    network.save(path)
    images = rng.uniform(1, 9, (2, 8, 8, 2))
    return images, network.predict_on_batch(images)


@pytest.mark.parametrize("arguments", METHODS, ids=lambda arguments: arguments[0])
def test_every_standardisation_comes_back_from_its_file(tmp_path, arguments):
    """With its numbers, to the bit."""
    images, scores = saved_network(tmp_path / "x.keras", *arguments)

    back = keras.saving.load_model(tmp_path / "x.keras")

    np.testing.assert_array_equal(back.predict_on_batch(images), scores)
    given = dict(zip(("method", "mean", "deviation"), (*arguments, None, None), strict=False))
    assert given.items() <= back.layers[1].get_config().items()


def test_a_file_from_before_there_were_methods_is_still_read(tmp_path):
    """It says nothing of a method, and means that of the paper."""
    images, scores = saved_network(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as new, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        for name in new.namelist():
            content = new.read(name)
            if name == "config.json":
                architecture = json.loads(content)
                config = architecture["config"]["layers"][1]["config"]
                for key in ("method", "mean", "deviation"):
                    del config[key]
                content = json.dumps(architecture).encode()
            old.writestr(name, content)

    back = keras.saving.load_model(tmp_path / "old.keras")

    np.testing.assert_array_equal(back.predict_on_batch(images), scores)


@pytest.mark.parametrize("arguments", METHODS, ids=lambda arguments: arguments[0])
def test_standardisation_is_in_float32_whatever_the_policy(arguments):
    """Counts of 10001 and 10003 are one number in bfloat16."""
    images = np.array([[[[10001, 5], [10003, 6]]]], np.float32)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        standard = blocks.Standardize(*arguments)(images)
    finally:
        keras.config.set_dtype_policy(before)

    assert standard.dtype == "float32"
    assert standard[0, 0, 0, 0] != standard[0, 0, 1, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bands",), r"^method=bands must be one of image, band, dataset, none\.$"),
        (("image", [1.0]), r"^mean and deviation are used only by method=dataset, not by image\.$"),
        (("band", None, [1.0]), r"used only by method=dataset, not by band\.$"),
        (("none", [], []), r"used only by method=dataset, not by none\.$"),
        (("dataset",), r"^mean=None and deviation=None must have one number a band with method=dataset\.$"),
        (("dataset", [1], None), r"^mean=\[1\.0\] and deviation=None must have one number a band"),
        (("dataset", [], []), r"^mean=\[\] and deviation=\[\] must have one number a band"),
        (("dataset", [1, 2], [1]), r"^mean=\[1\.0, 2\.0\] and deviation=\[1\.0\] must have one number a band"),
        (("dataset", [1], [-1]), r"^mean=\[1\.0\] and deviation=\[-1\.0\] must be finite, and no deviation below 0\.$"),
        (("dataset", [1], [float("inf")]), r"must be finite"),
        (("dataset", [float("nan")], [1]), r"must be finite"),
    ],
)
def test_wrong_standardisations_are_refused(arguments, message):
    """A method that is none, and numbers that do not go with it."""
    with pytest.raises(ValueError, match=message):
        blocks.Standardize(*arguments)


def test_a_standardisation_of_other_bands_is_refused():
    """Before any image is seen."""
    with pytest.raises(ValueError, match=r"^mean=\[1\.0, 2\.0\] must have one number for each of 3 bands\.$"):
        blocks.Standardize("dataset", [1, 2], [1, 1])(keras.Input((8, 8, 3)))


def test_a_strided_shortcut_is_a_strided_convolution():
    """Slice, then a 1x1 convolution of stride 1: the same as a 1x1 convolution of stride 2, by matrix product."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 6, 8, 3)).astype(np.float32)
    convolution = keras.layers.Conv2D(4, 1)

    ours = keras.ops.convert_to_numpy(convolution(layers.EveryOtherPixel()(maps)))

    kernel, bias = convolution.get_weights()
    for row in range(3):
        for column in range(4):
            expected = maps[:, 2 * row, 2 * column] @ kernel[0, 0] + bias
            np.testing.assert_allclose(ours[:, row, column], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["unet", "resunet", "simple_unet", "simple_resunet"])
@pytest.mark.parametrize("kernel", [1, 7])
def test_no_model_has_a_strided_1x1_convolution(name, kernel):
    """Its gradient corrupts memory on CPUs."""
    from gym.models.architectures import build_model

    model = build_model(ModelConfig(name=name, filters=2, kernel=kernel), (32, 32, 3), 2)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]

    assert convolutions
    assert not [layer for layer in convolutions if layer.kernel_size == (1, 1) and layer.strides != (1, 1)]


def test_no_dropout_makes_no_layer():
    """A rate of 0 is no dropout layer at all."""
    maps = keras.Input((8, 8, 3))

    assert blocks.apply_dropout(maps, 0, "standard") is maps
    assert blocks.apply_dropout(maps, 0.5, "spatial") is not maps


def test_doubling_repeats_each_pixel():
    """Nearest neighbour: every pixel becomes four of its value."""
    maps = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)

    doubled = keras.ops.convert_to_numpy(blocks.upsample(maps, "nearest"))

    np.testing.assert_array_equal(doubled, maps.repeat(2, axis=1).repeat(2, axis=2))


def test_imagery_of_small_numbers_has_unit_deviation_too():
    """Reflectances that vary by 0.0005 are no flat image."""
    images = 0.2 + 0.0005 * np.random.default_rng(0).standard_normal((1, 32, 32, 3)).astype(np.float32)

    assert np.asarray(blocks.Standardize()(images)).std() == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("value", [4000.3, 0.1, 255])
def test_a_large_flat_image_becomes_zero(value):
    """Rounding errors of the sum are not taken for a pattern."""
    images = np.full((1, 512, 512, 1), value, np.float32)

    np.testing.assert_array_equal(np.asarray(blocks.Standardize()(images)), 0)

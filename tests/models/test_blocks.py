"""The building blocks, each compared with an independent computation."""

import json
import zipfile

import keras
import numpy as np
import pytest

from gym.config.schema import ModelConfig
from gym.models import blocks, layers
from tests.models.outlines import build_outline


def test_standardisation_by_hand():
    """Mean and deviation are taken over all bands together and over pixels with data."""
    image = np.array([[[[1.0, 3.0], [5.0, 7.0], [0.0, 0.0]]]])

    standard = keras.ops.convert_to_numpy(blocks.Standardize()(image))

    np.testing.assert_allclose(standard[0, 0, :2].ravel(), (np.array([1, 3, 5, 7]) - 4) / np.sqrt(5), rtol=1e-6)
    np.testing.assert_array_equal(standard[0, 0, 2], 0)


def test_each_image_is_standardised_separately():
    """Other images of the batch, and the scale and offset of the values, do not matter."""
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
    """A constant image and an image without data become 0, not NaN."""
    standard = keras.ops.convert_to_numpy(blocks.Standardize()(np.full((1, 4, 4, 2), value)))

    np.testing.assert_array_equal(standard, 0)


def standardized(images, *arguments):
    """Standardised images, as an array."""
    return keras.ops.convert_to_numpy(blocks.Standardize(*arguments)(images))


def test_standardisation_by_band_by_hand():
    """Mean and deviation are taken over one band and over pixels with data; offset and scale do not matter."""
    image = np.array([[[[1.0, 0.0], [3.0, 10.0], [5.0, 0.0], [7.0, 30.0], [0.0, 0.0]]]])

    standard = standardized(image, "band")

    first, second = np.array([-3, -1, 1, 3]) / np.sqrt(5), np.array([-10, 0, -10, 20]) / np.sqrt(150)
    assert standard.dtype == np.float32
    np.testing.assert_allclose(standard[0, 0, :4], np.stack([first, second], axis=1), rtol=1e-6)
    np.testing.assert_array_equal(standard[0, 0, 4], 0)
    scaled = np.where(image.any(axis=-1, keepdims=True), [1000, 1e-6] * image + [77, 0.01], 0)
    np.testing.assert_allclose(standardized(scaled, "band"), standard, atol=2e-3)


def test_each_band_is_standardised_separately():
    """Other images of the batch do not matter."""
    images = np.random.default_rng(0).uniform(1, 9, (2, 4, 5, 3)) * [[[[1.0]]], [[[50.0]]]]

    both = standardized(images, "band")

    np.testing.assert_allclose(both[1:], standardized(images[1:], "band"), atol=1e-6)
    np.testing.assert_allclose(both.mean(axis=(1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(both.std(axis=(1, 2)), 1, atol=1e-6)


@pytest.mark.parametrize("value", [0.1, 290.7, 4000.3])
def test_a_large_band_loses_nothing_to_rounding(value):
    """A band that varies by a thousandth of its mean agrees with float64; a constant band becomes 0."""
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
    """A constant band and a band without data become 0, not NaN."""
    np.testing.assert_array_equal(standardized(np.full((1, 4, 4, 2), value), "band"), 0)


def test_standardisation_with_padding_by_hand():
    """Pixels without data count as values of 0, in mean and deviation and in the result."""
    image = np.array([[[[1.0, 3.0], [5.0, 7.0], [0.0, 0.0], [0.0, 0.0]]]])  # mean 2, mean of squares 84 / 8

    standard = standardized(image, "frame")

    expected = (np.array([[1, 3], [5, 7], [0, 0], [0, 0]]) - 2) / np.sqrt(84 / 8 - 2**2)
    np.testing.assert_allclose(standard[0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize(("padding", "largest"), [(0, 255), (100, 255), (30, 10_000), (100, 0.002)])
def test_standardisation_with_padding_equals_that_of_the_original(padding, largest):
    """Each padded image is standardised as a whole; the deviation is at least 1 / sqrt(rows * columns)."""
    images = np.zeros((2, 256, 320, 5), np.float32)
    inside = images[:, padding : 256 - padding, padding : 320 - padding]
    inside[:] = np.random.default_rng(0).uniform(0, largest, inside.shape) * np.arange(1, 3)[:, None, None, None]

    standard = standardized(images, "frame")

    for image, ours in zip(images.astype(np.float64), standard, strict=True):
        expected = (image - image.mean()) / max(image.std(), 1 / np.sqrt(256 * 320))
        np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=2e-5)


def test_padding_shifts_the_standardisation_of_the_frame_only():
    """``frame`` equals ``image`` if every pixel has data; with padding, only ``image`` keeps its values."""
    scene = np.random.default_rng(0).uniform(1, 9, (1, 8, 8, 2))
    padded = np.pad(scene, [(0, 0), (4, 4), (4, 4), (0, 0)])

    np.testing.assert_allclose(standardized(scene, "frame"), standardized(scene, "image"), atol=1e-5)
    np.testing.assert_allclose(standardized(padded, "image")[:, 4:12, 4:12], standardized(scene, "image"), atol=1e-5)
    assert abs(standardized(padded, "frame")[:, 4:12, 4:12] - standardized(scene, "image")).max() > 0.5


@pytest.mark.parametrize("value", [0.0, 0.1, 255.0, 4000.3])
def test_a_flat_frame_becomes_zero(value):
    """Rounding errors are not amplified to noise."""
    np.testing.assert_array_equal(standardized(np.full((1, 512, 512, 1), value), "frame"), 0)


def test_standardisation_by_dataset_by_hand():
    """Each band has its own mean and deviation, shared by all images; pixels without data stay 0."""
    images = np.array([[[[3.0, 100.0], [7.0, 400.0], [0.0, 0.0], [0.0, 100.0]]]])

    standard = standardized(images, "dataset", [5, 200.0], [2, 100])

    assert standard.dtype == np.float32
    np.testing.assert_array_equal(standard, [[[[-1, -1], [1, 2], [0, 0], [-2.5, -1]]]])


@pytest.mark.parametrize(("mean", "deviation"), [(0, 0), (4000.3, 0), (-4000.3, 1e-4)])
def test_a_band_that_is_constant_in_the_dataset_becomes_zero(mean, deviation):
    """It is 0 even in a scene where it varies, because the model never saw it vary."""
    images = np.array([[[[mean, 1.0], [50.0, 2.0]]]])

    np.testing.assert_array_equal(standardized(images, "dataset", [mean, 1], [deviation, 1]), [[[[0, 0], [0, 1]]]])


def test_no_standardisation_leaves_the_values():
    """Values are only converted to float32."""
    standard = standardized(np.array([[[[3, 100], [0, 0]]]], np.uint16), "none")

    assert standard.dtype == np.float32
    np.testing.assert_array_equal(standard, [[[[3, 100], [0, 0]]]])


METHODS = [("image",), ("frame",), ("band",), ("dataset", [3.0, 4.0], [2.0, 1.0]), ("none",)]


def saved_network(path, *arguments):
    """Save a network of one standardisation and one convolution; return images and its output for them."""
    rng = np.random.default_rng(0)
    inputs = keras.Input((8, 8, 2))
    network = keras.Model(inputs, keras.layers.Conv2D(3, 1)(blocks.Standardize(*arguments)(inputs)))
    network.save(path)
    images = rng.uniform(1, 9, (2, 8, 8, 2))
    return images, network(images).numpy()


@pytest.mark.parametrize("arguments", METHODS, ids=lambda arguments: arguments[0])
def test_every_standardisation_is_restored_from_its_file(tmp_path, arguments):
    """Its configuration and its output are restored exactly."""
    images, scores = saved_network(tmp_path / "x.keras", *arguments)

    back = keras.saving.load_model(tmp_path / "x.keras")

    np.testing.assert_array_equal(back(images), scores)
    given = dict(zip(("method", "mean", "deviation"), (*arguments, None, None), strict=False))
    assert given.items() <= back.layers[1].get_config().items()


def test_a_file_without_a_method_is_still_read(tmp_path):
    """Old files name no method and mean that of the paper."""
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

    np.testing.assert_array_equal(back(images), scores)


@pytest.mark.parametrize("arguments", METHODS, ids=lambda arguments: arguments[0])
def test_standardisation_is_in_float32_whatever_the_policy(arguments):
    """The values 10001 and 10003 are equal in bfloat16, but stay distinct."""
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
        (("bands",), r"^method=bands must be one of image, frame, band, dataset, none\.$"),
        (("image", [1.0]), r"^mean and deviation are used only with method=dataset, not with image; leave them out\.$"),
        (("band", None, [1.0]), r"used only with method=dataset, not with band; leave them out\.$"),
        (("none", [], []), r"used only with method=dataset, not with none; leave them out\.$"),
        (("dataset",), r"^mean=None and deviation=None must each hold one number per band\.$"),
        (("dataset", [1], None), r"^mean=\[1\.0\] and deviation=None must each hold one number per band"),
        (("dataset", [], []), r"^mean=\[\] and deviation=\[\] must each hold one number per band"),
        (("dataset", [1, 2], [1]), r"^mean=\[1\.0, 2\.0\] and deviation=\[1\.0\] must each hold one number per band"),
        (
            ("dataset", [1], [-1]),
            r"^mean=\[1\.0\] and deviation=\[-1\.0\] must be finite, and deviations at least 0\.$",
        ),
        (("dataset", [1], [float("inf")]), r"must be finite"),
        (("dataset", [float("nan")], [1]), r"must be finite"),
    ],
)
def test_invalid_standardisations_are_refused(arguments, message):
    """An unknown method, and a mean and deviation that do not suit the method, raise an error."""
    with pytest.raises(ValueError, match=message):
        blocks.Standardize(*arguments)


def test_a_standardisation_for_a_different_number_of_bands_is_refused():
    """Building the layer raises the error."""
    with pytest.raises(
        ValueError, match=r"^mean=\[1\.0, 2\.0\] must hold one number for each of the 3 bands of the images\.$"
    ):
        blocks.Standardize("dataset", [1, 2], [1, 1])(keras.Input((8, 8, 3)))


def test_a_strided_shortcut_equals_a_strided_convolution():
    """A slice and a 1x1 convolution of stride 1 equal the matrix product of a 1x1 convolution of stride 2."""
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
    """Its gradient would corrupt memory on a CPU."""
    model = build_outline(ModelConfig(name=name, filters=2, kernel=kernel), (32, 32, 3), 2)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]

    assert convolutions
    assert not [layer for layer in convolutions if layer.kernel_size == (1, 1) and layer.strides != (1, 1)]


def test_a_dropout_rate_of_zero_adds_no_layer():
    """The maps are returned unchanged."""
    maps = keras.Input((8, 8, 3))

    assert blocks.apply_dropout(maps, 0, "standard") is maps
    assert blocks.apply_dropout(maps, 0.5, "spatial") is not maps


def test_nearest_upsampling_repeats_each_pixel():
    """Every pixel becomes four pixels of its value."""
    maps = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)

    doubled = keras.ops.convert_to_numpy(blocks.upsample(maps, "nearest"))

    np.testing.assert_array_equal(doubled, maps.repeat(2, axis=1).repeat(2, axis=2))


def test_imagery_with_small_values_has_unit_deviation():
    """Reflectance that varies by 0.0005 does not count as constant."""
    images = 0.2 + 0.0005 * np.random.default_rng(0).standard_normal((1, 32, 32, 3)).astype(np.float32)

    assert np.asarray(blocks.Standardize()(images)).std() == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("value", [4000.3, 0.1, 255])
def test_a_large_flat_image_becomes_zero(value):
    """Rounding errors of the sum are not amplified to noise."""
    images = np.full((1, 512, 512, 1), value, np.float32)

    np.testing.assert_array_equal(np.asarray(blocks.Standardize()(images)), 0)

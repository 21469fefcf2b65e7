"""Tests of segmentation with networks that are known functions of the image."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.config.spectral_index import parse_index
from gym.core.errors import DataError
from gym.data.labels import IGNORE
from gym.data.preparation import Preparation
from gym.data.scaling import Scaling
from gym.prediction.segment import predict_tiles, segment
from gym.runs.model_files import ModelDescription, SavedModel

FRAME = (16, 24)


BANDS = ("red", "green", "blue", "nir")


def make_model(probabilities, bands=3, classes=("low", "high"), **options):
    """A saved model whose network is a function of the framed images; ``options`` are those of `Preparation`."""
    settings = {"framing": "fit", "overlap": 0.0, "scaling": Scaling(), "source_bands": BANDS[:bands]} | options
    preparation = Preparation(FRAME, **settings)
    images = keras.Input((*FRAME, len(preparation.bands)))
    return SavedModel(keras.Model(images, probabilities(images)), ModelDescription(preparation, list(classes)))


def bright(images):
    """Predict class 1 where the first band is above 100."""
    above = keras.ops.cast(images[..., :1] > 100, "float32")
    return keras.ops.concatenate([1 - above, above], axis=-1)


def right_of_the_middle(images):
    """Predict class 1 in the right half of the frame, whatever it contains."""
    ramp = keras.ops.cast(keras.ops.arange(FRAME[1]) >= FRAME[1] // 2, "float32")[None, None, :, None]
    above = ramp + 0 * images[..., :1]
    return keras.ops.concatenate([1 - above, above], axis=-1)


def bright_half(images):
    """Predict class 1 where the first band is above 0.5."""
    above = keras.ops.cast(images[..., :1] > 0.5, "float32")
    return keras.ops.concatenate([1 - above, above], axis=-1)


@pytest.fixture(scope="module")
def threshold_model():
    return make_model(bright)


@pytest.fixture(scope="module")
def tiled_model():
    return make_model(bright, framing="tile", overlap=0.25)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_an_image_of_the_size_of_the_frame_is_labelled_per_pixel(threshold_model, dtype):
    """The network receives the values of every type of imagery unchanged."""
    image = np.random.default_rng(0).integers(1, 127, (*FRAME, 3)).astype(dtype)

    label = segment(threshold_model, image)

    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, image[..., 0] > 100)


def test_16_bit_values_reach_the_network_unchanged(threshold_model):
    """356 is above 100, although it is 100 modulo 256."""
    image = np.full((*FRAME, 3), 356, np.uint16)

    np.testing.assert_array_equal(segment(threshold_model, image), 1)


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 16), columns=st.integers(1, 24), seed=st.integers(0, 99))
def test_a_smaller_image_is_labelled_to_the_pixel(threshold_model, rows, columns, seed):
    """It is padded and never enlarged, so nothing is lost."""
    image = np.random.default_rng(seed).integers(1, 255, (rows, columns, 3), dtype=np.uint8)

    np.testing.assert_array_equal(segment(threshold_model, image), image[..., 0] > 100)


def test_a_smaller_image_is_centred_in_the_frame():
    """Eight columns are at 8 to 15 of 24, so the right four are right of the middle."""
    label = segment(make_model(right_of_the_middle), np.ones((4, 8, 3), np.uint8))

    np.testing.assert_array_equal(label, np.tile([0, 0, 0, 0, 1, 1, 1, 1], (4, 1)))


@pytest.mark.parametrize("shape", [(64, 48), (32, 48), (16, 96), (64, 24), (100, 37), (15, 200)])
def test_a_larger_image_comes_back_at_its_own_size_and_aspect(threshold_model, shape):
    """Both halves keep their labels, except where shrinking mixes them."""
    rows, columns = shape
    middle, mixed = columns // 2, int(np.ceil(max(rows / FRAME[0], columns / FRAME[1]))) + 1
    image = np.full((rows, columns, 3), 50, np.uint8)
    image[:, middle:] = 200

    label = segment(threshold_model, image)

    assert label.shape == shape
    np.testing.assert_array_equal(label[:, : middle - mixed], 0)
    np.testing.assert_array_equal(label[:, middle + mixed :], 1)


def test_a_larger_image_is_averaged(threshold_model):
    """A fine checkerboard of 50 and 250 is 150 in the frame, so all of it is class 1."""
    image = np.where(np.add.outer(np.arange(64), np.arange(96)) % 2, 250, 50)[..., None].repeat(3, axis=2)

    np.testing.assert_array_equal(segment(threshold_model, image.astype(np.uint8)), 1)


def test_nodata_is_ignored_and_a_dark_band_is_not_nodata(threshold_model):
    """Only pixels that are 0 in every band have no data."""
    image = np.full((4, 6, 3), 200, np.uint8)
    image[0] = 0
    image[1, :, 0] = 0
    image[2, :, 1:] = 0

    label = segment(threshold_model, image)

    np.testing.assert_array_equal(label[:, 0], [IGNORE, 0, 1, 1])
    assert (label == label[:, :1]).all()


def test_nodata_of_a_larger_image_is_exact(threshold_model):
    """It is taken from the image as read, so shrinking does not move its edge."""
    image = np.random.default_rng(0).integers(1, 255, (70, 50, 3), dtype=np.uint8)
    image[13:29, 7:31] = 0
    empty = ~image.any(axis=2)

    np.testing.assert_array_equal(segment(threshold_model, image) == IGNORE, empty)


def test_undeclared_nodata_is_ignored(threshold_model):
    """A value that float32 cannot hold is nodata, as in training."""
    image = np.full((4, 6, 3), 200.0)
    image[1, 2, 0] = np.finfo(np.float64).min

    label = segment(threshold_model, image)

    assert label[1, 2] == IGNORE
    assert (label == 1).sum() == 23


@pytest.mark.parametrize("model", ["threshold_model", "tiled_model"])
@pytest.mark.parametrize("dtype", [np.uint16, np.float64])
def test_an_image_without_data_is_rejected(request, model, dtype):
    """There is nothing to segment, whatever its size."""
    with pytest.raises(DataError, match=r"^has no data: every pixel is 0 or nodata in all bands; remove it\.$"):
        segment(request.getfixturevalue(model), np.zeros((9, 40, 3), dtype))


def test_an_image_with_too_little_data_is_rejected(threshold_model, tiled_model):
    """A single pixel of 160x240 vanishes when shrunk to 16x24, but at full resolution it is labelled."""
    image = np.zeros((160, 240, 3), np.uint8)
    image[77, 99] = 200

    label = segment(tiled_model, image)

    assert label[77, 99] == 1
    assert (label == IGNORE).sum() == 160 * 240 - 1
    with pytest.raises(
        DataError, match=r"^has too little data to be visible in 16x24 pixels; crop the image to its data\.$"
    ):
        segment(threshold_model, image)


def test_the_most_probable_class_is_predicted():
    """The network predicts the brightest of three bands."""
    model = make_model(lambda images: images / 255, classes=("red", "green", "blue"))
    image = np.array([[[9, 1, 2], [1, 9, 2], [1, 2, 9]]], np.uint8)

    np.testing.assert_array_equal(segment(model, image), [[0, 1, 2]])


@pytest.mark.parametrize("model", ["threshold_model", "tiled_model"])
@pytest.mark.parametrize("image", [np.ones((8, 8, 4)), np.zeros((8, 8, 4)), np.ones((100, 100, 4), np.uint8)])
def test_an_image_with_a_wrong_number_of_bands_is_rejected(request, model, image):
    """The error states both numbers and the names of the bands in order."""
    with pytest.raises(
        DataError,
        match=r"^has 4 bands where 3 are expected \(red, green, blue\); give the same bands in the same order\.$",
    ):
        segment(request.getfixturevalue(model), image)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 70),
    columns=st.integers(1, 70),
    overlap=st.sampled_from([0.0, 0.25, 0.5, 0.9]),
    seed=st.integers(0, 99),
)
def test_tiles_show_no_seam(tiled_model, rows, columns, overlap, seed):
    """A network that labels pixels by their own value labels images of any size exactly, with 255 for nodata."""
    rng = np.random.default_rng(seed)
    image = rng.integers(1, 255, (rows, columns, 3), dtype=np.uint8)
    image[rng.random((rows, columns)) < 0.2] = 0
    image[0, 0] = 7
    preparation = replace(tiled_model.description.preparation, overlap=overlap)
    model = replace(tiled_model, description=replace(tiled_model.description, preparation=preparation))

    label = segment(model, image)

    np.testing.assert_array_equal(label, np.where(image.any(axis=2), image[..., 0] > 100, IGNORE))


def test_tiles_that_disagree_are_blended():
    """Two tiles share the columns 12 to 23 and disagree, so the label changes halfway, at 18."""
    model = make_model(right_of_the_middle, framing="tile", overlap=0.5)

    label = segment(model, np.ones((16, 36, 3), np.uint8))

    np.testing.assert_array_equal(label, np.tile([0] * 12 + [1] * 6 + [0] * 6 + [1] * 12, (16, 1)))


def test_only_tiles_with_data_are_predicted(tiled_model):
    """An image that is mostly nodata takes little time."""
    image = np.zeros((16, 72, 3), np.uint8)
    image[:, 57:] = 200

    parts = list(predict_tiles(tiled_model, image))

    assert [placement.window for placement, _ in parts] == [(0, 48, 16, 24)]
    assert parts[0][1].shape == (*FRAME, 2)
    np.testing.assert_array_equal(segment(tiled_model, image)[0], [IGNORE] * 57 + [1] * 15)


def test_a_resized_image_comes_back_at_its_own_size():
    """It fills the frame without keeping its aspect ratio, so the right half of the frame is its right half."""
    label = segment(make_model(right_of_the_middle, framing="resize"), np.ones((7, 60, 3), np.uint8))

    np.testing.assert_array_equal(label, np.tile(np.arange(60) >= 30, (7, 1)))


@pytest.mark.parametrize(
    ("scaling", "value", "scaled"),
    [
        (Scaling("none"), 1000, 1000.0),
        (Scaling("dtype"), 13107, 0.2),
        (Scaling("reflectance", factor=1e-4, offset=-0.1), 3000, 0.2),
    ],
)
def test_values_are_scaled_as_in_training(scaling, value, scaled):
    """The network receives the values that a dataset of such imagery holds."""
    model = make_model(lambda images: images[..., :2], scaling=scaling)
    image = np.full((*FRAME, 3), value, np.uint16)

    ((_, scores),) = predict_tiles(model, model.description.preparation.prepare_image(image))

    np.testing.assert_allclose(scores, scaled, rtol=1e-6)


def test_percentiles_are_taken_over_the_whole_image():
    """A stretch per tile would show a seam where a tile is uniformly dark."""
    model = make_model(bright_half, framing="tile", scaling=Scaling("percentile", 0, 100))
    image = np.tile(np.linspace(1, 1001, 101).astype(np.uint16)[None, :, None], (16, 1, 3))

    np.testing.assert_array_equal(segment(model, image), np.tile(np.arange(101) > 50, (16, 1)))


@pytest.mark.parametrize("framing", ["fit", "tile"])
def test_indices_are_computed_from_the_bands_as_read(framing):
    """NDWI is positive where green exceeds near infra-red; the model takes four bands and one index."""
    model = make_model(
        lambda images: keras.ops.concatenate([-images[..., 4:], images[..., 4:]], axis=-1),
        bands=4,
        framing=framing,
        indices=(parse_index("NDWI"),),
    )
    image = np.random.default_rng(0).integers(1, 2000, (*FRAME, 4), dtype=np.uint16)

    np.testing.assert_array_equal(segment(model, image), image[..., 1] > image[..., 3])


@pytest.mark.parametrize("framing", ["fit", "tile", "resize"])
def test_the_image_is_not_modified(framing):
    """The caller may use it again."""
    image = np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.float32)
    before = image.copy()

    segment(make_model(bright, framing=framing, scaling=Scaling("reflectance", factor=2.0)), image)

    np.testing.assert_array_equal(image, before)

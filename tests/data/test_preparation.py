"""Tests of preparation: a labelled scene becomes pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gym.config.spectral_index import parse_index
from gym.core.errors import DataError
from gym.data.framing import crop_image, pad_image, pad_label, place_scene
from gym.data.labels import IGNORE, LabelRule
from gym.data.preparation import Preparation, prepare_scene
from gym.data.readers.base import RawScene
from gym.data.scaling import STEP, Scaling
from tests.data.imagery import CLASSES, draw_image, draw_label

BANDS = ("red", "green", "blue")
RULE = LabelRule(CLASSES, ignored=(9,))


def preparation(frame=(32, 48), **options):
    """A preparation that only frames, by default."""
    settings = {"framing": "fit", "overlap": 0.0, "scaling": Scaling(), "source_bands": BANDS}
    return Preparation(frame, **settings | options)


def scene(size=(20, 40), **options):
    return RawScene(draw_image(0, size=size), draw_label(0, size=size), None)._replace(**options)


def test_a_scene_that_fits_becomes_one_unchanged_pair():
    """Values, types and classes are those of the file; padding is not stored."""
    raw = scene()

    prepared = prepare_scene("shore", raw, preparation(), RULE)

    (pair,) = prepared.pairs
    assert pair.name == "shore"
    np.testing.assert_array_equal(pair.image, raw.image)
    np.testing.assert_array_equal(pair.label, raw.label)
    assert (pair.image.dtype, pair.label.dtype) == (np.uint8, np.uint8)
    assert pair.placement == place_scene((20, 40), (32, 48))[0]
    assert prepared.label_counts == {
        str(value): {RULE.classes[value]: int((raw.label == value).sum())} for value in range(3)
    }


def test_the_scene_is_not_modified():
    """A reader may keep the arrays that it returned."""
    raw = scene()
    raw.image[:5] = 0
    before = raw.image.copy(), raw.label.copy()

    prepare_scene("shore", raw, preparation(framing="tile", frame=(16, 16), scaling=Scaling("percentile")), RULE)

    np.testing.assert_array_equal(raw.image, before[0])
    np.testing.assert_array_equal(raw.label, before[1])


def test_pixels_without_data_are_ignored():
    """Nodata, unlabelled pixels and ignored values all become IGNORE; one dark band is not nodata."""
    raw = scene(labelled=np.arange(20)[:, np.newaxis].repeat(40, 1) != 7)
    raw.image[:5] = 0
    raw.image[10, :, 1:] = 0
    raw.label[6] = 9

    (pair,) = prepare_scene("shore", raw, preparation(), RULE).pairs

    np.testing.assert_array_equal((pair.label == IGNORE).all(axis=1), np.isin(np.arange(20), [0, 1, 2, 3, 4, 6, 7]))
    np.testing.assert_array_equal(pair.label[10], raw.label[10])


def test_a_value_that_becomes_nodata_in_scaling_is_ignored():
    """The lowest float64, an undeclared nodata value, has no data after scaling, and its label is ignored."""
    raw = scene(image=draw_image(0, dtype=np.float64))
    raw.image[3, 4] = np.finfo(np.float64).min

    (pair,) = prepare_scene("shore", raw, preparation(), RULE).pairs

    assert not pair.image[3, 4].any()
    assert pair.label[3, 4] == IGNORE
    assert (pair.label == IGNORE).sum() == 1


@settings(max_examples=50, deadline=None)
@given(
    nodata=hnp.arrays(bool, (30, 44)),
    framing=st.sampled_from(["fit", "resize", "tile"]),
    side=st.sampled_from([16, 25, 32]),
)
def test_a_framed_pixel_without_data_is_ignored(nodata, framing, side):
    """Shrinking may remove the data of a pixel whose nearest neighbour had some."""
    raw = scene((30, 44))
    raw.image[nodata] = 0
    raw.image[0, 0] = raw.image[1, 1] = raw.image[0, 1] = raw.image[1, 0] = 9

    for pair in prepare_scene("shore", raw, preparation((side, side), framing=framing), RULE).pairs:
        assert (pair.label[~pair.image.any(axis=2)] == IGNORE).all()
        assert pair.image.shape[:2] == pair.label.shape == pair.placement.size
        assert pair.image.any()


def test_shrinking_does_not_pick_the_label_of_a_pixel_without_data():
    """In a block of four, the mean takes the pixels with data, and the label must not come from another one."""
    raw = scene((64, 96), label=np.full((64, 96), 1))
    chosen = np.zeros((64, 96), bool)
    chosen[1::2, 1::2] = True  # the pixel of each block that nearest neighbour takes
    raw.image[chosen] = 0

    (pair,) = prepare_scene("shore", raw, preparation(), RULE).pairs

    assert pair.image.any(axis=2).all()
    assert set(np.unique(pair.label)) == {IGNORE}


def test_tiles_are_numbered_and_hold_their_window_of_the_scene():
    """Their pixels are those of the scene at full resolution."""
    raw = scene((40, 60))

    pairs = prepare_scene("shore", raw, preparation((32, 32), framing="tile", overlap=0.25), RULE).pairs

    assert [pair.name for pair in pairs] == [f"shore tile {number}" for number in range(1, 7)]
    for pair in pairs:
        top, left, rows, columns = pair.placement.window
        np.testing.assert_array_equal(pair.image, raw.image[top : top + rows, left : left + columns])
        np.testing.assert_array_equal(pair.label, raw.label[top : top + rows, left : left + columns])


def test_tiles_without_data_are_left_out_and_the_others_keep_their_numbers():
    """The number of a tile tells its position, whatever its neighbours contain."""
    raw = scene((32, 96))
    raw.image[:, 32:64] = 0

    pairs = prepare_scene("shore", raw, preparation((32, 32), framing="tile"), RULE).pairs

    assert [pair.name for pair in pairs] == ["shore tile 1", "shore tile 3"]


def test_a_large_scene_keeps_its_aspect_ratio():
    """A circle stays a circle, whereas the original program stretched every image to the frame."""
    rows, columns = np.indices((200, 100))
    disc = np.hypot(rows - 99.5, columns - 49.5) < 40
    raw = scene(
        (200, 100), image=np.where(disc, 200, 10).astype(np.uint8)[..., np.newaxis].repeat(3, 2), label=disc * 1
    )

    (pair,) = prepare_scene("shore", raw, preparation((50, 50)), RULE).pairs
    height, width = (int((pair.label == 1).any(axis=axis).sum()) for axis in (1, 0))

    assert pair.image.shape == (50, 25, 3)
    assert abs(height - 20) <= 1
    assert abs(width - 20) <= 1


def test_16_bit_values_do_not_wrap_around():
    """300 stays 300, whereas the original program's cast to 8 bits turned it into 44."""
    raw = scene(image=np.full((20, 40, 3), 300, np.uint16))

    (pair,) = prepare_scene("shore", raw, preparation(), RULE).pairs

    assert pair.image.dtype == np.uint16
    assert set(np.unique(pair.image)) == {300}


def test_values_are_scaled_and_indices_added_before_framing():
    """Nodata stays 0 in every band; indices use the scaled values of all bands as read."""
    raw = scene(image=draw_image(0, 4, np.uint16))
    raw.image[0, 0] = 0
    index = parse_index("NDWI")
    prepared = preparation(
        scaling=Scaling("reflectance", factor=1e-4), source_bands=(*BANDS, "nir"), indices=(index,), frame=(32, 48)
    )

    (pair,) = prepare_scene("shore", raw, prepared, RULE).pairs
    green, nir = (raw.image[1:, :, band].astype(np.float64) for band in (1, 3))

    assert prepared.bands == ["red", "green", "blue", "nir", "NDWI"]
    np.testing.assert_allclose(pair.image[1:, :, 1], green * 1e-4, rtol=1e-6)
    np.testing.assert_allclose(pair.image[1:, :, 4], (green - nir) / (green + nir), atol=1e-6)
    assert pair.image[0, 0].tolist() == [0] * 5
    assert pair.label[0, 0] == IGNORE


def test_the_darkest_pixel_of_a_stretch_keeps_its_label():
    """It is lifted by one step, so that it does not become nodata."""
    raw = scene(image=np.arange(1, 801).reshape(20, 40, 1).repeat(3, 2).astype(np.uint16))

    (pair,) = prepare_scene("shore", raw, preparation(scaling=Scaling("percentile")), RULE).pairs

    np.testing.assert_allclose(pair.image[0, 0], STEP)
    np.testing.assert_array_equal(pair.label, raw.label)


@pytest.mark.parametrize("bands", [2, 4])
def test_a_wrong_number_of_bands_is_rejected(bands):
    """The error states both numbers."""
    with pytest.raises(
        DataError,
        match=rf"^shore has {bands} bands where 3 are expected \(red, green, blue\); give the same bands in "
        r"the same order\.$",
    ):
        prepare_scene("shore", scene(image=draw_image(0, bands)), preparation(), RULE)


def test_an_unknown_label_value_is_rejected_with_the_scene():
    """The error begins with the name of the scene."""
    raw = scene()
    raw.label[0, 0] = 7
    with pytest.raises(DataError, match=r"^shore: label value 7 \(1 pixel\) is not one of the classes 0\.\.2"):
        prepare_scene("shore", raw, preparation(), RULE)


@pytest.mark.parametrize("pixels", [0, 1])
def test_a_scene_without_data_in_the_frame_is_rejected(pixels):
    """Either it has none, or its only pixel vanishes when it is shrunk to a fifth."""
    raw = scene((160, 240))
    raw.image[:] = 0
    raw.image[3, 3] = 9 * pixels
    with pytest.raises(
        DataError, match=r"^shore has no data in the frame: every pixel is 0 or nodata in all bands; remove it\.$"
    ):
        prepare_scene("shore", raw, preparation(), RULE)


def test_prediction_prepares_an_image_as_training_did():
    """Preparing, placing and framing an image reproduces the stored pair, padding included."""
    raw = scene((50, 70), image=draw_image(3, size=(50, 70), dtype=np.uint16))
    prepared = preparation(scaling=Scaling("dtype"))

    (pair,) = prepare_scene("shore", raw, prepared, RULE).pairs
    image = prepared.prepare_image(raw.image)
    (placement,) = prepared.place_image(image)

    assert placement == pair.placement
    np.testing.assert_array_equal(crop_image(image, placement), pair.image)
    framed = pad_image(pair.image, placement.corner, prepared.frame)
    np.testing.assert_array_equal(framed.any(axis=2), pad_label(pair.label, placement.corner, (32, 48)) != IGNORE)

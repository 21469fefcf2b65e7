"""Tests of blending overlapping tiles into one map without seams."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.data.framing import crop_label, pad_label, place_scene, unframe_probabilities
from gym.data.labels import IGNORE
from gym.prediction.segment import blend_tiles, hann_taper

sizes = st.tuples(st.integers(1, 30), st.integers(1, 30))
frames = st.tuples(st.integers(1, 16), st.integers(1, 16))
overlaps = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75])


def framed_one_hot(label, placement, frame, classes):
    """One-hot probabilities of a label in the frame, 0 for every class in the padding."""
    framed = pad_label(crop_label(label, placement), placement.corner, frame)
    one_hot = np.eye(classes, dtype=np.float32)[np.minimum(framed, classes - 1)]
    return np.where(framed[..., np.newaxis] == IGNORE, 0, one_hot)


@given(half_rows=st.integers(1, 64), half_columns=st.integers(1, 64))
def test_half_overlapping_tapers_sum_to_one(half_rows, half_columns):
    """Where four tiles meet, their weights sum to one, so no seam can show."""
    taper = hann_taper(2 * half_rows, 2 * half_columns)

    meeting = (
        taper[:half_rows, :half_columns]
        + taper[half_rows:, :half_columns]
        + taper[:half_rows, half_columns:]
        + taper[half_rows:, half_columns:]
    )

    np.testing.assert_allclose(meeting, 1, rtol=0, atol=1e-6)


def test_a_taper_is_a_product_of_squared_sines():
    """The angles are 22.5, 67.5, ... degrees along the rows, and 45 and 135 along the columns."""
    edge, inner = (2 - np.sqrt(2)) / 4, (2 + np.sqrt(2)) / 4

    np.testing.assert_allclose(hann_taper(4, 2), np.outer([edge, inner, inner, edge], [0.5, 0.5]), rtol=1e-6)


@pytest.mark.parametrize("side", [1, 2, 3, 512, 4096])
def test_a_taper_is_positive_everywhere(side):
    """The outermost pixel of a scene is in one tile only, and still counts."""
    assert hann_taper(side, side).min() > 0
    assert hann_taper(side, side).max() <= 1


@settings(deadline=None)
@given(scene=sizes, frame=frames, overlap=overlaps, value=st.floats(-1e6, 1e6, width=32))
def test_tiles_that_agree_give_their_common_value(scene, frame, overlap, value):
    """A constant is reproduced exactly, at borders and where many tiles meet."""
    probabilities = np.full((*frame, 2), value, np.float32)

    blended = blend_tiles(
        ((placement, probabilities) for placement in place_scene(scene, frame, "tile", overlap)), scene, 2
    )

    assert blended.dtype == np.float32
    assert blended.shape == (*scene, 2)
    np.testing.assert_array_equal(blended, np.float32(value))


@given(scene=sizes, frame=frames, framing=st.sampled_from(["fit", "resize"]))
def test_a_single_tile_is_returned_unchanged(scene, frame, framing):
    """The result equals the unframed probabilities exactly."""
    probabilities = np.random.default_rng(0).random((*frame, 3), np.float32)
    (placement,) = place_scene(scene, frame, framing)

    np.testing.assert_array_equal(
        blend_tiles([(placement, probabilities)], scene, 3), unframe_probabilities(probabilities, placement)
    )


@settings(deadline=None)
@given(scene=sizes, frame=frames, overlap=overlaps, classes=st.integers(1, 5), seed=st.integers(0, 99))
def test_a_label_round_trips_through_tiles(scene, frame, overlap, classes, seed):
    """Cropped, framed, made one-hot and blended, it is the same, with probability 1 for its class."""
    label = np.random.default_rng(seed).integers(0, classes, scene).astype(np.uint8)
    placements = place_scene(scene, frame, "tile", overlap)

    blended = blend_tiles(((part, framed_one_hot(label, part, frame, classes)) for part in placements), scene, classes)

    np.testing.assert_array_equal(blended, np.eye(classes)[label])


@given(rows=st.integers(1, 24), columns=st.integers(1, 16), seed=st.integers(0, 99))
def test_a_label_that_fits_round_trips_exactly(rows, columns, seed):
    """Without shrinking, nothing is lost."""
    label = np.random.default_rng(seed).integers(0, 4, (rows, columns)).astype(np.uint8)
    (placement,) = place_scene((rows, columns), (24, 16))

    blended = blend_tiles([(placement, framed_one_hot(label, placement, (24, 16), 4))], (rows, columns), 4)

    np.testing.assert_array_equal(blended.argmax(axis=2), label)


@settings(deadline=None)
@given(scene=sizes, frame=frames, overlap=overlaps, seed=st.integers(0, 99))
def test_the_map_is_the_weighted_mean_of_the_tiles(scene, frame, overlap, seed):
    """It equals the sum of weighted probabilities divided by the sum of weights."""
    placements = place_scene(scene, frame, "tile", overlap)
    probabilities = np.random.default_rng(seed).random((len(placements), *frame, 2)).astype(np.float32)
    total, weights = np.zeros((*scene, 2)), np.zeros((*scene, 1))
    for placement, part in zip(placements, probabilities, strict=True):
        top, left, rows, columns = placement.window
        taper = np.outer(*(np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2 for side in (rows, columns)))
        total[top : top + rows, left : left + columns] += taper[..., None] * unframe_probabilities(part, placement)
        weights[top : top + rows, left : left + columns] += taper[..., None]

    blended = blend_tiles(zip(placements, probabilities, strict=True), scene, 2)

    np.testing.assert_allclose(blended, total / weights, rtol=0, atol=1e-5)


def test_one_tile_fades_into_the_next():
    """From a tile of zeros to a tile of ones, the map rises without a step."""
    left, right = place_scene((1, 96), (1, 64), "tile", 0.5)

    blended = blend_tiles([(left, np.zeros((1, 64, 1))), (right, np.ones((1, 64, 1)))], (1, 96), 1)[0, :, 0]

    np.testing.assert_array_equal(blended[:32], 0)
    np.testing.assert_array_equal(blended[64:], 1)
    assert (np.diff(blended) >= 0).all()
    assert np.diff(blended).max() < 0.06


def test_pixels_without_a_tile_are_zero():
    """A tile without data may be left out."""
    first, _ = place_scene((4, 8), (4, 4), "tile")

    blended = blend_tiles([(first, np.ones((4, 4, 2)))], (4, 8), 2)

    np.testing.assert_array_equal(blended[:, :4], 1)
    np.testing.assert_array_equal(blended[:, 4:], 0)


def test_tiles_are_consumed_one_by_one():
    """The probabilities of a tile may be overwritten before the next one is requested."""
    probabilities = np.zeros((4, 4, 1))
    placements = place_scene((4, 12), (4, 4), "tile")

    def predict():
        for value, placement in enumerate(placements):
            probabilities[:] = value
            yield placement, probabilities

    np.testing.assert_array_equal(blend_tiles(predict(), (4, 12), 1)[0, :, 0], np.repeat([0, 1, 2], 4))


def test_a_scene_without_tiles_is_zero():
    """It has the size of the scene."""
    np.testing.assert_array_equal(blend_tiles([], (2, 3), 4), np.zeros((2, 3, 4)))

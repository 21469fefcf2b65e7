"""Overlapping tiles blend into one map of the scene, without seams."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.core.errors import DataError
from gym.data.framing import Placement, crop_label, pad_label, place_scene, unframe_probabilities
from gym.data.labels import IGNORE
from gym.prediction.segment import blend_tiles, hann_taper

sizes = st.tuples(st.integers(1, 30), st.integers(1, 30))
frames = st.tuples(st.integers(1, 16), st.integers(1, 16))
overlaps = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75])


def framed_scores(label, placement, frame, classes):
    """One-hot scores of a label in the frame, 0 for every class in the padding."""
    framed = pad_label(crop_label(label, placement), placement.corner, frame)
    one_hot = np.eye(classes, dtype=np.float32)[np.minimum(framed, classes - 1)]
    return np.where(framed[..., np.newaxis] == IGNORE, 0, one_hot)


@given(half_rows=st.integers(1, 64), half_columns=st.integers(1, 64))
def test_half_overlapping_tapers_sum_to_one(half_rows, half_columns):
    """Where four tiles meet, their weights add to one, so no seam can show."""
    taper = hann_taper(2 * half_rows, 2 * half_columns)

    meeting = (
        taper[:half_rows, :half_columns]
        + taper[half_rows:, :half_columns]
        + taper[:half_rows, half_columns:]
        + taper[half_rows:, half_columns:]
    )

    np.testing.assert_allclose(meeting, 1, rtol=0, atol=1e-6)


def test_a_taper_by_hand():
    """Sines squared of 22.5, 67.5 degrees and back, by those of 45 and 135."""
    edge, inner = (2 - np.sqrt(2)) / 4, (2 + np.sqrt(2)) / 4

    np.testing.assert_allclose(hann_taper(4, 2), np.outer([edge, inner, inner, edge], [0.5, 0.5]), rtol=1e-6)


@pytest.mark.parametrize("side", [1, 2, 3, 512, 4096])
def test_a_taper_never_vanishes(side):
    """The outermost pixel of a scene has one tile only, and it counts."""
    assert hann_taper(side, side).min() > 0
    assert hann_taper(side, side).max() <= 1


@settings(deadline=None)
@given(scene=sizes, frame=frames, overlap=overlaps, value=st.floats(-1e6, 1e6, width=32))
def test_where_tiles_agree_the_map_is_what_they_say(scene, frame, overlap, value):
    """A constant comes back to the bit, at the borders and where many tiles meet."""
    scores = np.full((*frame, 2), value, np.float32)

    merged = blend_tiles(((placement, scores) for placement in place_scene(scene, frame, "tile", overlap)), 2)

    assert merged.dtype == np.float32
    assert merged.shape == (*scene, 2)
    np.testing.assert_array_equal(merged, np.float32(value))


@given(scene=sizes, frame=frames, framing=st.sampled_from(["fit", "resize"]))
def test_a_single_part_comes_back_as_it_was(scene, frame, framing):
    """To the bit what unframing gives."""
    scores = np.random.default_rng(0).random((*frame, 3), np.float32)
    (placement,) = place_scene(scene, frame, framing)

    np.testing.assert_array_equal(blend_tiles([(placement, scores)], 3), unframe_probabilities(scores, placement))


@settings(deadline=None)
@given(scene=sizes, frame=frames, overlap=overlaps, classes=st.integers(1, 5), seed=st.integers(0, 99))
def test_a_label_comes_back_from_tiles_to_the_pixel(scene, frame, overlap, classes, seed):
    """Cut, framed, scored one-hot and merged, it is what it was; with 1 for its class and 0 for the others."""
    label = np.random.default_rng(seed).integers(0, classes, scene).astype(np.uint8)
    placements = place_scene(scene, frame, "tile", overlap)

    merged = blend_tiles(((part, framed_scores(label, part, frame, classes)) for part in placements), classes)

    np.testing.assert_array_equal(merged, np.eye(classes)[label])


@given(rows=st.integers(1, 24), columns=st.integers(1, 16), seed=st.integers(0, 99))
def test_a_label_that_fits_comes_back_to_the_pixel(rows, columns, seed):
    """Without shrinking nothing is lost."""
    label = np.random.default_rng(seed).integers(0, 4, (rows, columns)).astype(np.uint8)
    (placement,) = place_scene((rows, columns), (24, 16))

    merged = blend_tiles([(placement, framed_scores(label, placement, (24, 16), 4))], 4)

    np.testing.assert_array_equal(merged.argmax(axis=2), label)


@settings(deadline=None)
@given(scene=sizes, frame=frames, overlap=overlaps, seed=st.integers(0, 99))
def test_the_map_is_the_weighted_mean_of_the_tiles(scene, frame, overlap, seed):
    """As with the sums of weighted scores and of weights, held for all tiles at once."""
    placements = place_scene(scene, frame, "tile", overlap)
    scores = np.random.default_rng(seed).random((len(placements), *frame, 2)).astype(np.float32)
    total, weights = np.zeros((*scene, 2)), np.zeros((*scene, 1))
    for placement, part in zip(placements, scores, strict=True):
        top, left, rows, columns = placement.window
        taper = np.outer(*(np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2 for side in (rows, columns)))
        total[top : top + rows, left : left + columns] += taper[..., None] * unframe_probabilities(part, placement)
        weights[top : top + rows, left : left + columns] += taper[..., None]

    merged = blend_tiles(zip(placements, scores, strict=True), 2)

    np.testing.assert_allclose(merged, total / weights, rtol=0, atol=1e-5)


def test_one_tile_fades_into_the_next():
    """From a tile of zeros into a tile of ones the map climbs without a step, and is both at their far ends."""
    left, right = place_scene((1, 96), (1, 64), "tile", 0.5)

    merged = blend_tiles([(left, np.zeros((1, 64, 1))), (right, np.ones((1, 64, 1)))], 1)[0, :, 0]

    np.testing.assert_array_equal(merged[:32], 0)
    np.testing.assert_array_equal(merged[64:], 1)
    assert (np.diff(merged) >= 0).all()
    assert np.diff(merged).max() < 0.06


def test_what_no_tile_covers_has_no_score():
    """A tile left out, because it has no data, say, leaves zeros where it alone would be."""
    first, _ = place_scene((4, 8), (4, 4), "tile")

    merged = blend_tiles([(first, np.ones((4, 4, 2)))], 2)

    np.testing.assert_array_equal(merged[:, :4], 1)
    np.testing.assert_array_equal(merged[:, 4:], 0)


def test_tiles_are_not_held():
    """Each tile's scores are done with before the next are asked for."""
    scores = np.zeros((4, 4, 1))
    placements = place_scene((4, 12), (4, 4), "tile")

    def parts():
        for value, placement in enumerate(placements):
            scores[:] = value
            yield placement, scores

    np.testing.assert_array_equal(blend_tiles(parts(), 1)[0, :, 0], np.repeat([0, 1, 2], 4))


def test_nothing_cannot_be_merged():
    """Without a placement there is no scene."""
    none: list[tuple[Placement, np.ndarray]] = []

    with pytest.raises(DataError, match=r"0 parts of a scene cannot be merged; give at least one placement"):
        blend_tiles(none, 2)

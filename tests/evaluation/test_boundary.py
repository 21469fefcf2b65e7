"""Boundary scores, by hand, compared with the published definition and with brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from gym.data.labels import IGNORE
from gym.evaluation import confusion
from gym.evaluation.boundary import (
    ERROR_BINS,
    boundary_distances,
    boundary_matrix,
    count_errors_by_distance,
    default_strip_width,
    mask_boundary,
    mask_near_boundary,
)

truths = hnp.arrays(np.uint8, (7, 9), elements=st.sampled_from([0, 1, 2, IGNORE]))
predictions = hnp.arrays(np.uint8, (7, 9), elements=st.integers(0, 2))


def halves(column, rows=6, columns=12):
    """A label map with class 1 from the given column on, and class 0 to its left."""
    label = np.zeros((rows, columns), np.uint8)
    label[:, column:] = 1
    return label


def test_boundary_iou_by_hand():
    """For a shoreline two pixels off and strips two pixels wide, the strips of a class do not overlap.

    Strips of the truth: columns 4, 5 | 6, 7. Strips of the prediction: columns 6, 7 | 8, 9. Water has columns 4 to 7
    in one of the two and none in both; so does land with columns 6 to 9.
    """
    matrix = boundary_matrix(halves(6), halves(8), 2, width=2)

    assert confusion.class_iou(matrix)[:2].tolist() == [0, 0]
    near = confusion.class_iou(boundary_matrix(halves(6), halves(7), 2, width=2))[:2]
    np.testing.assert_allclose(near, [1 / 3, 1 / 3])
    np.testing.assert_allclose(confusion.class_iou(boundary_matrix(halves(6), halves(6), 2, width=2))[:2], 1)


def test_the_interior_is_counted_with_255_classes():
    """The interior then has the number 255, which marks ignored pixels in labels."""
    truth, predicted = halves(6), halves(8)
    few, many = (boundary_matrix(truth, predicted, classes, width=2) for classes in (2, 255))

    assert many.sum() == few.sum() == truth.size
    assert many[255, 255] == few[2, 2] > 0


def published_boundary_iou(truth, predicted, width):
    """The published boundary IoU of a mask that does not touch the image's edge: IoU of the mask minus its erosion."""
    strips = [mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), width) for mask in (truth, predicted)]
    return (strips[0] & strips[1]).sum() / (strips[0] | strips[1]).sum()


@given(hnp.arrays(bool, (2, 8, 8)), st.integers(1, 3))
def test_boundary_iou_agrees_with_the_published_definition(masks, width):
    """The masks do not touch the edge of the image."""
    masks = np.pad(masks, ((0, 0), (4, 4), (4, 4)))
    if masks.any(axis=(1, 2)).all():
        matrix = boundary_matrix(*masks.astype(np.uint8), 2, width)
        assert confusion.class_iou(matrix)[1] == pytest.approx(published_boundary_iou(*masks, width))


@given(truths, st.integers(1, 3))
def test_the_strip_agrees_with_brute_force(label, width):
    """Every pair of pixels is compared; an ignored pixel has no class."""
    expected = np.zeros(label.shape, bool)
    for place in np.ndindex(label.shape):
        area = tuple(slice(max(0, at - width), at + width + 1) for at in place)
        around = label[area][label[area] != IGNORE]
        expected[place] = label[place] != IGNORE and (around != label[place]).any()

    np.testing.assert_array_equal(mask_near_boundary(label, width), expected)


def test_boundary_distance_by_hand():
    """For a shoreline two pixels off, each boundary pixel of either class is two pixels from the other line."""
    found = boundary_distances(halves(6), halves(8), 2)

    assert found.sums.tolist() == [24, 24]
    assert found.counts.tolist() == [12, 12]
    assert found.missed.tolist() == [0, 0]
    assert found.drawn.tolist() == [1, 1]


def test_a_boundary_that_only_one_label_map_has_is_missed():
    """It has no distance; without any boundary, nothing is missed."""
    found = boundary_distances(halves(6), np.zeros((6, 12), np.uint8), 3)

    assert found.sums.tolist() == [0, 0, 0]
    assert found.missed.tolist() == [1, 1, 0]
    assert found.drawn.tolist() == [1, 1, 0]


def test_pixels_of_ten_by_twenty_metres_by_hand():
    """Two columns are 40 m, two rows are 20 m."""
    across = boundary_distances(halves(6), halves(8), 2, (10.0, 20.0))
    down = boundary_distances(halves(6).T, halves(8).T, 2, (10.0, 20.0))

    assert (across.sums / across.counts).tolist() == [40, 40]
    assert (down.sums / down.counts).tolist() == [20, 20]


@settings(deadline=None)
@given(truths, predictions, st.sampled_from([(1.0, 1.0), (10.0, 20.0), (3.0, 0.5)]))
def test_distances_agree_with_brute_force(truth, predicted, sides):
    """Exchanging truth and prediction does not change them."""
    masked = np.where(truth == IGNORE, IGNORE, predicted)
    found = boundary_distances(truth, predicted, 3, sides)
    back = boundary_distances(masked, np.where(truth == IGNORE, 0, truth), 3, sides)

    for index in range(3):
        ours, theirs = (np.argwhere(mask_boundary(label) & (label == index)) for label in (truth, masked))
        if len(ours) and len(theirs):
            apart = np.linalg.norm((ours[:, None] - theirs[None]) * sides, axis=2)
            assert found.sums[index] == pytest.approx(apart.min(axis=0).sum() + apart.min(axis=1).sum())
            assert found.counts[index] == len(ours) + len(theirs)
    if (truth != IGNORE).all():
        np.testing.assert_allclose(found.sums, back.sums)


def test_neither_the_edge_nor_ignored_pixels_are_boundaries():
    """The class on their other side is unknown."""
    label = np.array([[0, IGNORE, 1], [0, IGNORE, 1]], np.uint8)

    assert not mask_boundary(label).any()
    assert mask_near_boundary(label, 2).tolist() == [[True, False, True]] * 2
    assert not mask_near_boundary(np.zeros((4, 4), np.uint8), 3).any()


def test_errors_by_distance_by_hand():
    """Columns 5 and 6 are the boundary; columns 6 (on it) and 7 (one pixel away) are wrong."""
    counts = count_errors_by_distance(halves(6), halves(8))

    assert counts[:4].tolist() == [[12, 6], [12, 6], [12, 0], [24, 0]]
    assert counts.sum(axis=0).tolist() == [72, 12]


@given(truths, predictions)
def test_every_counted_pixel_is_in_one_distance_bin(truth, predicted):
    """Without a boundary, all pixels are in the last bin."""
    counts = count_errors_by_distance(truth, predicted)
    counted = truth != IGNORE

    assert counts[:, 0].sum() == counted.sum()
    assert counts[:, 1].sum() == (truth != predicted)[counted].sum()
    if not mask_boundary(truth).any():
        assert counts[: len(ERROR_BINS)].sum() == 0


def test_the_strip_is_two_percent_of_the_diagonal():
    """It is at least one pixel wide."""
    assert default_strip_width(512, 512) == 14
    assert default_strip_width(8, 8) == 1

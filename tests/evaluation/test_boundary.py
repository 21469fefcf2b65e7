"""Scores of boundaries, by hand, against the published definition and against brute force."""

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
    """Class 0 to the left of a column, class 1 from it on."""
    label = np.zeros((rows, columns), np.uint8)
    label[:, column:] = 1
    return label


def test_boundary_iou_by_hand():
    """A shoreline two pixels off, seen two pixels deep: neither class's strips meet but in what both call theirs.

    Truth: columns 4, 5 | 6, 7. Prediction: columns 6, 7 | 8, 9. Water has columns 4 to 7 in one of the two and none in
    both; so has land with columns 6 to 9.
    """
    matrix = boundary_matrix(halves(6), halves(8), 2, width=2)

    assert confusion.class_iou(matrix)[:2].tolist() == [0, 0]
    near = confusion.class_iou(boundary_matrix(halves(6), halves(7), 2, width=2))[:2]
    np.testing.assert_allclose(near, [1 / 3, 1 / 3])
    np.testing.assert_allclose(confusion.class_iou(boundary_matrix(halves(6), halves(6), 2, width=2))[:2], 1)


def test_the_interior_beside_255_classes_is_no_ignored_pixel():
    """It is one class more, 255, which in a label means ignored: as with two classes, and not one pixel fewer."""
    truth, predicted = halves(6), halves(8)
    few, many = (boundary_matrix(truth, predicted, classes, width=2) for classes in (2, 255))

    assert many.sum() == few.sum() == truth.size
    assert many[255, 255] == few[2, 2] > 0


def published_boundary_iou(truth, predicted, width):
    """Of one mask: intersection over union of what erosion takes away, for masks that do not reach the edge."""
    strips = [mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), width) for mask in (truth, predicted)]
    return (strips[0] & strips[1]).sum() / (strips[0] | strips[1]).sum()


@given(hnp.arrays(bool, (2, 8, 8)), st.integers(1, 3))
def test_it_is_the_published_score_where_masks_keep_from_the_edge(masks, width):
    """Of a class whose mask does not reach the edge of the image."""
    masks = np.pad(masks, ((0, 0), (4, 4), (4, 4)))
    if masks.any(axis=(1, 2)).all():
        matrix = boundary_matrix(*masks.astype(np.uint8), 2, width)
        assert confusion.class_iou(matrix)[1] == pytest.approx(published_boundary_iou(*masks, width))


@given(truths, st.integers(1, 3))
def test_near_is_within_so_many_pixels_of_another_class(label, width):
    """Brute force over every pair of pixels; an ignored one is no class."""
    expected = np.zeros(label.shape, bool)
    for place in np.ndindex(label.shape):
        area = tuple(slice(max(0, at - width), at + width + 1) for at in place)
        around = label[area][label[area] != IGNORE]
        expected[place] = label[place] != IGNORE and (around != label[place]).any()

    np.testing.assert_array_equal(mask_near_boundary(label, width), expected)


def test_distance_by_hand():
    """A shoreline two pixels off: from each of its pixels it is two to the other, for either class."""
    found = boundary_distances(halves(6), halves(8), 2)

    assert found.sums.tolist() == [24, 24]
    assert found.counts.tolist() == [12, 12]
    assert found.missed.tolist() == [0, 0]
    assert found.drawn.tolist() == [1, 1]


def test_a_boundary_that_only_one_has_is_missed():
    """It has no distance; where neither has one, nothing is missed."""
    found = boundary_distances(halves(6), np.zeros((6, 12), np.uint8), 3)

    assert found.sums.tolist() == [0, 0, 0]
    assert found.missed.tolist() == [1, 1, 0]
    assert found.drawn.tolist() == [1, 1, 0]


def test_pixels_of_ten_by_twenty_metres_by_hand():
    """Two columns off are 40 m, two rows 20 m."""
    across = boundary_distances(halves(6), halves(8), 2, (10.0, 20.0))
    down = boundary_distances(halves(6).T, halves(8).T, 2, (10.0, 20.0))

    assert (across.sums / across.counts).tolist() == [40, 40]
    assert (down.sums / down.counts).tolist() == [20, 20]


@settings(deadline=None)
@given(truths, predictions, st.sampled_from([(1.0, 1.0), (10.0, 20.0), (3.0, 0.5)]))
def test_distances_are_those_of_every_pair_of_pixels(truth, predicted, sides):
    """Brute force, and the same the other way round."""
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
    """What lies behind them is not known."""
    label = np.array([[0, IGNORE, 1], [0, IGNORE, 1]], np.uint8)

    assert not mask_boundary(label).any()
    assert mask_near_boundary(label, 2).tolist() == [[True, False, True]] * 2
    assert not mask_near_boundary(np.zeros((4, 4), np.uint8), 3).any()


def test_errors_by_distance_by_hand():
    """Columns 5 and 6 are the boundary; column 6, on it, and columns 7, one away, are wrong."""
    counts = count_errors_by_distance(halves(6), halves(8))

    assert counts[:4].tolist() == [[12, 6], [12, 6], [12, 0], [24, 0]]
    assert counts.sum(axis=0).tolist() == [72, 12]


@given(truths, predictions)
def test_every_counted_pixel_has_a_distance(truth, predicted):
    """Each once; an image without a boundary has all of them furthest."""
    counts = count_errors_by_distance(truth, predicted)
    counted = truth != IGNORE

    assert counts[:, 0].sum() == counted.sum()
    assert counts[:, 1].sum() == (truth != predicted)[counted].sum()
    if not mask_boundary(truth).any():
        assert counts[: len(ERROR_BINS)].sum() == 0


def test_the_strip_is_two_percent_of_the_diagonal():
    """And never nothing."""
    assert default_strip_width(512, 512) == 14
    assert default_strip_width(8, 8) == 1

"""Labels stand where there is room: off lines, points and one another, and within the panel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.reporting.figure4 import box_around, overlap, place_labels, walk

ROOM = (200.0, 100.0)
SIZE = np.array([8.0, 6.0])


def placed(points, lines=(), room=ROOM):
    """The boxes of labels of one size."""
    points = np.array(points, float)
    offsets = place_labels(points, np.tile(SIZE, (len(points), 1)), [np.array(line, float) for line in lines], room)
    return [box_around(point + offset, SIZE) for point, offset in zip(points, offsets, strict=True)]


def test_overlaps_by_hand():
    """Boxes of 4 by 2 whose centres are 3 apart share 1 by 2; those that only touch share nothing."""
    one, touching = box_around(np.zeros(2), np.array([4, 2])), box_around(np.array([4, 0]), np.array([4, 2]))

    assert overlap(one, box_around(np.array([3, 0]), np.array([4, 2]))) == 2
    assert overlap(one, touching) == 0
    np.testing.assert_array_equal(one, [[-2, -1], [2, 1]])


def test_a_line_is_walked_to_its_end():
    """A step a point, and corners are met."""
    steps = walk(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 8.0]]))

    assert [0, 0] in steps.tolist()
    assert [3, 4] in steps.tolist()
    assert [3, 8] in steps.tolist()
    assert np.hypot(*np.diff(steps, axis=0).T).max() <= 2
    assert walk(np.empty((0, 2))).shape == (0, 2)


def test_a_label_stands_above_its_point_where_nothing_is():
    """In its middle, three points away."""
    (box,) = placed([[100, 50]])

    np.testing.assert_allclose(box, [[96, 53], [104, 59]])


@pytest.mark.parametrize(("point", "line"), [((50, 50), [[50, 50], [50, 99]]), ((100, 97), [[90, 97], [110, 97]])])
def test_a_label_leaves_a_line_and_the_edge_alone(point, line):
    """Where a line goes up from the point, or the panel ends above it."""
    (box,) = placed([point], [line])

    assert not ((walk(np.array(line, float)) > box[0]) & (walk(np.array(line, float)) < box[1])).all(axis=1).any()
    assert (box >= 0).all()
    assert (box <= ROOM).all()


@given(st.lists(st.tuples(st.integers(2, 18), st.integers(2, 8)), min_size=1, max_size=8, unique=True))
def test_labels_of_points_that_are_apart_never_overlap(corners):
    """Each other or a point: there is always a place among sixteen where points are a label and a marker apart."""
    points = [(10.0 * x, 10.0 * y) for x, y in corners]
    boxes = placed(points)

    for index, box in enumerate(boxes):
        assert all(overlap(box, other) == 0 for other in boxes[:index])


def test_nothing_to_place_is_nothing():
    """A panel without points."""
    assert place_labels(np.empty((0, 2)), np.empty((0, 2)), [], ROOM).shape == (0, 2)

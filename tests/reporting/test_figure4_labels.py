"""Labels of Figure 4 are placed off lines, points and each other, and within the panel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.reporting.figure4 import make_box, place_labels, sample_line, shared_area

ROOM = (200.0, 100.0)
SIZE = np.array([8.0, 6.0])


def placed(points, lines=(), room=ROOM):
    """The boxes of labels of equal size."""
    points = np.array(points, float)
    offsets = place_labels(points, np.tile(SIZE, (len(points), 1)), [np.array(line, float) for line in lines], room)
    return [make_box(point + offset, SIZE) for point, offset in zip(points, offsets, strict=True)]


def test_a_shared_area_worked_out_by_hand():
    """Boxes of 4 by 2 with centres 3 apart share 1 by 2; boxes that only touch share nothing."""
    one, touching = make_box(np.zeros(2), np.array([4, 2])), make_box(np.array([4, 0]), np.array([4, 2]))

    assert shared_area(one, make_box(np.array([3, 0]), np.array([4, 2]))) == 2
    assert shared_area(one, touching) == 0
    np.testing.assert_array_equal(one, [[-2, -1], [2, 1]])


def test_a_line_is_sampled_to_its_end():
    """Samples are about one point apart and include all vertices."""
    samples = sample_line(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 8.0]]))

    assert [0, 0] in samples.tolist()
    assert [3, 4] in samples.tolist()
    assert [3, 8] in samples.tolist()
    assert np.hypot(*np.diff(samples, axis=0).T).max() <= 2
    assert sample_line(np.empty((0, 2))).shape == (0, 2)


def test_a_label_without_neighbours_is_above_its_point():
    """It is centred and three points away."""
    (box,) = placed([[100, 50]])

    np.testing.assert_allclose(box, [[96, 53], [104, 59]])


@pytest.mark.parametrize(("point", "line"), [((50, 50), [[50, 50], [50, 99]]), ((100, 97), [[90, 97], [110, 97]])])
def test_a_label_avoids_lines_and_the_edge(point, line):
    """A line goes up from the point, or the panel ends above it."""
    (box,) = placed([point], [line])

    assert (
        not ((sample_line(np.array(line, float)) > box[0]) & (sample_line(np.array(line, float)) < box[1]))
        .all(axis=1)
        .any()
    )
    assert (box >= 0).all()
    assert (box <= ROOM).all()


@given(st.lists(st.tuples(st.integers(2, 18), st.integers(2, 8)), min_size=1, max_size=8, unique=True))
def test_labels_of_distant_points_never_overlap(corners):
    """If points are a label and a marker apart, one of the sixteen places is always free."""
    points = [(10.0 * x, 10.0 * y) for x, y in corners]
    boxes = placed(points)

    for index, box in enumerate(boxes):
        assert all(shared_area(box, other) == 0 for other in boxes[:index])


def test_a_panel_without_points_has_no_labels():
    """The offsets are empty."""
    assert place_labels(np.empty((0, 2)), np.empty((0, 2)), [], ROOM).shape == (0, 2)

"""Where labels stand beside their points: off the lines, the points and one another, as far as there is room.

Lengths are points, 1/72 inch; ``x`` to the right and ``y`` upward.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

# Above and below leave a line alone that comes from the left and goes to the right.
_DIRECTIONS = ((0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0))
_GAPS = (3.0, 6.5)
_MARKER = 4.5  # side of the square that a point takes
_COSTS = {"label": 8.0, "marker": 6.0, "line": 1.0, "outside": 100.0, "far": 0.5}


def place_labels(
    points: np.ndarray, sizes: np.ndarray, lines: Sequence[np.ndarray], room: tuple[float, float]
) -> np.ndarray:
    """Choose for each label, one after the other, the place that is the least in the way.

    Args:
        points: What the labels belong to, ``(labels, 2)``; their markers are kept free too.
        sizes: Width and height of each label, ``(labels, 2)``.
        lines: What is better not crossed: corners of each line, ``(corners, 2)``.
        room: Width and height of the panel, whose lower left corner is 0, 0.

    Returns:
        From each point to the centre of its label, ``(labels, 2)``.
    """
    crossed = np.concatenate([np.empty((0, 2)), *(walk(line) for line in lines)])
    offsets = np.zeros((len(points), 2))
    boxes: list[np.ndarray] = []
    for index, (point, size) in enumerate(zip(points, sizes, strict=True)):
        candidates = [
            np.array(direction) * (size / 2 + gap / np.hypot(*direction)) for gap in _GAPS for direction in _DIRECTIONS
        ]
        costs = [
            cost_of(box_around(point + offset, size), boxes, points, crossed, room) for offset in candidates
        ] + np.linspace(0, _COSTS["far"], len(candidates))
        offsets[index] = candidates[int(np.argmin(costs))]
        boxes.append(box_around(point + offsets[index], size))
    return offsets


def cost_of(
    box: np.ndarray, boxes: Sequence[np.ndarray], points: np.ndarray, crossed: np.ndarray, room: tuple[float, float]
) -> float:
    """How much a label in a box is in the way."""
    markers = sum(overlap(box, box_around(point, np.array([_MARKER, _MARKER]))) for point in points)
    inside = ((crossed >= box[0]) & (crossed <= box[1])).all(axis=1).sum()
    outside = np.maximum(0, [-box[0], box[1] - np.array(room)]).sum()
    return float(
        _COSTS["label"] * sum(overlap(box, other) for other in boxes)
        + _COSTS["marker"] * markers
        + _COSTS["line"] * inside
        + _COSTS["outside"] * outside
    )


def box_around(centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Lower left and upper right corner of a box, ``(2, 2)``."""
    return np.array([centre - size / 2, centre + size / 2])


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """The area that two boxes share."""
    sides = np.minimum(one[1], other[1]) - np.maximum(one[0], other[0])
    return float(np.prod(np.maximum(sides, 0)))


def walk(line: np.ndarray) -> np.ndarray:
    """Points along a line, about one apart, ``(steps, 2)``."""
    parts = [np.linspace(start, end, max(2, int(np.hypot(*(end - start))))) for start, end in pairwise(line)]
    return np.concatenate([np.empty((0, 2)), *parts])

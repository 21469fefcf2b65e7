"""How well the lines between classes are found, such as shorelines: boundary IoU, and distances between boundaries.

A boundary lies between two classes. Where the image ends, or labels are ignored, nobody knows what is on the other
side: there is none.

Source: boundary IoU: Cheng et al. 2021, doi:10.1109/CVPR46437.2021.01508, which counts the image's edge as a boundary
too, on which every prediction agrees; average symmetric distance: Heimann et al. 2009, doi:10.1109/TMI.2009.2013851.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from gym.data.labels import IGNORE
from gym.evaluation.confusion import count_cells

SHARE_OF_DIAGONAL = 0.02
ERROR_BINS = (1, 2, 3, 5, 9, 17, 33)  # pixels from the boundary: where each class of distance but the first begins


class BoundaryDistances(NamedTuple):
    """Distances from the boundary of each class to its counterpart, both ways.

    Attributes:
        sums: In the unit of the pixels' sides, ``(classes,)`` float64; 0 where either has no such boundary.
        counts: How many boundary pixels were measured from, ``(classes,)`` int64; likewise.
        drawn: 1 where truth or prediction has such a boundary, ``(classes,)`` int64.
        missed: 1 where only one of them has, ``(classes,)`` int64.
    """

    sums: np.ndarray
    counts: np.ndarray
    drawn: np.ndarray
    missed: np.ndarray


def default_strip_width(rows: int, columns: int) -> int:
    """Width of the strip that boundary IoU looks at: 2 % of the image's diagonal, at least 1 pixel."""
    return max(1, round(SHARE_OF_DIAGONAL * float(np.hypot(rows, columns))))


def mask_near_boundary(label: np.ndarray, width: int) -> np.ndarray:
    """Whether a pixel of another class lies within ``width`` pixels, along rows, columns and diagonals.

    Args:
        label: Class indices ``(rows, columns)`` uint8; `IGNORE` belongs to no class.
        width: 1 or more.

    Returns:
        ``(rows, columns)`` bool; False where ignored.
    """
    ignored, size = label == IGNORE, 2 * width + 1
    highest = ndimage.maximum_filter(np.where(ignored, 0, label), size, mode="nearest")
    lowest = ndimage.minimum_filter(label, size, mode="nearest")
    return ((highest != label) | (lowest != label)) & ~ignored


def boundary_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int, width: int) -> np.ndarray:
    """Count the pixels near boundaries; `gym.evaluation.confusion.class_iou` of the sum over images is boundary IoU.

    What lies far from the boundaries of truth, or of the prediction, counts there as one further class, the interior,
    whose own IoU means nothing.

    Args:
        truth: Class indices ``(rows, columns)`` uint8; `IGNORE` counts nowhere.
        predicted: The same shape, each in ``[0, classes)``.
        classes: Number of classes.
        width: As of `mask_near_boundary`.

    Returns:
        ``(classes + 1, classes + 1)`` int64, the interior last.
    """
    counted = truth != IGNORE
    labels = truth, np.where(counted, predicted, IGNORE).astype(np.uint8)
    # Beside 255 classes the interior has the number of what is ignored, so that is left out before.
    strips = [np.where(mask_near_boundary(label, width), label, classes)[counted] for label in labels]
    return count_cells(strips[0], strips[1], classes + 1)


def boundary_distances(
    truth: np.ndarray, predicted: np.ndarray, classes: int, sides: tuple[float, float] = (1.0, 1.0)
) -> BoundaryDistances:
    """Measure how far the boundary of each class lies from where it should.

    The boundary of a class are its pixels beside another class. From each of them the distance is taken to the nearest
    of the other label's. Over classes it is to be averaged: a line without its classes would be met by a prediction
    that exchanges them.

    Args:
        truth: As of `boundary_matrix`.
        predicted: Likewise.
        classes: Number of classes.
        sides: Height and width of a pixel, in the unit of the distances.
    """
    predicted = np.where(truth == IGNORE, IGNORE, predicted).astype(np.uint8)
    on_lines = [mask_boundary(label) for label in (truth, predicted)]
    found = []
    for index in range(classes):
        ours, theirs = (line & (label == index) for line, label in zip(on_lines, (truth, predicted), strict=True))
        found.append(_between(ours, theirs, sides))
    return BoundaryDistances._make(np.array(parts) for parts in zip(*found, strict=True))


def mask_boundary(label: np.ndarray) -> np.ndarray:
    """Whether a pixel next to it, not across corners, is of another class, ``(rows, columns)`` bool."""
    line, counted = np.zeros(label.shape, bool), label != IGNORE
    for ahead, behind in (np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]):
        differs = (label[ahead] != label[behind]) & counted[ahead] & counted[behind]
        line[ahead] |= differs
        line[behind] |= differs
    return line


def _between(first: np.ndarray, second: np.ndarray, sides: tuple[float, float]) -> tuple[float, int, int, int]:
    if not first.any() or not second.any():
        is_drawn = int(first.any() or second.any())
        return 0.0, 0, is_drawn, is_drawn
    points = [np.argwhere(line) * sides for line in (first, second)]  # few beside the pixels a transform would go over
    trees = [KDTree(line, compact_nodes=False, balanced_tree=False) for line in points]
    distances = np.concatenate([tree.query(line)[0] for tree, line in zip(trees[::-1], points, strict=True)])
    return float(distances.sum()), distances.size, 1, 0


def count_errors_by_distance(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Count pixels and errors by how far the nearest boundary of the truth is; arguments as of `boundary_matrix`.

    Returns:
        ``(len(ERROR_BINS) + 1, 2)`` int64: counted pixels and wrong ones, by distance class. An image of one class,
        which has no boundary, counts in the last.
    """
    counted, line = truth != IGNORE, mask_boundary(truth)
    away = ndimage.distance_transform_edt(~line) if line.any() else np.full(truth.shape, np.inf)
    places = np.searchsorted(ERROR_BINS, away[counted], side="right")
    wrong = (truth != predicted)[counted]
    bins = len(ERROR_BINS) + 1
    return np.stack([np.bincount(places, minlength=bins), np.bincount(places[wrong], minlength=bins)], axis=1)

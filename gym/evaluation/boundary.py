"""Boundary IoU and boundary distances: how accurately the lines between classes, such as shorelines, are found.

A boundary separates two classes. The edge of the image and the edge of ignored pixels are no boundaries, because the
class on their other side is unknown.

Sources: boundary IoU, Cheng et al. 2021, doi:10.1109/CVPR46437.2021.01508, which also counts the image's edge, where
every prediction agrees; average symmetric distance, Heimann et al. 2009, doi:10.1109/TMI.2009.2013851.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from gym.data.labels import IGNORE
from gym.evaluation.confusion import class_iou, count_cells

SHARE_OF_DIAGONAL = 0.02
ERROR_BINS = (1, 2, 3, 5, 9, 17, 33)  # pixels from the boundary: lower bounds of all distance bins but the first


class BoundaryDistances(NamedTuple):
    """Distances between the true and the predicted boundary of each class, measured in both directions.

    Attributes:
        sums: Summed distances in the unit of the pixel size, ``(classes,)`` float64; 0 unless both boundaries exist.
        counts: Number of summed distances, ``(classes,)`` int64.
        drawn: 1 if truth or prediction has a boundary of the class, ``(classes,)`` int64.
        missed: 1 if only one of them has, ``(classes,)`` int64.
    """

    sums: np.ndarray
    counts: np.ndarray
    drawn: np.ndarray
    missed: np.ndarray


def default_strip_width(rows: int, columns: int) -> int:
    """Width in pixels of the strip that boundary IoU examines: 2 % of the image diagonal, at least 1."""
    return max(1, round(SHARE_OF_DIAGONAL * float(np.hypot(rows, columns))))


def mask_near_boundary(label: np.ndarray, width: int) -> np.ndarray:
    """Mark the pixels that have another class within ``width`` pixels along rows, columns or diagonals.

    Args:
        label: Class indices ``(rows, columns)`` uint8; `IGNORE` is not a class.
        width: At least 1.

    Returns:
        ``(rows, columns)`` bool; False for ignored pixels.
    """
    ignored, size = label == IGNORE, 2 * width + 1
    highest = ndimage.maximum_filter(np.where(ignored, 0, label), size, mode="nearest")
    lowest = ndimage.minimum_filter(label, size, mode="nearest")
    return ((highest != label) | (lowest != label)) & ~ignored


def boundary_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int, width: int) -> np.ndarray:
    """Compute the confusion matrix of the strips along boundaries.

    Boundary IoU is `gym.evaluation.confusion.class_iou` of this matrix, summed over images. Pixels outside the strips
    of the truth or of the prediction count there as an additional class, the interior, whose own IoU is meaningless.

    Args:
        truth: Class indices ``(rows, columns)`` uint8; pixels labelled `IGNORE` are not counted.
        predicted: Class indices of the same shape, each in ``[0, classes)``.
        classes: Number of classes.
        width: Width of the strips, in pixels.

    Returns:
        ``(classes + 1, classes + 1)`` int64, the interior last.
    """
    counted = truth != IGNORE
    labels = truth, np.where(counted, predicted, IGNORE).astype(np.uint8)
    # With 255 classes the interior has the same number as IGNORE, so ignored pixels are removed first.
    strips = [np.where(mask_near_boundary(label, width), label, classes)[counted] for label in labels]
    return count_cells(strips[0], strips[1], classes + 1)


def class_boundary_iou(matrix: np.ndarray) -> np.ndarray:
    """Boundary IoU of each class ``(..., classes)``, from the sum of `boundary_matrix` over images."""
    return class_iou(matrix)[..., :-1]


def boundary_distances(
    truth: np.ndarray, predicted: np.ndarray, classes: int, pixel_size: tuple[float, float] = (1.0, 1.0)
) -> BoundaryDistances:
    """Measure the distances between the true and the predicted boundary of each class.

    The boundary of a class consists of its pixels next to another class. From each of them the distance to the nearest
    boundary pixel of the same class in the other label map is measured. Boundaries are compared class by class, because
    a prediction that swaps two classes draws the same line.

    Args:
        truth: As for `boundary_matrix`.
        predicted: As for `boundary_matrix`.
        classes: Number of classes.
        pixel_size: Height and width of a pixel, in the unit of the distances.
    """
    predicted = np.where(truth == IGNORE, IGNORE, predicted).astype(np.uint8)
    on_lines = [mask_boundary(label) for label in (truth, predicted)]
    found = []
    for index in range(classes):
        ours, theirs = (line & (label == index) for line, label in zip(on_lines, (truth, predicted), strict=True))
        found.append(_between(ours, theirs, pixel_size))
    return BoundaryDistances._make(np.array(parts) for parts in zip(*found, strict=True))


def mask_boundary(label: np.ndarray) -> np.ndarray:
    """Mark the pixels with a direct neighbour, not across a corner, of another class; ``(rows, columns)`` bool."""
    line, counted = np.zeros(label.shape, bool), label != IGNORE
    for ahead, behind in (np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]):
        differs = (label[ahead] != label[behind]) & counted[ahead] & counted[behind]
        line[ahead] |= differs
        line[behind] |= differs
    return line


def _between(first: np.ndarray, second: np.ndarray, pixel_size: tuple[float, float]) -> tuple[float, int, int, int]:
    if not first.any() or not second.any():
        is_drawn = int(first.any() or second.any())
        return 0.0, 0, is_drawn, is_drawn
    # Boundary pixels are few, so that trees are faster than distance transforms of the whole image.
    points = [np.argwhere(line) * pixel_size for line in (first, second)]
    trees = [KDTree(line, compact_nodes=False, balanced_tree=False) for line in points]
    distances = np.concatenate([tree.query(line)[0] for tree, line in zip(trees[::-1], points, strict=True)])
    return float(distances.sum()), distances.size, 1, 0


def count_errors_by_distance(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Count pixels and errors by distance from the nearest true boundary; arguments as for `boundary_matrix`.

    Returns:
        ``(len(ERROR_BINS) + 1, 2)`` int64: counted pixels and misclassified pixels in each distance bin. An image of a
        single class has no boundary and counts in the last bin.
    """
    counted, line = truth != IGNORE, mask_boundary(truth)
    distances = ndimage.distance_transform_edt(~line) if line.any() else np.full(truth.shape, np.inf)
    bins = np.searchsorted(ERROR_BINS, distances[counted], side="right")
    wrong = (truth != predicted)[counted]
    number = len(ERROR_BINS) + 1
    return np.stack([np.bincount(bins, minlength=number), np.bincount(bins[wrong], minlength=number)], axis=1)

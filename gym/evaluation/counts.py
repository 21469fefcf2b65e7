"""Counts of single images; every score is computed from their sums over images.

Measures that are too expensive for every pixel use a regular lattice of pixels.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gym.data.ground import PixelSize
from gym.data.labels import IGNORE
from gym.evaluation.bootstrap import sum_by_unit
from gym.evaluation.boundary import BoundaryDistances, boundary_distances, boundary_matrix, count_errors_by_distance
from gym.evaluation.calibration import apply_temperature, count_reliability

LATTICE_SIDE = 128  # maximum number of rows and of columns


class Counts(NamedTuple):
    """Counts of one image; an additional first axis holds several images.

    With C classes and B distance bins:

    Attributes:
        matrix: Confusion matrix, ``(C, C)``, true by predicted class.
        kld_sum: Kullback-Leibler divergence summed over counted pixels, in nats, ``()``.
        probability_sums: Probabilities summed over counted pixels, ``(C,)``.
        strip_matrix: Confusion matrix near boundaries, ``(C + 1, C + 1)``, from
            `gym.evaluation.boundary.boundary_matrix`.
        distance_sums: Summed boundary distances of each class, in pixels, ``(C,)``.
        distance_counts: Number of these distances, ``(C,)``.
        metre_sums: The same distances in metres, 0 unless the image is georeferenced, ``(C,)``.
        metre_counts: Number of distances in metres, ``(C,)``.
        drawn: 1 if truth or prediction has a boundary of the class, ``(C,)``.
        missed: 1 if only one of them has, ``(C,)``.
        errors: Counted and misclassified pixels by distance from the boundary, ``(B, 2)``.
        reliability: Lattice pixels by confidence, from `gym.evaluation.calibration.count_reliability`.
        reliability_with_temperature: The same after temperature scaling.
    """

    matrix: np.ndarray
    kld_sum: np.ndarray
    probability_sums: np.ndarray
    strip_matrix: np.ndarray
    distance_sums: np.ndarray
    distance_counts: np.ndarray
    metre_sums: np.ndarray
    metre_counts: np.ndarray
    drawn: np.ndarray
    missed: np.ndarray
    errors: np.ndarray
    reliability: np.ndarray
    reliability_with_temperature: np.ndarray


def count_image(
    truth: np.ndarray,
    probabilities: np.ndarray,
    matrix: np.ndarray,
    kld_sum: float,
    width: int,
    temperature: float,
    pixel_size: PixelSize,
) -> Counts:
    """Compute the counts of an image.

    Args:
        truth: Class indices ``(rows, columns)`` uint8; pixels labelled `IGNORE` are not counted.
        probabilities: ``(rows, columns, classes)``, summing to one.
        matrix: Its confusion matrix, from `gym.evaluation.run_model.evaluate_model`.
        kld_sum: Its summed Kullback-Leibler divergence, from the same function.
        width: Width of the strip along boundaries, in pixels.
        temperature: Divisor of the logits for ``reliability_with_temperature``; NaN if none could be fitted.
        pixel_size: Height and width of a pixel in metres; NaN if unknown.
    """
    classes = probabilities.shape[-1]
    predicted = probabilities.argmax(axis=-1).astype(np.uint8)
    distances = boundary_distances(truth, predicted, classes)
    metres = _convert_to_metres(distances, truth, predicted, pixel_size)
    lattice = pixel_lattice(*truth.shape)
    labels, sampled = truth[lattice], probabilities[lattice]
    tempered_labels = labels if not np.isnan(temperature) else np.full_like(labels, IGNORE)
    return Counts(
        matrix=matrix,
        kld_sum=np.array(kld_sum),
        probability_sums=probabilities[truth != IGNORE].sum(axis=0, dtype=np.float64),
        strip_matrix=boundary_matrix(truth, predicted, classes, width),
        distance_sums=distances.sums,
        distance_counts=distances.counts,
        metre_sums=metres.sums,
        metre_counts=metres.counts,
        drawn=distances.drawn,
        missed=distances.missed,
        errors=count_errors_by_distance(truth, predicted),
        reliability=count_reliability(labels, sampled),
        reliability_with_temperature=count_reliability(tempered_labels, apply_temperature(sampled, temperature)),
    )


def _convert_to_metres(
    distances: BoundaryDistances, truth: np.ndarray, predicted: np.ndarray, pixel_size: PixelSize
) -> BoundaryDistances:
    if np.isnan(pixel_size).any():
        return distances._replace(sums=np.zeros_like(distances.sums), counts=np.zeros_like(distances.counts))
    if np.isclose(*pixel_size, rtol=1e-6):
        return distances._replace(sums=distances.sums * pixel_size[0])
    # On pixels that are not square, another boundary pixel may be the nearest.
    return boundary_distances(truth, predicted, len(distances.sums), pixel_size)


def pixel_lattice(rows: int, columns: int) -> tuple[slice, slice]:
    """Select every n-th row and column of an image; n is the smallest step that keeps at most `LATTICE_SIDE` of each.

    Small images are kept whole. The lattice is even, so that shares measured on it hold for the image.
    """
    step = -(-max(rows, columns) // LATTICE_SIDE)
    return _every(step, rows), _every(step, columns)


def _every(step: int, side: int) -> slice:
    return slice(min(step // 2, side - 1), None, step)


def stack_counts(images: Sequence[Counts]) -> Counts:
    """Stack the counts of single images, ``(images, ...)``."""
    return Counts._make(np.stack(parts) for parts in zip(*images, strict=True))


def map_counts(function: Callable[[np.ndarray], np.ndarray], counts: Counts) -> Counts:
    """Apply a function to every array."""
    return Counts._make(map(function, counts))


def select_images(counts: Counts, positions: Sequence[int]) -> Counts:
    """Select the counts of the images at the given positions."""
    return map_counts(lambda part: part[list(positions)], counts)


def sum_counts_by_unit(units: Sequence[str], counts: Counts) -> Counts:
    """Add up the images of each unit, ``(units, ...)``, sorted by the name of the unit."""
    return map_counts(lambda part: sum_by_unit(units, part)[1], counts)

"""Everything that is counted on an image, before any ratio is taken: added up over images it gives every score.

A regular sample of an image's pixels, for what every pixel would cost too much.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gym.data.ground import PixelSize
from gym.data.labels import IGNORE
from gym.evaluation.bootstrap import sum_by_scene
from gym.evaluation.boundary import BoundaryDistances, boundary_distances, boundary_matrix, count_errors_by_distance
from gym.evaluation.calibration import apply_temperature, count_reliability

LATTICE_SIDE = 128  # most rows and columns


def pixel_lattice(rows: int, columns: int) -> tuple[slice, slice]:
    """Every n-th row and column of an image, n as small as leaves at most `LATTICE_SIDE` of each.

    Of a small image that is every pixel. Lattice points lie evenly, so that a share counted on them is that of the
    image, but for its finest detail.
    """
    step = -(-max(rows, columns) // LATTICE_SIDE)
    return _every(step, rows), _every(step, columns)


def _every(step: int, side: int) -> slice:
    return slice(min(step // 2, side - 1), None, step)


class Counts(NamedTuple):
    """What was counted on one image, or in arrays with one more axis in front on each of several.

    With C classes and B distance classes:

    Attributes:
        matrix: The confusion matrix, ``(C, C)``, truth by prediction.
        kld_sum: Kullback-Leibler divergence, nats summed over counted pixels, ``()``.
        probability_sums: Scores summed over counted pixels, ``(C,)``.
        strip_matrix: The confusion matrix near boundaries, ``(C + 1, C + 1)``,
            from `gym.evaluation.boundary.boundary_matrix`.
        distance_sums: Distances between boundaries, pixels, of each class, ``(C,)``.
        distance_counts: How many, ``(C,)``.
        metre_sums: The same distances in metres, where the image is georeferenced, ``(C,)``.
        metre_counts: How many, ``(C,)``.
        drawn: Whether truth or prediction has a boundary, ``(C,)``.
        missed: Whether only one of them has, ``(C,)``.
        errors: Counted pixels and wrong ones by distance from the boundary, ``(B, 2)``.
        reliability: Pixels by confidence, as `gym.evaluation.calibration.count_reliability`, of a lattice of pixels.
        reliability_with_temperature: The same with the fitted temperature.
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
    scores: np.ndarray,
    matrix: np.ndarray,
    kld_sum: float,
    width: int,
    temperature: float,
    sides: PixelSize,
) -> Counts:
    """Count one image.

    Args:
        truth: Class indices ``(rows, columns)`` uint8; `IGNORE` counts nowhere.
        scores: ``(rows, columns, classes)``, summing to one.
        matrix: Its confusion matrix, which `gym.evaluation.run_model.evaluate_model` has counted.
        kld_sum: Its Kullback-Leibler divergence, likewise.
        width: Of the strip along boundaries, in pixels.
        temperature: Divisor of the logits for ``reliability_with_temperature``; NaN if none could be fitted.
        sides: Height and width of a pixel in metres; NaN where they are not known.
    """
    classes = scores.shape[-1]
    predicted = scores.argmax(axis=-1).astype(np.uint8)
    distances = boundary_distances(truth, predicted, classes)
    metres = in_metres(distances, truth, predicted, sides)
    places = pixel_lattice(*truth.shape)
    sample, sample_scores = truth[places], scores[places]
    counted = sample if not np.isnan(temperature) else np.full_like(sample, IGNORE)
    return Counts(
        matrix=matrix,
        kld_sum=np.array(kld_sum),
        probability_sums=scores[truth != IGNORE].sum(axis=0, dtype=np.float64),
        strip_matrix=boundary_matrix(truth, predicted, classes, width),
        distance_sums=distances.sums,
        distance_counts=distances.counts,
        metre_sums=metres.sums,
        metre_counts=metres.counts,
        drawn=distances.drawn,
        missed=distances.missed,
        errors=count_errors_by_distance(truth, predicted),
        reliability=count_reliability(sample, sample_scores),
        reliability_with_temperature=count_reliability(counted, apply_temperature(sample_scores, temperature)),
    )


def in_metres(
    distances: BoundaryDistances, truth: np.ndarray, predicted: np.ndarray, sides: PixelSize
) -> BoundaryDistances:
    """Distances that were measured in pixels; none where the sides of a pixel are not known.

    Measured again where a pixel is no square, since another boundary pixel may then be the nearest.
    """
    if np.isnan(sides).any():
        return distances._replace(sums=np.zeros_like(distances.sums), counts=np.zeros_like(distances.counts))
    if np.isclose(*sides, rtol=1e-6):
        return distances._replace(sums=distances.sums * sides[0])
    return boundary_distances(truth, predicted, len(distances.sums), sides)


def stack_counts(images: Sequence[Counts]) -> Counts:
    """Put the counts of images behind one another, ``(images, ...)``."""
    return Counts._make(np.stack(parts) for parts in zip(*images, strict=True))


def map_counts(change: Callable[[np.ndarray], np.ndarray], counts: Counts) -> Counts:
    """Do the same to every array."""
    return Counts._make(map(change, counts))


def select_images(counts: Counts, places: Sequence[int]) -> Counts:
    """The counts of some of the images."""
    return Counts._make(part[list(places)] for part in counts)


def sum_counts_by_scene(scenes: Sequence[str], counts: Counts) -> Counts:
    """Add up the images of each scene, ``(scenes, ...)``, sorted by the names of the scenes."""
    return map_counts(lambda part: sum_by_scene(scenes, part)[1], counts)

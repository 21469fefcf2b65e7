"""Every score of an evaluation, from the counts alone, with its 95 % interval over scenes.

``iou`` and the others of `OVERALL` are of all pixels together (micro); under ``image/`` stands the mean over images of
the same score of each (macro), which weighs a small image like a large one. Each is defined in
`gym.evaluation.confusion`, `gym.evaluation.boundary` or `gym.evaluation.calibration`; what is 0/0 is NaN and
left out of means.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gym.evaluation import confusion
from gym.evaluation.bootstrap import Interval, draw_scenes, percentile_interval, resample, sum_by_scene
from gym.evaluation.calibration import expected_calibration_error
from gym.evaluation.counts import Counts, map_counts, select_images, sum_counts_by_scene

Score = Callable[[Counts], Any]  # of counts of shape (..., and their own) it makes (...), or (..., classes)


def share_kld(counts: Counts) -> Any:
    """How far the predicted shares of the classes are from the true ones, in nats: the KLD of class proportions.

    The predicted share of a class is the mean of its scores.
    """
    pixels = counts.matrix.sum(axis=(-2, -1))[..., None]
    truth = confusion.ratio(counts.matrix.sum(axis=-1), np.broadcast_to(pixels, counts.probability_sums.shape))
    given = confusion.ratio(counts.probability_sums, np.broadcast_to(pixels, counts.probability_sums.shape))
    apart = np.log(np.maximum(truth, confusion.MIN_PROBABILITY)) - np.log(np.maximum(given, confusion.MIN_PROBABILITY))
    return (truth * apart).sum(axis=-1)


OVERALL: dict[str, Score] = {
    "iou": lambda counts: confusion.mean_iou(counts.matrix),
    "dice": lambda counts: confusion.mean_dice(counts.matrix),
    "precision": lambda counts: confusion.nan_mean(confusion.class_precision(counts.matrix)),
    "recall": lambda counts: confusion.nan_mean(confusion.class_recall(counts.matrix)),
    "overall_accuracy": lambda counts: confusion.overall_accuracy(counts.matrix),
    "frequency_weighted_iou": lambda counts: confusion.frequency_weighted_iou(counts.matrix),
    "matthews_correlation": lambda counts: confusion.matthews_correlation(counts.matrix),
    "kld": lambda counts: confusion.ratio(counts.kld_sum, counts.matrix.sum(axis=(-2, -1)))[()],
    "share_kld": share_kld,
    "boundary_iou": lambda counts: confusion.nan_mean(CLASSES["boundary_iou"](counts)),
    "boundary_distance": lambda counts: confusion.nan_mean(CLASSES["boundary_distance"](counts)),
    "boundary_distance_metres": lambda counts: confusion.nan_mean(CLASSES["boundary_distance_metres"](counts)),
    "boundary_missed": lambda counts: confusion.nan_mean(CLASSES["boundary_missed"](counts)),
    "calibration_error": lambda counts: expected_calibration_error(counts.reliability)[()],
    "calibration_error_with_temperature": lambda counts: expected_calibration_error(
        counts.reliability_with_temperature
    )[()],
}
CLASSES: dict[str, Score] = {
    "iou": lambda counts: confusion.class_iou(counts.matrix),
    "dice": lambda counts: confusion.class_dice(counts.matrix),
    "precision": lambda counts: confusion.class_precision(counts.matrix),
    "recall": lambda counts: confusion.class_recall(counts.matrix),
    "boundary_iou": lambda counts: confusion.class_iou(counts.strip_matrix)[..., :-1],
    "boundary_distance": lambda counts: confusion.ratio(counts.distance_sums, counts.distance_counts),
    "boundary_distance_metres": lambda counts: confusion.ratio(counts.metre_sums, counts.metre_counts),
    "boundary_missed": lambda counts: confusion.ratio(counts.missed, counts.drawn),
}
_BOUNDARY = ("boundary_iou", "boundary_distance", "boundary_distance_metres", "boundary_missed")
OF_AN_IMAGE = ("iou", "dice", "overall_accuracy", "kld", "share_kld", *_BOUNDARY)
OF_A_SITE = ("iou", "dice", "overall_accuracy", "kld", *_BOUNDARY)

MEANINGS = {
    "iou": "mean IoU",
    "dice": "mean Dice",
    "precision": "mean precision",
    "recall": "mean recall",
    "overall_accuracy": "share of right pixels",
    "frequency_weighted_iou": "frequency-weighted IoU",
    "matthews_correlation": "Matthews correlation",
    "kld": "KLD per pixel, nats",
    "share_kld": "KLD of class shares, nats",
    "boundary_iou": "boundary IoU",
    "boundary_distance": "boundary distance, pixels",
    "boundary_distance_metres": "boundary distance, m",
    "boundary_missed": "boundary missed, share of images",
    "calibration_error": "calibration error",
    "calibration_error_with_temperature": "calibration error with temperature",
}
MEANINGS_OF_A_CLASS = {
    name: MEANINGS[name].removeprefix("mean ") for name in ("iou", "dice", "precision", "recall")
} | {name: MEANINGS[name] for name in CLASSES if name.startswith("boundary")}


def sum_counts(counts: Counts) -> Counts:
    """Add up the counts of all images or scenes."""
    return map_counts(lambda part: part.sum(axis=0), counts)


def overall_scores(
    scenes: Sequence[str], counts: Counts, seed: int, chosen: Sequence[str] = tuple(OVERALL)
) -> dict[str, Interval]:
    """The scores of all pixels together.

    Args:
        scenes: The scene of each image.
        counts: Of the images, ``(images, ...)``.
        seed: Of the bootstrap.
        chosen: Names in `OVERALL`.
    """
    of_scenes, redrawn = resample_counts(scenes, counts, seed)
    whole, number = sum_counts(of_scenes), len(of_scenes.matrix)
    return {name: percentile_interval(OVERALL[name](whole), OVERALL[name](redrawn), number) for name in chosen}


def class_scores(
    scenes: Sequence[str],
    counts: Counts,
    classes: Sequence[str],
    seed: int,
    chosen: Sequence[str] = tuple(CLASSES),
) -> dict[str, dict[str, Interval]]:
    """By class its scores of all pixels; arguments as of `overall_scores`, ``chosen`` in `CLASSES`."""
    of_scenes, redrawn = resample_counts(scenes, counts, seed)
    whole, number = sum_counts(of_scenes), len(of_scenes.matrix)
    values = {name: (CLASSES[name](whole), CLASSES[name](redrawn)) for name in chosen}
    return {
        kind: {name: percentile_interval(of[index], drawn[:, index], number) for name, (of, drawn) in values.items()}
        for index, kind in enumerate(classes)
    }


def site_scores(
    sites: Sequence[str],
    scenes: Sequence[str],
    counts: Counts,
    classes: Sequence[str],
    seed: int,
    chosen: Sequence[str] = OF_A_SITE,
) -> dict[str, dict[str, Interval]]:
    """By site its scores, with the IoU and Dice of each class there as ``iou/CLASS``; arguments as of `class_scores`.

    ``sites`` are those of the images, ``chosen`` names in `OVERALL`.
    """
    found = {}
    for site in sorted(set(sites)):
        here = [index for index, name in enumerate(sites) if name == site]
        of_site, of_scenes = select_images(counts, here), [scenes[index] for index in here]
        by_class = class_scores(of_scenes, of_site, classes, seed, ("iou", "dice"))
        found[site] = overall_scores(of_scenes, of_site, seed, chosen) | {
            f"{name}/{kind}": score for kind, scores in by_class.items() for name, score in scores.items()
        }
    return found


def image_scores(counts: Counts) -> dict[str, np.ndarray]:
    """Of each image its scores, ``(images,)`` or NaN."""
    return {name: np.asarray(OVERALL[name](counts)) for name in OF_AN_IMAGE}


def mean_image_scores(scenes: Sequence[str], counts: Counts, seed: int) -> dict[str, Interval]:
    """The mean over images of each score of an image, where it is defined."""
    means = {}
    for name, values in image_scores(counts).items():
        defined = ~np.isnan(values)
        parts = [sum_by_scene(scenes, part)[1] for part in (np.where(defined, values, 0.0), defined.astype(float))]
        times = draw_scenes(len(parts[0]), seed)
        value = float(confusion.ratio(parts[0].sum(), parts[1].sum()))
        means[name] = percentile_interval(
            value, confusion.ratio(*(resample(times, part) for part in parts)), len(parts[0])
        )
    return means


def score_differences(
    scenes: Sequence[str], first: Counts, other: Counts, seed: int, chosen: Sequence[str] = tuple(OVERALL)
) -> dict[str, Interval]:
    """The scores of one model less those of another on the same images, both on the same redrawn scenes.

    Distances of a class's boundary are compared on the images in which both have one; else who draws a line only where
    it is easy would be ahead.

    Args:
        scenes: The scene of each image.
        first: Counts of the one, ``(images, ...)``.
        other: Those of the other, image by image.
        seed: Of the bootstrap.
        chosen: Names in `OVERALL`.
    """
    counted = keep_shared_distances(first, other), keep_shared_distances(other, first)
    (one, one_drawn), (two, two_drawn) = (resample_counts(scenes, counts, seed) for counts in counted)
    whole_one, whole_two = sum_counts(one), sum_counts(two)
    return {
        name: percentile_interval(
            OVERALL[name](whole_one) - OVERALL[name](whole_two),
            OVERALL[name](one_drawn) - OVERALL[name](two_drawn),
            len(one.matrix),
        )
        for name in chosen
    }


def keep_shared_distances(counts: Counts, other: Counts) -> Counts:
    """The counts of some images, with the distances of a class's boundary only where the other model has some, too."""
    shared = other.distance_counts > 0
    return counts._replace(
        **{name: getattr(counts, name) * shared for name in Counts._fields if name.startswith(("distance_", "metre_"))}
    )


def resample_counts(scenes: Sequence[str], counts: Counts, seed: int) -> tuple[Counts, Counts]:
    """The counts by scene, and what they come to in each draw, ``(draws, ...)``."""
    of_scenes = sum_counts_by_scene(scenes, counts)
    times = draw_scenes(len(of_scenes.matrix), seed)
    return of_scenes, map_counts(lambda part: resample(times, part), of_scenes)


def defined_values(scores: Mapping[str, Interval]) -> dict[str, float]:
    """The scores without their intervals, where they are defined."""
    return {name: score.value for name, score in scores.items() if not np.isnan(score.value)}


def nan_to_none(value: float) -> float | None:
    """A number, or None for NaN, which JSON does not have."""
    return None if np.isnan(value) else float(value)


def to_json_scores(scores: Mapping[str, Interval]) -> dict[str, list[float | None]]:
    """Scores with the ends of their intervals, as JSON has them."""
    return {name: [nan_to_none(value) for value in score] for name, score in scores.items()}

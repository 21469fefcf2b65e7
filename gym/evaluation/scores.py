"""Scores of an evaluation with their 95 % intervals over units, computed from counts.

Overall scores are computed from the counts of all pixels together (micro average). Image means average the scores of
single images (macro average), so that small images weigh as much as large ones. The scores are registered in
``scores.yaml``; 0/0 is NaN and left out of means.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gym.config.registries import SCORES, Place, ScoreEntry
from gym.evaluation.bootstrap import Interval, draw_units, percentile_interval, resample, sum_by_unit
from gym.evaluation.confusion import compute_class_scores, compute_score, ratio
from gym.evaluation.counts import Counts, map_counts, select_images, sum_counts_by_unit


def overall_scores(
    units: Sequence[str], counts: Counts, seed: int, chosen: Sequence[ScoreEntry] | None = None
) -> dict[str, Interval]:
    """Score all pixels together.

    Args:
        units: Unit of each image, from `gym.data.units`.
        counts: Counts of the images, ``(images, ...)``.
        seed: Seed of the bootstrap.
        chosen: The scores to compute; None means all scores of an evaluation.
    """
    whole, redrawn, number = _resample_counts(units, counts, seed)
    return {
        entry.name: percentile_interval(compute_score(entry, whole), compute_score(entry, redrawn), number)
        for entry in _evaluated(chosen)
    }


def class_scores(
    units: Sequence[str], counts: Counts, classes: Sequence[str], seed: int, chosen: Sequence[ScoreEntry] | None = None
) -> dict[str, dict[str, Interval]]:
    """Score each class over all pixels, by class and score; arguments as for `overall_scores`.

    Scores that are not defined for single classes are left out.
    """
    whole, redrawn, number = _resample_counts(units, counts, seed)
    values = {
        entry.name: (compute_class_scores(entry, whole), compute_class_scores(entry, redrawn))
        for entry in _evaluated(chosen)
        if entry.by_class
    }
    return {
        label: {
            name: percentile_interval(value[index], drawn[:, index], number) for name, (value, drawn) in values.items()
        }
        for index, label in enumerate(classes)
    }


def site_scores(
    sites: Sequence[str],
    units: Sequence[str],
    counts: Counts,
    classes: Sequence[str],
    seed: int,
    chosen: Sequence[ScoreEntry] | None = None,
) -> dict[str, dict[str, Interval]]:
    """Score each site, by site and score; arguments as for `class_scores`.

    The scores include those of single classes, named as in ``iou/CLASS``. ``sites`` is the site of each image; without
    ``chosen``, all scores of a site are computed.
    """
    results = {}
    chosen = SCORES.at(Place.SITE) if chosen is None else chosen
    for site in sorted(set(sites)):
        images = [index for index, name in enumerate(sites) if name == site]
        site_counts, site_units = select_images(counts, images), [units[index] for index in images]
        by_class = class_scores(site_units, site_counts, classes, seed, SCORES.at(Place.SITE_CLASS))
        results[site] = overall_scores(site_units, site_counts, seed, chosen) | {
            f"{name}/{label}": score for label, scores in by_class.items() for name, score in scores.items()
        }
    return results


def image_scores(counts: Counts) -> dict[str, np.ndarray]:
    """Score each image, by score; ``(images,)``, NaN where undefined."""
    return {entry.name: np.asarray(compute_score(entry, counts)) for entry in SCORES.at(Place.IMAGE)}


def mean_image_scores(units: Sequence[str], counts: Counts, seed: int) -> dict[str, Interval]:
    """Average the scores of single images over the images where they are defined."""
    means = {}
    for name, values in image_scores(counts).items():
        defined = ~np.isnan(values)
        totals, numbers = (
            sum_by_unit(units, part)[1] for part in (np.where(defined, values, 0.0), defined.astype(float))
        )
        times = draw_units(len(totals), seed)
        value = float(ratio(totals.sum(), numbers.sum()))
        means[name] = percentile_interval(value, ratio(resample(times, totals), resample(times, numbers)), len(totals))
    return means


def score_differences(units: Sequence[str], first: Counts, other: Counts, seed: int) -> dict[str, Interval]:
    """Subtract the scores of another model on the same images, paired on the same bootstrap draws.

    Boundary distances are compared only on images where both models draw a boundary of the class. Otherwise a model
    that draws only the easy boundaries would be ahead.

    Args:
        units: Unit of each image, from `gym.data.units`.
        first: Counts of the first model, ``(images, ...)``.
        other: Counts of the other model on the same images.
        seed: Seed of the bootstrap.
    """
    shared = _keep_shared_distances(first, other), _keep_shared_distances(other, first)
    (one, one_drawn, number), (two, two_drawn, _) = (_resample_counts(units, counts, seed) for counts in shared)
    return {
        entry.name: percentile_interval(
            compute_score(entry, one) - compute_score(entry, two),
            compute_score(entry, one_drawn) - compute_score(entry, two_drawn),
            number,
        )
        for entry in SCORES.at(Place.EVALUATION)
    }


def _keep_shared_distances(counts: Counts, other: Counts) -> Counts:
    shared = other.distance_counts > 0
    return counts._replace(
        **{name: getattr(counts, name) * shared for name in Counts._fields if name.startswith(("distance_", "metre_"))}
    )


def _evaluated(chosen: Sequence[ScoreEntry] | None) -> Sequence[ScoreEntry]:
    return SCORES.at(Place.EVALUATION) if chosen is None else chosen


def sum_counts(counts: Counts) -> Counts:
    """Add up the counts of all images or units."""
    return map_counts(lambda part: part.sum(axis=0), counts)


def _resample_counts(units: Sequence[str], counts: Counts, seed: int) -> tuple[Counts, Counts, int]:
    """Add up the counts of all images, and those of each bootstrap draw, ``(draws, ...)``; count the units, too."""
    by_unit = sum_counts_by_unit(units, counts)
    number = len(by_unit.matrix)
    times = draw_units(number, seed)
    return sum_counts(by_unit), map_counts(lambda part: resample(times, part), by_unit), number


def defined_values(scores: Mapping[str, Interval]) -> dict[str, float]:
    """Select the scores that are defined, without their intervals."""
    return {name: score.value for name, score in scores.items() if not np.isnan(score.value)}


def nan_to_none(value: float) -> float | None:
    """Replace NaN, which JSON cannot represent, by None."""
    return None if np.isnan(value) else float(value)


def to_json_scores(scores: Mapping[str, Interval]) -> dict[str, list[float | None]]:
    """Convert scores with the bounds of their intervals to lists that JSON can represent."""
    return {name: [nan_to_none(value) for value in score] for name, score in scores.items()}

"""Every score of an evaluation, from the counts alone, with its 95 % interval over scenes.

The overall scores are of all pixels together (micro). The image means are means over the scores of the images (macro),
which weigh a small image like a large one. The scores are registered in `gym.evaluation.entries`; what is 0/0 is NaN
and left out of means.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gym.config.registries import SCORES, Place, ScoreEntry
from gym.evaluation import confusion
from gym.evaluation.bootstrap import Interval, draw_scenes, percentile_interval, resample, sum_by_scene
from gym.evaluation.confusion import compute_class_scores, compute_score
from gym.evaluation.counts import Counts, map_counts, select_images, sum_counts_by_scene


def evaluated(chosen: Sequence[ScoreEntry] | None) -> Sequence[ScoreEntry]:
    """The chosen scores; without a choice all that an evaluation computes."""
    return SCORES.at(Place.EVALUATION) if chosen is None else chosen


def sum_counts(counts: Counts) -> Counts:
    """Add up the counts of all images or scenes."""
    return map_counts(lambda part: part.sum(axis=0), counts)


def overall_scores(
    scenes: Sequence[str], counts: Counts, seed: int, chosen: Sequence[ScoreEntry] | None = None
) -> dict[str, Interval]:
    """The scores of all pixels together.

    Args:
        scenes: The scene of each image.
        counts: Of the images, ``(images, ...)``.
        seed: Of the bootstrap.
        chosen: Which scores; None means all of an evaluation.
    """
    of_scenes, redrawn = resample_counts(scenes, counts, seed)
    whole, number = sum_counts(of_scenes), len(of_scenes.matrix)
    return {
        entry.name: percentile_interval(compute_score(entry, whole), compute_score(entry, redrawn), number)
        for entry in evaluated(chosen)
    }


def class_scores(
    scenes: Sequence[str],
    counts: Counts,
    classes: Sequence[str],
    seed: int,
    chosen: Sequence[ScoreEntry] | None = None,
) -> dict[str, dict[str, Interval]]:
    """By class its scores of all pixels; arguments as of `overall_scores`, of which each class has some."""
    of_scenes, redrawn = resample_counts(scenes, counts, seed)
    whole, number = sum_counts(of_scenes), len(of_scenes.matrix)
    values = {
        entry.name: (compute_class_scores(entry, whole), compute_class_scores(entry, redrawn))
        for entry in evaluated(chosen)
        if entry.by_class
    }
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
    chosen: Sequence[ScoreEntry] | None = None,
) -> dict[str, dict[str, Interval]]:
    """By site its scores, with some of each class there as in ``iou/CLASS``; arguments as of `class_scores`.

    ``sites`` are those of the images; without ``chosen`` all scores of a site are computed.
    """
    found = {}
    chosen = SCORES.at(Place.SITE) if chosen is None else chosen
    for site in sorted(set(sites)):
        here = [index for index, name in enumerate(sites) if name == site]
        of_site, of_scenes = select_images(counts, here), [scenes[index] for index in here]
        by_class = class_scores(of_scenes, of_site, classes, seed, SCORES.at(Place.SITE_CLASS))
        found[site] = overall_scores(of_scenes, of_site, seed, chosen) | {
            f"{name}/{kind}": score for kind, scores in by_class.items() for name, score in scores.items()
        }
    return found


def image_scores(counts: Counts) -> dict[str, np.ndarray]:
    """Of each image its scores, ``(images,)`` or NaN."""
    return {entry.name: np.asarray(compute_score(entry, counts)) for entry in SCORES.at(Place.IMAGE)}


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
    scenes: Sequence[str], first: Counts, other: Counts, seed: int, chosen: Sequence[ScoreEntry] | None = None
) -> dict[str, Interval]:
    """The scores of one model less those of another on the same images, both on the same redrawn scenes.

    Distances of a class's boundary are compared on the images in which both have one; else who draws a line only where
    it is easy would be ahead.

    Args:
        scenes: The scene of each image.
        first: Counts of the one, ``(images, ...)``.
        other: Those of the other, image by image.
        seed: Of the bootstrap.
        chosen: Which scores; None means all of an evaluation.
    """
    counted = keep_shared_distances(first, other), keep_shared_distances(other, first)
    (one, one_drawn), (two, two_drawn) = (resample_counts(scenes, counts, seed) for counts in counted)
    whole_one, whole_two = sum_counts(one), sum_counts(two)
    return {
        entry.name: percentile_interval(
            compute_score(entry, whole_one) - compute_score(entry, whole_two),
            compute_score(entry, one_drawn) - compute_score(entry, two_drawn),
            len(one.matrix),
        )
        for entry in evaluated(chosen)
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

"""A model beside its baselines, on the same pixels of the same images.

The pixels are a lattice of each image (`gym.evaluation.counts.lattice`), since a forest is too slow for all of a large
one. The threshold for water knows two classes only; the model is set beside it on these two.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gym.data.labels import IGNORE
from gym.evaluation import confusion
from gym.evaluation.baselines import Baselines
from gym.evaluation.bootstrap import Interval, draw_scenes, interval, redraw, sums_by_scene
from gym.evaluation.confusion import confusion_matrix

WATER = "water_index"


@dataclass(frozen=True)
class Contest:
    """Who is compared, on which classes, and with which scores.

    Attributes:
        title: What is compared.
        scores: Of the model and of each baseline the scores by name.
        leads: By baseline how far the model is ahead in mean IoU.
    """

    title: str
    scores: dict[str, dict[str, Interval]]
    leads: dict[str, Interval]


@dataclass(frozen=True)
class BesideBaselines:
    """What came of it, and what each baseline is, or why there is none."""

    contests: list[Contest]
    descriptions: dict[str, str] = field(default_factory=dict)


def compare_with_baselines(
    baselines: Baselines,
    images: Iterable[np.ndarray],
    truth: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    scenes: Sequence[str],
    seed: int,
) -> BesideBaselines:
    """Score the baselines and the model on the same pixels.

    Args:
        baselines: Fitted on the training side.
        images: Of each image the lattice of its pixels, ``(rows, columns, bands)``.
        truth: Class indices of these pixels ``(images, rows, columns)`` uint8; `IGNORE` counts nowhere.
        predicted: What the model says of them, likewise.
        classes: Number of classes.
        scenes: The scene of each image.
        seed: Of the bootstrap.
    """
    maps = [baselines.predict(image) for image in images]
    rivals = {name: np.stack([one[name] for one in maps]) for name in maps[0] if name != WATER}
    contests = [contest("all classes", truth, {"model": predicted, **rivals}, classes, scenes, seed)]
    if (water := baselines.water_class) is not None:
        binary = np.where(truth == IGNORE, IGNORE, truth == water).astype(np.uint8)
        given = {"model": (predicted == water).astype(np.uint8), WATER: np.stack([one[WATER] for one in maps])}
        contests.append(contest("water against the rest", binary, given, 2, scenes, seed))
    return BesideBaselines(contests, baselines.descriptions)


def contest(
    title: str, truth: np.ndarray, given: Mapping[str, np.ndarray], classes: int, scenes: Sequence[str], seed: int
) -> Contest:
    """Score maps of the same pixels; the first is the model's."""
    matrices = {
        name: np.stack([confusion_matrix(*pair, classes) for pair in zip(truth, maps, strict=True)])
        for name, maps in given.items()
    }
    model, *others = given
    return Contest(
        title=title,
        scores={name: matrix_scores(scenes, of, seed) for name, of in matrices.items()},
        leads={name: lead(scenes, matrices[model], matrices[name], seed) for name in others},
    )


_SCORES: dict[str, Callable] = {
    "iou": confusion.mean_iou,
    "dice": confusion.mean_dice,
    "overall_accuracy": confusion.overall_accuracy,
}


def matrix_scores(scenes: Sequence[str], matrices: np.ndarray, seed: int) -> dict[str, Interval]:
    """Scores of confusion matrices ``(images, classes, classes)`` added up, with their intervals over scenes."""
    names, of_scenes = sums_by_scene(scenes, matrices)
    drawn = redraw(draw_scenes(len(names), seed), of_scenes)
    return {name: interval(take(matrices.sum(axis=0)), take(drawn), len(names)) for name, take in _SCORES.items()}


def lead(scenes: Sequence[str], first: np.ndarray, other: np.ndarray, seed: int) -> Interval:
    """Mean IoU of the first less that of the other, on the same redrawn scenes."""
    names, _ = sums_by_scene(scenes, first)
    times = draw_scenes(len(names), seed)
    drawn = [confusion.mean_iou(redraw(times, sums_by_scene(scenes, one)[1])) for one in (first, other)]
    whole = [confusion.mean_iou(one.sum(axis=0)) for one in (first, other)]
    return interval(whole[0] - whole[1], drawn[0] - drawn[1], len(names))

"""A model beside its baselines, on the same pixels of the same images.

Only a lattice of pixels is compared (`gym.evaluation.counts.pixel_lattice`), because a forest is too slow for every
pixel of a large image. The water threshold separates two classes only, so the model is compared with it on those two.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gym.data.labels import IGNORE
from gym.evaluation import confusion
from gym.evaluation.baselines import Baselines
from gym.evaluation.bootstrap import Interval, draw_scenes, percentile_interval, resample, sum_by_scene
from gym.evaluation.confusion import confusion_matrix

WATER = "water_index"


@dataclass(frozen=True)
class BaselineComparison:
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
class BaselineReport:
    """What came of it, and what each baseline is, or why there is none."""

    comparisons: list[BaselineComparison]
    descriptions: dict[str, str] = field(default_factory=dict)


def compare_with_baselines(
    baselines: Baselines,
    images: Iterable[np.ndarray],
    truth: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    scenes: Sequence[str],
    seed: int,
) -> BaselineReport:
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
    comparisons = [compare_label_maps("all classes", truth, {"model": predicted, **rivals}, classes, scenes, seed)]
    if (water := baselines.water_class) is not None:
        binary = np.where(truth == IGNORE, IGNORE, truth == water).astype(np.uint8)
        given = {"model": (predicted == water).astype(np.uint8), WATER: np.stack([one[WATER] for one in maps])}
        comparisons.append(compare_label_maps("water against the rest", binary, given, 2, scenes, seed))
    return BaselineReport(comparisons, baselines.descriptions)


def compare_label_maps(
    title: str, truth: np.ndarray, given: Mapping[str, np.ndarray], classes: int, scenes: Sequence[str], seed: int
) -> BaselineComparison:
    """Score maps of the same pixels; the first is the model's."""
    matrices = {
        name: np.stack([confusion_matrix(*pair, classes) for pair in zip(truth, maps, strict=True)])
        for name, maps in given.items()
    }
    model, *others = given
    return BaselineComparison(
        title=title,
        scores={name: score_matrices(scenes, of, seed) for name, of in matrices.items()},
        leads={name: iou_lead(scenes, matrices[model], matrices[name], seed) for name in others},
    )


_SCORES: dict[str, Callable] = {
    "iou": confusion.mean_iou,
    "dice": confusion.mean_dice,
    "overall_accuracy": confusion.overall_accuracy,
}


def score_matrices(scenes: Sequence[str], matrices: np.ndarray, seed: int) -> dict[str, Interval]:
    """Scores of confusion matrices ``(images, classes, classes)`` added up, with their intervals over scenes."""
    names, of_scenes = sum_by_scene(scenes, matrices)
    drawn = resample(draw_scenes(len(names), seed), of_scenes)
    return {
        name: percentile_interval(take(matrices.sum(axis=0)), take(drawn), len(names)) for name, take in _SCORES.items()
    }


def iou_lead(scenes: Sequence[str], first: np.ndarray, other: np.ndarray, seed: int) -> Interval:
    """Mean IoU of the first less that of the other, on the same redrawn scenes."""
    names, _ = sum_by_scene(scenes, first)
    times = draw_scenes(len(names), seed)
    drawn = [confusion.mean_iou(resample(times, sum_by_scene(scenes, one)[1])) for one in (first, other)]
    whole = [confusion.mean_iou(one.sum(axis=0)) for one in (first, other)]
    return percentile_interval(whole[0] - whole[1], drawn[0] - drawn[1], len(names))

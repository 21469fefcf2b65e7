"""Compare a model with its baselines on the same pixels of the same images.

Only a lattice of pixels is compared (`gym.evaluation.counts.pixel_lattice`), because a forest is too slow for every
pixel of a large image. The water threshold separates two classes only, so it is compared with the model's prediction
reduced to these two.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gym.config.registries import SCORES, Place
from gym.data.labels import IGNORE
from gym.evaluation import confusion
from gym.evaluation.baselines import Baselines
from gym.evaluation.bootstrap import Interval, draw_units, percentile_interval, resample, sum_by_unit

WATER = "water_index"


@dataclass(frozen=True)
class BaselineComparison:
    """A model and baselines compared on one set of classes.

    Attributes:
        title: The classes compared, in words.
        scores: Scores by name, for ``model`` and each baseline.
        leads: By how much the model leads each baseline in mean IoU.
    """

    title: str
    scores: dict[str, dict[str, Interval]]
    leads: dict[str, Interval]


@dataclass(frozen=True)
class BaselineReport:
    """All comparisons, and for each baseline a sentence that describes it or explains why there is none."""

    comparisons: list[BaselineComparison]
    descriptions: dict[str, str] = field(default_factory=dict)


def compare_with_baselines(
    baselines: Baselines,
    images: Iterable[np.ndarray],
    truth: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    units: Sequence[str],
    seed: int,
) -> BaselineReport:
    """Score a model and its baselines on the same pixels.

    Args:
        baselines: Baselines fitted to the training side.
        images: The lattice of each image, ``(rows, columns, bands)``.
        truth: True classes of these pixels, ``(images, rows, columns)`` uint8; `IGNORE` is not counted.
        predicted: The model's classes, in the same shape.
        classes: Number of classes.
        units: Unit of each image, from `gym.data.units`.
        seed: Seed of the bootstrap.
    """
    predictions = [baselines.predict(image) for image in images]
    stacked = {name: np.stack([maps[name] for maps in predictions]) for name in predictions[0]}
    water_maps = stacked.pop(WATER, None)
    all_classes = {"model": predicted, **stacked}
    comparisons = [compare_label_maps("all classes", truth, all_classes, classes, units, seed)]
    if water_maps is not None:
        water = baselines.water_class
        binary = np.where(truth == IGNORE, IGNORE, truth == water).astype(np.uint8)
        two_classes = {"model": (predicted == water).astype(np.uint8), WATER: water_maps}
        comparisons.append(compare_label_maps("water against the rest", binary, two_classes, 2, units, seed))
    return BaselineReport(comparisons, baselines.descriptions)


def compare_label_maps(
    title: str, truth: np.ndarray, predictions: Mapping[str, np.ndarray], classes: int, units: Sequence[str], seed: int
) -> BaselineComparison:
    """Compare predictions by name, the model's first; arguments as for `compare_with_baselines`."""
    matrices = {
        name: np.stack([confusion.confusion_matrix(*pair, classes) for pair in zip(truth, maps, strict=True)])
        for name, maps in predictions.items()
    }
    model, *others = predictions
    return BaselineComparison(
        title=title,
        scores={name: score_matrices(units, counts, seed) for name, counts in matrices.items()},
        leads={name: iou_lead(units, matrices[model], matrices[name], seed) for name in others},
    )


def score_matrices(units: Sequence[str], matrices: np.ndarray, seed: int) -> dict[str, Interval]:
    """Score the sum of confusion matrices ``(images, classes, classes)``, with intervals over units."""
    names, by_unit = sum_by_unit(units, matrices)
    whole, drawn = matrices.sum(axis=0), resample(draw_units(len(names), seed), by_unit)
    return {
        entry.name: percentile_interval(
            confusion.score_matrix(entry, whole), confusion.score_matrix(entry, drawn), len(names)
        )
        for entry in SCORES.at(Place.BASELINES)
    }


def iou_lead(units: Sequence[str], first: np.ndarray, other: np.ndarray, seed: int) -> Interval:
    """Subtract the mean IoU of other matrices from that of the first, paired on the same bootstrap draws."""
    names, _ = sum_by_unit(units, first)
    times = draw_units(len(names), seed)
    drawn = [confusion.mean_iou(resample(times, sum_by_unit(units, counts)[1])) for counts in (first, other)]
    whole = [confusion.mean_iou(counts.sum(axis=0)) for counts in (first, other)]
    return percentile_interval(whole[0] - whole[1], drawn[0] - drawn[1], len(names))

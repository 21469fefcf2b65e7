"""Bootstrap confidence intervals over scenes.

Each draw samples as many scenes as there are, with replacement, adds up their counts and computes the score. Over many
draws, the standard deviation of the score is its standard error, and the middle 95 % is its confidence interval. Scenes
are drawn whole because the pixels and tiles of a scene are not independent. The intervals do not cover the randomness
of training; train with several seeds to measure that.

Source: Efron 1979, doi:10.1214/aos/1176344552; percentile intervals: Efron & Tibshirani 1993, chapter 13.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gym.core.seeding import generator

DRAWS = 1000
PERCENTILES = (2.5, 97.5)
# With fewer scenes, percentile intervals are too narrow: Hesterberg 2015, doi:10.1080/00031305.2015.1089789.
FEW_SCENES = 20


class Interval(NamedTuple):
    """A score with the bounds of its 95 % interval.

    The bounds are NaN if there is only one scene or the score is undefined in every draw.
    """

    value: float
    low: float
    high: float


def sum_by_scene(scenes: Sequence[str], counts: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Add up the counts of each scene.

    Args:
        scenes: The scene of each image.
        counts: ``(images, ...)``.

    Returns:
        The sorted scene names, and their sums ``(scenes, ...)`` in the dtype of ``counts``.
    """
    names, positions = np.unique(scenes, return_inverse=True)
    sums = np.zeros((len(names), *counts.shape[1:]), counts.dtype)
    np.add.at(sums, positions, counts)
    return names.tolist(), sums


def draw_scenes(scenes: int, seed: int, draws: int = DRAWS) -> np.ndarray:
    """Draw scenes with replacement; return how often each draw contains each scene, ``(draws, scenes)`` float64.

    The draws depend only on the arguments, so that all scores of a model, and all models, are compared on equal draws.
    """
    picks = generator(seed, "bootstrap").integers(0, scenes, (draws, scenes))
    cells = picks + scenes * np.arange(draws)[:, None]
    # Matrix products of floats are many times faster than those of integers, and exact for pixel counts below 2**53.
    return np.bincount(cells.ravel(), minlength=cells.size).reshape(cells.shape).astype(float)


def resample(times: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Add up ``counts`` ``(scenes, ...)`` over the scenes of each draw of `draw_scenes`; ``(draws, ...)`` float64."""
    return np.tensordot(times, counts.astype(float), axes=1)


def percentile_interval(value: float, redrawn: np.ndarray, scenes: int) -> Interval:
    """Compute the percentile interval of a score.

    Args:
        value: The score on all scenes.
        redrawn: The score on each draw; NaN values, where it is undefined, are left out.
        scenes: Number of scenes.
    """
    defined = redrawn[~np.isnan(redrawn)]
    if scenes < 2 or not defined.size:
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.percentile(defined, PERCENTILES)
    return Interval(float(value), float(low), float(high))

"""How far a score hangs on the scenes it was measured on.

The bootstrap draws as many scenes as there are, with replacement, adds up what was counted on them and takes the score,
many times over: the deviation of these scores is the standard error, and their middle 95 % the interval. A scene is
drawn whole, since neither its pixels nor its tiles are independent. What training itself leaves to chance is not in it:
for that, run several seeds.

Source: Efron 1979, doi:10.1214/aos/1176344552; percentile intervals: Efron & Tibshirani 1993, chapter 13.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gym.core.seeding import generator

DRAWS = 1000
PERCENTILES = (2.5, 97.5)
FEW_SCENES = 20  # below it percentile intervals are too narrow: Hesterberg 2015, doi:10.1080/00031305.2015.1089789


class Interval(NamedTuple):
    """A score with the ends of its 95 % interval; the ends are NaN where there is one scene only, or no draw has it."""

    value: float
    low: float
    high: float


def sum_by_scene(scenes: Sequence[str], counts: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Add up what was counted on the parts of each scene.

    Args:
        scenes: The scene of each part.
        counts: ``(parts, ...)``.

    Returns:
        Names of the scenes, sorted, and their sums ``(scenes, ...)`` in the type of the counts.
    """
    names, places = np.unique(scenes, return_inverse=True)
    sums = np.zeros((len(names), *counts.shape[1:]), counts.dtype)
    np.add.at(sums, places, counts)
    return names.tolist(), sums


def draw_scenes(scenes: int, seed: int, draws: int = DRAWS) -> np.ndarray:
    """How often each scene is in each draw, ``(draws, scenes)`` float64; the same for all scores of as many scenes."""
    picks = generator(seed, "bootstrap").integers(0, scenes, (draws, scenes))
    cells = picks + scenes * np.arange(draws)[:, None]
    # Floats multiply many times faster than integers, and hold pixel counts below 2**53 exactly.
    return np.bincount(cells.ravel(), minlength=cells.size).reshape(cells.shape).astype(float)


def resample(times: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """What would have been counted on the drawn scenes, ``(draws, ...)`` float64, of ``counts`` ``(scenes, ...)``."""
    return np.tensordot(times, counts.astype(float), axes=1)


def percentile_interval(value: float, redrawn: np.ndarray, scenes: int) -> Interval:
    """Put a score between the ends of its interval.

    Args:
        value: The score on all scenes.
        redrawn: The score on each draw; NaN, where it is undefined, is left out.
        scenes: How many there are.
    """
    defined = redrawn[~np.isnan(redrawn)]
    if scenes < 2 or not defined.size:
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.percentile(defined, PERCENTILES)
    return Interval(float(value), float(low), float(high))

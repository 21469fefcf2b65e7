"""How often 95 % intervals contain the true mean IoU, by the number of units, if units or scenes are redrawn.

A unit is a place with one or more scenes, on average 1.55, as in 59 images of 38 places. The scenes of a place are
alike: the model does well on all of them or on none. The more places differ, the more skewed is the distribution of
mean IoU, and the lower the coverage with few places. With the default 4,000 samples, the standard error of a coverage
is at most 0.7 points, and all rows take two minutes.
"""

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

from gym.evaluation.bootstrap import draw_units, percentile_interval, resample, sum_by_unit
from gym.evaluation.confusion import mean_iou

PIXELS = 10_000  # of a scene
MORE_SCENES = 0.55  # mean number of scenes of a place beyond the first
SPREADS = {
    "moderately": 0.5,
    "strongly": 1.0,
}  # deviation between places of the logit of accuracy, which is 0.88 in the middle
WITHIN = 0.3  # deviation between the scenes of a place, in deviations between places


def draw_places(random: np.random.Generator, places: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw the place of each scene, ``(scenes,)``, and confusion matrices of two classes, ``(scenes, 2, 2)``."""
    place_of_scene = np.repeat(np.arange(places), 1 + random.poisson(MORE_SCENES, places))
    scenes = len(place_of_scene)
    ease = random.normal(2, spread, places)[place_of_scene] + random.normal(0, WITHIN * spread, scenes)
    water = random.beta(4, 4, places)[place_of_scene] * PIXELS
    right = 1 / (1 + np.exp(-ease))
    truth = np.stack([water, PIXELS - water], axis=1)
    matrices = truth[:, :, None] * np.where(np.eye(2) > 0, right[:, None, None], 1 - right[:, None, None])
    return place_of_scene, matrices


def true_iou(spread: float, places: int = 1_000_000) -> float:
    """Return the mean IoU over as many places as make its error negligible."""
    return float(mean_iou(draw_places(np.random.default_rng(1), places, spread)[1].sum(axis=0)))


def measure_coverage(
    places: int, spread: float, samples: int, truth: float, seed: int = 0
) -> tuple[float, float, float]:
    """Return the coverage of intervals over places and over scenes, and how much wider the former are."""
    random = np.random.default_rng([seed, places])
    covered, widths = np.zeros(2), np.zeros(2)
    for sample in range(samples):
        place_of_scene, matrices = draw_places(random, places, spread)
        for kind, units in enumerate((place_of_scene, np.arange(len(matrices)))):
            _, sums = sum_by_unit(units.tolist(), matrices)
            drawn = mean_iou(resample(draw_units(len(sums), sample), sums))
            found = percentile_interval(mean_iou(matrices.sum(axis=0)), drawn, len(sums))
            covered[kind] += found.low <= truth <= found.high
            widths[kind] += found.high - found.low
    return *(covered / samples), widths[0] / widths[1]


def main() -> None:
    """Print a row per spread and number of places."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4000)
    chosen = parser.parse_args()
    table = Table("places", "differ", "coverage over places", "coverage over scenes", "ratio of widths")
    for name, spread in SPREADS.items():
        truth = true_iou(spread)
        for places in (5, 10, 20, 38, 50, 100):
            by_place, by_scene, ratio = measure_coverage(places, spread, chosen.samples, truth)
            table.add_row(str(places), name, f"{by_place:.1%}", f"{by_scene:.1%}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()

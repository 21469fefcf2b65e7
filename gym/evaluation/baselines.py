"""Simple baselines for comparison with every model, fitted to the training side of a dataset.

- ``majority`` predicts the most frequent class everywhere.
- ``forest`` is a random forest on the bands of single pixels. What a network scores above it, it owes to shape and
  context.
- ``water_index`` thresholds a spectral index (`gym.evaluation.water_index`).

Source of the forest: Breiman 2001, doi:10.1023/A:1010933404324; scikit-learn's implementation averages the class shares
of the leaves instead of counting votes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gym.core.errors import DataError
from gym.core.parallel import available_cores
from gym.core.seeding import derive_seed, generator
from gym.data.dataset import Dataset
from gym.data.labels import IGNORE
from gym.data.samples import pair_positions
from gym.evaluation.water_index import WaterIndex, plan_water_index

MAX_PAIRS = 1_000
MAX_PIXELS = 40_000  # ten times as many gain 0.004 in mean IoU on synthetic coasts and take seven times as long

# On synthetic coasts, a hundred trees or trees twice as deep gain nothing. A million pixels take 2 s on one core.
TREES = 30
MAX_DEPTH = 12
MIN_LEAF_PIXELS = 5


@dataclass(frozen=True)
class Baselines:
    """The baselines fitted to one training side.

    Attributes:
        bands: Band names, in the order of an image.
        majority: The most frequent class.
        forest: A forest on the bands of single pixels.
        water_index: A water threshold; None if the bands, the classes or the scaling do not allow one.
        descriptions: For ``majority``, ``forest`` and ``water_index`` a sentence that describes it or explains why
            there is none.
    """

    bands: tuple[str, ...]
    majority: int
    forest: "Forest"
    water_index: WaterIndex | None
    descriptions: dict[str, str]

    @property
    def water_class(self) -> int | None:
        """The class that the water index detects; None without an index."""
        return self.water_index.water if self.water_index else None

    def predict(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Predict an image, or any lattice of its pixels, with each baseline.

        Args:
            image: ``(rows, columns, bands)`` with the values of a dataset; 0 in every band means no data.

        Returns:
            Maps ``(rows, columns)`` uint8 by name. ``majority`` and ``forest`` hold classes. ``water_index``, if there
            is one, holds 1 for `water_class` and 0 elsewhere.

        Raises:
            DataError: The image has a different number of bands.
        """
        if image.shape[2] != len(self.bands):
            raise DataError(
                f"the image has {image.shape[2]} bands, but the baselines were fitted to {len(self.bands)} "
                f"({', '.join(self.bands)}); pass the same bands in the same order."
            )
        everywhere = np.full(image.shape[:2], self.majority, np.uint8)
        maps = {"majority": everywhere, "forest": self.forest.predict(image)}
        return maps | ({"water_index": self.water_index.predict(image)} if self.water_index else {})


def fit_baselines(dataset: Dataset, training: Sequence[int], seed: int) -> Baselines:
    """Fit all baselines, within seconds for a dataset of any size.

    Args:
        dataset: The dataset.
        training: Samples of its training side in any order, as defined in `gym.data.batches`. A copy stands for its
            pair, and each pair counts once.
        seed: Seed of the pixels drawn and of the forest.

    Raises:
        DataError: No pixel of these samples is labelled.
    """
    positions = sorted(set(pair_positions(training, len(dataset))))
    labelled = [position for position in positions if dataset.counts[position].any()]
    if not labelled:
        raise DataError(
            "the training scenes have no labelled pixels to fit baselines to; label more scenes, or change split.seed."
        )
    classes = dataset.manifest.classes
    majority, share = find_majority(dataset.counts[labelled].sum(axis=0))
    pixels = draw_pixels(dataset, labelled, seed)
    water_index = plan_water_index(dataset.bands, classes, dataset.manifest.preparation.scaling.method)
    return Baselines(
        bands=tuple(dataset.bands),
        majority=majority,
        forest=fit_forest(pixels.values, pixels.classes, seed),
        water_index=None if isinstance(water_index, str) else water_index,
        descriptions={
            "majority": f"Predicts {classes[majority]} everywhere, the class of {share:.0%} of the "
            "labelled training pixels.",
            "forest": _describe_forest(pixels),
            "water_index": water_index if isinstance(water_index, str) else water_index.describe(classes),
        },
    )


def _describe_forest(pixels: "TrainingPixels") -> str:
    drawn, bands = pixels.values.shape
    return (
        f"A random forest on the {bands} bands of single pixels: {TREES} trees with a depth of at most {MAX_DEPTH}, "
        f"fitted to {drawn} labelled pixels of {pixels.scenes} training scene{'s' * (pixels.scenes > 1)}."
    )


class TrainingPixels(NamedTuple):
    """Labelled pixels of ``scenes`` scenes: ``values`` ``(pixels, bands)`` float32, ``classes`` ``(pixels,)`` uint8."""

    values: np.ndarray
    classes: np.ndarray
    scenes: int


def draw_pixels(dataset: Dataset, positions: Sequence[int], seed: int) -> TrainingPixels:
    """Draw about `MAX_PIXELS` labelled pixels without replacement, the same number from each scene.

    The share of a scene is divided evenly among its pairs, with at least one pixel from each. A pair with fewer
    labelled pixels contributes all of them. The pixels drawn from a pair do not depend on the order of the positions.

    Args:
        dataset: The dataset.
        positions: Distinct pairs with labelled pixels, at least one.
        seed: Seed of the draws.
    """
    scenes = [record.scene for record in dataset.manifest.pairs]
    chosen = choose_pairs(scenes, positions, MAX_PAIRS, seed)
    pairs_of_scene = Counter(scenes[position] for position in chosen)
    values, classes = [], []
    for position in chosen:
        label = dataset.read_label(position).ravel()  # with its padding, which may be a null class
        labelled = np.flatnonzero(label != IGNORE)
        wanted = max(1, MAX_PIXELS // len(pairs_of_scene) // pairs_of_scene[scenes[position]])
        rng = generator(seed, "baseline pixels", position)
        drawn = rng.choice(labelled, min(wanted, len(labelled)), replace=False)
        values.append(dataset.read_image(position).reshape(len(label), -1)[drawn].astype(np.float32))
        classes.append(label[drawn])
    return TrainingPixels(np.concatenate(values), np.concatenate(classes), len(pairs_of_scene))


def choose_pairs(scenes: Sequence[str], positions: Sequence[int], limit: int, seed: int) -> list[int]:
    """Choose at most ``limit`` pairs at random: one of each scene, then a second of each scene, and so on.

    Args:
        scenes: Scene of every pair of the dataset.
        positions: Positions to choose from, in any order.
        limit: Maximum number of pairs.
        seed: Seed of the choice.

    Returns:
        Sorted positions.
    """
    taken: Counter[str] = Counter()
    turns = {}
    for position in generator(seed, "baseline pairs").permutation(sorted(positions)).tolist():
        turns[position] = taken[scenes[position]]
        taken[scenes[position]] += 1
    return sorted(sorted(turns, key=turns.__getitem__)[:limit])


def find_majority(counts: np.ndarray) -> tuple[int, float]:
    """Find the class with the most pixels; the first one in a tie.

    Args:
        counts: Labelled training pixels of each class, ``(classes,)``; at least one pixel.

    Returns:
        The class, and its share of the pixels, in (0, 1].
    """
    index = int(counts.argmax())
    return index, float(counts[index] / counts.sum())


@dataclass(frozen=True)
class Forest:
    """A fitted forest; ``classifier`` is a scikit-learn classifier."""

    classifier: Any

    def predict(self, image: np.ndarray) -> np.ndarray:
        """Predict the class of every pixel of an image.

        Args:
            image: ``(rows, columns, bands)`` of finite numbers, with the bands of the fit. Pixels without data are
                assigned some class.

        Returns:
            ``(rows, columns)`` uint8. Classes missing from the training pixels are never predicted.
        """
        rows, columns, bands = image.shape
        return self.classifier.predict(image.reshape(-1, bands).astype(np.float32)).reshape(rows, columns)


def fit_forest(values: np.ndarray, classes: np.ndarray, seed: int) -> Forest:
    """Fit a forest on all cores; equal arguments yield equal forests.

    Args:
        values: Bands of labelled pixels, ``(pixels, bands)`` float32.
        classes: Their classes, ``(pixels,)`` uint8.
        seed: Seed of the pixels and bands drawn for each tree and branch.
    """
    from sklearn.ensemble import RandomForestClassifier

    classifier = RandomForestClassifier(
        TREES,
        max_depth=MAX_DEPTH,
        min_samples_leaf=MIN_LEAF_PIXELS,
        n_jobs=available_cores(),
        random_state=derive_seed(seed, "baseline forest"),
    ).fit(values, classes)
    # With several threads, the shares of the trees would be summed in varying order, which can decide a tie.
    return Forest(classifier.set_params(n_jobs=1))

"""Fit all baselines to the training side of a dataset, to stand beside every result.

Draw labelled pixels of the training side: few enough to fit a forest in seconds, and as many of each scene.

The first baseline: say everywhere what is commonest in training.

The second baseline: a random forest that sees the bands of one pixel and nothing around it.

What a network scores above it, it owes to shapes and surroundings.

Source: Breiman 2001, doi:10.1023/A:1010933404324; scikit-learn's implementation, which averages the class shares of the
leaves instead of counting the trees' votes.
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
MAX_PIXELS = 40_000  # ten times as many: 0.004 more mean IoU on synthetic coasts, seven times as long


class TrainingPixels(NamedTuple):
    """Labelled pixels: ``values`` ``(pixels, bands)`` float32, ``classes`` ``(pixels,)`` uint8; of how many scenes."""

    values: np.ndarray
    classes: np.ndarray
    scenes: int


def draw_pixels(dataset: Dataset, positions: Sequence[int], seed: int) -> TrainingPixels:
    """Draw pixels without replacement, the same number of each scene; one with fewer labelled pixels gives fewer.

    Of each scene the classes come in the shares they have there. A scene's number is `MAX_PIXELS` over the scenes,
    spread evenly over its pairs, as its tiles are, with a pixel of each at least. What is drawn of a pair does not
    depend on the order of the positions.

    Args:
        dataset: The dataset.
        positions: Pairs with labelled pixels, one at least, each once.
        seed: Of the draws.
    """
    scenes = [record.scene for record in dataset.manifest.pairs]
    chosen = choose_pairs(scenes, positions, MAX_PAIRS, seed)
    pairs_in = Counter(scenes[position] for position in chosen)
    values, classes = [], []
    for position in chosen:
        label = dataset.unpadded_label(position).ravel()
        labelled = np.flatnonzero(label != IGNORE)
        wanted = max(1, MAX_PIXELS // len(pairs_in) // pairs_in[scenes[position]])
        rng = generator(seed, "baseline pixels", position)
        drawn = rng.choice(labelled, min(wanted, len(labelled)), replace=False)
        values.append(dataset.unpadded_image(position).reshape(len(label), -1)[drawn].astype(np.float32))
        classes.append(label[drawn])
    return TrainingPixels(np.concatenate(values), np.concatenate(classes), len(pairs_in))


def choose_pairs(scenes: Sequence[str], positions: Sequence[int], most: int, seed: int) -> list[int]:
    """Choose pairs at random where there are too many: one of each scene, then a second of each, and so on.

    Args:
        scenes: The scene of every pair of the dataset.
        positions: Those to choose from, in any order.
        most: How many at most.
        seed: Of the choice.

    Returns:
        Positions, in order.
    """
    taken: Counter[str] = Counter()
    turns = {}
    for position in generator(seed, "baseline pairs").permutation(sorted(positions)).tolist():
        turns[position] = taken[scenes[position]]
        taken[scenes[position]] += 1
    return sorted(sorted(turns, key=turns.__getitem__)[:most])


@dataclass(frozen=True)
class Majority:
    """One class for all pixels.

    Attributes:
        index: The class.
        share: Of the labelled training pixels, in (0, 1].
    """

    index: int
    share: float

    def predict(self, image: np.ndarray) -> np.ndarray:
        """That class for every pixel of ``(rows, columns, bands)``; ``(rows, columns)`` uint8."""
        return np.full(image.shape[:2], self.index, np.uint8)


def find_majority(counts: np.ndarray) -> Majority:
    """The class with most pixels; the first of those that have as many.

    Args:
        counts: Labelled training pixels of each class, ``(classes,)``; one at least.
    """
    index = int(counts.argmax())
    return Majority(index, float(counts[index] / counts.sum()))


# On synthetic coasts a hundred trees, or trees twice as deep, gain nothing. A million pixels take 2 s of one core.
TREES = 30
MAX_DEPTH = 12
MIN_LEAF_PIXELS = 5  # pixels


@dataclass(frozen=True)
class Forest:
    """A forest that was fitted; ``classifier`` is scikit-learn's."""

    classifier: Any

    def predict(self, image: np.ndarray) -> np.ndarray:
        """The class of every pixel of an image.

        Args:
            image: ``(rows, columns, bands)`` of finite numbers, bands as fitted on. Pixels without data get some class.

        Returns:
            ``(rows, columns)`` uint8; a class that was not in training is nowhere.
        """
        rows, columns, bands = image.shape
        return self.classifier.predict(image.reshape(-1, bands).astype(np.float32)).reshape(rows, columns)


def fit_forest(values: np.ndarray, classes: np.ndarray, seed: int) -> Forest:
    """Fit a forest, on all cores; the same arguments give the same forest. One class only is predicted everywhere.

    Args:
        values: Bands of labelled pixels, ``(pixels, bands)`` float32.
        classes: Their classes, ``(pixels,)`` uint8.
        seed: Of the pixels and bands that each tree and each of its branches sees.
    """
    from sklearn.ensemble import RandomForestClassifier

    classifier = RandomForestClassifier(
        TREES,
        max_depth=MAX_DEPTH,
        min_samples_leaf=MIN_LEAF_PIXELS,
        n_jobs=available_cores(),
        random_state=derive_seed(seed, "baseline forest"),
    ).fit(values, classes)
    # Threads would add up the trees' shares in any order, and a tie could fall either way.
    return Forest(classifier.set_params(n_jobs=1))


@dataclass(frozen=True)
class Baselines:
    """The baselines of one training side.

    Attributes:
        bands: Names of the bands of an image, in order.
        majority: The commonest class.
        forest: A forest on the bands of a pixel.
        water_index: A threshold for water; None where the bands or the classes do not allow it.
        descriptions: Of ``majority``, ``forest`` and ``water_index`` what it is, or why there is none, in one sentence.
    """

    bands: tuple[str, ...]
    majority: Majority
    forest: Forest
    water_index: WaterIndex | None
    descriptions: dict[str, str]

    @property
    def water_class(self) -> int | None:
        """The class that the water index finds; None where there is no index."""
        return self.water_index.water if self.water_index else None

    def predict(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """What each baseline says of an image, or of any lattice of its pixels.

        Args:
            image: ``(rows, columns, bands)``, values as a dataset has them, 0 in every band where there is no data.

        Returns:
            ``(rows, columns)`` uint8 by name. ``majority`` and ``forest`` hold classes; ``water_index``, where there is
            one, 1 for `water_class` and 0 for all others.

        Raises:
            DataError: There are more or fewer bands.
        """
        if image.shape[2] != len(self.bands):
            raise DataError(
                f"the image has {image.shape[2]} bands, not the {len(self.bands)} that the baselines were fitted on "
                f"({', '.join(self.bands)}); give the same bands in the same order."
            )
        said = {"majority": self.majority.predict(image), "forest": self.forest.predict(image)}
        return said | ({"water_index": self.water_index.predict(image)} if self.water_index else {})


def fit_baselines(dataset: Dataset, training: Sequence[int], seed: int) -> Baselines:
    """Fit the baselines, in seconds however large the dataset is; the order of the samples does not matter.

    Args:
        dataset: The dataset.
        training: Samples of its training side, as `gym.data.batches` numbers them; of copies the pairs they are of.
            Each pair counts once.
        seed: Of what the forest is fitted on, and of the forest.

    Raises:
        DataError: Not one pixel of these is labelled.
    """
    positions = sorted(set(pair_positions(training, len(dataset))))
    labelled = [position for position in positions if dataset.counts[position].any()]
    if not labelled:
        raise DataError(
            "the training scenes have not one labelled pixel to fit baselines on; label more scenes, or change "
            "split.seed."
        )
    classes = dataset.manifest.classes
    majority = find_majority(dataset.counts[labelled].sum(axis=0))
    pixels = draw_pixels(dataset, labelled, seed)
    water_index = plan_water_index(dataset.bands, classes, dataset.manifest.preparation.scaling.method)
    return Baselines(
        bands=tuple(dataset.bands),
        majority=majority,
        forest=fit_forest(pixels.values, pixels.classes, seed),
        water_index=None if isinstance(water_index, str) else water_index,
        descriptions={
            "majority": describe_majority(majority, classes),
            "forest": describe_forest(pixels),
            "water_index": water_index if isinstance(water_index, str) else describe_water_index(water_index, classes),
        },
    )


def describe_majority(majority: Majority, classes: Sequence[str]) -> str:
    """Say which class it is, and how common."""
    return f"Everywhere {classes[majority.index]}, the class of {majority.share:.0%} of the labelled training pixels."


def describe_forest(pixels: TrainingPixels) -> str:
    """Say how large the forest is and what it was fitted on."""
    drawn, bands = pixels.values.shape
    return (
        f"A random forest on the {bands} bands of one pixel: {TREES} trees at most {MAX_DEPTH} deep, fitted on {drawn} "
        f"labelled pixels of {pixels.scenes} training scene{'s' * (pixels.scenes > 1)}."
    )


def describe_water_index(water_index: WaterIndex, classes: Sequence[str]) -> str:
    """Say which index it is and what it parts."""
    index = water_index.index
    return (
        f"{index.name} = {index.expression} above the threshold of Otsu's method in each image is "
        f"{classes[water_index.water]}; it tells that from all else."
    )

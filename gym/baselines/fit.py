"""Fit all baselines to the training side of a store, to stand beside every result."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gym.baselines.forest import DEEPEST, TREES, Forest, fit_forest
from gym.baselines.majority import Majority, find_majority
from gym.baselines.training_pixels import TrainingPixels, draw_pixels
from gym.baselines.water_index import WaterIndex, plan_water_index
from gym.data.sides import positions_of
from gym.data.store import Store
from gym.errors import DataError


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
            image: ``(rows, columns, bands)``, values as a store has them, 0 in every band where there is no data.

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


def fit_baselines(store: Store, training: Sequence[int], seed: int) -> Baselines:
    """Fit the baselines, in seconds however large the store is; the order of the samples does not matter.

    Args:
        store: The data set.
        training: Samples of its training side, as `gym.data.pipeline` numbers them; of copies the pairs they are of.
            Each pair counts once.
        seed: Of what the forest is fitted on, and of the forest.

    Raises:
        DataError: Not one pixel of these is labelled.
    """
    positions = sorted(set(positions_of(training, len(store))))
    labelled = [position for position in positions if store.counts[position].any()]
    if not labelled:
        raise DataError(
            "the training scenes have not one labelled pixel to fit baselines on; label more scenes, or change "
            "split.seed."
        )
    classes = store.manifest.classes
    majority = find_majority(store.counts[labelled].sum(axis=0))
    pixels = draw_pixels(store, labelled, seed)
    water_index = plan_water_index(store.bands, classes, store.manifest.preparation.scaling.method)
    return Baselines(
        bands=tuple(store.bands),
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
        f"A random forest on the {bands} bands of one pixel: {TREES} trees at most {DEEPEST} deep, fitted on {drawn} "
        f"labelled pixels of {pixels.scenes} training scene{'s' * (pixels.scenes > 1)}."
    )


def describe_water_index(water_index: WaterIndex, classes: Sequence[str]) -> str:
    """Say which index it is and what it parts."""
    index = water_index.index
    return (
        f"{index.name} = {index.expression} above the threshold of Otsu's method in each image is "
        f"{classes[water_index.water]}; it tells that from all else."
    )

"""Turn a labelled scene into pairs: scale the values, map the classes, then frame both.

The `Preparation` of the image is stored with a trained model, so that prediction prepares scenes as training did.
"""

from dataclasses import dataclass

import numpy as np

from gym.config.spectral_index import Index
from gym.core.errors import DataError
from gym.core.text import pluralize
from gym.data.framing import Placement, crop_image, crop_label, place_scene
from gym.data.labels import LabelCounts, LabelRule, remap_label
from gym.data.readers.base import RawScene
from gym.data.scaling import Scaling, add_indices, scale_image


@dataclass(frozen=True)
class Preparation:
    """How an image is prepared for the network.

    Attributes:
        frame: Rows and columns of the network's input.
        framing: As in `gym.data.framing.place_scene`.
        overlap: As in `gym.data.framing.place_scene`.
        scaling: How values are scaled.
        source_bands: Names of the bands as read.
        indices: Spectral indices, stacked behind the bands.
    """

    frame: tuple[int, int]
    framing: str
    overlap: float
    scaling: Scaling
    source_bands: tuple[str, ...]
    indices: tuple[Index, ...] = ()

    @property
    def bands(self) -> list[str]:
        """Names of the bands in the network's input."""
        return [*self.source_bands, *(index.name for index in self.indices)]

    def prepare_image(self, image: np.ndarray) -> np.ndarray:
        """Scale an image ``(rows, columns, bands)`` as read, and add its indices.

        Raises:
            DataError: The number of bands is wrong.
        """
        if image.shape[2] != len(self.source_bands):
            raise DataError(
                f"has {pluralize(image.shape[2], 'band')} where {len(self.source_bands)} are expected "
                f"({', '.join(self.source_bands)}); give the same bands in the same order."
            )
        scaled = scale_image(image, self.scaling)
        return add_indices(scaled, self.source_bands, self.indices) if self.indices else scaled

    def place_image(self, image: np.ndarray) -> list[Placement]:
        """Plan how a prepared image enters the frame, whole or in tiles."""
        return place_scene((image.shape[0], image.shape[1]), self.frame, self.framing, self.overlap)


@dataclass(frozen=True)
class Pair:
    """An image and its label, without padding.

    Attributes:
        name: Unique in the dataset.
        image: ``(*placement.size, bands)``.
        label: ``placement.size`` uint8.
        placement: Where the pair lies in the frame.
    """

    name: str
    image: np.ndarray
    label: np.ndarray
    placement: Placement


@dataclass(frozen=True)
class PreparedScene:
    """The pairs of one scene, and its labelled pixels by value in the file and class."""

    pairs: list[Pair]
    label_counts: LabelCounts


def prepare_scene(name: str, raw: RawScene, preparation: Preparation, rule: LabelRule) -> PreparedScene:
    """Make the pairs of a scene: one, or one per tile. Tiles without data are left out.

    Pixels without data in the image become ``rule.unlabelled`` in the label.

    Raises:
        DataError: The bands or the label values are wrong, or no pixel in the frame has data.
    """
    try:
        image = preparation.prepare_image(raw.image)
    except DataError as error:
        raise DataError(f"{name} {error}") from error
    label, counts = remap_label(raw.label, rule, name, raw.names, raw.labelled)
    label[~image.any(axis=2)] = rule.unlabelled
    placements = preparation.place_image(image)
    names = [name] if len(placements) == 1 else [f"{name} tile {number}" for number in range(1, len(placements) + 1)]
    pairs = [
        _crop_pair(title, image, label, placement, rule.unlabelled)
        for title, placement in zip(names, placements, strict=True)
    ]
    pairs = [pair for pair in pairs if pair.image.any()]
    if not pairs:
        raise DataError(f"{name} has no data in the frame: every pixel is 0 or nodata in all bands; remove it.")
    return PreparedScene(pairs, counts)


def _crop_pair(name: str, image: np.ndarray, label: np.ndarray, placement: Placement, unlabelled: int) -> Pair:
    image, label = crop_image(image, placement), crop_label(label, placement)
    label[~image.any(axis=2)] = unlabelled  # shrinking can remove the data of a pixel
    return Pair(name, image, label, placement)

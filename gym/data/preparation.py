"""From a labelled scene as read to pairs as they are stored: values, then classes, then the frame.

The part that concerns the image alone is kept with a trained model, so that a scene goes through the same in
prediction as in training.
"""

from dataclasses import dataclass

import numpy as np

from gym.config.spectral_index import Index
from gym.core.errors import DataError
from gym.data.framing import Placement, crop_image, crop_label, place_scene
from gym.data.labels import IGNORE, LabelCounts, LabelRule, remap_label
from gym.data.readers.base import RawScene
from gym.data.scaling import Scaling, add_indices, scale_image


@dataclass(frozen=True)
class Preparation:
    """What an image goes through before the network.

    Attributes:
        frame: Rows and columns of the network's input.
        framing: As in `gym.data.framing.place_scene`.
        overlap: Likewise.
        scaling: Of the values as read.
        source_bands: Names of the bands as read.
        indices: Spectral indices, stacked behind those bands.
    """

    frame: tuple[int, int]
    framing: str
    overlap: float
    scaling: Scaling
    source_bands: tuple[str, ...]
    indices: tuple[Index, ...] = ()

    @property
    def bands(self) -> list[str]:
        """Names of the bands the network takes."""
        return [*self.source_bands, *(index.name for index in self.indices)]

    def prepare_image(self, image: np.ndarray) -> np.ndarray:
        """Scale an image ``(rows, columns, bands)`` as read and add its indices.

        Raises:
            DataError: It has more or fewer bands.
        """
        if image.shape[2] != len(self.source_bands):
            raise DataError(
                f"has {image.shape[2]} bands, not {len(self.source_bands)} ({', '.join(self.source_bands)}); "
                "give the same bands in the same order."
            )
        scaled = scale_image(image, self.scaling)
        return add_indices(scaled, self.source_bands, self.indices) if self.indices else scaled

    def place_image(self, image: np.ndarray) -> list[Placement]:
        """Where an image, or its tiles, lie in the frame."""
        return place_scene((image.shape[0], image.shape[1]), self.frame, self.framing, self.overlap)


@dataclass(frozen=True)
class Pair:
    """One image and its label, as large as they are shown in the frame; padding is not stored.

    ``image`` is ``(*placement.size, bands)``, ``label`` ``placement.size`` uint8.
    """

    name: str
    image: np.ndarray
    label: np.ndarray
    placement: Placement


@dataclass(frozen=True)
class PreparedScene:
    """The pairs of one scene, and how many pixels of what stood in its label file became what."""

    pairs: list[Pair]
    label_counts: LabelCounts


def prepare_scene(name: str, raw: RawScene, preparation: Preparation, rule: LabelRule) -> PreparedScene:
    """Make the pairs of a scene: one, or one a tile. Pixels without data in the image count nowhere.

    Raises:
        DataError: The bands or the label values do not fit, or not one pixel as it is shown has data.
    """
    try:
        image = preparation.prepare_image(raw.image)
    except DataError as error:
        raise DataError(f"{name} {error}") from error
    label, counts = remap_label(raw.label, rule, name, raw.names, raw.labelled)
    label[~image.any(axis=2)] = IGNORE
    placements = preparation.place_image(image)
    names = [name] if len(placements) == 1 else [f"{name} tile {number}" for number in range(1, len(placements) + 1)]
    pairs = [cut_pair(title, image, label, placement) for title, placement in zip(names, placements, strict=True)]
    pairs = [pair for pair in pairs if pair.image.any()]
    if not pairs:
        raise DataError(f"{name} shows not one pixel with data, all are 0 or nodata in every band; remove it.")
    return PreparedScene(pairs, counts)


def cut_pair(name: str, image: np.ndarray, label: np.ndarray, placement: Placement) -> Pair:
    """Take what is shown out of image and label; shrinking may leave a pixel without data that had some."""
    shown, classes = crop_image(image, placement), crop_label(label, placement)
    classes[~shown.any(axis=2)] = IGNORE
    return Pair(name, shown, classes, placement)

"""The water index baseline: water is where a spectral index exceeds Otsu's threshold of the image.

Nothing is learnt. The threshold always splits an image in two, even one that shows only land or only water; this is a
known weakness of the method, and its score reflects it.

Sources: NDWI, McFeeters 1996, doi:10.1080/01431169608948714; MNDWI, which mistakes fewer buildings for water, Xu 2006,
doi:10.1080/01431160600589179; the threshold, Otsu 1979, doi:10.1109/TSMC.1979.4310076.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gym.config.spectral_index import Index, band_names, missing_bands, parse_index
from gym.data.scaling import add_indices

_BY_PREFERENCE = ("MNDWI", "NDWI")
_BINS = 256
_NOT_OPEN_WATER = {"no", "non", "not", "white", "without"}


@dataclass(frozen=True)
class WaterIndex:
    """A spectral index and the class it detects.

    Attributes:
        index: MNDWI or NDWI.
        bands: Band names, in the order of an image.
        water: The class.
    """

    index: Index
    bands: tuple[str, ...]
    water: int

    def predict(self, image: np.ndarray) -> np.ndarray:
        """Split an image at its own threshold, which pixels without data do not influence.

        Args:
            image: ``(rows, columns, bands)`` of finite numbers; 0 in every band means no data.

        Returns:
            ``(rows, columns)`` uint8, 1 for water and 0 elsewhere. Pixels without data are not water, and an image with
            a single index value has no water.
        """
        is_water, has_data = np.zeros(image.shape[:2], bool), image.any(axis=2)
        if has_data.any():
            index = self.compute(image)[has_data]
            is_water[has_data] = (index >= find_threshold(index)) & (index > index.min())
        return is_water.astype(np.uint8)

    def compute(self, image: np.ndarray) -> np.ndarray:
        """Compute the index of each pixel, ``(rows, columns)`` float64 in [-1, 1].

        Negative reflectance, which occurs over dark water, counts as 0; 0/0 is 0, as in
        `gym.data.scaling.add_indices`.
        """
        names = band_names(self.index)
        by_name = [band.lower() for band in self.bands]
        needed = np.maximum(image[..., [by_name.index(name) for name in names]], 0)
        # In a nearly constant scene, float32 has fewer distinct values than the histogram has bins.
        return add_indices(needed, names, [self.index])[..., -1].astype(np.float64)

    def describe(self, classes: Sequence[str]) -> str:
        """Describe the index in a sentence; ``classes`` are the class names."""
        return (
            f"{self.index.name} = {self.index.expression} above Otsu's threshold of the image is predicted as "
            f"{classes[self.water]}; all other classes count as one."
        )


def find_threshold(values: np.ndarray) -> float:
    """Find the smallest value of the upper side by Otsu's method, on 256 bins between the minimum and the maximum.

    scikit-image returns the centre of the lower side's last bin, which would put half of that bin on the upper side;
    this function returns the bin's upper edge. For constant values it returns that constant.

    Args:
        values: At least one value, any shape, float64.
    """
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(values, nbins=_BINS)) + float(np.ptp(values)) / _BINS / 2


def plan_water_index(bands: Sequence[str], classes: Sequence[str], scaling: str) -> WaterIndex | str:
    """Choose the index, MNDWI before NDWI, or return a sentence that explains why none is possible.

    Args:
        bands: Band names of an image, in any case.
        classes: Class names.
        scaling: Scaling method of the values, as in `gym.data.scaling.Scaling`.
    """
    water = find_water_class(classes)
    if isinstance(water, str):
        return water
    if scaling == "percentile":
        return "No water index: after data.scaling=percentile, ratios of bands are meaningless."
    indices = [parse_index(name) for name in _BY_PREFERENCE]
    possible = [index for index in indices if not missing_bands(index, bands)]
    if not possible:
        needs = ", ".join(f"{index.name} needs {' and '.join(band_names(index))}" for index in indices)
        return f"No water index: {needs}, but the bands are {', '.join(bands)}."
    return WaterIndex(possible[0], tuple(bands), water)


def find_water_class(classes: Sequence[str]) -> int | str:
    """Find the only class whose name contains the word water, or return a sentence that explains why there is none.

    ``open water`` and ``Water_body`` contain the word; ``whitewater``, ``white water`` and ``not water`` do not count.
    """
    words = [set(re.findall("[a-z]+", name.lower())) for name in classes]
    found = [index for index, name in enumerate(words) if "water" in name and not name & _NOT_OPEN_WATER]
    if not found:
        return f"No water index: none of the classes {', '.join(classes)} is named water."
    if len(found) > 1:
        names = ", ".join(classes[index] for index in found)
        return f"No water index: several classes are named water ({names}), but a threshold can detect only one."
    return found[0]

"""The third baseline: water is where an index of two bands is above the threshold that parts an image best.

Nothing is learnt. An image always falls into two, so one that is all land, or all water, is parted too: that is what
the method does, and what its score is for.

Sources: NDWI, McFeeters 1996, doi:10.1080/01431169608948714; MNDWI, which mistakes fewer buildings for water, Xu 2006,
doi:10.1080/01431160600589179; the threshold, Otsu 1979, doi:10.1109/TSMC.1979.4310076.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gym.config.spectral_index import Index, bands_of, missing_bands, parse_index
from gym.data.scaling import add_indices

_BY_PREFERENCE = ("MNDWI", "NDWI")
_BINS = 256
_NOT_OPEN_WATER = {"no", "non", "not", "white", "without"}


@dataclass(frozen=True)
class WaterIndex:
    """An index, and the class it is to find.

    Attributes:
        index: MNDWI or NDWI.
        bands: Names of the bands of an image.
        water: The class.
    """

    index: Index
    bands: tuple[str, ...]
    water: int

    def predict(self, image: np.ndarray) -> np.ndarray:
        """Part an image by its own threshold, which pixels without data have no part in.

        Args:
            image: ``(rows, columns, bands)`` of finite numbers, 0 in every band where there is no data.

        Returns:
            ``(rows, columns)`` uint8, 1 for water and 0 for all else. An image with one value of the index, or without
            data, has no water; nor have pixels without data.
        """
        is_water, has_data = np.zeros(image.shape[:2], bool), image.any(axis=2)
        if has_data.any():
            index = self.measure(image)[has_data]
            is_water[has_data] = (index >= find_threshold(index)) & (index > index.min())
        return is_water.astype(np.uint8)

    def measure(self, image: np.ndarray) -> np.ndarray:
        """The index at each pixel, ``(rows, columns)`` float64 in [-1, 1].

        Reflectance below 0, as over dark water, counts as 0; 0/0 is 0, as in `gym.data.scaling.add_indices`.
        """
        names = bands_of(self.index)
        by_name = [band.lower() for band in self.bands]
        needed = np.maximum(image[..., [by_name.index(name) for name in names]], 0)
        # Where a scene is all but constant, float32 has too few numbers for the bins of the histogram.
        return add_indices(needed, names, [self.index])[..., -1].astype(np.float64)


def find_threshold(values: np.ndarray) -> float:
    """The least value of the upper side, by Otsu's method on 256 bins from the least to the largest value.

    scikit-image gives the middle of the lower side's last bin, which would leave half of that bin above; this is the
    bin's upper end. Values that are all the same have that value.

    Args:
        values: Of any shape, float64, one at least.
    """
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(values, nbins=_BINS)) + float(np.ptp(values)) / _BINS / 2


def plan_water_index(bands: Sequence[str], classes: Sequence[str], scaling: str) -> WaterIndex | str:
    """The baseline, or why there is none, in one sentence.

    MNDWI is taken before NDWI, where there are bands for both.

    Args:
        bands: Names of the bands of an image, in any case.
        classes: Names of the classes.
        scaling: How values were scaled, as in `gym.data.scaling.Scaling`.
    """
    water = find_water(classes)
    if isinstance(water, str):
        return water
    if scaling == "percentile":
        return "No water index: data.scaling=percentile leaves no meaning to ratios of bands."
    indices = [parse_index(name) for name in _BY_PREFERENCE]
    possible = [index for index in indices if not missing_bands(index, bands)]
    if not possible:
        needs = ", ".join(f"{index.name} needs {' and '.join(bands_of(index))}" for index in indices)
        return f"No water index: {needs}, and the bands are {', '.join(bands)}."
    return WaterIndex(possible[0], tuple(bands), water)


def find_water(classes: Sequence[str]) -> int | str:
    """The one class that has the word water in its name, or why there is none, in one sentence.

    ``open water`` and ``Water_body`` have it; ``whitewater``, ``white water`` and ``not water`` do not.
    """
    words = [set(re.findall("[a-z]+", name.lower())) for name in classes]
    found = [place for place, of_name in enumerate(words) if "water" in of_name and not of_name & _NOT_OPEN_WATER]
    if not found:
        return f"No water index: of the classes {', '.join(classes)} none says water."
    if len(found) > 1:
        names = ", ".join(classes[place] for place in found)
        return f"No water index: {names} all say water, and a threshold can find one class only."
    return found[0]

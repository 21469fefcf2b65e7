"""Scale the values of an image, and stack spectral indices behind its bands.

Images are ``(rows, columns, bands)`` of finite numbers, as `gym.data.readers.raster` reads them. A pixel that is 0 in
every band has no data. It stays 0 in every band, and no pixel with data becomes 0 in every band.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from gym.config.spectral_index import Index, compute_index
from gym.data.readers.raster import STEP

METHODS = ("none", "dtype", "percentile", "reflectance")

_KEPT = (np.uint8, np.uint16, np.int16, np.float32)
_WIDENED = {np.dtype(np.bool_): np.uint8, np.dtype(np.int8): np.int16}


@dataclass(frozen=True)
class Scaling:
    """How to scale the values of an image.

    Attributes:
        method: ``none``, ``dtype``, ``percentile`` or ``reflectance``; see `scale_image`.
        low: Percentile that becomes 0.
        high: Percentile that becomes 1; greater than ``low``.
        factor: Reflectance per count.
        offset: Reflectance of a count of 0.
    """

    method: str = "none"
    low: float = 2.0
    high: float = 98.0
    factor: float = 1e-4
    offset: float = 0.0


def scale_image(image: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Scale an image without changing it; the result may be the image itself.

    - ``none`` keeps the values. uint8, uint16, int16 and float32 keep their type; bool becomes uint8, int8 becomes
      int16, and every other type becomes float32.
    - ``dtype`` divides integers by the largest value of their type, which gives float32 in [0, 1], or in [-1, 1] for
      signed types. Floats and bool are not divided.
    - ``percentile`` stretches each band of each image to float32 in [0, 1]: the percentiles ``low`` and ``high`` of its
      pixels with data become 0 and 1, and values beyond are clipped. If both percentiles are equal, values up to them
      become 0 and greater ones 1.
    - ``reflectance`` returns float32 ``value * factor + offset``, without clipping.

    A pixel with data that would become 0 in every band is set to `STEP` in every band. A pixel with a value that
    float32 cannot hold, before or after scaling, is nodata; the lowest float64 is a common undeclared nodata value.
    """
    narrow = _narrow(image)
    if scaling.method == "none":
        return narrow
    if scaling.method == "dtype":
        largest = np.iinfo(image.dtype).max if np.issubdtype(image.dtype, np.integer) else 1
        return np.divide(narrow, np.float32(largest), dtype=np.float32)
    valid = _has_data(narrow)
    with np.errstate(over="ignore", invalid="ignore"):
        if scaling.method == "percentile":
            scaled = _stretch(narrow, valid, scaling.low, scaling.high)
        else:
            scaled = narrow.astype(np.float32) * scaling.factor + scaling.offset
    return _separate_nodata(scaled, valid)


def unscale_image(image: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Return values that `scale_image` would turn into ``image``; the result may be the image itself.

    Scaling the result again gives exactly ``image`` for ``none`` and ``dtype``, and ``image`` up to rounding for
    ``reflectance``. A stretch by percentiles cannot be undone: the image is returned, and a second stretch changes it
    slightly.
    """
    if scaling.method != "reflectance":
        return image
    values = ((image.astype(np.float64) - scaling.offset) / scaling.factor).astype(np.float32)
    return _separate_nodata(values, _has_data(image))


def add_indices(image: np.ndarray, bands: Sequence[str], indices: Sequence[Index]) -> np.ndarray:
    """Stack spectral indices behind the bands of an image.

    Indices are computed from the given values. Scale these by ``none``, ``dtype`` or ``reflectance``, because a stretch
    by percentiles makes ratios of bands meaningless.

    Args:
        image: ``(rows, columns, bands)``.
        bands: Names of its bands; case does not matter.
        indices: Indices to compute.

    Returns:
        ``(rows, columns, bands + indices)`` float32. Normalized differences such as ``NDVI`` are in [-1, 1] where no
        band is negative. An index is 0 where it has no finite value (0/0, x/0) and where there is no data.

    Raises:
        KeyError: An index uses a band that the image lacks; `gym.data.build` rejects such a configuration earlier.
    """
    narrow = _narrow(image)
    stacked = np.empty((*image.shape[:2], len(bands) + len(indices)), np.float32)
    stacked[..., : len(bands)] = narrow
    by_name = {name: stacked[..., position] for position, name in enumerate(bands)}
    valid = _has_data(narrow)
    with np.errstate(all="ignore"):
        for position, index in enumerate(indices, start=len(bands)):
            values = compute_index(index, by_name)
            stacked[..., position] = np.where(valid & np.isfinite(values), values, 0)
    return stacked


def _narrow(image: np.ndarray) -> np.ndarray:
    """Convert an image to a type that datasets store and TensorFlow reads."""
    if image.dtype in _KEPT:
        return image
    if image.dtype in _WIDENED:
        return image.astype(_WIDENED[image.dtype])
    with np.errstate(over="ignore", under="ignore"):
        narrow = image.astype(np.float32)
    return _separate_nodata(narrow, _has_data(image))


def _stretch(image: np.ndarray, valid: np.ndarray, low: float, high: float) -> np.ndarray:
    stretched = np.zeros(image.shape, np.float32)
    if not valid.any():
        return stretched
    for band in range(image.shape[2]):
        values = image[..., band]
        lower, upper = np.percentile(values[valid], [low, high]).astype(np.float32)
        stretched[..., band] = np.clip((values - lower) / np.maximum(upper - lower, np.finfo(np.float32).tiny), 0, 1)
    return stretched


def _has_data(image: np.ndarray) -> np.ndarray:
    # Looping over bands is four times as fast as np.any along the short last axis.
    return reduce(np.logical_or, (image[..., band] != 0 for band in range(image.shape[2])))


def _separate_nodata(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Set nodata to 0 and lift pixels with data that are 0 in every band to `STEP`; in place."""
    valid = reduce(np.logical_and, (np.isfinite(values[..., band]) for band in range(values.shape[2])), valid)
    values[~valid] = 0
    values[valid & ~_has_data(values)] = STEP
    return values

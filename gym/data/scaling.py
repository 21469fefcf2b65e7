"""What the numbers of an image mean: scalings, and spectral indices as further bands.

Images are ``(rows, columns, bands)`` of finite numbers, as `gym.data.readers.raster` reads them. A pixel that is 0 in
every band holds no data and stays 0 in every band; one that holds data never
becomes that, whatever is made of its values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from gym.config.spectral_index import Index, evaluate
from gym.data.readers.raster import STEP

_KEPT = (np.uint8, np.uint16, np.int16, np.float32)
_WIDENED = {np.dtype(np.bool_): np.uint8, np.dtype(np.int8): np.int16}


@dataclass(frozen=True)
class Scaling:
    """How values are scaled.

    Args:
        method: ``none``, ``dtype``, ``percentile`` or ``reflectance``; see `scale_image`.
        low: Percentile that becomes 0.
        high: Percentile that becomes 1; above ``low``.
        factor: Reflectance of one count.
        offset: Reflectance of a count of 0.
    """

    method: str = "none"
    low: float = 2.0
    high: float = 98.0
    factor: float = 1e-4
    offset: float = 0.0


def scale_image(image: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Scale an image; it may be returned itself, and is never changed.

    - ``none``: values as they are. uint8, uint16, int16 and float32 stay what they are, bool becomes uint8, int8
      becomes int16, and everything else becomes float32.
    - ``dtype``: float32 in shares of the largest value of the image's type: [0, 1], or from -1 for signed types.
      Floating-point values and bool are not divided.
    - ``percentile``: float32 in [0, 1]. In each image and band the ``low`` and ``high`` percentile of the pixels with
      data become 0 and 1, and what lies beyond them is clipped. Where the two are one value, that and all below
      become 0, and all above 1.
    - ``reflectance``: float32 ``value * factor + offset``, not clipped.

    A pixel with data that would be 0 in every band becomes `STEP` in every band. One with a value that float32 cannot
    hold, as it is or scaled, counts as one without data: the lowest float64 as an undeclared nodata value, say.
    """
    narrow = _narrow(image)
    if scaling.method == "none":
        return narrow
    if scaling.method == "dtype":
        largest = np.iinfo(image.dtype).max if np.issubdtype(image.dtype, np.integer) else 1
        return np.divide(narrow, np.float32(largest), dtype=np.float32)
    valid = _has_data(narrow)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = _SCALED[scaling.method](narrow, valid, scaling)
    return _settle(scaled, valid)


def unscale_image(image: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Bring a scaled image back to values of which `scale_image` makes it again; it may be returned itself.

    Of ``none`` and ``dtype`` exactly it, of ``reflectance`` but for rounding. What a stretch by percentiles was made
    from is not known: a stretched image is stretched once more, which changes it a little.
    """
    if scaling.method != "reflectance":
        return image
    values = ((image.astype(np.float64) - scaling.offset) / scaling.factor).astype(np.float32)
    return _settle(values, _has_data(image))


def add_indices(image: np.ndarray, bands: Sequence[str], indices: Sequence[Index]) -> np.ndarray:
    """Stack spectral indices behind the bands they are made from.

    They are made from the values given: scale these by ``none``, ``dtype`` or ``reflectance`` first, since a stretch
    by percentiles leaves no meaning to ratios of bands.

    Args:
        image: ``(rows, columns, bands)``.
        bands: Names of its bands, matched in any case.
        indices: What to add.

    Returns:
        ``(rows, columns, bands + indices)`` float32. A ratio of two sums of the same bands, as in ``NDVI``, is in
        [-1, 1] where no band is negative. An index that has no finite value at a pixel (0/0, x/0) is 0 there.

    Raises:
        KeyError: An index uses a band that the image lacks; whoever plans a dataset sees to that.
    """
    narrow = _narrow(image)
    stacked = np.empty((*image.shape[:2], len(bands) + len(indices)), np.float32)
    stacked[..., : len(bands)] = narrow
    by_name = {name: stacked[..., position] for position, name in enumerate(bands)}
    valid = _has_data(narrow)
    with np.errstate(all="ignore"):
        for position, index in enumerate(indices, start=len(bands)):
            values = evaluate(index, by_name)
            stacked[..., position] = np.where(valid & np.isfinite(values), values, 0)
    return stacked


def _narrow(image: np.ndarray) -> np.ndarray:
    """Bring an image into a type that a dataset can hold and TensorFlow reads."""
    if image.dtype in _KEPT:
        return image
    if image.dtype in _WIDENED:
        return image.astype(_WIDENED[image.dtype])
    with np.errstate(over="ignore", under="ignore"):
        narrow = image.astype(np.float32)
    return _settle(narrow, _has_data(image))


def _stretch(image: np.ndarray, valid: np.ndarray, scaling: Scaling) -> np.ndarray:
    stretched = np.zeros(image.shape, np.float32)
    if not valid.any():
        return stretched
    for band in range(image.shape[2]):
        values = image[..., band]
        low, high = np.percentile(values[valid], [scaling.low, scaling.high]).astype(np.float32)
        stretched[..., band] = np.clip((values - low) / np.maximum(high - low, np.finfo(np.float32).tiny), 0, 1)
    return stretched


def _to_reflectance(image: np.ndarray, valid: np.ndarray, scaling: Scaling) -> np.ndarray:
    return image.astype(np.float32) * scaling.factor + scaling.offset


_SCALED = {"percentile": _stretch, "reflectance": _to_reflectance}


def _has_data(image: np.ndarray) -> np.ndarray:
    # Band by band is four times as fast as np.any over the last axis, which is short.
    return reduce(np.logical_or, (image[..., band] != 0 for band in range(image.shape[2])))


def _settle(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Hold the promises of this module about pixels with and without data; in place."""
    valid = reduce(np.logical_and, (np.isfinite(values[..., band]) for band in range(values.shape[2])), valid)
    values[~valid] = 0
    values[valid & ~_has_data(values)] = STEP
    return values

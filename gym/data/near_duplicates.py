"""Find images that show the same, though not byte for byte: recompressed, brightened, resampled, a little noisy.

Such near-duplicates on two sides of a split leak as copies do, and a checksum does not see them. An image is summed up
in 64 bits that follow its coarse pattern; two images are as far apart as their bits differ (Hamming distance). Unlike
images differ in about 32, a changed copy in 4 or fewer. No files here.

Source: Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions (thesis, University of Applied
Sciences Upper Austria, Hagenberg), the DCT hash. Ours also takes the frequencies that vary along rows alone or columns
alone, for a straight coast has hardly any others.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.fft import dctn

_SIDE, _LOW = 32, 8
_NEGLIGIBLE = 1e-6
_BLOCK = 1 << 21  # distances worked out at once, in some 20 MiB


class NearDuplicate(NamedTuple):
    """Two images on different sides, by name, and in how many of 64 bits their hashes differ."""

    first: str
    second: str
    distance: int


def perceptual_hash(image: np.ndarray) -> str:
    """Sum up the coarse pattern of an image.

    The mean of the bands is reduced to 32 x 32 areas and transformed (DCT-II). Of the 8 x 8 lowest frequencies each
    gives a bit: is it above their median? The lowest, mean brightness, is no part of that, and its bit is 0. Brightness
    and contrast do not matter, flips do. Pixels without data, 0 in every band, count as the mean of the others. (JPEG
    blurs their border, so a recompressed image that has some differs in up to 16 bits.)

    Args:
        image: ``(rows, columns, bands)``, any real type, finite.

    Returns:
        64 bits as 16 hexadecimal digits; empty where there is no pattern, as in an image of one value or without data:
        such an image is like no other.
    """
    brightness, valid = np.zeros(image.shape[:2]), np.zeros(image.shape[:2], bool)
    for band in np.moveaxis(image, -1, 0):
        brightness += band
        valid |= band != 0
    if not valid.any():
        return ""
    sums, shares = _reduce(brightness), _reduce(valid)
    areas = sums - shares * (sums.sum() / shares.sum())
    low = dctn(areas, norm="ortho")[:_LOW, :_LOW].ravel()[1:]
    strongest = np.abs(low).max()
    if strongest <= _NEGLIGIBLE * np.abs(sums).max():
        return ""
    # Frequencies that a regular pattern lacks are 0 up to rounding, and must not be told apart by it.
    bits = low > np.median(low) + _NEGLIGIBLE * strongest
    return np.packbits(np.concatenate([[False], bits])).tobytes().hex()


def match_hashes(hashes: Mapping[str, Mapping[str, str]], largest_distance: int) -> list[NearDuplicate]:
    """Find pairs of images that stand on different sides and look alike.

    Args:
        hashes: For each side, for each name, the image's `perceptual_hash`; an empty one is like no other.
        largest_distance: Most bits in which the hashes of a pair differ, 0 to 64.

    Returns:
        The pairs, nearest first, then by name; the first image is of the side that comes first in ``hashes``.
    """
    found = []
    sides = [{name: int(digits, 16) for name, digits in side.items() if digits} for side in hashes.values()]
    for first, second in combinations(sides, 2):
        ours, theirs = list(first), list(second)
        codes, others = (np.fromiter(side.values(), np.uint64) for side in (first, second))
        step = max(1, _BLOCK // max(1, len(others)))
        for start in range(0, len(codes), step):
            distances = np.bitwise_count(codes[start : start + step, np.newaxis] ^ others)
            for row, column in np.argwhere(distances <= largest_distance):
                found.append(NearDuplicate(ours[start + row], theirs[column], int(distances[row, column])))
    return sorted(found, key=lambda pair: (pair.distance, pair.first, pair.second))


def _reduce(values: np.ndarray) -> np.ndarray:
    """Average ``(rows, columns)`` over 32 x 32 equal areas; pixels on an edge count by their share."""
    rows, columns = (_area_weights(size) for size in values.shape)
    return (columns @ (rows @ values).T).T


def _area_weights(size: int) -> sparse.csr_array:
    """Weigh ``size`` pixels in each of 32 equal stretches; ``(32, size)``, each row summing to 1.

    Sparse, for a dense product runs on all cores, and waits for them longer than this one takes.
    """
    edges = np.linspace(0, size, _SIDE + 1)
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, np.newaxis], pixels + 1) - np.maximum(edges[:-1, np.newaxis], pixels)
    return sparse.csr_array(np.maximum(overlap, 0) * (_SIDE / size))

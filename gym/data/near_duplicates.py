"""Find images that show the same scene without being byte-identical: recompressed, brightened, resampled or noisy.

Such near-duplicates leak between the sides of a split, and checksums miss them. A perceptual hash summarizes the coarse
pattern of an image in 64 bits; the distance of two images is the number of bits that differ (Hamming distance).
Unrelated images differ in about 32 bits, a changed copy in at most 4.

Source: Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions (thesis, University of Applied
Sciences Upper Austria, Hagenberg), the DCT hash. Ours keeps the frequencies that vary along rows only or columns only,
because a straight coast has hardly any others.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.fft import dctn

_SIDE, _LOW = 32, 8
_NEGLIGIBLE = 1e-6
_BLOCK = 1 << 21  # distances computed at once; they take about 20 MiB


class NearDuplicate(NamedTuple):
    """Names of two similar images on different sides, and the number of bits, of 64, in which their hashes differ."""

    first: str
    second: str
    distance: int


def perceptual_hash(image: np.ndarray) -> str:
    """Summarize the coarse pattern of an image.

    The mean of the bands is reduced to 32 x 32 areas and transformed (DCT-II). Each of the 8 x 8 lowest frequencies
    contributes one bit: whether it exceeds their median. The lowest one, the mean brightness, is left out and its bit
    is 0. The hash ignores brightness and contrast, but not flips. Pixels without data count as the mean of the others.
    JPEG blurs the border of nodata, so a recompressed image with nodata differs in up to 16 bits.

    Args:
        image: ``(rows, columns, bands)``, any real type, finite.

    Returns:
        16 hexadecimal digits, or "" if the image has no pattern (no data, or a single value) and thus no duplicates.
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
    # Frequencies that a regular pattern lacks are 0 up to rounding, and rounding must not decide their bits.
    bits = low > np.median(low) + _NEGLIGIBLE * strongest
    return np.packbits(np.concatenate([[False], bits])).tobytes().hex()


def match_hashes(hashes: Mapping[str, Mapping[str, str]], largest_distance: int) -> list[NearDuplicate]:
    """Find similar images on different sides.

    Args:
        hashes: `perceptual_hash` by image name, for each side. Images with an empty hash are skipped.
        largest_distance: Number of bits, 0 to 64, in which the hashes of a match may differ.

    Returns:
        The matches by ascending distance, then by name. The first image of each is on the side that comes first.
    """
    found = []
    sides = [{name: int(digits, 16) for name, digits in side.items() if digits} for side in hashes.values()]
    for first, second in combinations(sides, 2):
        first_names, second_names = list(first), list(second)
        codes, others = (np.fromiter(side.values(), np.uint64) for side in (first, second))
        step = max(1, _BLOCK // max(1, len(others)))
        for start in range(0, len(codes), step):
            distances = np.bitwise_count(codes[start : start + step, np.newaxis] ^ others)
            for row, column in np.argwhere(distances <= largest_distance):
                found.append(NearDuplicate(first_names[start + row], second_names[column], int(distances[row, column])))
    return sorted(found, key=lambda match: (match.distance, match.first, match.second))


def _reduce(values: np.ndarray) -> np.ndarray:
    """Average ``(rows, columns)`` over 32 x 32 equal areas; a pixel on an edge counts in proportion to its overlap."""
    rows, columns = (_area_weights(size) for size in values.shape)
    return (columns @ (rows @ values).T).T


def _area_weights(size: int) -> sparse.csr_array:
    """Weigh ``size`` pixels in each of 32 equal segments; ``(32, size)``, each row summing to 1."""
    # Sparse, because a dense product starts threads on all cores and waits for them longer than this one runs.
    edges = np.linspace(0, size, _SIDE + 1)
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, np.newaxis], pixels + 1) - np.maximum(edges[:-1, np.newaxis], pixels)
    return sparse.csr_array(np.maximum(overlap, 0) * (_SIDE / size))

"""Blend the scores of overlapping tiles into one map of the scene.

No files and no model here: an array of ones can test it all.
"""

from collections.abc import Iterable

import numpy as np

from gym.data.frame import Placement, unframe_scores
from gym.errors import DataError


def merge_scores(parts: Iterable[tuple[Placement, np.ndarray]], classes: int) -> np.ndarray:
    """Blend the scores of a scene's parts, each pixel weighted by its distance from the edge of its tile.

    A weighted mean is kept while the parts come in one by one: where parts agree it is what they say to the bit, and
    a single part comes back as it was.

    Args:
        parts: Placements of one scene with their scores ``(*frame, classes)``.
        classes: Scores a pixel.

    Returns:
        ``(*scene, classes)`` float32; 0 for every class where no part lies.

    Raises:
        DataError: There is not one part.
    """
    merged, weights = np.zeros((0, 0, classes), np.float32), np.zeros((0, 0), np.float32)
    for placement, scores in parts:
        if not merged.size:
            merged, weights = np.zeros((*placement.scene, classes), np.float32), np.zeros(placement.scene, np.float32)
        top, left, rows, columns = placement.window
        here = slice(top, top + rows), slice(left, left + columns)
        taper = hann_taper(rows, columns)
        weights[here] += taper
        merged[here] += (unframe_scores(scores, placement) - merged[here]) * (taper / weights[here])[..., np.newaxis]
    if not merged.size:
        raise DataError("0 parts of a scene cannot be merged; give at least one placement with its scores.")
    return merged


def hann_taper(rows: int, columns: int) -> np.ndarray:
    """Weigh the pixels of a tile, strongest at its centre; ``(rows, columns)`` float32, each above 0 and at most 1.

    Half-overlapping tiles have weights that sum to one wherever four meet. The shift by half a pixel keeps the tile's
    outermost pixels, which at a scene's border no other tile covers, above 0.

    Source:
        Pielawski & Wählby 2020, doi:10.1371/journal.pone.0229839; the half-pixel shift is ours.
    """
    rise, across = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(side) + 0.5) / side) for side in (rows, columns))
    return np.outer(rise, across).astype(np.float32)

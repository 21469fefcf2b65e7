"""Segment one image of any size with a trained model.

Blend the scores of overlapping tiles into one map of the scene.

No files and no model here: an array of ones can test it all.
"""

from collections.abc import Iterable, Iterator

import keras
import numpy as np

from gym.core.errors import DataError
from gym.data.framing import Placement, frame_image, unframe_probabilities
from gym.data.labels import IGNORE
from gym.runs.model_files import SavedModel


def blend_tiles(parts: Iterable[tuple[Placement, np.ndarray]], classes: int) -> np.ndarray:
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
        merged[here] += (unframe_probabilities(scores, placement) - merged[here]) * (taper / weights[here])[
            ..., np.newaxis
        ]
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


def segment(model: SavedModel, image: np.ndarray) -> np.ndarray:
    """Label every pixel of an image at the image's own size and aspect.

    Args:
        model: A trained model.
        image: ``(rows, columns, bands)`` in the type and scale of the training imagery; 0 in every band means nodata.

    Returns:
        Class indices ``(rows, columns)`` uint8, `IGNORE` (255) where the image has no data.

    Raises:
        DataError: As for `class_probabilities`.
    """
    probabilities = class_probabilities(model, image)
    has_data = ~np.isnan(probabilities[..., 0])
    label = np.full(has_data.shape, IGNORE, np.uint8)
    label[has_data] = probabilities[has_data].argmax(axis=-1)
    return label


def class_probabilities(model: SavedModel, image: np.ndarray) -> np.ndarray:
    """Predict the probability of each class for every pixel of an image, at the image's own size and aspect.

    The image is prepared as the training scenes were (scaling, indices, framing, standardisation). The probabilities
    are mapped back to the image, and those of overlapping tiles are blended.

    Args:
        model: A trained model.
        image: ``(rows, columns, bands)`` in the type and scale of the training imagery; 0 in every band means nodata.

    Returns:
        ``(rows, columns, classes)`` float32 in [0, 1]; NaN where the image has no data.

    Raises:
        DataError: The image does not have the model's bands, has no data, or too little to be seen in its frame.
    """
    prepared = model.description.preparation.prepare_image(image)
    has_data = prepared.any(axis=2)
    if not has_data.any():
        raise DataError("has not one pixel with data; every band is 0 or nodata everywhere.")
    probabilities = blend_tiles(predict_tiles(model, prepared), len(model.description.classes))
    probabilities[~has_data] = np.nan
    return probabilities


def predict_tiles(model: SavedModel, prepared: np.ndarray) -> Iterator[tuple[Placement, np.ndarray]]:
    """Score a prepared image, or its tiles, one by one: where it lies in the frame, and scores ``(*frame, classes)``.

    Raises:
        DataError: Shrunk to the frame, it has no data left.
    """
    preparation, is_empty = model.description.preparation, True
    for placement in preparation.place_image(prepared):
        framed = frame_image(prepared, placement, preparation.frame).astype(np.float32)
        if framed.any():
            is_empty = False
            yield placement, keras.ops.convert_to_numpy(model.network.predict_on_batch(framed[np.newaxis]))[0]
    if is_empty:
        rows, columns = preparation.frame
        raise DataError(f"has too few pixels with data to be seen in {rows}x{columns} pixels; cut the image closer.")

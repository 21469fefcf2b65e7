"""Segment one image of any size with a trained model."""

from collections.abc import Iterator

import keras
import numpy as np

from gym.data.frame import Placement, frame_image
from gym.data.labels import IGNORE
from gym.errors import DataError
from gym.prediction.tiles import merge_scores
from gym.saved_model import SavedModel


def segment(model: SavedModel, image: np.ndarray) -> np.ndarray:
    """Label every pixel of an image at the image's own size and aspect.

    The image goes through what the training scenes went through (scaling, indices, framing, standardisation); its
    scores come back the same way, those of overlapping tiles blended.

    Args:
        model: A trained model.
        image: ``(rows, columns, bands)`` in the type and scale of the training imagery; 0 in every band means nodata.

    Returns:
        Class indices ``(rows, columns)`` uint8, `IGNORE` (255) where the image has no data.

    Raises:
        DataError: The image has other bands than the model, or no data, or too little to be seen in its frame.
    """
    prepared = model.description.preparation.prepare_image(image)
    has_data = prepared.any(axis=2)
    if not has_data.any():
        raise DataError("has not one pixel with data; every band is 0 or nodata everywhere.")
    scores = merge_scores(score_parts(model, prepared), len(model.description.classes))
    label = scores.argmax(axis=-1).astype(np.uint8)
    label[~has_data] = IGNORE
    return label


def score_parts(model: SavedModel, prepared: np.ndarray) -> Iterator[tuple[Placement, np.ndarray]]:
    """Score a prepared image, or its tiles, one by one: where it lies in the frame, and scores ``(*frame, classes)``.

    Raises:
        DataError: Shrunk to the frame, it has no data left.
    """
    preparation, is_empty = model.description.preparation, True
    for placement in preparation.place(prepared):
        framed = frame_image(prepared, placement, preparation.frame).astype(np.float32)
        if framed.any():
            is_empty = False
            yield placement, keras.ops.convert_to_numpy(model.network.predict_on_batch(framed[np.newaxis]))[0]
    if is_empty:
        rows, columns = preparation.frame
        raise DataError(f"has too few pixels with data to be seen in {rows}x{columns} pixels; cut the image closer.")

"""Segment one image of any size with a trained model."""

import keras
import numpy as np

from gym.data.frame import frame_image, place, unframe_scores
from gym.data.labels import IGNORE
from gym.errors import DataError
from gym.saved_model import SavedModel


def segment(model: SavedModel, image: np.ndarray) -> np.ndarray:
    """Label every pixel of an image at the image's own size and aspect.

    The image goes through what the training scenes went through (shrunk to fit the frame if larger, padded,
    standardised); its scores come back the same way.

    Args:
        model: A trained model.
        image: ``(rows, columns, bands)`` in any type and scale; 0 in every band means nodata.

    Returns:
        Class indices ``(rows, columns)`` uint8, `IGNORE` (255) where the image has no data.

    Raises:
        DataError: The image has other bands than the model.
    """
    description = model.description
    if image.shape[2] != len(description.bands):
        raise DataError(
            f"has {image.shape[2]} bands and the model takes {len(description.bands)} "
            f"({', '.join(description.bands)}); give the same bands in the same order."
        )
    frame = (description.frame[0], description.frame[1])
    framed = frame_image(image, frame).astype(np.float32)
    scores = keras.ops.convert_to_numpy(model.network.predict_on_batch(framed[np.newaxis]))[0]
    placement = place((image.shape[0], image.shape[1]), frame)
    label = unframe_scores(scores, placement).argmax(axis=-1).astype(np.uint8)
    label[~np.any(image, axis=2)] = IGNORE
    return label

"""Segment an image of any size with a trained model, tile by tile if the model was trained on tiles."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from gym.core.errors import DataError
from gym.data.framing import Placement, frame_image, unframe_probabilities
from gym.data.labels import IGNORE
from gym.runs.model_files import SavedModel


def segment(model: SavedModel, image: np.ndarray) -> np.ndarray:
    """Predict the class of every pixel of an image, at the image's own size.

    Args:
        model: Trained model.
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
    """Predict the probability of each class for every pixel of an image, at the image's own size.

    The image is prepared as the training scenes were (scaling, indices, framing, standardization). The probabilities
    are mapped back to the image, and those of overlapping tiles are blended.

    Args:
        model: Trained model.
        image: ``(rows, columns, bands)`` in the type and scale of the training imagery; 0 in every band means nodata.

    Returns:
        ``(rows, columns, classes)`` float32 in [0, 1]; NaN where the image has no data.

    Raises:
        DataError: The number of bands is wrong, the image has no data, or too little to be visible in the frame.
    """
    prepared = model.description.preparation.prepare_image(image)
    has_data = prepared.any(axis=2)
    if not has_data.any():
        raise DataError("has no data: every pixel is 0 or nodata in all bands; remove it.")
    probabilities = blend_tiles(predict_tiles(model, prepared), has_data.shape, len(model.description.classes))
    probabilities[~has_data] = np.nan
    return probabilities


def check_image(image: Any) -> np.ndarray:
    """Convert what a user gives as an image to an array ``(rows, columns, bands)``.

    A pixel that is masked, NaN or infinite in any band becomes 0 in every band, so that it has no data.

    Raises:
        DataError: It does not have three axes, or does not hold real numbers.
    """
    try:
        values = np.asarray(np.ma.getdata(image))
    except ValueError as error:
        raise DataError("an image must be an array, but these lists differ in length; make them equal.") from error
    if values.ndim != 3:
        raise DataError(
            f"an image of shape {values.shape} must have the shape (rows, columns, bands); a single band needs "
            "image[..., np.newaxis], and images of a batch are predicted one by one."
        )
    if not values.size:
        raise DataError(f"an image of shape {values.shape} has no pixels; give at least one row, column and band.")
    if values.dtype.kind not in "buif":
        raise DataError(f"an image of type {values.dtype} must hold real numbers; try image.astype(np.float32).")
    has_data = ~np.ma.getmaskarray(image).any(axis=2)
    if values.dtype.kind == "f":
        has_data &= np.isfinite(values).all(axis=2)
    return values if has_data.all() else np.where(np.expand_dims(has_data, 2), values, values.dtype.type(0))


def predict_tiles(model: SavedModel, prepared: np.ndarray) -> Iterator[tuple[Placement, np.ndarray]]:
    """Predict each tile of a prepared image that has data; yield its placement and probabilities ``(*frame, classes)``.

    Raises:
        DataError: No data is left after the image is shrunk to the frame.
    """
    preparation, is_empty = model.description.preparation, True
    for placement in preparation.place_image(prepared):
        framed = frame_image(prepared, placement, preparation.frame).astype(np.float32)
        if framed.any():
            is_empty = False
            yield placement, keras.ops.convert_to_numpy(model.network.predict_on_batch(framed[np.newaxis]))[0]
    if is_empty:
        rows, columns = preparation.frame
        raise DataError(f"has too little data to be visible in {rows}x{columns} pixels; crop the image to its data.")


def blend_tiles(tiles: Iterable[tuple[Placement, np.ndarray]], scene: tuple[int, ...], classes: int) -> np.ndarray:
    """Blend the probabilities of overlapping tiles, weighting each pixel by its distance from the edge of the tile.

    The weighted mean is updated tile by tile, so that one tile is in memory at a time. Where tiles agree, the result
    equals their common value exactly.

    Args:
        tiles: Placements of one scene with their probabilities ``(*frame, classes)``.
        scene: Rows and columns of the scene.
        classes: Number of classes.

    Returns:
        ``(*scene, classes)`` float32; 0 for every class where there is no tile.
    """
    blended, weights = np.zeros((*scene, classes), np.float32), np.zeros(scene, np.float32)
    for placement, probabilities in tiles:
        top, left, rows, columns = placement.window
        window = slice(top, top + rows), slice(left, left + columns)
        taper = hann_taper(rows, columns)
        weights[window] += taper
        share = (taper / weights[window])[..., np.newaxis]
        blended[window] += (unframe_probabilities(probabilities, placement) - blended[window]) * share
    return blended


def hann_taper(rows: int, columns: int) -> np.ndarray:
    """Weigh the pixels of a tile, strongest at its centre; ``(rows, columns)`` float32 in (0, 1].

    The weights of tiles that overlap by half sum to one wherever four of them meet. Shifting the window by half a pixel
    keeps the outermost pixels above 0, because no other tile covers them at the border of a scene.

    Source:
        Pielawski & Wählby 2020, doi:10.1371/journal.pone.0229839; the half-pixel shift is ours.
    """
    rise, across = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(side) + 0.5) / side) for side in (rows, columns))
    return np.outer(rise, across).astype(np.float32)

"""Place scenes of any size in the network's frame, and map its output back.

A scene enters the frame whole or window by window. `place_scene` plans the placements. `crop_image` and `crop_label`
cut out a window and resize it for the frame, `pad_image` and `pad_label` surround it with nodata (0 in every band) and
`IGNORE` or the null class. `unframe_probabilities` is the way back. Images are ``(rows, columns, bands)`` with 0 in
every band where there is no data; sizes and positions are whole pixels, rows first and downward.

Source: the paper, section 2.2, "Third". Its code distorted the aspect ratio of scenes larger than the frame.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from gym.core.errors import ConfigError
from gym.data.labels import IGNORE

FRAMINGS = ("fit", "resize", "tile")
MAX_OVERLAP = 0.9


class Placement(NamedTuple):
    """Where one window of a scene lies in the frame.

    Attributes:
        scene: Size of the scene.
        window: Top, left, rows and columns of the window, in pixels of the scene.
        size: Size of the window in the frame.
        corner: Top left pixel of the window in the frame.
    """

    scene: tuple[int, int]
    window: tuple[int, int, int, int]
    size: tuple[int, int]
    corner: tuple[int, int]


def place_scene(
    scene: tuple[int, int], frame: tuple[int, int], framing: str = "fit", overlap: float = 0.0
) -> list[Placement]:
    """Plan how a scene enters the frame.

    Args:
        scene: Rows and columns, 1 or more.
        frame: Rows and columns, 1 or more.
        framing: ``fit`` shrinks the whole scene by one factor if it is larger than the frame, and never enlarges it.
            ``resize`` stretches the whole scene to the frame without keeping its aspect ratio, as the original program
            does. ``tile`` cuts the fewest windows of the frame's size that overlap by at least ``overlap``, at full
            resolution and evenly spaced.
        overlap: Smallest overlap of neighbouring tiles, as a share of the frame's side in [0, 0.9]. Each tile starts at
            least one pixel after the one before.

    Returns:
        One placement, or one per tile in row-major order. A window smaller than the frame is centred in it.

    Raises:
        ConfigError: ``framing`` is unknown or ``overlap`` is out of range.
    """
    if not 0 <= overlap <= MAX_OVERLAP:
        raise ConfigError(f"data.overlap={overlap} must be at least 0 and at most {MAX_OVERLAP}; try 0.25.")
    whole = (0, 0, *scene)
    if framing == "fit":
        return [_centre(scene, whole, _shrink(scene, frame), frame)]
    if framing == "resize":
        return [_centre(scene, whole, frame, frame)]
    if framing == "tile":
        rows, columns = min(scene[0], frame[0]), min(scene[1], frame[1])
        return [
            _centre(scene, (top, left, rows, columns), (rows, columns), frame)
            for top in _tile_starts(scene[0], frame[0], overlap)
            for left in _tile_starts(scene[1], frame[1], overlap)
        ]
    raise ConfigError(f"data.framing={framing} must be one of fit, resize, tile.")


def _centre(
    scene: tuple[int, int], window: tuple[int, int, int, int], size: tuple[int, int], frame: tuple[int, int]
) -> Placement:
    return Placement(scene, window, size, ((frame[0] - size[0]) // 2, (frame[1] - size[1]) // 2))


def _shrink(scene: tuple[int, int], frame: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, frame[0] / scene[0], frame[1] / scene[1])
    return max(1, round(scene[0] * scale)), max(1, round(scene[1] * scale))


def _tile_starts(scene: int, tile: int, overlap: float) -> list[int]:
    last = scene - tile
    if last <= 0:
        return [0]
    # Rounded first, because 10 * (1 - 0.9) is slightly less than 1 in floating point.
    stride = max(1, math.floor(round(tile * (1 - overlap), 6)))
    steps = math.ceil(last / stride)
    return [last * step // steps for step in range(steps + 1)]


def crop_image(image: np.ndarray, placement: Placement) -> np.ndarray:
    """Cut the window out of an image at its size in the frame; ``(*placement.size, bands)`` in the image's type.

    The result is a view of the image if it needs no resampling.
    """
    return resample_image(image[_window(placement)], placement.size)


def crop_label(label: np.ndarray, placement: Placement) -> np.ndarray:
    """Cut the window out of a label ``(rows, columns)`` at its size in the frame, in the label's type."""
    return resample_label(label[_window(placement)], placement.size)


def pad_image(image: np.ndarray, corner: tuple[int, int], frame: tuple[int, int]) -> np.ndarray:
    """Put an image into the frame, its top left pixel at ``corner`` and 0 around it; ``(*frame, bands)``."""
    framed = np.zeros((*frame, image.shape[2]), image.dtype)
    framed[_area(corner, image.shape)] = image
    return framed


def pad_label(label: np.ndarray, corner: tuple[int, int], frame: tuple[int, int], padding: int = IGNORE) -> np.ndarray:
    """Put a label into the frame, its top left pixel at ``corner`` and ``padding`` around it; ``frame`` uint8."""
    framed = np.full(frame, padding, np.uint8)
    framed[_area(corner, label.shape)] = label
    return framed


def frame_image(image: np.ndarray, placement: Placement, frame: tuple[int, int]) -> np.ndarray:
    """Crop an image and pad it to the frame; ``(*frame, bands)`` in the image's type."""
    return pad_image(crop_image(image, placement), placement.corner, frame)


def unframe_probabilities(probabilities: np.ndarray, placement: Placement) -> np.ndarray:
    """Map probabilities ``(*frame, classes)`` back to the window's own size.

    The probabilities of a pixel keep their sum. The result is a view if it needs no resampling.
    """
    window, size = probabilities[_area(placement.corner, placement.size)], placement.window[2:]
    return window if placement.size == size else _resample(window, size).astype(probabilities.dtype)


def resample_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image ``(rows, columns, bands)`` in its own type; integers are rounded.

    Shrinking takes the mean over the area of each new pixel, enlarging interpolates linearly. Only pixels with data
    contribute; a new pixel has data if at least half of its area does.
    """
    if image.shape[:2] == size:
        return image
    share = _resample(np.any(image, axis=2, keepdims=True).astype(image.dtype), size)
    has_data = share > 0.5 - 1e-6  # a half that was rounded down still counts
    values = np.divide(_resample(image, size), share, where=has_data, out=np.zeros((*size, image.shape[2])))
    return (np.rint(values) if np.issubdtype(image.dtype, np.integer) else values).astype(image.dtype)


def resample_label(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a label ``(rows, columns)`` by nearest neighbour, so that no new class appears."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, label.shape, strict=True)
    )
    return label[np.ix_(rows, columns)]


def _window(placement: Placement) -> tuple[slice, slice]:
    top, left, rows, columns = placement.window
    return _area((top, left), (rows, columns))


def _area(corner: tuple[int, int], size: tuple[int, ...]) -> tuple[slice, slice]:
    return slice(corner[0], corner[0] + size[0]), slice(corner[1], corner[1] + size[1])


def _resample(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize ``(rows, columns, layers)``, rows first; float32, or float64 for types that float32 cannot hold."""
    (rows, columns, layers), dtype = values.shape, np.result_type(values.dtype, np.float32)
    tall = _footprints(rows, size[0], dtype) @ values.reshape(rows, -1)
    swapped = tall.reshape(size[0], columns, layers).swapaxes(0, 1).reshape(columns, -1)
    return (_footprints(columns, size[1], dtype) @ swapped).reshape(size[1], size[0], layers).swapaxes(0, 1)


def _footprints(old: int, new: int, dtype: np.dtype) -> csr_array:
    """Weigh the ``old`` pixels of a line for each of ``new`` pixels; ``(new, old)``, each row summing to one.

    A new pixel averages over its own extent, or over that of one old pixel if it is wider, which amounts to linear
    interpolation. Beyond the border, the nearest pixel is repeated.
    """
    extent = max(1.0, old / new)
    begin = (np.arange(new)[:, np.newaxis] + 0.5) * old / new - extent / 2
    near = np.floor(begin).astype(int) + np.arange(math.ceil(extent) + 1)
    covered = np.clip(np.minimum(begin + extent, near + 1) - np.maximum(begin, near), 0, None)
    rows = np.broadcast_to(np.arange(new)[:, np.newaxis], near.shape)
    weights = (covered / extent).astype(dtype)
    return csr_array((weights.ravel(), (rows.ravel(), near.clip(0, old - 1).ravel())), shape=(new, old))

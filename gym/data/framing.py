"""Show scenes of any size in the model's frame, and bring its scores back.

A scene is placed in the frame whole, or window by window. `place_scene` plans the placements; `crop_image` and
`crop_label` cut a window out of a scene at its size in the frame; `pad_image` and `pad_label` pad it to the frame, with
0 in every band of the image and `IGNORE` in the label; `unframe_probabilities` is the way back. Images are
``(rows, columns, bands)``, 0 in every band where there is no data. Positions and sizes are ``(row, column)`` in whole
pixels, rows downward.

Source: the paper, section 2.2, "Third"; its code distorted the aspect, and gave padding the label of a class.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from gym.core.errors import ConfigError
from gym.data.labels import IGNORE

MAX_OVERLAP = 0.9


class Placement(NamedTuple):
    """Where a part of a scene lies in the frame.

    Attributes:
        scene: Size of the scene.
        window: The part that is shown, in pixels of the scene: top, left, rows, columns.
        size: Size of that part in the frame.
        corner: Its top left corner in the frame.
    """

    scene: tuple[int, int]
    window: tuple[int, int, int, int]
    size: tuple[int, int]
    corner: tuple[int, int]


def place_scene(
    scene: tuple[int, int], frame: tuple[int, int], framing: str = "fit", overlap: float = 0.0
) -> list[Placement]:
    """Work out how a scene is shown in a frame.

    Args:
        scene: Rows and columns, 1 or more.
        frame: Rows and columns, 1 or more.
        framing: ``fit``: the whole scene, shrunk by one factor if it is larger than the frame, never enlarged.
            ``resize``: the whole scene fills the frame, whatever becomes of its aspect, as in the original program.
            ``tile``: windows of the frame's size at full resolution, as few as overlap by ``overlap``, evenly spread
            from border to border; where the scene is smaller than the frame, one.
        overlap: Least overlap of neighbouring tiles, a share of the frame's side from 0 to 0.9; each tile is at least
            one pixel further than the last.

    Returns:
        One placement, or one for each tile, row by row. What is smaller than the frame is centred in it.

    Raises:
        ConfigError: There is no such framing, or ``overlap`` is out of range.
    """
    if not 0 <= overlap <= MAX_OVERLAP:
        raise ConfigError(f"overlap={overlap} must be at least 0 and at most {MAX_OVERLAP}.")
    whole = (0, 0, *scene)
    if framing == "fit":
        return [_centre(scene, whole, _shrink(scene, frame), frame)]
    if framing == "resize":
        return [_centre(scene, whole, frame, frame)]
    if framing == "tile":
        rows, columns = min(scene[0], frame[0]), min(scene[1], frame[1])
        return [
            _centre(scene, (top, left, rows, columns), (rows, columns), frame)
            for top in _starts(scene[0], frame[0], overlap)
            for left in _starts(scene[1], frame[1], overlap)
        ]
    raise ConfigError(f"framing={framing} must be one of fit, resize, tile.")


def crop_image(image: np.ndarray, placement: Placement) -> np.ndarray:
    """Take a window out of an image, at the size it has in the frame; ``(*shown, bands)`` in the image's own type.

    What needs no resampling is a view of the image, no copy.
    """
    return resample_image(image[_window(placement)], placement.size)


def crop_label(label: np.ndarray, placement: Placement) -> np.ndarray:
    """Take a window out of a label ``(rows, columns)``, at the size it has in the frame; ``shown``, in its own type."""
    return resample_label(label[_window(placement)], placement.size)


def pad_image(shown: np.ndarray, corner: tuple[int, int], frame: tuple[int, int]) -> np.ndarray:
    """Lay an image in the frame with its top left pixel at ``corner``, 0 around it; ``(*frame, bands)``."""
    framed = np.zeros((*frame, shown.shape[2]), shown.dtype)
    framed[_area(corner, shown.shape)] = shown
    return framed


def pad_label(shown: np.ndarray, corner: tuple[int, int], frame: tuple[int, int]) -> np.ndarray:
    """Lay a label in the frame with its top left pixel at ``corner``, `IGNORE` around it; ``frame`` uint8."""
    framed = np.full(frame, IGNORE, np.uint8)
    framed[_area(corner, shown.shape)] = shown
    return framed


def frame_image(image: np.ndarray, placement: Placement, frame: tuple[int, int]) -> np.ndarray:
    """Cut a window out of an image and lay it in the frame; ``(*frame, bands)`` in the image's own type."""
    return pad_image(crop_image(image, placement), placement.corner, frame)


def unframe_probabilities(scores: np.ndarray, placement: Placement) -> np.ndarray:
    """Cut scores ``(*frame, classes)`` out of the frame and bring them to their window's size, ``(*window, classes)``.

    A pixel's scores keep their sum. Without resampling they are a view of the framed ones, no copy.
    """
    shown, size = scores[_area(placement.corner, placement.size)], placement.window[2:]
    return shown if placement.size == size else _resample(shown, size).astype(scores.dtype)


def resample_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image ``(rows, columns, bands)`` in its own type, whole numbers rounded.

    Shrinking takes the mean over each new pixel's area, enlarging interpolates linearly. Pixels without data do not
    darken their neighbours: only what has data counts, and where that is less than half, there is none.
    """
    if image.shape[:2] == size:
        return image
    share = _resample(np.any(image, axis=2, keepdims=True).astype(image.dtype), size)
    has_data = share > 0.5 - 1e-6  # half counts as data, also where the sum of its parts is rounded down
    values = np.divide(_resample(image, size), share, where=has_data, out=np.zeros((*size, image.shape[2])))
    return (np.rint(values) if np.issubdtype(image.dtype, np.integer) else values).astype(image.dtype)


def resample_label(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a label ``(rows, columns)`` by nearest neighbour: no class appears that was not there."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, label.shape, strict=True)
    )
    return label[np.ix_(rows, columns)]


def _centre(
    scene: tuple[int, int], window: tuple[int, int, int, int], shown: tuple[int, int], frame: tuple[int, int]
) -> Placement:
    return Placement(scene, window, shown, ((frame[0] - shown[0]) // 2, (frame[1] - shown[1]) // 2))


def _shrink(scene: tuple[int, int], frame: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, frame[0] / scene[0], frame[1] / scene[1])
    return max(1, round(scene[0] * scale)), max(1, round(scene[1] * scale))


def _starts(size: int, side: int, overlap: float) -> list[int]:
    """Where the tiles of one direction begin."""
    furthest = size - side
    if furthest <= 0:
        return [0]
    stride = max(1, math.floor(round(side * (1 - overlap), 6)))  # 10 * (1 - 0.9) is a little less than 1
    steps = math.ceil(furthest / stride)
    return [furthest * step // steps for step in range(steps + 1)]


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
    """Weigh ``old`` pixels in a row for each of ``new``: ``(new, old)``, each row summing to one.

    A new pixel is the mean over its own extent, or over one old pixel's where that is wider, which makes it linear
    interpolation. What lies outside counts as the nearest pixel.
    """
    extent = max(1.0, old / new)
    begin = (np.arange(new)[:, np.newaxis] + 0.5) * old / new - extent / 2
    near = np.floor(begin).astype(int) + np.arange(math.ceil(extent) + 1)
    covered = np.clip(np.minimum(begin + extent, near + 1) - np.maximum(begin, near), 0, None)
    rows = np.broadcast_to(np.arange(new)[:, np.newaxis], near.shape)
    weights = (covered / extent).astype(dtype)
    return csr_array((weights.ravel(), (rows.ravel(), near.clip(0, old - 1).ravel())), shape=(new, old))

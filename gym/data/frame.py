"""Fit scenes of any size into the model's frame, and bring its scores back.

A scene larger than the frame is shrunk to fit, keeping its aspect; then it is centred, and what is left around it is
padding: 0 in every band of the image, `IGNORE` in the label. Images are ``(rows, columns, bands)``.

Source: the paper, section 2.2, "Third"; its code distorted the aspect, and gave padding the label of a class.
"""

from typing import NamedTuple

import numpy as np
from skimage.transform import resize

from gym.data.labels import IGNORE


class Placement(NamedTuple):
    """Where a scene lies in its frame: its size as read, its size in the frame, its top left corner, in pixels."""

    scene: tuple[int, int]
    shown: tuple[int, int]
    corner: tuple[int, int]


def place(scene: tuple[int, int], frame: tuple[int, int]) -> Placement:
    """Work out where a scene of ``(rows, columns)`` goes in a frame of ``(rows, columns)``."""
    scale = min(1.0, frame[0] / scene[0], frame[1] / scene[1])
    shown = tuple(min(side, max(1, round(size * scale))) for size, side in zip(scene, frame, strict=True))
    corner = tuple((side - size) // 2 for side, size in zip(frame, shown, strict=True))
    return Placement(scene, (shown[0], shown[1]), (corner[0], corner[1]))


def frame_image(image: np.ndarray, frame: tuple[int, int]) -> np.ndarray:
    """Shrink with antialiasing if needed, centre and pad with zeros; ``(*frame, bands)`` in the image's own type."""
    placement = place(image.shape[:2], frame)
    framed = np.zeros((*frame, image.shape[2]), image.dtype)
    framed[_window(placement)] = resample_image(image, placement.shown)
    return framed


def frame_label(label: np.ndarray, frame: tuple[int, int]) -> np.ndarray:
    """Shrink by nearest neighbour if needed, centre and pad with `IGNORE`; ``frame`` uint8."""
    placement = place((label.shape[0], label.shape[1]), frame)
    framed = np.full(frame, IGNORE, np.uint8)
    framed[_window(placement)] = resample_label(label, placement.shown)
    return framed


def unframe_scores(scores: np.ndarray, placement: Placement) -> np.ndarray:
    """Cut a scene's scores ``(*frame, classes)`` out of the frame and enlarge them to the scene's size as read."""
    shown = scores[_window(placement)]
    if placement.shown == placement.scene:
        return shown
    return resize(shown, placement.scene, order=1, mode="edge", anti_aliasing=False, preserve_range=True)


def resample_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image ``(rows, columns, bands)`` with antialiasing, in its own type.

    Pixels without data (0 in every band) do not darken their neighbours; where they are the larger part, there is none.
    """
    if image.shape[:2] == size:
        return image
    options = {"order": 1, "mode": "edge", "anti_aliasing": True, "preserve_range": True}
    share = resize(np.any(image, axis=2, keepdims=True).astype(np.float64), size, **options)
    resized = resize(image.astype(np.float64), size, **options) / np.maximum(share, 0.5) * (share >= 0.5)
    return (
        np.rint(resized).astype(image.dtype) if np.issubdtype(image.dtype, np.integer) else resized.astype(image.dtype)
    )


def resample_label(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a label ``(rows, columns)`` by nearest neighbour: no class appears that was not there."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, label.shape, strict=True)
    )
    return label[np.ix_(rows, columns)]


def _window(placement: Placement) -> tuple[slice, slice]:
    (top, left), (rows, columns) = placement.corner, placement.shown
    return slice(top, top + rows), slice(left, left + columns)

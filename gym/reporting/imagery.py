"""Turn imagery and labels into pictures: a stretch to see by, class colours, overlays.

Images are ``(rows, columns, bands)``, labels ``(rows, columns)``; pictures are ``(rows, columns, 3)`` float in [0, 1].
"""

from collections.abc import Sequence

import numpy as np

from gym.data.labels import IGNORE

# The paper's Figure 3: blue water, red whitewater, yellow sediment, green other; then colours that stay apart.
COLOURS = ["#1f77d0", "#e6352b", "#f4d03f", "#3aa655", "#9b59b6", "#e67e22", "#16a6b6", "#e78ac3", "#8c6d31", "#7f8c8d"]


def class_colours(classes: int) -> np.ndarray:
    """Colours of the classes, ``(classes, 3)`` in [0, 1]; after ten they repeat, darker each time."""
    base = np.array([[int(code[at : at + 2], 16) for at in (1, 3, 5)] for code in COLOURS]) / 255
    rounds = np.arange(classes) // len(base)
    return base[np.arange(classes) % len(base)] * (0.65**rounds)[:, None]


def show_bands(image: np.ndarray, bands: Sequence[str]) -> np.ndarray:
    """Stretch red, green and blue, or the first three bands where they have no such names, to [0, 1].

    The 2nd to the 98th percentile of the valid pixels span the range; nodata is black.
    """
    picked = image[..., visible_bands(bands)].astype(float)
    valid = np.any(image != 0, axis=-1)
    if not valid.any():
        return np.zeros_like(picked)
    low, high = np.percentile(picked[valid], [2, 98], axis=0)
    return np.clip((picked - low) / np.maximum(high - low, 1e-9), 0, 1) * valid[..., None]


def visible_bands(bands: Sequence[str]) -> list[int]:
    """Positions of the three bands to show."""
    names = [band.lower() for band in bands]
    if {"red", "green", "blue"} <= set(names):
        return [names.index(colour) for colour in ("red", "green", "blue")]
    return [min(position, len(names) - 1) for position in range(3)]


def overlay(picture: np.ndarray, label: np.ndarray, classes: int, strength: float = 0.55) -> np.ndarray:
    """Lay class colours over a picture; what is `IGNORE` stays as it is."""
    colours = class_colours(classes)
    counted = label != IGNORE
    mixed = picture.copy()
    mixed[counted] = (1 - strength) * picture[counted] + strength * colours[label[counted]]
    return mixed

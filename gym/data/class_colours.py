"""Render imagery and labels as pictures: a contrast stretch, class colours and overlays.

Images are ``(rows, columns, bands)``, labels ``(rows, columns)``; pictures are ``(rows, columns, 3)`` float in [0, 1].
"""

import re
from collections.abc import Sequence

import numpy as np

from gym.data.labels import IGNORE

# A class gets the colour of the first line that shares a word with its name and whose colour is still free. The colours
# follow Figure 3 of the paper (blue water, red whitewater, yellow sediment, green other) in shades that colour-blind
# readers can tell apart (Okabe & Ito 2008), as do the first three spare colours.
_BY_WORD = [
    ("#d55e00", {"whitewater", "white", "surf", "foam", "breaker", "breakers"}),
    ("#0072b2", {"water", "ocean", "sea", "river", "lake"}),
    ("#f0e442", {"sand", "sediment", "beach", "gravel"}),
    ("#009e73", {"other", "land", "vegetation", "vegetated", "marsh", "forest"}),
]
_SPARE = ("#cc79a7", "#56b4e9", "#e69f00", "#5e3c99", "#8c6d31", "#7f8c8d")


def class_colours(names: Sequence[str]) -> np.ndarray:
    """Choose a colour for each class by the words in its name, or else a spare one; ``(classes, 3)`` in [0, 1].

    When all colours are in use, they repeat, darker each time.
    """
    chosen: dict[str, str] = {}
    for name in names:
        matching = (colour for colour, words in _BY_WORD if words & set(re.findall("[a-z]+", name.lower())))
        chosen[name] = next((colour for colour in matching if colour not in chosen.values()), "")
    free = [code for code in (*_SPARE, *(code for code, _ in _BY_WORD)) if code not in chosen.values()] or list(_SPARE)
    colours = {name: _to_rgb(code) for name, code in chosen.items() if code}
    for position, name in enumerate(name for name in names if not chosen[name]):
        colours[name] = _to_rgb(free[position % len(free)]) * 0.65 ** (position // len(free))
    return np.array([colours[name] for name in names])


def colour_codes(names: Sequence[str]) -> list[str]:
    """Return the colours of `class_colours` as ``#rrggbb``."""
    return ["#" + "".join(f"{round(255 * part):02x}" for part in colour) for colour in class_colours(names)]


def _to_rgb(code: str) -> np.ndarray:
    return np.array([int(code[start : start + 2], 16) for start in (1, 3, 5)]) / 255


def render_rgb(image: np.ndarray, bands: Sequence[str]) -> np.ndarray:
    """Render the red, green and blue bands of an image, or its first three bands if it lacks these names.

    Each band is stretched from the 2nd to the 98th percentile of the valid pixels to [0, 1]. Nodata is black.
    """
    picked = image[..., pick_rgb_bands(bands)].astype(float)
    valid = np.any(image != 0, axis=-1)
    if not valid.any():
        return np.zeros_like(picked)
    low, high = np.percentile(picked[valid], [2, 98], axis=0)
    return np.clip((picked - low) / np.maximum(high - low, 1e-9), 0, 1) * valid[..., None]


def pick_rgb_bands(bands: Sequence[str]) -> list[int]:
    """Return the positions of the three bands to render; the last band repeats if there are fewer than three."""
    names = [band.lower() for band in bands]
    if {"red", "green", "blue"} <= set(names):
        return [names.index(colour) for colour in ("red", "green", "blue")]
    return [min(position, len(names) - 1) for position in range(3)]


def overlay(picture: np.ndarray, label: np.ndarray, classes: Sequence[str], strength: float = 0.55) -> np.ndarray:
    """Blend class colours into a picture, with weight ``strength``; ignored pixels are not changed."""
    colours = class_colours(classes)
    labelled = label != IGNORE
    blended = picture.copy()
    blended[labelled] = (1 - strength) * picture[labelled] + strength * colours[label[labelled]]
    return blended


def render_errors(
    image: np.ndarray, truth: np.ndarray, predicted: np.ndarray, bands: Sequence[str], classes: Sequence[str]
) -> tuple[np.ndarray, ...]:
    """Render an image four times: alone, with its label, with its prediction, and dimmed with wrong pixels in white.

    Args:
        image: Image to render.
        truth: Class indices. Where it is `IGNORE`, no pixel is wrong and no prediction is drawn.
        predicted: Class indices.
        bands: Band names.
        classes: Class names.
    """
    picture = render_rgb(image, bands)
    labelled = truth < len(classes)
    wrong = labelled & (truth != predicted)
    masked = np.where(labelled, predicted, truth)
    errors = np.where(wrong[..., None], 1.0, 0.35 * picture)
    return picture, overlay(picture, truth, classes), overlay(picture, masked, classes), errors

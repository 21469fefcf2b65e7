"""Turn imagery and labels into pictures: a stretch to see by, class colours, overlays.

Images are ``(rows, columns, bands)``, labels ``(rows, columns)``; pictures are ``(rows, columns, 3)`` float in [0, 1].
"""

import re
from collections.abc import Sequence

import numpy as np

from gym.data.labels import IGNORE

# What a name most likely means, with the colours of the paper's Figure 3: blue water, red whitewater, yellow sediment,
# green other, in shades that the colour-blind tell apart (Okabe & Ito 2008), as are the first three of the free ones.
# The first line with a word of the name and a free colour decides.
_BY_NAME = [
    ("#d55e00", {"whitewater", "white", "surf", "foam", "breaker", "breakers"}),
    ("#0072b2", {"water", "ocean", "sea", "river", "lake"}),
    ("#f0e442", {"sand", "sediment", "beach", "gravel"}),
    ("#009e73", {"other", "land", "vegetation", "vegetated", "marsh", "forest"}),
]
_FREE = ("#cc79a7", "#56b4e9", "#e69f00", "#5e3c99", "#8c6d31", "#7f8c8d")


def class_colours(names: Sequence[str]) -> np.ndarray:
    """Colours of the classes, ``(classes, 3)`` in [0, 1]: by their names where these say something, else any free.

    When all are taken they come again, darker each time.
    """
    chosen: dict[str, str] = {}
    for name in names:
        meant = (colour for colour, words in _BY_NAME if words & set(re.findall("[a-z]+", name.lower())))
        chosen[name] = next((colour for colour in meant if colour not in chosen.values()), "")
    spare = [code for code in (*_FREE, *(code for code, _ in _BY_NAME)) if code not in chosen.values()] or list(_FREE)
    nameless = [name for name in names if not chosen[name]]
    colours = {name: _to_rgb(code) for name, code in chosen.items() if code}
    for place, name in enumerate(nameless):
        colours[name] = _to_rgb(spare[place % len(spare)]) * 0.65 ** (place // len(spare))
    return np.array([colours[name] for name in names])


def colour_codes(names: Sequence[str]) -> list[str]:
    """The same colours as ``#rrggbb``."""
    return ["#" + "".join(f"{round(255 * part):02x}" for part in colour) for colour in class_colours(names)]


def _to_rgb(code: str) -> np.ndarray:
    return np.array([int(code[at : at + 2], 16) for at in (1, 3, 5)]) / 255


def render_rgb(image: np.ndarray, bands: Sequence[str]) -> np.ndarray:
    """Stretch red, green and blue, or the first three bands where they have no such names, to [0, 1].

    The 2nd to the 98th percentile of the valid pixels span the range; nodata is black.
    """
    picked = image[..., pick_rgb_bands(bands)].astype(float)
    valid = np.any(image != 0, axis=-1)
    if not valid.any():
        return np.zeros_like(picked)
    low, high = np.percentile(picked[valid], [2, 98], axis=0)
    return np.clip((picked - low) / np.maximum(high - low, 1e-9), 0, 1) * valid[..., None]


def pick_rgb_bands(bands: Sequence[str]) -> list[int]:
    """Positions of the three bands to show."""
    names = [band.lower() for band in bands]
    if {"red", "green", "blue"} <= set(names):
        return [names.index(colour) for colour in ("red", "green", "blue")]
    return [min(position, len(names) - 1) for position in range(3)]


def overlay(picture: np.ndarray, label: np.ndarray, classes: Sequence[str], strength: float = 0.55) -> np.ndarray:
    """Lay the colours of the named classes over a picture; what is `IGNORE` stays as it is."""
    colours = class_colours(classes)
    counted = label != IGNORE
    mixed = picture.copy()
    mixed[counted] = (1 - strength) * picture[counted] + strength * colours[label[counted]]
    return mixed


def render_errors(
    image: np.ndarray, truth: np.ndarray, predicted: np.ndarray, bands: Sequence[str], classes: Sequence[str]
) -> tuple[np.ndarray, ...]:
    """Four pictures of one image: itself, the truth and the prediction laid over it, and the wrong pixels in white.

    Args:
        image: The image.
        truth: Class indices; what is `IGNORE` is never wrong, and has no prediction laid over it.
        predicted: Class indices.
        bands: Band names.
        classes: Class names.
    """
    picture = render_rgb(image, bands)
    counted = truth < len(classes)
    wrong = counted & (truth != predicted)
    masked = np.where(counted, predicted, truth)
    errors = np.where(wrong[..., None], 1.0, 0.35 * picture)
    return picture, overlay(picture, truth, classes), overlay(picture, masked, classes), errors

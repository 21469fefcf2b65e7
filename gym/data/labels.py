"""Label rasters: integer classes per pixel, and the value that counts nowhere.

Labels are ``(rows, columns)`` uint8 with classes 0 to ``len(classes) - 1``; `IGNORE` marks padding, nodata and
whatever the user chose to leave out, and no loss and no metric ever counts it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gym.errors import DataError

IGNORE = 255
MAX_CLASSES = 255


def remap_label(
    raw: np.ndarray, classes: Sequence[str], remap: Mapping[int, int], ignored: Sequence[int], source: str
) -> np.ndarray:
    """Turn raw label values into class indices, all values at once.

    A value takes the class that ``remap`` gives it, or `IGNORE` where ``ignored`` lists it. Without a remap it is its
    class; with one, every value must be listed, so that none slips through under a number that means another class.

    Args:
        raw: Label raster as read, ``(rows, columns)``, any integer type, or floats that are whole numbers.
        classes: Class names; the index of a name is its class.
        remap: Raw value to class index.
        ignored: Raw values that count nowhere.
        source: The file, for the message.

    Returns:
        ``(rows, columns)`` uint8.

    Raises:
        DataError: A value is no whole number, or is neither mapped, nor a class, nor ignored.
    """
    values, inverse = np.unique(raw, return_inverse=True)
    mapped = np.full(values.shape, IGNORE, np.uint8)
    for position, value in enumerate(values):
        if value in ignored:
            continue
        is_whole = float(value).is_integer()
        index = (remap.get(int(value), -1) if remap else int(value)) if is_whole else -1
        if not 0 <= index < len(classes):
            count = int((raw == value).sum())
            raise DataError(
                f"{source}: label value {value} ({count} pixels) is "
                + (
                    f"not in data.remap={dict(remap)}"
                    if remap
                    else f"none of the {len(classes)} classes 0..{len(classes) - 1}"
                )
                + f"; map it, as in data.remap={{{value}:0}}, or leave it out with data.ignore_values=[{value}]."
            )
        mapped[position] = index
    return mapped[inverse].reshape(raw.shape)


def count_classes(label: np.ndarray, classes: int) -> np.ndarray:
    """Count the pixels of each class, `IGNORE` left out; ``(classes,)`` int64."""
    return np.bincount(label[label != IGNORE].ravel(), minlength=classes).astype(np.int64)

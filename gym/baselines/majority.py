"""The first baseline: say everywhere what is commonest in training."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Majority:
    """One class for all pixels.

    Attributes:
        index: The class.
        share: Of the labelled training pixels, in (0, 1].
    """

    index: int
    share: float

    def predict(self, image: np.ndarray) -> np.ndarray:
        """That class for every pixel of ``(rows, columns, bands)``; ``(rows, columns)`` uint8."""
        return np.full(image.shape[:2], self.index, np.uint8)


def find_majority(counts: np.ndarray) -> Majority:
    """The class with most pixels; the first of those that have as many.

    Args:
        counts: Labelled training pixels of each class, ``(classes,)``; one at least.
    """
    index = int(counts.argmax())
    return Majority(index, float(counts[index] / counts.sum()))

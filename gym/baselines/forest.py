"""The second baseline: a random forest that sees the bands of one pixel and nothing around it.

What a network scores above it, it owes to shapes and surroundings.

Source: Breiman 2001, doi:10.1023/A:1010933404324; scikit-learn's implementation, which averages the class shares of the
leaves instead of counting the trees' votes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gym.data.parallel import available_cores
from gym.seeding import derive_seed

# On synthetic coasts a hundred trees, or trees twice as deep, gain nothing. A million pixels take 2 s of one core.
TREES = 30
DEEPEST = 12
SMALLEST_LEAF = 5  # pixels


@dataclass(frozen=True)
class Forest:
    """A forest that was fitted; ``classifier`` is scikit-learn's."""

    classifier: Any

    def predict(self, image: np.ndarray) -> np.ndarray:
        """The class of every pixel of an image.

        Args:
            image: ``(rows, columns, bands)`` of finite numbers, bands as fitted on. Pixels without data get some class.

        Returns:
            ``(rows, columns)`` uint8; a class that was not in training is nowhere.
        """
        rows, columns, bands = image.shape
        return self.classifier.predict(image.reshape(-1, bands).astype(np.float32)).reshape(rows, columns)


def fit_forest(values: np.ndarray, classes: np.ndarray, seed: int) -> Forest:
    """Fit a forest, on all cores; the same arguments give the same forest. One class only is predicted everywhere.

    Args:
        values: Bands of labelled pixels, ``(pixels, bands)`` float32.
        classes: Their classes, ``(pixels,)`` uint8.
        seed: Of the pixels and bands that each tree and each of its branches sees.
    """
    from sklearn.ensemble import RandomForestClassifier

    classifier = RandomForestClassifier(
        TREES,
        max_depth=DEEPEST,
        min_samples_leaf=SMALLEST_LEAF,
        n_jobs=available_cores(),
        random_state=derive_seed(seed, "baseline forest"),
    ).fit(values, classes)
    # Threads would add up the trees' shares in any order, and a tie could fall either way.
    return Forest(classifier.set_params(n_jobs=1))

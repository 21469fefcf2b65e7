"""Draw labelled pixels of the training side: few enough to fit a forest in seconds, and as many of each scene."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gym.data.labels import IGNORE
from gym.data.store import Store
from gym.seeding import generator

MOST_PAIRS = 1_000
MOST_PIXELS = 40_000  # ten times as many: 0.004 more mean IoU on synthetic coasts, seven times as long


class TrainingPixels(NamedTuple):
    """Labelled pixels: ``values`` ``(pixels, bands)`` float32, ``classes`` ``(pixels,)`` uint8; of how many scenes."""

    values: np.ndarray
    classes: np.ndarray
    scenes: int


def draw_pixels(store: Store, positions: Sequence[int], seed: int) -> TrainingPixels:
    """Draw pixels without replacement, the same number of each scene; one with fewer labelled pixels gives fewer.

    Of each scene the classes come in the shares they have there. A scene's number is `MOST_PIXELS` over the scenes,
    spread evenly over its pairs, as its tiles are, with a pixel of each at least. What is drawn of a pair does not
    depend on the order of the positions.

    Args:
        store: The data set.
        positions: Pairs with labelled pixels, one at least, each once.
        seed: Of the draws.
    """
    scenes = [record.scene for record in store.manifest.pairs]
    chosen = choose_pairs(scenes, positions, MOST_PAIRS, seed)
    pairs_in = Counter(scenes[position] for position in chosen)
    values, classes = [], []
    for position in chosen:
        label = store.shown_label(position).ravel()
        labelled = np.flatnonzero(label != IGNORE)
        wanted = max(1, MOST_PIXELS // len(pairs_in) // pairs_in[scenes[position]])
        rng = generator(seed, "baseline pixels", position)
        drawn = rng.choice(labelled, min(wanted, len(labelled)), replace=False)
        values.append(store.shown_image(position).reshape(len(label), -1)[drawn].astype(np.float32))
        classes.append(label[drawn])
    return TrainingPixels(np.concatenate(values), np.concatenate(classes), len(pairs_in))


def choose_pairs(scenes: Sequence[str], positions: Sequence[int], most: int, seed: int) -> list[int]:
    """Choose pairs at random where there are too many: one of each scene, then a second of each, and so on.

    Args:
        scenes: The scene of every pair of the store.
        positions: Those to choose from, in any order.
        most: How many at most.
        seed: Of the choice.

    Returns:
        Positions, in order.
    """
    taken: Counter[str] = Counter()
    turns = {}
    for position in generator(seed, "baseline pairs").permutation(sorted(positions)).tolist():
        turns[position] = taken[scenes[position]]
        taken[scenes[position]] += 1
    return sorted(sorted(turns, key=turns.__getitem__)[:most])

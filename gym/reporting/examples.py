"""The images that Figure 3 shows, read from their store, with what trained models make of them."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
from matplotlib.figure import Figure

from gym.config import AugmentConfig
from gym.data.pipeline import SampleReader
from gym.data.sides import find_samples
from gym.data.store import Store
from gym.errors import DataError
from gym.reporting.chosen_images import ChosenImage
from gym.reporting.figure3 import Example, draw_figure3


class Examples(NamedTuple):
    """All that Figure 3 shows.

    Attributes:
        images: With the output of each model.
        models: What each model is, in two short lines.
        labels: The run of each model, as it is called among all runs.
        rules: By which each image was chosen.
        bands: Band names.
        classes: Class names.
    """

    images: list[Example]
    models: list[tuple[str, str]]
    labels: list[str]
    rules: list[str]
    bands: list[str]
    classes: list[str]


def draw_examples(examples: Examples | str) -> dict[str, Figure]:
    """Figure 3 by its name; none where there is only a reason why there is nothing to show."""
    if isinstance(examples, str):
        return {}
    return {"figure3": draw_figure3(examples.images, examples.models, examples.bands, examples.classes)}


def read_images(store: Store, chosen: Sequence[ChosenImage], augment: AugmentConfig, seed: int) -> list[Example]:
    """Read image and label of some images, as the models see them; there are no outputs yet.

    Args:
        store: The data set.
        chosen: Pairs, or copies of pairs.
        augment: What copies go through.
        seed: Of the copies.

    Raises:
        DataError: The store does not have one of them.
    """
    samples, read = find_samples(store, [one.name for one in chosen]), SampleReader(store, augment, seed)
    for one in chosen:
        if one.name not in samples:
            raise DataError(f"{store.folder} has no image {one.name}, on which the models were validated.")
    pairs = [read(samples[one.name]) for one in chosen]
    return [
        Example(one.name, np.asarray(image), np.asarray(label), [])
        for one, (image, label) in zip(chosen, pairs, strict=True)
    ]


def segment_images(examples: Sequence[Example], network: keras.Model) -> list[Example]:
    """Add the output of a model to each image."""
    segmented = []
    for example in examples:
        scores = keras.ops.convert_to_numpy(network.predict_on_batch(example.image[np.newaxis]))[0]
        output = scores.argmax(axis=-1).astype(np.uint8)
        segmented.append(example._replace(outputs=[*example.outputs, output]))
    return segmented

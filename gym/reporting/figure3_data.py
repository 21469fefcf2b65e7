"""What Figure 3 shows: models and images chosen by fixed rules, and the output of each model on each image."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

from gym.config.registries import ARCHITECTURES, SCORES
from gym.config.schema import AugmentConfig
from gym.core.errors import DataError
from gym.data.batches import SampleReader
from gym.data.dataset import Dataset
from gym.data.samples import find_samples
from gym.evaluation import confusion
from gym.reporting.run_table import with_scores
from gym.runs.result import RunResult


class ChosenImage(NamedTuple):
    """A validation image and the rule that chose it, as in "the image with the median mean IoU"."""

    name: str
    rule: str


class Example(NamedTuple):
    """An image ``(rows, columns, bands)`` with its label and the output of each model, class indices per pixel."""

    name: str
    image: np.ndarray
    label: np.ndarray
    outputs: list[np.ndarray]


class Examples(NamedTuple):
    """Everything that Figure 3 shows.

    Attributes:
        images: The images with the output of each model.
        models: A description of each model in two short lines.
        labels: The label of each model's run among all runs.
        rules: The rule that chose each image.
        bands: Band names.
        classes: Class names.
    """

    images: list[Example]
    models: list[tuple[str, str]]
    labels: list[str]
    rules: list[str]
    bands: list[str]
    classes: list[str]


def choose_models(results: Sequence[RunResult]) -> list[RunResult]:
    """Choose the best run of each of the paper's architectures by mean IoU.

    If one of them is missing, the best runs of two other architectures are chosen, or the two best runs of the only
    one. The same weights are never chosen twice; cce and kld, for example, train the same model.

    Returns:
        Two runs, in the order of registration; fewer if there are not as many with a mean IoU.
    """
    ranked = [run for _, run in sorted(with_scores(results, SCORES.default), key=lambda pair: -pair[0])]
    best_of: dict[str, RunResult] = {}
    for run in ranked:
        best_of.setdefault(run.settings["model.name"], run)
    paper = [entry.name for entry in ARCHITECTURES if entry.in_paper]
    if set(paper) <= set(best_of):
        return [best_of[name] for name in paper]
    if len(best_of) > 1:
        return list(best_of.values())[:2]
    # Later entries replace earlier ones, so the best run of each weights is kept.
    distinct = {run.weights_sha256: run for run in reversed(ranked)}
    return list(reversed(distinct.values()))[:2]


def choose_images(runs: Sequence[RunResult]) -> list[ChosenImage]:
    """Choose the image with the median mean IoU, and the image on which two runs differ most or one run is worst.

    Two runs differ by their share of correct pixels. Images that a run was not validated on, or without labelled
    pixels, are left out; of equal images, the first is chosen.

    Args:
        runs: One or two.

    Returns:
        Two images, or fewer if there are not as many.
    """
    places = [{name: place for place, name in enumerate(run.images)} for run in runs]
    names = [name for name in places[0] if all(name in of for of in places)]
    if not names:
        return []
    matrices = np.stack([run.matrices[[of[name] for name in names]] for run, of in zip(runs, places, strict=True)])
    ious, accuracies = confusion.mean_iou(matrices).mean(axis=0), confusion.overall_accuracy(matrices)
    known = np.flatnonzero(~np.isnan(ious))
    if not known.size:
        return []
    ranked = known[np.argsort(ious[known], kind="stable")]
    median = int(ranked[(len(ranked) - 1) // 2])
    rest = ranked[ranked != median]
    rule = "the image with the median mean IoU" + (" (averaged over both models)" if len(runs) > 1 else "")
    chosen = [ChosenImage(names[median], rule)]
    if rest.size and len(runs) > 1:
        most = int(rest[np.abs(accuracies[0] - accuracies[1])[rest].argmax()])
        chosen.append(ChosenImage(names[most], "the other image on which the models' accuracies differ most"))
    elif rest.size:
        chosen.append(ChosenImage(names[int(rest[0])], "the image with the lowest mean IoU"))
    return chosen


def read_examples(dataset: Dataset, chosen: Sequence[ChosenImage], augment: AugmentConfig, seed: int) -> list[Example]:
    """Read image and label of the chosen images as the models saw them, without outputs.

    Args:
        dataset: The dataset.
        chosen: Pairs, or augmented copies of pairs.
        augment: How copies are augmented.
        seed: Seed of the augmentation.

    Raises:
        DataError: The dataset lacks one of the images.
    """
    samples, read = find_samples(dataset, [one.name for one in chosen]), SampleReader(dataset, augment, seed)
    examples = []
    for name, _ in chosen:
        if name not in samples:
            raise DataError(
                f"{dataset.folder} has no image {name}, on which the models were validated; train them again."
            )
        image, label = map(np.asarray, read(samples[name]))
        examples.append(Example(name, image, label, []))
    return examples


def add_outputs(examples: Sequence[Example], network: keras.Model) -> list[Example]:
    """Segment each image with a network, and append the result to its outputs."""
    segmented = []
    for example in examples:
        probabilities = keras.ops.convert_to_numpy(network.predict_on_batch(example.image[np.newaxis]))[0]
        output = probabilities.argmax(axis=-1).astype(np.uint8)
        segmented.append(example._replace(outputs=[*example.outputs, output]))
    return segmented

"""Judge one model on one side of one data set: everything but files and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from gym.baselines.fit import fit_baselines
from gym.bootstrap import Interval
from gym.boundary import default_width
from gym.calibration import fit_temperature
from gym.config import AugmentConfig
from gym.data.pipeline import SampleReader
from gym.data.split import Split
from gym.data.store import Store
from gym.evaluation.beside_baselines import BesideBaselines, compare_with_baselines
from gym.evaluation.counts import Counts, pick_images
from gym.evaluation.predicted import Predicted, count_side, predict_side
from gym.evaluation.scores import OF_A_SITE, class_scores, image_means, overall_scores
from gym.reporting.evaluation import Evaluation
from gym.sampling import lattice


class Judged(NamedTuple):
    """What is judged: the data, and which of its samples train, validate and are judged."""

    store: Store
    split: Split
    samples: Sequence[int]
    side: str  # what the samples are called
    augment: AugmentConfig  # of copies among the samples
    seed: int  # likewise


class Settings(NamedTuple):
    """How it is judged.

    Attributes:
        batch: Images that are predicted at a time.
        width: Of the strip along boundaries, in pixels; 0 means 2 % of the frame's diagonal.
        seed: Of the bootstrap, and of the forest.
        has_baselines: Whether baselines are fitted to the training side.
        workers: Processes that count; 0 means as many as pay.
    """

    batch: int
    width: int
    seed: int
    has_baselines: bool
    workers: int


@dataclass(frozen=True)
class Temperature:
    """The temperature that makes a model as sure as it is right, NaN where there is none, and where it comes from."""

    value: float
    origin: str


@dataclass(frozen=True)
class Assessment:
    """What came of it.

    Attributes:
        side: What the images are called.
        evaluation: The predicted classes.
        scenes: The scene of each image.
        counts: Of each image, ``(images, ...)``.
        width: Of the strip along boundaries, in pixels.
        temperature: As fitted.
        overall: Scores of all pixels together, by name.
        images: Means over images, by name.
        classes: By class its scores.
        sites: By site its scores, those of each class as ``iou/CLASS`` among them.
        baselines: The model beside its baselines; None where they were not asked for.
    """

    side: str
    evaluation: Evaluation
    scenes: list[str]
    counts: Counts
    width: int
    temperature: Temperature
    overall: dict[str, Interval]
    images: dict[str, Interval]
    classes: dict[str, dict[str, Interval]]
    sites: dict[str, dict[str, Interval]]
    baselines: BesideBaselines | None


def assess(
    model: keras.Model, judged: Judged, settings: Settings, scratch: Path, known: Temperature | None = None
) -> Assessment:
    """Judge a model.

    Args:
        model: Of the store's bands and classes.
        judged: On what.
        settings: How.
        scratch: A folder for what is too large for memory; emptied by the caller.
        known: The temperature, where it has been fitted on other data; else it is fitted on the validation side.
    """
    predicted = predict(model, judged, judged.samples, settings.batch, scratch / judged.side)
    temperature = known or find_temperature(model, judged, settings.batch, predicted, scratch / "temperature")
    width = settings.width or default_width(*judged.store.frame)
    counts = count_side(predicted, width, temperature.value, settings.workers)
    scenes, classes = predicted.scenes, judged.store.manifest.classes
    return Assessment(
        side=judged.side,
        evaluation=predicted.evaluation,
        scenes=scenes,
        counts=counts,
        width=width,
        temperature=temperature,
        overall=overall_scores(scenes, counts, settings.seed),
        images=image_means(scenes, counts, settings.seed),
        classes=class_scores(scenes, counts, classes, settings.seed),
        sites=site_scores(predicted.evaluation.sites, scenes, counts, classes, settings.seed),
        baselines=set_beside(judged, predicted, settings.seed) if settings.has_baselines else None,
    )


def predict(model: keras.Model, judged: Judged, samples: Sequence[int], batch: int, folder: Path) -> Predicted:
    """Predict some samples of what is judged."""
    return predict_side(model, judged.store, samples, batch, judged.augment, judged.seed, folder)


def find_temperature(
    model: keras.Model, judged: Judged, batch: int, predicted: Predicted, scratch: Path
) -> Temperature:
    """Fit the temperature on the validation side, and say where it comes from."""
    validation = list(judged.split.validation)
    if not validation:
        return Temperature(float("nan"), "these data have no validation side to fit it on")
    if list(judged.samples) == validation:
        return Temperature(fit_temperature(*predicted.sample()), "fitted on these very images, so it flatters")
    on_validation = predict(model, judged, validation, batch, scratch)
    return Temperature(fit_temperature(*on_validation.sample()), "fitted on the validation images")


def site_scores(
    sites: Sequence[str], scenes: Sequence[str], counts: Counts, classes: Sequence[str], seed: int
) -> dict[str, dict[str, Interval]]:
    """By site its scores, with the IoU and Dice of each class there; arguments as of `overall_scores`."""
    found = {}
    for site in sorted(set(sites)):
        here = [index for index, name in enumerate(sites) if name == site]
        of_site, of_scenes = pick_images(counts, here), [scenes[index] for index in here]
        by_class = class_scores(of_scenes, of_site, classes, seed, ("iou", "dice"))
        found[site] = overall_scores(of_scenes, of_site, seed, OF_A_SITE) | {
            f"{name}/{kind}": score for kind, scores in by_class.items() for name, score in scores.items()
        }
    return found


def set_beside(judged: Judged, predicted: Predicted, seed: int) -> BesideBaselines:
    """Fit the baselines on the training side, and score them on the lattice of each judged image."""
    store = judged.store
    baselines = fit_baselines(store, judged.split.training, seed)
    read, places = SampleReader(store, judged.augment, judged.seed), lattice(*store.frame)
    images = [np.asarray(read(sample)[0])[places] for sample in judged.samples]
    labels, classes = predicted.labels[:, places[0], places[1]], predicted.evaluation.predicted
    found = np.array(labels), classes[:, places[0], places[1]]
    return compare_with_baselines(baselines, images, *found, len(store.manifest.classes), predicted.scenes, seed)

"""Judge one model on one side of one dataset: everything but files and pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from gym.data.batches import SampleReader
from gym.data.dataset import Dataset
from gym.evaluation.against_baselines import BaselineReport, compare_with_baselines
from gym.evaluation.baselines import fit_baselines
from gym.evaluation.bootstrap import Interval
from gym.evaluation.boundary import default_strip_width
from gym.evaluation.calibration import TEMPERATURES, fit_temperature, is_at_limit
from gym.evaluation.counts import Counts, pixel_lattice
from gym.evaluation.predictions import MAPPED, StoredPredictions, count_predictions, in_parts, store_predictions
from gym.evaluation.run_model import Evaluation
from gym.evaluation.scores import class_scores, mean_image_scores, overall_scores, site_scores
from gym.evaluation.training_overlap import EvaluationSet, count_seen_images, list_warnings


class AssessmentSettings(NamedTuple):
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

    @property
    def is_at_limit(self) -> bool:
        """Whether it is an end of the searched range, and so none that fits."""
        return is_at_limit(self.value)


@dataclass(frozen=True)
class Assessment:
    """What came of it.

    Attributes:
        side: What the images are called.
        warnings: What makes the scores mean less than they seem to.
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
    warnings: list[str]
    evaluation: Evaluation
    scenes: list[str]
    counts: Counts
    width: int
    temperature: Temperature
    overall: dict[str, Interval]
    images: dict[str, Interval]
    classes: dict[str, dict[str, Interval]]
    sites: dict[str, dict[str, Interval]]
    baselines: BaselineReport | None


def assess(model: keras.Model, judged: EvaluationSet, settings: AssessmentSettings, scratch: Path) -> Assessment:
    """Judge a model.

    Args:
        model: Of the dataset's bands and classes.
        judged: On what.
        settings: How.
        scratch: A folder for what is too large for memory; emptied by the caller.
    """
    predicted = predict(model, judged, judged.dataset, judged.samples, settings.batch, scratch / "judged")
    temperature = fit_model_temperature(model, judged, settings.batch, predicted, scratch / "temperature")
    width = settings.width or default_strip_width(*judged.dataset.frame)
    counts = count_predictions(predicted, width, temperature.value, settings.workers)
    scenes, classes = predicted.scenes, judged.dataset.manifest.classes
    return Assessment(
        side=judged.side,
        warnings=list_warnings(judged),
        evaluation=predicted.evaluation,
        scenes=scenes,
        counts=counts,
        width=width,
        temperature=temperature,
        overall=overall_scores(scenes, counts, settings.seed),
        images=mean_image_scores(scenes, counts, settings.seed),
        classes=class_scores(scenes, counts, classes, settings.seed),
        sites=site_scores(predicted.evaluation.sites, scenes, counts, classes, settings.seed),
        baselines=evaluate_baselines(judged, predicted, settings.seed) if settings.has_baselines else None,
    )


def predict(
    model: keras.Model, judged: EvaluationSet, dataset: Dataset, samples: Sequence[int], batch: int, folder: Path
) -> StoredPredictions:
    """Predict some samples of a dataset."""
    return store_predictions(model, dataset, samples, batch, judged.augment, judged.seed, folder)


def fit_model_temperature(
    model: keras.Model, judged: EvaluationSet, batch: int, predicted: StoredPredictions, scratch: Path
) -> Temperature:
    """Fit the temperature on the run's own validation side, and say where it comes from."""
    own = judged.own
    if own.dataset is None:
        return Temperature(float("nan"), f"the run's own data, to fit it on, are not to be had ({own.obstacle})")
    if judged.own_side == "validation":
        on_validation, origin = predicted, "fitted on these very images, so it flatters"
    else:
        on_validation = predict(model, judged, own.dataset, own.split.validation, batch, scratch)
        among = count_seen_images(judged, "validation")
        flatters = f", of which {among} are among these, so it flatters" if among else ""
        origin = f"fitted on the run's validation images{flatters}"
    value = fit_temperature(*on_validation.sample())
    if np.isnan(value):
        origin = "the run's validation images have no labelled pixel on the lattice that it is fitted on"
    if is_at_limit(value):
        low, high = TEMPERATURES
        origin += f"; an end of the searched range, {low:g} to {high:g}: the best lies beyond it"
    return Temperature(value, origin)


def evaluate_baselines(judged: EvaluationSet, predicted: StoredPredictions, seed: int) -> BaselineReport:
    """Fit the baselines on the run's training side, and score them on the lattice of each judged image."""
    dataset, own = judged.dataset, judged.own
    if own.dataset is None:
        return BaselineReport([], {"none": f"the run's own data, to fit them on, are not to be had ({own.obstacle})"})
    baselines = fit_baselines(own.dataset, own.split.training, seed)
    places = pixel_lattice(*dataset.frame)
    truth, classes = (
        np.array(maps[:, places[0], places[1]]) for maps in (predicted.labels, predicted.evaluation.predicted)
    )
    return compare_with_baselines(
        baselines, lattice_images(judged), truth, classes, len(dataset.manifest.classes), predicted.scenes, seed
    )


def lattice_images(judged: EvaluationSet) -> Iterator[np.ndarray]:
    """Of each judged image the lattice of its pixels, ``(rows, columns, bands)`` float32, one at a time."""
    for part in in_parts(judged.samples, MAPPED):
        read = SampleReader(judged.dataset, judged.augment, judged.seed)  # anew, to let go of what was read
        for sample in part:
            yield np.asarray(read(sample)[0])[pixel_lattice(*judged.dataset.frame)]

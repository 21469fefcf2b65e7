"""Assess a model on one side of a dataset: predictions, calibration, scores, baselines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from gym.data.dataset import Dataset
from gym.data.units import Units
from gym.evaluation.against_baselines import BaselineReport, compare_with_baselines
from gym.evaluation.baselines import fit_baselines
from gym.evaluation.bootstrap import Interval
from gym.evaluation.boundary import default_strip_width
from gym.evaluation.calibration import TEMPERATURES, fit_temperature, is_at_limit
from gym.evaluation.counts import Counts, pixel_lattice
from gym.evaluation.predictions import StoredPredictions, count_predictions, read_lattice_images, store_predictions
from gym.evaluation.run_model import Evaluation
from gym.evaluation.scores import class_scores, mean_image_scores, overall_scores, site_scores
from gym.evaluation.training_overlap import EvaluationSet, count_seen_images, list_warnings


class AssessmentSettings(NamedTuple):
    """Settings of an assessment.

    Attributes:
        batch: Number of images predicted at a time.
        width: Width of the strip along boundaries, in pixels; 0 means 2 % of the frame's diagonal.
        seed: Seed of the bootstrap and of the baselines.
        has_baselines: Whether to fit baselines to the training side.
        workers: Number of counting processes; 0 uses one per core if there is enough work.
    """

    batch: int
    width: int
    seed: int
    has_baselines: bool
    workers: int


@dataclass(frozen=True)
class Temperature:
    """The temperature that calibrates a model, and how it was found; NaN if it could not be fitted."""

    value: float
    origin: str

    @property
    def is_at_limit(self) -> bool:
        """Whether it lies at a bound of the search range and is therefore not a fit."""
        return is_at_limit(self.value)


@dataclass(frozen=True)
class Assessment:
    """The results of an assessment.

    Attributes:
        side: Name of the assessed side, or ``all``.
        warnings: Reasons why the scores may be too optimistic.
        evaluation: The predicted classes.
        scenes: Scene of each image.
        units: The units that the intervals redraw.
        counts: Counts of each image, ``(images, ...)``.
        width: Width of the strip along boundaries, in pixels.
        temperature: The fitted temperature.
        overall: Scores of all pixels together, by name.
        images: Means over images, by score.
        classes: Scores of each class, by class and score.
        sites: Scores of each site, by site and score; those of a class are named ``iou/CLASS``.
        baselines: Comparison with the baselines; None if not requested.
    """

    side: str
    warnings: list[str]
    evaluation: Evaluation
    scenes: list[str]
    units: Units
    counts: Counts
    width: int
    temperature: Temperature
    overall: dict[str, Interval]
    images: dict[str, Interval]
    classes: dict[str, dict[str, Interval]]
    sites: dict[str, dict[str, Interval]]
    baselines: BaselineReport | None


def assess(model: keras.Model, evaluated: EvaluationSet, settings: AssessmentSettings, scratch: Path) -> Assessment:
    """Assess a model.

    Args:
        model: A model with the bands and classes of the dataset.
        evaluated: The images to assess it on.
        settings: How to assess it.
        scratch: A folder for data that exceeds the memory; the caller removes it.
    """
    dataset, seed = evaluated.dataset, settings.seed
    predictions = _predict(model, evaluated, dataset, evaluated.samples, settings.batch, scratch / "predictions")
    temperature = fit_model_temperature(model, evaluated, settings.batch, predictions, scratch / "temperature")
    width = settings.width or default_strip_width(*dataset.frame)
    counts = count_predictions(predictions, width, temperature.value, settings.workers)
    units, classes = evaluated.units.names, dataset.manifest.classes
    return Assessment(
        side=evaluated.side,
        warnings=list_warnings(evaluated),
        evaluation=predictions.evaluation,
        scenes=predictions.scenes,
        units=evaluated.units,
        counts=counts,
        width=width,
        temperature=temperature,
        overall=overall_scores(units, counts, seed),
        images=mean_image_scores(units, counts, seed),
        classes=class_scores(units, counts, classes, seed),
        sites=site_scores(predictions.evaluation.sites, units, counts, classes, seed),
        baselines=assess_baselines(evaluated, predictions, seed) if settings.has_baselines else None,
    )


def _predict(
    model: keras.Model, evaluated: EvaluationSet, dataset: Dataset, samples: Sequence[int], batch: int, folder: Path
) -> StoredPredictions:
    return store_predictions(model, dataset, samples, batch, evaluated.augment, evaluated.seed, folder)


def fit_model_temperature(
    model: keras.Model, evaluated: EvaluationSet, batch: int, predictions: StoredPredictions, scratch: Path
) -> Temperature:
    """Fit the temperature on the validation side of the training data.

    Args:
        model: The model.
        evaluated: The images it is assessed on.
        batch: Batch size of predictions.
        predictions: Its predictions on these images, which are used if they are the validation side.
        scratch: A new folder for other predictions.
    """
    known = evaluated.training_data
    if known.dataset is None:
        return Temperature(float("nan"), f"not fitted, because the training data is unavailable ({known.obstacle})")
    if evaluated.training_side == "validation":
        origin = "fitted on these images, so the calibration looks better than it is"
    else:
        predictions = _predict(model, evaluated, known.dataset, known.split.validation, batch, scratch)
        origin = "fitted on the validation images of the run"
        if shared := count_seen_images(evaluated, "validation"):
            origin += f", which include {shared} of these images, so the calibration looks better than it is"
    value = fit_temperature(*predictions.sample_lattice())
    if np.isnan(value):
        origin = "not fitted, because the validation images of the run have no labelled pixel on the sampled lattice"
    if is_at_limit(value):
        low, high = TEMPERATURES
        origin += f"; it is a bound of the search range ({low:g} to {high:g}), so the best value lies beyond it"
    return Temperature(value, origin)


def assess_baselines(evaluated: EvaluationSet, predictions: StoredPredictions, seed: int) -> BaselineReport:
    """Fit the baselines to the training side and compare them with the model on a lattice of each image."""
    dataset, known = evaluated.dataset, evaluated.training_data
    if known.dataset is None:
        return BaselineReport([], {"none": f"not fitted, because the training data is unavailable ({known.obstacle})"})
    baselines = fit_baselines(known.dataset, known.split.training, seed)
    rows, columns = pixel_lattice(*dataset.frame)
    truth, predicted = (
        np.array(maps[:, rows, columns]) for maps in (predictions.labels, predictions.evaluation.predicted)
    )
    classes = len(dataset.manifest.classes)
    images = read_lattice_images(evaluated)
    return compare_with_baselines(baselines, images, truth, predicted, classes, evaluated.units.names, seed)

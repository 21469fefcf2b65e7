"""Evaluate trained models: open them and their data, score them, and write and log the results."""

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from gym.app.selection import find_selection
from gym.app.training_data import open_training_data
from gym.config.data_rules import check_split
from gym.config.schema import Config, DataConfig, EvaluateConfig, TrainingConfig
from gym.core.errors import DataError, RunError
from gym.core.files import hash_file, translate_disk_errors
from gym.core.temporary import temporary_folder
from gym.data.batches import SampleReader
from gym.data.build import open_or_build_dataset
from gym.data.dataset import Dataset
from gym.data.samples import sample_name, split_dataset
from gym.data.split import Split
from gym.data.units import Units, find_coarsest, find_units, list_kinds
from gym.evaluation.assessment import Assessment, AssessmentSettings, assess
from gym.evaluation.bootstrap import Interval
from gym.evaluation.counts import Counts, select_images
from gym.evaluation.document import describe_assessment, write_document
from gym.evaluation.scores import defined_values, score_differences
from gym.evaluation.training_overlap import (
    EvaluationSet,
    TrainingData,
    count_seen_images,
    find_differing_images,
    identify_images,
)
from gym.reporting.evaluation_page import print_assessment, write_page
from gym.runs.model_files import SavedModel, load_model
from gym.runs.model_source import ModelSource, open_model_source
from gym.runs.selection import Selection
from gym.training.runtime import prepare_tensorflow


class EvaluatedModel(NamedTuple):
    """A model, its training configuration, the images that it is evaluated on, and how it was chosen, if it was."""

    source: ModelSource
    model: SavedModel
    config: Config
    images: EvaluationSet
    selection: Selection | None = None


def evaluate_runs(config: EvaluateConfig) -> list[Assessment]:
    """Evaluate one model, or several on the same images and compare the first with the others.

    Raises:
        RunError: There is no such run, its model cannot be read, or the model does not fit the data.
        DataError: The imagery cannot be used, or the side has no images.
    """
    prepare_tensorflow(TrainingConfig())
    wanted = config.run if isinstance(config.run, list) else [config.run]
    with ExitStack() as stack:
        sources = [stack.enter_context(open_model_source(config.tracking, Path(config.outputs), one)) for one in wanted]
        selections = [find_selection(config.tracking, Path(config.outputs), one) for one in wanted]
        models = [
            _open_model(config, source)._replace(selection=selection)
            for source, selection in zip(sources, selections, strict=True)
        ]
        if len(models) > 1:
            _check_distinct(models)
            _check_same_images(models)
            models = share_units(models)
        assessments = [_assess(config, model) for model in models]
        first, *others = assessments
        differences = {
            name: score_differences(first.units.names, first.counts, _align_counts(first, other), config.seed)
            for name, other in zip(_distinct_names(models)[1:], others, strict=True)
        }
        for model, assessment in zip(models, assessments, strict=True):
            folder = _results_folder(config, model, is_comparison=len(models) > 1)
            _write_results(config, model, assessment, differences if assessment is first else {}, folder)
    return assessments


def _open_model(config: EvaluateConfig, source: ModelSource) -> EvaluatedModel:
    model, trained = load_model(source.folder / "model"), source.read_config()
    outputs, given = Path(config.outputs), None
    if config.data is not None:
        given = open_or_build_dataset(_match_preparation(config.data, trained.data), outputs)
    training_data = open_training_data(source, trained.data, outputs, given)
    dataset = training_data.dataset if given is None else given
    if dataset is None:
        raise DataError(
            f"the training data of {source.name} is unavailable ({training_data.obstacle}); choose other data with "
            "data=..."
        )
    check_dataset_fits(source.name, model, dataset)
    images = choose_images(dataset, training_data, trained, config.side, is_own=config.data is None)
    return EvaluatedModel(source, model, trained, images)


def _match_preparation(data: DataConfig, trained_on: DataConfig) -> DataConfig:
    """Return other data with the preparation that the model was trained with."""
    keys = (
        "size",
        "framing",
        "overlap",
        "scaling",
        "percentiles",
        "reflectance",
        "indices",
        "standardize",
        "null_class",
    )
    return replace(data, **{key: getattr(trained_on, key) for key in keys})


def choose_images(
    dataset: Dataset, training_data: TrainingData, trained: Config, side: str, *, is_own: bool
) -> EvaluationSet:
    """Choose the images to score a model on; ``side`` and ``is_own`` are as for `choose_samples`.

    Another dataset than that of the training is split as the configuration of the training says. No split is made if
    ``side`` is ``auto`` or ``all``, which select all images of such a dataset.
    """
    if training_data.dataset is dataset:
        split = training_data.split
    elif side in ("auto", "all"):
        split = Split([], [], [])
    else:
        check_split(trained.split, trained.augment)
        split = split_dataset(dataset, trained.split, trained.augment.copies)
    side, samples = choose_samples(side, split, len(dataset), is_own)
    units = find_units(dataset, samples, trained.split, side)
    return EvaluationSet(dataset, samples, side, trained.augment, trained.seed, training_data, units)


def choose_samples(side: str, split: Split, pairs: int, is_own: bool) -> tuple[str, list[int]]:
    """Choose the samples to score.

    Args:
        side: A side, ``all``, or ``auto``: the test side (without one, the validation side) of the dataset that the
            model was trained on, and all pairs of any other dataset.
        split: The split of the dataset.
        pairs: Number of pairs in the dataset.
        is_own: Whether the model was trained on the dataset.

    Returns:
        The chosen side and its samples.

    Raises:
        DataError: The side is empty.
    """
    if side == "auto":
        side = ("test" if split.test else "validation") if is_own else "all"
    samples = list(range(pairs)) if side == "all" else list(getattr(split, side))
    if not samples:
        counts = ", ".join(f"{name} {len(part)}" for name, part in split._asdict().items())
        raise DataError(f"side={side} has no images ({counts}); choose another side.")
    return side, samples


def check_dataset_fits(name: str, model: SavedModel, dataset: Dataset) -> None:
    """Raise `RunError` if the model ``name`` and a dataset differ in classes, bands or preparation."""
    trained, given = model.description.preparation, dataset.manifest.preparation
    names = {
        "classes": (model.description.classes, dataset.manifest.classes),
        "bands": (trained.bands, given.bands),
    }
    for what, (expected, found) in names.items():
        if expected != found:
            raise RunError(
                f"run={name} was trained with {what} {_join(expected)}, but the data has {_join(found)}; "
                f"use data with the same {what} in the same order."
            )
    for what in ("frame", "framing", "overlap", "scaling", "indices"):
        if getattr(trained, what) != getattr(given, what):
            raise RunError(
                f"run={name} was trained with {what} {_join(getattr(trained, what))}, but the data was prepared with "
                f"{_join(getattr(given, what))}; prepare it like the training data."
            )


def _join(parts: object) -> str:
    return ", ".join(map(str, parts)) if isinstance(parts, list | tuple) else str(parts)


def _check_distinct(models: Sequence[EvaluatedModel]) -> None:
    # One model can be given by its run, its archive and its registered name.
    known: dict[str, ModelSource] = {}
    for source in (model.source for model in models):
        twin = known.setdefault(hash_file(source.folder / "model" / "model.keras"), source)
        if twin is not source:
            raise RunError(
                f"{twin.name} ({twin.origin}) and {source.name} ({source.origin}) are the same model; list it once."
            )


def _check_same_images(models: Sequence[EvaluatedModel]) -> None:
    first, *others = models
    names, images = _distinct_names(models), identify_images(first.images)
    for name, other in zip(names[1:], others, strict=True):
        classes, theirs = (model.images.dataset.manifest.classes for model in (first, other))
        if classes != theirs:
            raise RunError(
                f"{names[0]} and {name} have different classes ({_join(classes)} and {_join(theirs)}), so their scores "
                "are not comparable; train both with the same data.classes."
            )
        if differing := find_differing_images(images, identify_images(other.images)):
            raise RunError(
                f"{names[0]} and {name} would be evaluated on different images ({len(differing)} differ, the first is "
                f"{differing[0]}); train both with the same data and split, or choose other data with data=..."
            )


def share_units(models: Sequence[EvaluatedModel]) -> list[EvaluatedModel]:
    """Give models of the same images the coarsest of their units, so that all are scored on the same draws.

    Raises:
        RunError: No model has units that contain whole units of all others.
    """
    names = [[sample_name(model.images.dataset, sample) for sample in model.images.samples] for model in models]
    by_name = [dict(zip(of, model.images.units.names, strict=True)) for of, model in zip(names, models, strict=True)]
    candidates = [
        Units(model.images.units.kind, [unit_of[name] for name in names[0]], model.images.units.note)
        for model, unit_of in zip(models, by_name, strict=True)
    ]
    coarsest = find_coarsest(candidates)
    if coarsest is None:
        kinds = {name: units.plural for name, units in zip(_distinct_names(models), candidates, strict=True)}
        raise RunError(
            f"{' and '.join(f'{name} ({kind})' for name, kind in kinds.items())} cannot be compared, because their "
            "splits keep different units together and neither contains the other; evaluate one run at a time."
        )
    note = next((units.note for units in candidates if units.note), "")
    if len({units.kind for units in candidates}) > 1:
        note = (
            f"Evaluated alone, the compared runs would redraw {list_kinds(candidates)}; here all redraw the coarsest "
            "of these units."
        )
    unit_of = dict(zip(names[0], coarsest.names, strict=True))
    units = [Units(coarsest.kind, [unit_of[name] for name in of], note) for of in names]
    return [model._replace(images=model.images._replace(units=one)) for model, one in zip(models, units, strict=True)]


def _distinct_names(models: Sequence[EvaluatedModel]) -> list[str]:
    names = [model.source.name for model in models]
    return [
        name if names.count(name) == 1 else f"{name} ({model.source.short_id})"
        for name, model in zip(names, models, strict=True)
    ]


def _assess(config: EvaluateConfig, model: EvaluatedModel) -> Assessment:
    settings = AssessmentSettings(
        batch=config.batch or model.config.training.batch,
        width=config.boundary_width,
        seed=config.seed,
        has_baselines=config.baselines,
        workers=config.workers,
    )
    # The predicted probabilities of all images may not fit into memory.
    with temporary_folder() as scratch, translate_disk_errors(scratch, "set TMPDIR to another folder."):
        assessment = assess(model.model.network, model.images, settings, scratch)
    return replace(assessment, warnings=[*assessment.warnings, *warn_of_selection(model.selection, model.images)])


def warn_of_selection(selection: Selection | None, images: EvaluationSet) -> list[str]:
    """Explain how the choice of the model inflates its scores, if the images are those that it was chosen on."""
    used = count_seen_images(images, "validation") if selection else 0
    if selection is None or not used or images.training_side in ("training", "test"):
        return []
    if images.training_side == "validation":
        return [selection.describe_inflation()]
    which = "these images" if used == len(images.samples) else f"{used} of these images"
    return [f"{which} were used to choose the run among {selection.candidates}, which inflates its scores"]


def _align_counts(first: Assessment, other: Assessment) -> Counts:
    """Return the counts of another model, image by image in the order of the first."""
    places = {name: place for place, name in enumerate(other.evaluation.names)}
    return select_images(other.counts, [places[name] for name in first.evaluation.names])


def _results_folder(config: EvaluateConfig, model: EvaluatedModel, is_comparison: bool) -> Path:
    name = re.sub(r"[^\w.-]+", "-", f"{model.source.name} {model.source.short_id}")
    if config.output:
        return Path(config.output) / name if is_comparison else Path(config.output)
    return Path(config.outputs) / "evaluations" / name / _group_name(model.images)


def _group_name(images: EvaluationSet) -> str:
    """Return the side, followed by the data's fingerprint if the model was not trained on it."""
    other = "" if images.is_training_data else f"_{images.dataset.manifest.fingerprint[:8]}"
    return f"{images.side}{other}"


def _write_results(
    config: EvaluateConfig,
    model: EvaluatedModel,
    assessment: Assessment,
    differences: Mapping[str, Mapping[str, Interval]],
    folder: Path,
) -> None:
    source, images, manifest = model.source, model.images, model.images.dataset.manifest
    data = {"source": manifest.source, "fingerprint": manifest.fingerprint}
    document = describe_assessment(assessment, {"id": source.run_id, "name": source.name}, data, differences)
    facts = {"model": source.origin, "data": manifest.source, "images": str(len(assessment.scenes))}
    if model.selection:
        document["selection"] = model.selection.to_json()
        facts["model"] += f", {model.selection.describe_choice()}"
    if assessment.warnings:
        facts["warnings"] = "; ".join(assessment.warnings)
    with translate_disk_errors(folder, "choose another folder with output=..."):
        folder.mkdir(parents=True, exist_ok=True)
        files = write_document(folder, document, assessment)
        files += write_page(
            folder,
            assessment,
            f"{source.name} on {assessment.side} images",
            facts,
            images.dataset.bands,
            SampleReader(images.dataset, images.augment, images.seed),
            config.seed,
            differences,
        )
    if source.run_id:
        _log_evaluation(config, source.run_id, _group_name(images), assessment, document, files)
    choice = f"{source.name} is {model.selection.describe_choice()}" if model.selection else ""
    print_assessment(source.name, assessment, differences, folder / "evaluation.html", choice)


def _log_evaluation(
    config: EvaluateConfig,
    run_id: str,
    group: str,
    assessment: Assessment,
    document: Mapping[str, Any],
    files: Sequence[Path],
) -> None:
    # MLflow takes seconds to import, and evaluating a model archive does not need it.
    from gym.reporting.card.write import refresh_card
    from gym.runs.mlflow_log import open_run_log

    run = open_run_log(config.tracking, Path(config.outputs), run_id)
    run.log_metrics({f"evaluate_{group}/{name}": value for name, value in defined_values(assessment.overall).items()})
    run.log_files(files, f"evaluation/{group}")
    with FileLock(Path(config.outputs) / ".card.lock"):  # two evaluations at once would overwrite each other's card
        refresh_card(run, f"evaluation/{group}", document)

"""Judge trained models: find them and the data, judge each, and write and log what came of it."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from gym.app.training_data import open_own
from gym.config.data_rules import check_split
from gym.config.schema import Config, DataConfig, EvaluateConfig, TrainingConfig
from gym.core.errors import DataError, RunError
from gym.core.files import hash_file, translate_disk_errors
from gym.data.batches import SampleReader
from gym.data.build import open_or_build_dataset
from gym.data.dataset import Dataset
from gym.data.samples import split_dataset
from gym.data.split import Split
from gym.evaluation.assessment import Assessment, AssessmentSettings, assess
from gym.evaluation.bootstrap import Interval
from gym.evaluation.counts import Counts, select_images
from gym.evaluation.document import describe_assessment, write_document
from gym.evaluation.scores import defined_values, score_differences
from gym.evaluation.training_overlap import EvaluationSet, find_differing_images, identify_images
from gym.reporting.evaluation_page import print_assessment, write_page
from gym.runs.model_files import SavedModel, load_model
from gym.runs.model_source import ModelSource, open_model_source
from gym.training.runtime import prepare_tensorflow


class Contender(NamedTuple):
    """A model, how it was trained, and what it is judged on."""

    source: ModelSource
    model: SavedModel
    config: Config
    judged: EvaluationSet


def judge_runs(config: EvaluateConfig) -> list[Assessment]:
    """Judge one model, or several on the same images and set the first beside the others.

    Raises:
        RunError: There is no such run, or it has no readable model, or its model does not fit the data.
        DataError: The imagery cannot be used, or there is no image on the side.
    """
    prepare_tensorflow(TrainingConfig())
    wanted = config.run if isinstance(config.run, list) else [config.run]
    with ExitStack() as stack:
        sources = [stack.enter_context(open_model_source(config.tracking, Path(config.outputs), one)) for one in wanted]
        contenders = [prepare(config, source) for source in sources]
        if len(contenders) > 1:
            refuse_one_model(contenders)
            refuse_other_images(contenders)
        assessments = [judge(config, contender) for contender in contenders]
        first, *others = assessments
        beside = {
            name: score_differences(first.scenes, first.counts, counts_like(first, other), config.seed)
            for name, other in zip(distinct_names(contenders)[1:], others, strict=True)
        }
        for contender, assessment in zip(contenders, assessments, strict=True):
            report(config, contender, assessment, beside if assessment is first else {}, len(wanted) > 1)
    return assessments


def counts_like(first: Assessment, other: Assessment) -> Counts:
    """The counts of another model, image by image in the order of the first."""
    places = {name: place for place, name in enumerate(other.evaluation.names)}
    return select_images(other.counts, [places[name] for name in first.evaluation.names])


def prepare(config: EvaluateConfig, source: ModelSource) -> Contender:
    """Load a model and open the data that it is to be judged on."""
    model, trained = load_model(source.folder / "model"), source.read_config()
    outputs = Path(config.outputs)
    given = None if config.data is None else open_or_build_dataset(prepared_alike(config.data, trained.data), outputs)
    own = open_own(source, trained, outputs, given)
    dataset = own.dataset if given is None else given
    if dataset is None:
        raise DataError(f"the data of {source.name} are not to be had ({own.obstacle}); give others with data=.")
    split = own.split if own.dataset is dataset else find_split(dataset, trained, config.side)
    refuse_other_kind(source, model, dataset)
    side, samples = choose_samples(config.side, split, len(dataset), is_own=config.data is None)
    return Contender(source, model, trained, EvaluationSet(dataset, samples, side, trained.augment, trained.seed, own))


def prepared_alike(data: DataConfig, trained: DataConfig) -> DataConfig:
    """Other data, shown to the model as those it was trained on."""
    preparing = ("size", "framing", "overlap", "scaling", "percentiles", "reflectance", "indices", "standardize")
    return replace(data, **{name: getattr(trained, name) for name in preparing})


def find_split(dataset: Dataset, trained: Config, wanted: str) -> Split:
    """The sides of other data as the run's configuration draws them; none where all images are judged."""
    if wanted in ("auto", "all"):
        return Split([], [], [])
    check_split(trained.split, trained.augment)
    return split_dataset(dataset, trained.split, trained.augment.copies)


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
        held = ", ".join(f"{name} {len(part)}" for name, part in split._asdict().items())
        raise DataError(f"side={side}: not one image is on that side ({held}); choose another with side=.")
    return side, samples


def refuse_other_kind(source: ModelSource, model: SavedModel, dataset: Dataset) -> None:
    """Raise `RunError` where a model and a dataset differ in classes, bands or preparation."""
    known, preparation = model.description, dataset.manifest.preparation
    pairs = {
        "classes": (known.classes, dataset.manifest.classes),
        "bands": (known.preparation.bands, preparation.bands),
        "frame": (list(known.preparation.frame), list(preparation.frame)),
        "scaling": (known.preparation.scaling, preparation.scaling),
    }
    for what, (of_model, of_data) in pairs.items():
        if of_model != of_data:
            raise RunError(
                f"run={source.name} knows the {what} {show(of_model)}, the data have {show(of_data)}; "
                f"give data with the same {what} in the same order."
            )


def show(parts: object) -> str:
    """A list as it is read."""
    return ", ".join(map(str, parts)) if isinstance(parts, list) else str(parts)


def refuse_one_model(contenders: Sequence[Contender]) -> None:
    """Raise `RunError` where one model is given twice, under whatever names."""
    known: dict[str, ModelSource] = {}
    for source in (contender.source for contender in contenders):
        twin = known.setdefault(hash_file(source.folder / "model" / "model.keras"), source)
        if twin is not source:
            raise RunError(
                f"{twin.name} ({twin.origin}) and {source.name} ({source.origin}) are one model; name each once."
            )


def refuse_other_images(contenders: Sequence[Contender]) -> None:
    """Raise `RunError` where models would be judged on different images, or on other classes."""
    first, *others = contenders
    names, images = distinct_names(contenders), identify_images(first.judged)
    for name, other in zip(names[1:], others, strict=True):
        classes, theirs = (one.judged.dataset.manifest.classes for one in (first, other))
        if classes != theirs:
            raise RunError(
                f"{names[0]} and {name} have different classes ({show(classes)}, and {show(theirs)}), so their scores "
                "do not compare; train both with the same data.classes."
            )
        if apart := find_differing_images(images, identify_images(other.judged)):
            raise RunError(
                f"{names[0]} and {name} would be judged on different images, {len(apart)} of them, the first "
                f"{apart[0]}; train both with the same data and split, or give data=."
            )


def judge(config: EvaluateConfig, contender: Contender) -> Assessment:
    """Judge one model; what is too large for memory is kept beside and removed."""
    settings = AssessmentSettings(
        batch=config.batch or contender.config.training.batch,
        width=config.boundary_width,
        seed=config.seed,
        has_baselines=config.baselines,
        workers=config.workers,
    )
    with tempfile.TemporaryDirectory() as scratch, translate_disk_errors(scratch, "make room, or set TMPDIR."):
        return assess(contender.model.network, contender.judged, settings, Path(scratch))


def distinct_names(contenders: Sequence[Contender]) -> list[str]:
    """The names of the models, with what they come from where one name stands for several."""
    names = [contender.source.name for contender in contenders]
    return [
        name if names.count(name) == 1 else f"{name} ({contender.source.short_id})"
        for name, contender in zip(names, contenders, strict=True)
    ]


def report(
    config: EvaluateConfig,
    contender: Contender,
    assessment: Assessment,
    beside: Mapping[str, Mapping[str, Interval]],
    is_one_of_several: bool,
) -> None:
    """Write the results of one model, log them to its run, and print them."""
    source, judged = contender.source, contender.judged
    folder = results_folder(config, contender, is_one_of_several)
    data = {"source": judged.dataset.manifest.source, "fingerprint": judged.dataset.manifest.fingerprint}
    run = {"id": source.run_id, "name": source.name}
    document = describe_assessment(assessment, run, data, beside)
    with translate_disk_errors(folder, "give another folder with output=."):
        folder.mkdir(parents=True, exist_ok=True)
        files = write_document(folder, document, assessment)
        files += write_page(
            folder,
            assessment,
            f"{source.name} on {assessment.side} images",
            facts_of(contender, assessment),
            judged.dataset.bands,
            SampleReader(judged.dataset, judged.augment, judged.seed),
            config.seed,
            beside,
        )
    if source.run_id:
        log_evaluation(config, contender, assessment, document, files)
    print_assessment(source.name, assessment, beside, folder / "evaluation.html")


def results_folder(config: EvaluateConfig, contender: Contender, is_one_of_several: bool) -> Path:
    """Where the results of a model go."""
    source, judged = contender.source, contender.judged
    name = re.sub(r"[^\w.-]+", "-", f"{source.name} {source.short_id}")
    if config.output:
        return Path(config.output) / name if is_one_of_several else Path(config.output)
    return Path(config.outputs) / "evaluations" / name / group_of(judged)


def group_of(judged: EvaluationSet) -> str:
    """What the scores of an evaluation are called: its side, and the data where they are not the run's own."""
    other = "" if judged.is_training_data else f"_{judged.dataset.manifest.fingerprint[:8]}"
    return f"{judged.side}{other}"


def facts_of(contender: Contender, assessment: Assessment) -> dict[str, str]:
    """What the page says of an evaluation before its scores."""
    data = contender.judged.dataset.manifest.source
    facts = {"model": contender.source.origin, "data": data, "images": str(len(assessment.scenes))}
    return facts | ({"beware": "; ".join(assessment.warnings)} if assessment.warnings else {})


def log_evaluation(
    config: EvaluateConfig,
    contender: Contender,
    assessment: Assessment,
    document: Mapping[str, Any],
    files: Sequence[Path],
) -> None:
    """Log an evaluation to the run of its model: scores as metrics, its own files as artifacts, both in its card."""
    from gym.reporting.card.write import refresh_card  # MLflow, which no zip needs, takes seconds to import
    from gym.runs.mlflow_log import open_run_log

    group = group_of(contender.judged)
    run = open_run_log(config.tracking, Path(config.outputs), str(contender.source.run_id))
    run.log_metrics({f"evaluate_{group}/{name}": value for name, value in defined_values(assessment.overall).items()})
    run.log_files(files, f"evaluation/{group}")
    with FileLock(Path(config.outputs) / ".card.lock"):  # two at once would each write a card without the other
        refresh_card(run, f"evaluation/{group}", document)

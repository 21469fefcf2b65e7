"""What a report shows of the data: the sites of validation images, and the example outputs of Figure 3."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from gym.config.registries import ARCHITECTURES, SCORES
from gym.config.schema import AugmentConfig, TrackingConfig, TrainingConfig
from gym.core.errors import DataError, GymError
from gym.core.temporary import temporary_folder
from gym.data.dataset import Dataset
from gym.data.samples import find_samples, pair_positions
from gym.reporting.figure3_data import ChosenImage, Examples, add_outputs, choose_images, choose_models, read_examples
from gym.reporting.run_table import run_labels, score_of
from gym.runs.mlflow_lookup import MODEL, fetch_model_files
from gym.runs.mlflow_read import Run, find_run_dataset
from gym.runs.model_files import load_model
from gym.runs.result import RunResult
from gym.training.runtime import prepare_tensorflow


class FinishedRun(NamedTuple):
    """The result of a run, and its record in MLflow."""

    result: RunResult
    logged: Run

    @property
    def data_fingerprint(self) -> str | None:
        """Fingerprint of the dataset that the run was trained on."""
        return self.logged.data.tags.get("data_fingerprint")


def find_sites(outputs: Path, finished: Sequence[FinishedRun]) -> dict[str, str]:
    """Find the site of each validation image of the runs. Images of missing datasets are omitted."""
    sites: dict[str, str] = {}
    for run in {run.data_fingerprint: run for run in finished}.values():
        with suppress(GymError):
            dataset = find_run_dataset(outputs, run.logged)
            alike = [one.result for one in finished if one.data_fingerprint == dataset.manifest.fingerprint]
            sites |= image_sites(dataset, [image for result in alike for image in result.images])
    return sites


def image_sites(dataset: Dataset, images: Sequence[str]) -> dict[str, str]:
    """Map the names of images to their sites. Images that the dataset does not have are omitted."""
    samples = find_samples(dataset, images)
    positions = pair_positions(list(samples.values()), len(dataset))
    return {name: dataset.manifest.pairs[position].site for name, position in zip(samples, positions, strict=True)}


def find_examples(
    config: TrackingConfig, outputs: Path, finished: Sequence[FinishedRun], show_step: Callable[[str], None]
) -> Examples | str:
    """Return what Figure 3 shows, or the reason why it is omitted. Arguments are those of `segment_examples`."""
    try:
        return segment_examples(config, outputs, finished, show_step)
    except GymError as error:
        return f"Figure 3 is left out: {error}"


def segment_examples(
    config: TrackingConfig, outputs: Path, finished: Sequence[FinishedRun], show_step: Callable[[str], None]
) -> Examples:
    """Segment the images that Figure 3 shows.

    Args:
        config: Where the runs are logged.
        outputs: Folder of datasets and of the database.
        finished: The runs to choose from.
        show_step: Called before each step that takes seconds.

    Raises:
        DataError: The dataset or the confusion matrices of the runs are missing.
        RunError: A model is missing or damaged.
    """
    runs, images = choose_examples(finished)
    dataset, settings = find_run_dataset(outputs, runs[0].logged), runs[0].result.settings
    prepare_tensorflow(TrainingConfig())
    examples = read_examples(dataset, images, parse_augmentation(settings), settings["seed"])
    labels = run_labels([run.result for run in runs])
    for run, label in zip(runs, labels, strict=True):
        show_step(f"loading {label}")
        with temporary_folder() as folder:
            network = load_model(fetch_model_files(config, outputs, run.logged, folder) / MODEL).network
        show_step(f"segmenting with {label}")
        examples = add_outputs(examples, network)
    return Examples(
        images=examples,
        models=[_describe_model(run.result) for run in runs],
        labels=labels,
        rules=[image.rule for image in images],
        bands=dataset.bands,
        classes=dataset.manifest.classes,
    )


def choose_examples(finished: Sequence[FinishedRun]) -> tuple[list[FinishedRun], list[ChosenImage]]:
    """Choose the two models of Figure 3 and their images; only the better model if they share no data or images.

    Returns:
        The runs, and images that all of them were validated on.

    Raises:
        DataError: There is no run or no image to choose from.
    """
    by_result = {id(run.result): run for run in finished}
    chosen = [by_result[id(result)] for result in choose_models([run.result for run in finished])]
    if not chosen:
        raise DataError(f"no run with a model has a {SCORES.get(SCORES.default).title}.")
    is_one_dataset = len({run.data_fingerprint for run in chosen}) == 1
    images = choose_images([run.result for run in chosen]) if is_one_dataset else []
    if not images:
        chosen = [max(chosen, key=lambda run: score_of(run.result, SCORES.default) or 0.0)]
        images = choose_images([chosen[0].result])
    if not images:
        raise DataError("the runs have no confusion matrices of single images.")
    return chosen, images


def parse_augmentation(settings: Mapping[str, Any]) -> AugmentConfig:
    """Parse the augmentation of a run from its settings. Settings of an earlier version are ignored."""
    known = {f"augment.{key.name}": key.name for key in fields(AugmentConfig)}
    return AugmentConfig(**{known[key]: value for key, value in settings.items() if key in known})


def _describe_model(run: RunResult) -> tuple[str, str]:
    """Return architecture, loss and filters, and the number of parameters, each short enough for a panel."""
    model, loss, filters = (run.settings[key] for key in ("model.name", "loss.name", "model.filters"))
    size = score_of(run, "parameters")
    return f"{ARCHITECTURES.get(model).title} {loss} f{filters}", "" if size is None else f"{size:,} parameters"

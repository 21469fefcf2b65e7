"""Find what a report shows of the data: sites, and examples of outputs.

MLflow takes seconds to import: this module is imported only by what looks up a run.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from mlflow.entities import Run

from gym.config import AugmentConfig, TrackingConfig, TrainingConfig
from gym.data.sides import find_samples, positions_of
from gym.data.store import Store
from gym.errors import DataError
from gym.finished_runs import MODEL, fetch_files
from gym.reporting.chosen_images import ChosenImage, choose_images, choose_models
from gym.reporting.examples import Examples, read_images, segment_images
from gym.reporting.model_sizes import LOOKS
from gym.reporting.run_table import run_labels, score_of
from gym.result import RunResult
from gym.run_store import find_store
from gym.saved_model import load_model
from gym.training.runtime import prepare_tensorflow

Tell = Callable[[str], None]  # what is about to be done, in a few words


class FinishedRun(NamedTuple):
    """What a run came to, and its record in MLflow."""

    result: RunResult
    logged: Run


class Shown(NamedTuple):
    """The runs that are shown, and the images that all of them were validated on."""

    runs: list[FinishedRun]
    images: list[ChosenImage]


def sites_of(store: Store, images: Sequence[str]) -> dict[str, str]:
    """The site of each validation image that the store has, by name."""
    samples = find_samples(store, images)
    positions = positions_of(list(samples.values()), len(store))
    return {name: store.manifest.pairs[place].site for name, place in zip(samples, positions, strict=True)}


def choose_shown(finished: Sequence[FinishedRun]) -> Shown:
    """The two models that Figure 3 shows, or the better of them where they have no data or no images in common.

    Raises:
        DataError: There is nothing to choose from.
    """
    by_result = {id(run.result): run for run in finished}
    chosen = [by_result[id(result)] for result in choose_models([run.result for run in finished])]
    if not chosen:
        raise DataError("no run with a model has a mean IoU.")
    is_one_store = len({run.logged.data.tags.get("data_fingerprint") for run in chosen}) == 1
    images = choose_images([run.result for run in chosen]) if is_one_store else []
    if not images:
        chosen = [max(chosen, key=lambda run: score_of(run.result, "iou") or 0.0)]
        images = choose_images([chosen[0].result])
    if not images:
        raise DataError("what the runs came to on each scene is gone.")
    return Shown(chosen, images)


def augmentation_of(settings: Mapping[str, Any]) -> AugmentConfig:
    """How the training pairs of a run were changed; what this version does not know is left out."""
    known = {f"augment.{key.name}": key.name for key in fields(AugmentConfig)}
    return AugmentConfig(**{known[key]: value for key, value in settings.items() if key in known})


def word_model(run: RunResult) -> tuple[str, str]:
    """What a model is, as a panel has room for: architecture, loss and filters, and its size."""
    model, loss, filters = (run.settings[key] for key in ("model.name", "loss.name", "model.filters"))
    size = score_of(run, "parameters")
    return f"{LOOKS[model].title} {loss} f{filters}", "" if size is None else f"{size:,} parameters"


def exhibit(config: TrackingConfig, outputs: Path, finished: Sequence[FinishedRun], tell: Tell) -> Examples:
    """Segment the images that Figure 3 shows.

    Args:
        config: Where the runs are logged.
        outputs: Folder of stores and of the database.
        finished: The runs to choose from.
        tell: Is told of each step that takes seconds.

    Raises:
        DataError: The data are gone, or what the runs came to on each scene.
        RunError: A model is gone or damaged.
    """
    runs, images = choose_shown(finished)
    store, settings = find_store(outputs, runs[0].logged), runs[0].result.settings
    prepare_tensorflow(TrainingConfig())
    examples = read_images(store, images, augmentation_of(settings), settings["seed"])
    labels = run_labels([run.result for run in runs])
    for run, label in zip(runs, labels, strict=True):
        tell(f"loading {label}")
        with tempfile.TemporaryDirectory() as place:
            network = load_model(fetch_files(config, outputs, run.logged, Path(place)) / MODEL).network
        tell(f"segmenting with {label}")
        examples = segment_images(examples, network)
    return Examples(
        images=examples,
        models=[word_model(run.result) for run in runs],
        labels=labels,
        rules=[image.rule for image in images],
        bands=store.bands,
        classes=store.manifest.classes,
    )

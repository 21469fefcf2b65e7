"""One configuration, one result: data, model, training, scores, pictures, all logged to MLflow."""

import json
import logging
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import keras
from omegaconf import OmegaConf

from gym.config import Config
from gym.data.build import open_or_build_store
from gym.data.parallel import available_cores
from gym.data.pipeline import SampleReader, ordered_batches, steps_in_epoch, training_batches
from gym.data.sides import find_likenesses, positions_of, side_counts, side_names, split_store, training_samples
from gym.data.split import Split
from gym.data.store import Store, combine_statistics
from gym.files import hash_value, write_json, write_text
from gym.losses import frequency_weights
from gym.models.blocks import Standardize
from gym.models.catalog import build_model, count_parameters
from gym.reporting import figures
from gym.reporting.evaluation import Evaluation, evaluate, named_scores
from gym.reporting.terminal import show_result
from gym.saved_model import save_model
from gym.tracking import RunLog, logged_run, public_uri
from gym.training.checkpoint import hash_weights
from gym.training.loop import Epoch, History, compile_model, train
from gym.training.progress import progress_display
from gym.training.runtime import prepare_tensorflow, resolve_precision, seed_weights

_FEW_STEPS = 500

log = logging.getLogger(__name__)


class Result(NamedTuple):
    """What a run came to: its MLflow id and the metrics logged at its end, by name."""

    run_id: str
    name: str
    scores: dict[str, float]


def run_experiment(config: Config) -> Result:
    """Train and score one configuration, and log it as one MLflow run.

    Raises:
        DataError: The imagery cannot be used.
        TrainingError: The loss is no longer finite; the MLflow run is FAILED.
    """
    started = time.monotonic()
    outputs = Path(config.outputs)
    store = open_or_build_store(config.data, outputs)
    split = split_store(store, config.split, config.augment)
    prepare_tensorflow(config.training)
    precision = resolve_precision(config.training.precision)
    threads = config.training.threads or available_cores()
    fingerprint = hash_value([identity(config), split, precision, threads, store.manifest.fingerprint])
    tags = {
        "fingerprint": fingerprint,
        "data_fingerprint": store.manifest.fingerprint,
        "data": store.manifest.source,
        "precision": precision,
        "split": config.split.method + (" (leaky)" if config.split.method == "paper" else ""),
    }
    with logged_run(config.tracking, outputs, run_name(config), tags) as run:
        log_inputs(run, config, store, split)
        model, history = train_model(config, store, split, outputs / "runs" / fingerprint[:16], run)
        evaluations = evaluate_sides(model, config, store, split)
        scores = final_scores(model, history, evaluations)
        scores["seconds"] = time.monotonic() - started
        run.log_metrics(scores)
        run.log_tags({"weights_sha256": hash_weights(model)})
        with tempfile.TemporaryDirectory() as folder:
            write_inputs(Path(folder), config, store, split)
            write_results(Path(folder), config, store, model, history, evaluations)
            run.log_folder(Path(folder))
    show_result(run_name(config), scores, evaluations["validation"], next_steps(config, run.run_id))
    return Result(run.run_id, run_name(config), scores)


def run_name(config: Config) -> str:
    """Name a run after what it is, as in 'resunet cce f6', where the user gives no name."""
    return config.name or f"{config.model.name} {config.loss.name} f{config.model.filters}"


def next_steps(config: Config, run_id: str) -> list[str]:
    """Say where a run is and how to use it, in lines that can be copied."""
    places = {"outputs": (config.outputs, Config().outputs), "tracking.uri": (config.tracking.uri, "")}
    where = "".join(f" {key}={public_uri(value)}" for key, (value, default) in places.items() if value != default)
    return [
        f"logged as run {run_id}",
        "  see it:  ./scripts/ui" + (f" 5000 {config.outputs}" if config.outputs != Config().outputs else ""),
        f"  use it:  python -m gym.predict run={run_id} input=IMAGES output=LABELS{where}",
    ]


def identity(config: Config) -> dict[str, Any]:
    """The part of a configuration that its result depends on, beside store and split: neither names nor places."""
    elsewhere = ("name", "outputs", "tracking", "data", "split")
    kept = {key: value for key, value in asdict(config).items() if key not in elsewhere}
    return kept | {"standardize": config.data.standardize}


def without_password(config: Config) -> Config:
    """A copy that may be logged: the tracking URI without user and password."""
    return replace(config, tracking=replace(config.tracking, uri=public_uri(config.tracking.uri)))


def train_model(config: Config, store: Store, split: Split, folder: Path, run: RunLog) -> tuple[keras.Model, History]:
    """Build and train the model; it comes back with its best weights."""
    seed_weights(config.seed)
    first = build_standardisation(config.data.standardize, store, split)
    model = build_model(config.model, store.shape, len(store.manifest.classes), first)
    compile_model(model, config, class_weights(config, store, split))
    count, precision = count_parameters(model).total, keras.config.dtype_policy().name
    log.info("%s: %s parameters, %s", run_name(config), f"{count:,}", precision)
    samples, batch = training_samples(split, config.augment, len(store)), config.training.batch
    steps = steps_in_epoch(len(samples), batch)
    if steps * config.training.epochs < _FEW_STEPS:
        log.warning(
            "only %d steps in all: batch normalisation wants some hundred; raise training.epochs or augment.copies",
            steps * config.training.epochs,
        )
    history = train(
        model,
        config,
        training_batches(store, samples, config.augment, batch, config.seed),
        steps,
        ordered_batches(store, split.validation, batch, config.augment, config.seed),
        folder,
        lambda epoch: run.log_metrics(epoch_metrics(epoch), step=epoch.number),
        [progress_display(config.training.epochs, steps)],
    )
    return model, history


def build_standardisation(method: str, store: Store, split: Split) -> Standardize:
    """The layer that standardises; for ``dataset`` with the mean and deviation of the training side."""
    if method != "dataset":
        return Standardize(method)
    training = set(positions_of(split.training, len(store)))
    mean, deviation = combine_statistics([store.manifest.pairs[position].statistics for position in sorted(training)])
    return Standardize(method, mean, deviation)


def evaluate_sides(model: keras.Model, config: Config, store: Store, split: Split) -> dict[str, Evaluation]:
    """Evaluate the validation side, and the test side where there is one."""
    return {
        side: evaluate(
            model, store, samples, ordered_batches(store, samples, config.training.batch, config.augment, config.seed)
        )
        for side, samples in (("validation", split.validation), ("test", split.test))
        if samples
    }


def class_weights(config: Config, store: Store, split: Split) -> list[float]:
    """The configured weight of each class."""
    if config.loss.weighting == "given":
        return config.loss.class_weights
    if config.loss.weighting == "frequency":
        return frequency_weights(side_counts(store, split)["training"])
    return [1.0] * len(store.manifest.classes)


def epoch_metrics(epoch: Epoch) -> dict[str, float]:
    """An epoch's values under their names in MLflow."""
    return {
        "train/loss": epoch.train_loss,
        "train/iou": epoch.train_iou,
        "val/loss": epoch.val_loss,
        "val/iou": epoch.val_iou,
        "val/kld": epoch.val_kld,
        "learning_rate": epoch.learning_rate,
    }


def final_scores(model: keras.Model, history: History, evaluations: Mapping[str, Evaluation]) -> dict[str, float]:
    """The metrics of a whole run under their names in MLflow; those of the test side begin with ``test/``."""
    count = count_parameters(model)
    test = (
        {f"test/{name}": score for name, score in named_scores(evaluations["test"]).items()}
        if "test" in evaluations
        else {}
    )
    return {
        **named_scores(evaluations["validation"]),
        **test,
        "loss": history.stopping.best_loss,
        "stopping_epoch": history.stopping.last_epoch,
        "best_epoch": history.stopping.best_epoch,
        "parameters": count.total,
        "trainable_parameters": count.trainable,
    }


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name nested values by dotted keys; an empty mapping is a value."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def log_inputs(run: RunLog, config: Config, store: Store, split: Split) -> None:
    """Log what a run starts from."""
    manifest = store.manifest
    sizes = {side: len(positions) for side, positions in split._asdict().items()}
    profile = json.dumps({"pairs": len(store), "left_out": len(manifest.left_out), **sizes})
    run.log_params(flatten(asdict(without_password(config))))
    run.log_dataset(manifest.source, manifest.fingerprint, str(store.folder), profile)


def write_inputs(folder: Path, config: Config, store: Store, split: Split) -> None:
    """Write what a run starts from: configuration, split, the images that look alike across it, what was left out."""
    write_text(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.structured(without_password(config))))
    write_json(folder / "split.json", side_names(store, split))
    write_json(folder / "left_out.json", store.manifest.left_out)
    alike = find_likenesses(store, split, config.split)
    write_json(folder / "near_duplicates.json", [pair._asdict() for pair in alike])


def write_results(
    folder: Path,
    config: Config,
    store: Store,
    model: keras.Model,
    history: History,
    evaluations: Mapping[str, Evaluation],
) -> None:
    """Write what a run came to: model, curves, and of each side the confusion matrix and a contact sheet."""
    save_model(model, store, folder / "model")
    figures.save(
        figures.draw_learning_curves(history.epochs, history.stopping.best_epoch), folder / "learning_curves.png"
    )
    read = SampleReader(store, config.augment, config.seed)
    for side, evaluation in evaluations.items():
        place = folder if side == "validation" else folder / side
        write_json(place / "confusion_matrix.json", evaluation.matrix.tolist())
        figures.save(
            figures.draw_confusion_matrix(evaluation.matrix, evaluation.classes), place / "confusion_matrix.png"
        )
        figures.save(figures.draw_contact_sheet(evaluation, store.bands, read, side), place / "contact_sheet.png")

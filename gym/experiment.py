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
from gym.data.pipeline import ordered_batches, steps_in_epoch, training_batches
from gym.data.split import Split, refuse_leaks, split_by_scene
from gym.data.store import Store
from gym.errors import DataError
from gym.files import hash_value, write_json, write_text
from gym.losses import frequency_weights
from gym.models.catalog import build_model, count_parameters
from gym.reporting import figures
from gym.reporting.evaluation import Evaluation, evaluate, named_scores
from gym.reporting.terminal import show_result
from gym.saved_model import save_model
from gym.tracking import RunLog, logged_run, public_uri
from gym.training.checkpoint import hash_weights
from gym.training.loop import Epoch, History, compile_model, train
from gym.training.progress import progress_display
from gym.training.runtime import available_cores, prepare_tensorflow, resolve_precision, seed_weights

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
    split = choose_split(config, store)
    prepare_tensorflow(config.training)
    precision = resolve_precision(config.training.precision)
    threads = config.training.threads or available_cores()
    fingerprint = hash_value([identity(config), precision, threads, store.manifest.fingerprint])
    tags = {
        "fingerprint": fingerprint,
        "data_fingerprint": store.manifest.fingerprint,
        "data": store.manifest.source,
        "precision": precision,
    }
    with logged_run(config.tracking, outputs, run_name(config), tags) as run:
        log_inputs(run, config, store, split)
        model, history = train_model(config, store, split, outputs / "runs" / fingerprint[:16], run)
        evaluation = evaluate(model, store, split.validation, config.training.batch)
        scores = final_scores(model, history, evaluation)
        scores["seconds"] = time.monotonic() - started
        run.log_metrics(scores)
        run.log_tags({"weights_sha256": hash_weights(model)})
        with tempfile.TemporaryDirectory() as folder:
            write_artifacts(Path(folder), config, store, split, model, history, evaluation)
            run.log_folder(Path(folder))
    show_result(run_name(config), scores, evaluation, next_steps(config, run.run_id))
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
    """The part of a configuration that its result depends on: all but its name and where things are kept."""
    return {key: value for key, value in asdict(config).items() if key not in ("name", "outputs", "tracking")}


def without_password(config: Config) -> Config:
    """A copy that may be logged: the tracking URI without user and password."""
    return replace(config, tracking=replace(config.tracking, uri=public_uri(config.tracking.uri)))


def choose_split(config: Config, store: Store) -> Split:
    """Split a store by scene, and make sure nothing leaks."""
    records = store.manifest.pairs
    scenes = [record.scene for record in records]
    split = split_by_scene(scenes, config.data.split.validation, config.data.split.seed)
    for name, count in zip(store.manifest.classes, store.counts.sum(axis=0), strict=True):
        if not count:
            log.warning("class %s has not one pixel in any scene: do the label values fit data.classes?", name)
    for side, positions in split._asdict().items():
        if not store.counts[positions].sum():
            raise DataError(
                f"the {side} scenes have not one labelled pixel; label more scenes, or change data.split.seed."
            )
    refuse_leaks(split, [record.name for record in records], scenes, [record.image_sha256 for record in records])
    return split


def train_model(config: Config, store: Store, split: Split, folder: Path, run: RunLog) -> tuple[keras.Model, History]:
    """Build and train the model; it comes back with its best weights."""
    seed_weights(config.seed)
    model = build_model(config.model, store.shape, len(store.manifest.classes))
    compile_model(model, config, class_weights(config, store, split))
    count, precision = count_parameters(model).total, keras.config.dtype_policy().name
    log.info("%s: %s parameters, %s", run_name(config), f"{count:,}", precision)
    batch, steps = config.training.batch, steps_in_epoch(len(split.training), config.augment, config.training.batch)
    if steps * config.training.epochs < _FEW_STEPS:
        log.warning(
            "only %d steps in all: batch normalisation wants some hundred; raise training.epochs or augment.copies",
            steps * config.training.epochs,
        )
    history = train(
        model,
        config,
        training_batches(store, split.training, config.augment, batch, config.seed),
        steps,
        ordered_batches(store, split.validation, batch),
        folder,
        lambda epoch: run.log_metrics(epoch_metrics(epoch), step=epoch.number),
        [progress_display(config.training.epochs, steps)],
    )
    return model, history


def class_weights(config: Config, store: Store, split: Split) -> list[float]:
    """The configured weight of each class."""
    if config.loss.weighting == "given":
        return config.loss.class_weights
    if config.loss.weighting == "frequency":
        return frequency_weights(store.counts[split.training].sum(axis=0))
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


def final_scores(model: keras.Model, history: History, evaluation: Evaluation) -> dict[str, float]:
    """The metrics of a whole run under their names in MLflow."""
    count = count_parameters(model)
    return {
        **named_scores(evaluation),
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


def write_artifacts(
    folder: Path,
    config: Config,
    store: Store,
    split: Split,
    model: keras.Model,
    history: History,
    evaluation: Evaluation,
) -> None:
    """Write all files of a run's MLflow artifacts."""
    names = [record.name for record in store.manifest.pairs]
    write_text(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.structured(without_password(config))))
    write_json(folder / "split.json", {side: [names[at] for at in of] for side, of in split._asdict().items()})
    write_json(folder / "confusion_matrix.json", evaluation.matrix.tolist())
    save_model(model, store, folder / "model")
    figures.save(
        figures.draw_learning_curves(history.epochs, history.stopping.best_epoch), folder / "learning_curves.png"
    )
    figures.save(figures.draw_confusion_matrix(evaluation.matrix, evaluation.classes), folder / "confusion_matrix.png")
    figures.save(figures.draw_contact_sheet(evaluation, store), folder / "contact_sheet.png")

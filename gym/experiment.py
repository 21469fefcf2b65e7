"""One configuration, one result: data, model, training, scores, pictures, all logged to MLflow."""

import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from math import nan
from pathlib import Path
from typing import NamedTuple

import keras
from omegaconf import OmegaConf

from gym.card.limits import FEW_STEPS
from gym.card.run_card import write_run_card
from gym.config import Config
from gym.console import counted, public_uri, worded
from gym.data.build import open_or_build_store
from gym.data.parallel import available_cores
from gym.data.pipeline import SampleReader, ordered_batches, steps_in_epoch, training_batches
from gym.data.sides import (
    find_likenesses,
    positions_of,
    scenes_of,
    side_counts,
    side_names,
    split_store,
    training_samples,
)
from gym.data.split import Split
from gym.data.store import Store, combine_statistics
from gym.files import hash_value, write_json, write_text
from gym.identity import run_fingerprint, run_name
from gym.losses import frequency_weights
from gym.models.blocks import Standardize
from gym.models.catalog import build_model, count_parameters
from gym.models.tuned import is_tuned
from gym.reporting import figures
from gym.reporting.drawing import save
from gym.reporting.evaluation import Evaluation, evaluate, named_scores
from gym.reporting.terminal import show_result
from gym.result import RunResult, find_result, write_result
from gym.run_folder import end_attempt, run_folder
from gym.saved_model import save_model
from gym.settings import flatten
from gym.tracking import DESCRIPTION, RunLog, drop_run, logged_run
from gym.training import checkpoint
from gym.training.compiled import compiled_model
from gym.training.history import Epoch, History, epoch_metrics
from gym.training.loop import compile_model, train
from gym.training.progress import progress_display
from gym.training.runtime import prepare_tensorflow, resolve_precision, seed_weights

log = logging.getLogger(__name__)


class Task(NamedTuple):
    """What a run is to do, and where: the configuration with its data, its name and its folder."""

    config: Config
    store: Store
    split: Split
    name: str
    folder: Path
    fingerprint: str


class Listener(NamedTuple):
    """Who is told of a run as it goes: with tags for its MLflow run, of each epoch, and on the terminal."""

    tags: Mapping[str, str]
    on_epoch: Callable[[Epoch], None]
    is_shown: bool


def run_experiment(config: Config) -> RunResult:
    """Train and score one configuration, log it as one MLflow run, and show what it came to.

    A run that was stopped before its end goes on where it was; one that ended is made anew.

    Raises:
        DataError: The imagery cannot be used.
        TrainingError: The loss is no longer finite; the MLflow run is FAILED.
        RunError: Another process trains this very run.
    """
    task = plan_task(config, Path(config.outputs) / "runs")
    result, evaluations = carry_out(task, Listener({}, lambda epoch: None, is_shown=True))
    end_attempt(task.folder)
    if evaluations:
        show_result(task.name, result.scores, evaluations["validation"], next_steps(config, result.run_id))
    return result


def plan_task(config: Config, runs: Path) -> Task:
    """Open the data of a configuration, making the store where it is missing, and name the run."""
    store = open_or_build_store(config.data, Path(config.outputs))
    split = split_store(store, config.split, config.augment)
    fingerprint = run_fingerprint(config, store, split)
    return Task(config, store, split, run_name(config), runs / fingerprint[:16], fingerprint)


def carry_out(task: Task, listener: Listener) -> tuple[RunResult, dict[str, Evaluation]]:
    """Make a run, or what is left of it.

    Returns:
        What it came to, and its evaluations by side: none where all had been done before and only the end was missing.
    """
    config = task.config
    prepare_tensorflow(config.training)
    means = {
        "precision": resolve_precision(config.training.precision),
        "threads": config.training.threads or available_cores(),
        "tuned": is_tuned(),
    }
    tags = describe(task) | {name: str(value) for name, value in means.items()} | dict(listener.tags)
    with run_folder(task.folder, means, config.training.resume) as attempt:
        if attempt.dropped:
            drop_run(config.tracking, Path(config.outputs), attempt.dropped)
        with logged_run(config.tracking, Path(config.outputs), task.name, tags, attempt.name) as run:
            known = find_result(task.folder)
            result, evaluations = (known, {}) if known else make_result(task, run, listener)
        checkpoint.remove(task.folder)
    return result, evaluations


def make_result(task: Task, run: RunLog, listener: Listener) -> tuple[RunResult, dict[str, Evaluation]]:
    """Train, evaluate and log; result as that of `carry_out`."""
    log_inputs(run, task.config, task.store, task.split)
    model, history = train_model(task, run, listener)
    evaluations = evaluate_sides(model, task.config, task.store, task.split)
    result = summarize(task, run.run_id, model, history, evaluations)
    log_result(run, task, result, model, history, evaluations)
    write_result(task.folder, result)
    return result, evaluations


def describe(task: Task) -> dict[str, str]:
    """The tags that say what a run is and on what."""
    method = task.config.split.method
    return {
        "fingerprint": task.fingerprint,
        "data_fingerprint": task.store.manifest.fingerprint,
        "data": task.store.manifest.source,
        "split": method + (" (leaky)" if method == "paper" else ""),
    }


def summarize(
    task: Task, run_id: str, model: keras.Model, history: History, evaluations: Mapping[str, Evaluation]
) -> RunResult:
    """What a run came to."""
    validation = evaluations["validation"]
    trained_on = {
        "training_pairs": len(set(positions_of(task.split.training, len(task.store)))),
        "training_steps": history.stopping.last_epoch * count_steps(task),
    }
    return RunResult(
        run_id=run_id,
        name=task.name,
        fingerprint=task.fingerprint,
        settings=flatten(asdict(without_password(task.config))),
        scores=final_scores(model, history, evaluations) | trained_on,
        weights_sha256=checkpoint.hash_weights(model),
        classes=validation.classes,
        images=validation.names,
        scenes=scenes_of(task.store, validation.samples),
        matrices=validation.matrices,
    )


def log_result(
    run: RunLog,
    task: Task,
    result: RunResult,
    model: keras.Model,
    history: History,
    evaluations: Mapping[str, Evaluation],
) -> None:
    """Log what a run came to: every epoch that is not there yet, scores, weights, pictures."""
    logged = run.logged_steps("learning_rate")
    for epoch in history.epochs:
        if epoch.number not in logged:
            run.log_metrics(epoch_metrics(epoch), step=epoch.number)
    run.log_metrics(result.scores)
    run.log_tags({"weights_sha256": result.weights_sha256, DESCRIPTION: word_result(result)})
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder), task.config, task.store, task.split)
        write_results(Path(folder), task.config, task.store, model, history, evaluations)
        write_run_card(Path(folder), task.config, task.store, task.split, result, evaluations)
        run.log_folder(Path(folder))


def word_result(result: RunResult) -> str:
    """What a run came to and where to look, as the MLflow UI shows it above all else."""
    scores, scenes = result.scores, counted(len(set(result.scenes)), "validation scene")
    values = f"Mean IoU {worded(scores.get('iou', nan))}, KLD {worded(scores.get('kld', nan))} on {scenes}"
    course = f"epoch {scores['best_epoch']:.0f} of {scores['stopping_epoch']:.0f} is kept"
    return f"{values}; {course}; {scores['parameters']:,.0f} parameters. Pictures and model are under Artifacts."


def next_steps(config: Config, run_id: str) -> list[str]:
    """Say where a run is and how to use it, in lines that can be copied."""
    places = {"outputs": (config.outputs, Config().outputs), "tracking.uri": (config.tracking.uri, "")}
    where = "".join(f" {key}={public_uri(value)}" for key, (value, default) in places.items() if value != default)
    return [
        f"logged as run {run_id}",
        "  see it:   ./scripts/ui" + (f" 5000 {config.outputs}" if config.outputs != Config().outputs else ""),
        f"  judge it: python -m gym.evaluate run={run_id}{where}",
        f"  use it:   python -m gym.predict run={run_id} input=IMAGES output=LABELS{where}",
    ]


def without_password(config: Config) -> Config:
    """A copy that may be logged: the URIs without user and password."""
    tracking = replace(config.tracking, uri=public_uri(config.tracking.uri))
    return replace(config, tracking=tracking, search=replace(config.search, storage=public_uri(config.search.storage)))


def train_model(task: Task, run: RunLog, listener: Listener) -> tuple[keras.Model, History]:
    """Build and train the model; it comes back with its best weights."""
    config, store, split = task.config, task.store, task.split
    model = prepare_model(config, store, split)
    samples, batch = training_samples(split, config.augment, len(store)), config.training.batch
    steps = count_steps(task)
    if listener.is_shown:
        announce(task.name, model, steps * config.training.epochs)

    logged = run.logged_steps("learning_rate")

    def tell(epoch: Epoch) -> None:
        if epoch.number not in logged:
            run.log_metrics_behind(epoch_metrics(epoch), step=epoch.number)
        listener.on_epoch(epoch)

    history = train(
        model,
        config,
        lambda first_epoch: training_batches(store, samples, config.augment, batch, config.seed, first_epoch),
        steps,
        ordered_batches(store, split.validation, batch, config.augment, config.seed),
        task.folder,
        tell,
        [progress_display(config.training.epochs, steps)] if listener.is_shown else [],
    )
    return model, history


def count_steps(task: Task) -> int:
    """The steps of an epoch."""
    samples = training_samples(task.split, task.config.augment, len(task.store))
    return steps_in_epoch(len(samples), task.config.training.batch)


def prepare_model(config: Config, store: Store, split: Split) -> keras.Model:
    """Build and compile the model, or take one whose graphs an earlier run of this process has traced."""
    first = build_standardisation(config.data.standardize, store, split)
    weights = class_weights(config, store, split)
    classes = len(store.manifest.classes)
    parts = [asdict(part) for part in (config.model, config.loss, config.optimizer)]
    graphs = [*parts, weights, store.shape, classes, first.method, first.mean, first.deviation]
    graphs += [keras.config.dtype_policy().name, config.training.deterministic, is_tuned()]

    def build() -> keras.Model:
        seed_weights(config.seed)
        return build_model(config.model, store.shape, classes, first)

    return compiled_model(hash_value(graphs), build, lambda model: compile_model(model, config, weights))


def announce(name: str, model: keras.Model, steps: int) -> None:
    """Say what is about to be trained, and warn of too few steps."""
    log.info("%s: %s parameters, %s", name, f"{count_parameters(model).total:,}", keras.config.dtype_policy().name)
    if steps < FEW_STEPS:
        log.warning(
            "only %s in all: batch normalisation wants some hundred; raise training.epochs or augment.copies",
            counted(steps, "step"),
        )


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
        "seconds": history.seconds,
        "parameters": count.total,
        "trainable_parameters": count.trainable,
    }


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
    save(figures.draw_learning_curves(history.epochs, history.stopping.best_epoch), folder / "learning_curves.png")
    read = SampleReader(store, config.augment, config.seed)
    for side, evaluation in evaluations.items():
        place = folder if side == "validation" else folder / side
        write_json(place / "confusion_matrix.json", evaluation.matrix.tolist())
        save(figures.draw_confusion_matrix(evaluation.matrix, evaluation.classes), place / "confusion_matrix.png")
        save(figures.draw_contact_sheet(evaluation, store.bands, read, side), place / "contact_sheet.png")

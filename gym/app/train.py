"""One configuration, one result: data, model, training, scores, pictures, all logged to MLflow."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import keras

from gym.config.overrides import flatten, to_dict
from gym.config.schema import Config
from gym.core.files import hash_value
from gym.core.parallel import available_cores
from gym.core.text import pluralize, redact_uri
from gym.data.batches import ordered_batches, training_batches
from gym.data.dataset import Dataset, combine_statistics
from gym.data.samples import count_classes_by_side, pair_positions, training_samples
from gym.data.split import Split
from gym.evaluation.run_model import Evaluation
from gym.models.architectures import build_model, count_parameters
from gym.models.blocks import Standardize
from gym.models.cpu_ops import is_tuned
from gym.models.losses import frequency_weights
from gym.reporting.card.prose import FEW_STEPS
from gym.reporting.terminal import print_result
from gym.runs.mlflow_log import RunLog, end_abandoned_run, open_mlflow_run
from gym.runs.result import RunResult, find_result, write_result
from gym.runs.run_folder import end_attempt, hold_run_folder
from gym.runs.spec import RunSpec, plan_run, redact_settings
from gym.training import checkpoint
from gym.training.checkpoint import Epoch, History, epoch_metrics
from gym.training.graph_cache import get_compiled_model
from gym.training.loop import BatchStreams, compile_model, train
from gym.training.progress import progress_callback
from gym.training.runtime import prepare_tensorflow, resolve_precision, seed_weights

log = logging.getLogger(__name__)


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
    task = plan_run(config, Path(config.outputs) / "runs")
    result, evaluations = carry_out(task, Listener({}, lambda epoch: None, is_shown=True))
    end_attempt(task.folder)
    if evaluations:
        print_result(task.name, result.scores, evaluations["validation"], next_steps(config, result.run_id))
    return result


def carry_out(task: RunSpec, listener: Listener) -> tuple[RunResult, dict[str, Evaluation]]:
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
    tags = task.tags | {name: str(value) for name, value in means.items()} | dict(listener.tags)
    with hold_run_folder(task.folder, means, config.training.resume) as attempt:
        if attempt.abandoned:
            end_abandoned_run(config.tracking, Path(config.outputs), attempt.abandoned)
        with open_mlflow_run(config.tracking, Path(config.outputs), task.name, tags, attempt.name) as run:
            known = find_result(task.folder)
            result, evaluations = (known, {}) if known else make_result(task, run, listener)
        checkpoint.remove_checkpoints(task.folder)
    return result, evaluations


def make_result(task: RunSpec, run: RunLog, listener: Listener) -> tuple[RunResult, dict[str, Evaluation]]:
    """Train, evaluate and log; result as that of `carry_out`."""
    log_inputs(run, task.config, task.dataset, task.split)
    model, history = train_model(task, run, listener)

    from gym.app.finish_run import evaluate_sides, log_result, summarize  # as `train_model` says

    evaluations = evaluate_sides(model, task)
    result = summarize(task, run.run_id, model, history, evaluations)
    log_result(run, task, result, model, history, evaluations)
    write_result(task.folder, result)
    return result, evaluations


def next_steps(config: Config, run_id: str) -> list[str]:
    """Say where a run is and how to use it, in lines that can be copied."""
    places = {"outputs": (config.outputs, Config().outputs), "tracking.uri": (config.tracking.uri, "")}
    where = "".join(f" {key}={redact_uri(value)}" for key, (value, default) in places.items() if value != default)
    return [
        f"logged as run {run_id}",
        "  see it:   ./scripts/ui" + (f" 5000 {config.outputs}" if config.outputs != Config().outputs else ""),
        f"  judge it: python -m gym.evaluate run={run_id}{where}",
        f"  use it:   python -m gym.predict run={run_id} input=IMAGES output=LABELS{where}",
    ]


def train_model(task: RunSpec, run: RunLog, listener: Listener) -> tuple[keras.Model, History]:
    """Build and train the model; it comes back with its best weights."""
    config, dataset, split = task.config, task.dataset, task.split
    model = prepare_model(config, dataset, split)
    samples, batch = training_samples(split, config.augment, len(dataset)), config.training.batch
    steps = task.steps_per_epoch
    if listener.is_shown:
        announce(task.name, model, steps * config.training.epochs)

    logged = run.logged_steps("learning_rate")

    def tell(epoch: Epoch) -> None:
        # What draws and scores takes half a second to import: not before the first step, and not as late as at the end,
        # when somebody may have changed it.
        import gym.app.finish_run  # noqa: F401

        if epoch.number not in logged:
            run.log_metrics_in_background(epoch_metrics(epoch), step=epoch.number)
        listener.on_epoch(epoch)

    history = train(
        model,
        BatchStreams(
            lambda first_epoch: training_batches(dataset, samples, config.augment, batch, config.seed, first_epoch),
            steps,
            ordered_batches(dataset, split.validation, batch, config.augment, config.seed),
        ),
        task.folder,
        tell,
        epochs=config.training.epochs,
        patience=config.training.patience,
        schedule=config.schedule,
        seed=config.seed,
        displays=[progress_callback(config.training.epochs, steps)] if listener.is_shown else [],
    )
    return model, history


def prepare_model(config: Config, dataset: Dataset, split: Split) -> keras.Model:
    """Build and compile the model, or take one whose graphs an earlier run of this process has traced."""
    first = build_standardisation(config.data.standardize, dataset, split)
    weights = class_weights(config, dataset, split)
    classes = len(dataset.manifest.classes)
    parts = [asdict(part) for part in (config.model, config.loss, config.optimizer)]
    graphs = [*parts, weights, dataset.shape, classes, first.method, first.mean, first.deviation]
    graphs += [keras.config.dtype_policy().name, config.training.deterministic, is_tuned()]

    def build() -> keras.Model:
        seed_weights(config.seed)
        return build_model(config.model, dataset.shape, classes, first)

    def compile(network: keras.Model) -> keras.Model:
        return compile_model(network, config.optimizer, config.loss.name, weights)

    return get_compiled_model(hash_value(graphs), build, compile)


def announce(name: str, model: keras.Model, steps: int) -> None:
    """Say what is about to be trained, and warn of too few steps."""
    log.info("%s: %s parameters, %s", name, f"{count_parameters(model).total:,}", keras.config.dtype_policy().name)
    if steps < FEW_STEPS:
        log.warning(
            "only %s in all: batch normalisation wants some hundred; raise training.epochs or augment.copies",
            pluralize(steps, "step"),
        )


def build_standardisation(method: str, dataset: Dataset, split: Split) -> Standardize:
    """The layer that standardises; for ``dataset`` with the mean and deviation of the training side."""
    if method != "dataset":
        return Standardize(method)
    training = set(pair_positions(split.training, len(dataset)))
    mean, deviation = combine_statistics([dataset.manifest.pairs[position].statistics for position in sorted(training)])
    return Standardize(method, mean, deviation)


def class_weights(config: Config, dataset: Dataset, split: Split) -> list[float]:
    """The configured weight of each class."""
    if config.loss.weighting == "given":
        return config.loss.class_weights
    if config.loss.weighting == "frequency":
        return frequency_weights(count_classes_by_side(dataset, split)["training"])
    return [1.0] * len(dataset.manifest.classes)


def log_inputs(run: RunLog, config: Config, dataset: Dataset, split: Split) -> None:
    """Log what a run starts from."""
    manifest = dataset.manifest
    sizes = {side: len(positions) for side, positions in split._asdict().items()}
    profile = json.dumps({"pairs": len(dataset), "left_out": len(manifest.left_out), **sizes})
    run.log_params(flatten(redact_settings(to_dict(config))))
    run.log_dataset(manifest.source, manifest.fingerprint, str(dataset.folder), profile)

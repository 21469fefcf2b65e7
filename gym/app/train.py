"""Train one configuration, and log everything that belongs to the run to MLflow."""

import importlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import keras

from gym.app.precision import resolve_precision
from gym.config.overrides import flatten, format_settings
from gym.config.registries import LOSSES
from gym.config.schema import Config
from gym.core.errors import ConfigError
from gym.core.parallel import available_cores
from gym.core.text import pluralize
from gym.evaluation.confusion import check_plugin_scores
from gym.evaluation.run_model import Evaluation
from gym.models.architectures import count_parameters
from gym.models.cpu_ops import is_tuned
from gym.reporting.card.limitations import FEW_STEPS
from gym.reporting.terminal import print_result
from gym.runs.mlflow_log import RunLog, end_abandoned_run, open_mlflow_run
from gym.runs.next_steps import format_run_steps
from gym.runs.result import RunResult, find_result
from gym.runs.run_folder import end_attempt, find_attempts, hold_run_folder, read_attempt, write_plugins
from gym.runs.spec import RunSpec, plan_run
from gym.training import checkpoint
from gym.training.checkpoint import Epoch, epoch_metrics
from gym.training.forecast import forecast_training, warn_if_disk_is_small
from gym.training.loop import BatchStreams, train
from gym.training.model_setup import set_up_training
from gym.training.progress import progress_callback
from gym.training.runtime import prepare_tensorflow

_PHASES = {
    "scoring": "scoring the model",
    "drawing": "drawing the figures and writing the model card",
    "logging": "logging the model to MLflow",
}

log = logging.getLogger(__name__)


def run_experiment(config: Config) -> RunResult:
    """Train and score one configuration, log it as one MLflow run, and print the result.

    An interrupted run resumes; a finished one is trained again.

    Raises:
        ConfigError: ``sweep.plan`` is set.
        DataError: The imagery cannot be used.
        TrainingError: The loss is no longer finite; the MLflow run is FAILED.
        RunError: Another process trains this run.
    """
    if config.sweep.plan:
        raise ConfigError("sweep.plan=true plans a sweep, but this trains one run; add -m, or leave it out.")
    spec = plan_run(config, Path(config.outputs) / "runs")
    if not config.training.resume:
        _abandon_attempts(config, spec)
    training, spec, tags = resolve_precision(config.training, spec)
    config = replace(config, training=training)
    result, evaluations = execute_run(config, spec, tags)
    end_attempt(spec.folder)
    if evaluations:
        next_steps = format_run_steps(result.run_id, config.outputs, config.tracking, config.plugins)
        print_result(spec.name, result.scores, evaluations["validation"], next_steps)
    return result


def _abandon_attempts(config: Config, spec: RunSpec) -> None:
    """End interrupted attempts of a run whose data type was left to a measurement, whatever that is now."""
    for folder in find_attempts(spec.folder.parent, spec.fingerprint):
        end_abandoned_run(config.tracking, Path(config.outputs), str((read_attempt(folder) or {})["attempt"]))
        end_attempt(folder)


def _log_phase(phase: str) -> None:
    log.info("%s ...", _PHASES[phase])


def execute_run(
    config: Config,
    spec: RunSpec,
    tags: Mapping[str, str] | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_phase: Callable[[str], None] = _log_phase,
    *,
    is_shown: bool = True,
) -> tuple[RunResult, dict[str, Evaluation]]:
    """Carry out a run from where it was interrupted, or from the start.

    Args:
        config: The configuration.
        spec: The run planned from it.
        tags: Further tags of the MLflow run.
        on_epoch: Called after every epoch.
        on_phase: Called after training with what is being done, as in "scoring".
        is_shown: Whether progress is printed.

    Returns:
        The result, and the evaluations by side. There are none if the run was interrupted after its result was written.
    """
    training, outputs = config.training, Path(config.outputs)
    check_plugin_scores(len(spec.dataset.manifest.classes))
    prepare_tensorflow(training)
    conditions = {
        "precision": training.precision,
        "threads": training.threads or available_cores(),
        "tuned": is_tuned(),
    }
    tags = spec.tags | {name: str(value) for name, value in conditions.items()} | dict(tags or {})
    with hold_run_folder(spec.folder, conditions, training.resume, spec.requested) as attempt:
        write_plugins(spec.folder, spec.plugins, spec.unversioned)
        if attempt.abandoned:
            end_abandoned_run(config.tracking, outputs, attempt.abandoned)
        with open_mlflow_run(config.tracking, outputs, spec.name, tags, attempt.name) as run:
            found = find_result(spec.folder)
            outcome = (found, {}) if found else _train_and_evaluate(config, spec, run, on_epoch, on_phase, is_shown)
        checkpoint.remove_checkpoints(spec.folder)
    return outcome


def _train_and_evaluate(
    config: Config,
    spec: RunSpec,
    run: RunLog,
    on_epoch: Callable[[Epoch], None],
    on_phase: Callable[[str], None],
    is_shown: bool,
) -> tuple[RunResult, dict[str, Evaluation]]:
    dataset, split, augment, training = spec.dataset, spec.split, config.augment, config.training
    seed, batch, epochs = config.seed, training.batch, training.epochs
    _log_inputs(run, spec)
    model, batches = set_up_training(config, dataset, split)
    steps = batches.per_epoch
    if config.loss.clip and config.loss.name not in LOSSES.users_of("clip"):
        log.warning("loss.clip=true has no effect with loss=%s, which takes no logarithm", config.loss.name)
    if is_shown:
        _announce(spec, model, batches, epochs)
    history = train(
        model,
        batches,
        spec.folder,
        _log_epochs(run, on_epoch),
        epochs=epochs,
        patience=training.patience,
        schedule=config.schedule,
        seed=seed,
        displays=[progress_callback(epochs, steps)] if is_shown else [],
    )

    from gym.app.finish_run import finish_run  # see _prefetch_finish_run

    return finish_run(
        run, spec, model, history, steps, augment, config.split, batch=batch, seed=seed, announce=on_phase
    )


def _log_inputs(run: RunLog, spec: RunSpec) -> None:
    manifest = spec.dataset.manifest
    sides = {side: len(samples) for side, samples in spec.split._asdict().items()}
    profile = json.dumps({"pairs": len(spec.dataset), "left_out": len(manifest.left_out), **sides})
    run.log_params(format_settings(flatten(spec.settings)))
    run.log_dataset(manifest.source, manifest.fingerprint, str(spec.dataset.folder), profile)


def _announce(spec: RunSpec, model: keras.Model, batches: BatchStreams, epochs: int) -> None:
    parameters = f"{count_parameters(model).total:,}"
    log.info("%s: %s parameters, %s", spec.name, parameters, keras.config.dtype_policy().name)
    if not checkpoint.exists(spec.folder):  # a resumed run shows the time left after its next epoch
        forecast = forecast_training(model, batches, epochs)
        log.info("%s: %s", spec.name, forecast)
        warn_if_disk_is_small(spec.folder, forecast.disk)
    if (steps := batches.per_epoch * epochs) < FEW_STEPS:
        log.warning(
            "only %s in total: batch normalisation needs several hundred; raise training.epochs or augment.copies",
            pluralize(steps, "step"),
        )


def _log_epochs(run: RunLog, on_epoch: Callable[[Epoch], None]) -> Callable[[Epoch], None]:
    logged = run.logged_steps("learning_rate")

    def log_epoch(epoch: Epoch) -> None:
        _prefetch_finish_run()
        if epoch.number not in logged:
            run.log_metrics_in_background(epoch_metrics(epoch), step=epoch.number)
        on_epoch(epoch)

    return log_epoch


def _prefetch_finish_run() -> None:
    # Importing matplotlib takes half a second, so not before the first step; but not as late as the end of a long run
    # either, because an update of the program in the meantime would mix two versions.
    importlib.import_module("gym.app.finish_run")

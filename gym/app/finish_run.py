"""Evaluate a trained model, and log its scores, pictures and model card.

Importing this module imports matplotlib, half a second's worth: `gym.app.train` does so after the first epoch.
"""

from collections.abc import Callable, Mapping, Sequence
from math import nan
from pathlib import Path

import keras
from omegaconf import OmegaConf

from gym.config.overrides import flatten
from gym.config.registries import SCORES, Place
from gym.config.schema import AugmentConfig, SplitConfig
from gym.core.files import write_json, write_text
from gym.core.temporary import temporary_folder
from gym.core.text import format_score, pluralize
from gym.data.batches import SampleReader, ordered_batches
from gym.data.dataset import Dataset
from gym.data.near_duplicates import NearDuplicate
from gym.data.samples import ReadSample, find_near_duplicates, list_sample_names, pair_positions, scene_names
from gym.data.split import Split
from gym.data.units import SCENE, Units, find_units
from gym.evaluation.run_model import Evaluation, evaluate_model, named_scores
from gym.models.architectures import count_parameters
from gym.reporting.card.write import write_run_card
from gym.reporting.contact_sheet import draw_contact_sheet
from gym.reporting.evaluation_figures import draw_confusion_matrix
from gym.reporting.style import save_figure
from gym.reporting.training_curves import draw_training_curves
from gym.runs.mlflow_log import DESCRIPTION, RunLog
from gym.runs.model_files import save_model
from gym.runs.result import RunResult, write_result
from gym.runs.spec import RunSpec
from gym.training import checkpoint
from gym.training.checkpoint import History, epoch_metrics


def finish_run(
    run: RunLog,
    spec: RunSpec,
    model: keras.Model,
    history: History,
    steps_per_epoch: int,
    augment: AugmentConfig,
    split_config: SplitConfig,
    *,
    batch: int,
    seed: int,
    announce: Callable[[str], None],
) -> tuple[RunResult, dict[str, Evaluation]]:
    """Evaluate a trained model on its validation and test sides, log the run, and write its result.

    Args:
        run: The MLflow run.
        spec: The run.
        model: The trained model.
        history: Its training.
        steps_per_epoch: Number of training batches in an epoch.
        augment: How augmented copies of pairs are made.
        split_config: How the dataset was split.
        batch: Images predicted at a time.
        seed: Seed of the copies.
        announce: Called with what is being done, as in "scoring": each can take minutes.

    Returns:
        The result, and the evaluations by side.

    Raises:
        OSError: The result cannot be written.
        RunError: MLflow cannot be used.
    """
    dataset, split, read = spec.dataset, spec.split, SampleReader(spec.dataset, augment, seed)
    announce("scoring")
    evaluations = _evaluate_sides(model, dataset, split, augment, batch=batch, seed=seed)
    units = {side: find_units(dataset, of.samples, split_config, side) for side, of in evaluations.items()}
    result = _make_result(run.run_id, spec, model, history, steps_per_epoch, evaluations, units["validation"])
    _log_scores(run, history, result)
    announce("drawing")
    with temporary_folder() as folder:
        _write_inputs(folder, spec, find_near_duplicates(dataset, split, split_config.likeness))
        save_model(model, dataset, folder / "model")
        _write_pictures(folder, history, evaluations, dataset.bands, read)
        write_run_card(folder, dataset, split, split_config, result, evaluations, units, read)
        announce("logging")
        run.log_folder(folder)
    write_result(spec.folder, result)
    return result, evaluations


def _evaluate_sides(
    model: keras.Model, dataset: Dataset, split: Split, augment: AugmentConfig, *, batch: int, seed: int
) -> dict[str, Evaluation]:
    return {
        side: evaluate_model(model, dataset, samples, ordered_batches(dataset, samples, batch, augment, seed))
        for side, samples in (("validation", split.validation), ("test", split.test))
        if samples
    }


def _make_result(
    run_id: str,
    spec: RunSpec,
    model: keras.Model,
    history: History,
    steps_per_epoch: int,
    evaluations: Mapping[str, Evaluation],
    units: Units,
) -> RunResult:
    validation, parameters = evaluations["validation"], count_parameters(model)
    test = named_scores(evaluations["test"]) if "test" in evaluations else {}
    scores = {
        **named_scores(validation),
        **{f"test/{name}": score for name, score in test.items()},
        "loss": history.stopping.best_loss,
        "stopping_epoch": history.stopping.last_epoch,
        "best_epoch": history.stopping.best_epoch,
        "seconds": history.seconds,
        "parameters": parameters.total,
        "trainable_parameters": parameters.trainable,
        "training_pairs": len(set(pair_positions(spec.split.training, len(spec.dataset)))),
        "training_steps": history.stopping.last_epoch * steps_per_epoch,
    }
    return RunResult(
        run_id=run_id,
        name=spec.name,
        fingerprint=spec.fingerprint,
        settings=flatten(spec.settings),
        scores=scores,
        weights_sha256=checkpoint.hash_weights(model),
        classes=validation.classes,
        images=validation.names,
        scenes=scene_names(spec.dataset, validation.samples),
        matrices=validation.matrices,
        unit_kind=units.kind,
        unit_names=[] if units.kind == SCENE else units.names,
    )


def _log_scores(run: RunLog, history: History, result: RunResult) -> None:
    logged = run.logged_steps("learning_rate")
    for epoch in history.epochs:
        if epoch.number not in logged:  # a resumed run may have lost its last epoch
            run.log_metrics(epoch_metrics(epoch), step=epoch.number)
    run.log_metrics(result.scores)
    run.log_tags({"weights_sha256": result.weights_sha256, DESCRIPTION: _describe_result(result)})


def _describe_result(result: RunResult) -> str:
    """Return the description that the MLflow UI shows above everything else."""
    scores, scenes = result.scores, pluralize(len(set(result.scenes)), "validation scene")
    headline = SCORES.at(Place.FIGURE4)
    values = ", ".join(f"{entry.title} {format_score(scores.get(entry.name, nan))}" for entry in headline)
    epoch = f"epoch {scores['best_epoch']:.0f} of {scores['stopping_epoch']:.0f} is kept"
    size = f"{scores['parameters']:,.0f} parameters"
    text = f"{values} on {scenes}; {epoch}; {size}. Pictures and model are under Artifacts."
    return text[0].upper() + text[1:]


def _write_inputs(folder: Path, spec: RunSpec, near_duplicates: Sequence[NearDuplicate]) -> None:
    write_text(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(spec.settings)))
    write_json(folder / "split.json", list_sample_names(spec.dataset, spec.split))
    write_json(folder / "left_out.json", spec.dataset.manifest.left_out)
    write_json(folder / "near_duplicates.json", [pair._asdict() for pair in near_duplicates])


def _write_pictures(
    folder: Path, history: History, evaluations: Mapping[str, Evaluation], bands: Sequence[str], read: ReadSample
) -> None:
    save_figure(draw_training_curves(history.epochs, history.stopping.best_epoch), folder / "learning_curves.png")
    for side, evaluation in evaluations.items():
        place = folder if side == "validation" else folder / side
        write_json(place / "confusion_matrix.json", evaluation.matrix.tolist())
        save_figure(draw_confusion_matrix(evaluation.matrix, evaluation.classes), place / "confusion_matrix.png")
        save_figure(draw_contact_sheet(evaluation, bands, read, side), place / "contact_sheet.png")

"""What a run came to: its scores, and what is logged of it once it is trained.

This imports what draws and what scores, half a second's worth: `gym.app.train` does so after the first epoch.
"""

import tempfile
from collections.abc import Mapping
from math import nan
from pathlib import Path

import keras
from omegaconf import OmegaConf

from gym.config.overrides import flatten, to_dict
from gym.config.registries import SCORES, Place
from gym.core.files import write_json, write_text
from gym.core.text import format_score, pluralize
from gym.data.batches import SampleReader, ordered_batches
from gym.data.samples import find_near_duplicates, list_sample_names, pair_positions, scene_names
from gym.evaluation.run_model import Evaluation, evaluate_model, named_scores
from gym.models.architectures import count_parameters
from gym.reporting.card.write import write_run_card
from gym.reporting.contact_sheet import draw_contact_sheet
from gym.reporting.evaluation_figures import draw_confusion_matrix
from gym.reporting.style import save_figure
from gym.reporting.training_curves import draw_training_curves
from gym.runs.mlflow_log import DESCRIPTION, RunLog
from gym.runs.model_files import save_model
from gym.runs.result import RunResult
from gym.runs.spec import RunSpec, redact_settings
from gym.training import checkpoint
from gym.training.checkpoint import History, epoch_metrics


def evaluate_sides(model: keras.Model, task: RunSpec) -> dict[str, Evaluation]:
    """Evaluate the validation side, and the test side where there is one."""
    config, dataset, split = task.config, task.dataset, task.split
    return {
        side: evaluate_model(
            model,
            dataset,
            samples,
            ordered_batches(dataset, samples, config.training.batch, config.augment, config.seed),
        )
        for side, samples in (("validation", split.validation), ("test", split.test))
        if samples
    }


def summarize(
    task: RunSpec, run_id: str, model: keras.Model, history: History, evaluations: Mapping[str, Evaluation]
) -> RunResult:
    """What a run came to."""
    validation = evaluations["validation"]
    trained_on = {
        "training_pairs": len(set(pair_positions(task.split.training, len(task.dataset)))),
        "training_steps": history.stopping.last_epoch * task.steps_per_epoch,
    }
    return RunResult(
        run_id=run_id,
        name=task.name,
        fingerprint=task.fingerprint,
        settings=flatten(redact_settings(to_dict(task.config))),
        scores=final_scores(model, history, evaluations) | trained_on,
        weights_sha256=checkpoint.hash_weights(model),
        classes=validation.classes,
        images=validation.names,
        scenes=scene_names(task.dataset, validation.samples),
        matrices=validation.matrices,
    )


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


def log_result(
    run: RunLog,
    task: RunSpec,
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
        write_inputs(Path(folder), task)
        write_results(Path(folder), task, model, history, evaluations)
        write_run_card(Path(folder), task.config, task.dataset, task.split, result, evaluations)
        run.log_folder(Path(folder))


def word_result(result: RunResult) -> str:
    """What a run came to and where to look, as the MLflow UI shows it above all else."""
    scores, scenes = result.scores, pluralize(len(set(result.scenes)), "validation scene")
    headline = SCORES.at(Place.FIGURE4)
    values = ", ".join(f"{entry.title} {format_score(scores.get(entry.name, nan))}" for entry in headline)
    course = f"epoch {scores['best_epoch']:.0f} of {scores['stopping_epoch']:.0f} is kept"
    size = f"{scores['parameters']:,.0f} parameters"
    told = f"{values} on {scenes}; {course}; {size}. Pictures and model are under Artifacts."
    return told[0].upper() + told[1:]


def write_inputs(folder: Path, task: RunSpec) -> None:
    """Write what a run starts from: configuration, split, the images that look alike across it, what was left out."""
    config, dataset, split = task.config, task.dataset, task.split
    write_text(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(redact_settings(to_dict(config)))))
    write_json(folder / "split.json", list_sample_names(dataset, split))
    write_json(folder / "left_out.json", dataset.manifest.left_out)
    alike = find_near_duplicates(dataset, split, config.split.likeness)
    write_json(folder / "near_duplicates.json", [pair._asdict() for pair in alike])


def write_results(
    folder: Path, task: RunSpec, model: keras.Model, history: History, evaluations: Mapping[str, Evaluation]
) -> None:
    """Write what a run came to: model, curves, and of each side the confusion matrix and a contact sheet."""
    config, dataset = task.config, task.dataset
    save_model(model, dataset, folder / "model")
    save_figure(draw_training_curves(history.epochs, history.stopping.best_epoch), folder / "learning_curves.png")
    read = SampleReader(dataset, config.augment, config.seed)
    for side, evaluation in evaluations.items():
        place = folder if side == "validation" else folder / side
        write_json(place / "confusion_matrix.json", evaluation.matrix.tolist())
        save_figure(draw_confusion_matrix(evaluation.matrix, evaluation.classes), place / "confusion_matrix.png")
        save_figure(draw_contact_sheet(evaluation, dataset.bands, read, side), place / "contact_sheet.png")

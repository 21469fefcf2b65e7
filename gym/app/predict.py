"""Segment a folder of images with a trained model."""

from pathlib import Path

from gym.config.schema import PredictConfig, TrainingConfig, parse_folders
from gym.core.errors import DataError
from gym.core.text import group_reasons, plain_console, pluralize
from gym.prediction.predict_folder import FolderResult, segment_folder
from gym.runs.model_files import load_model
from gym.runs.model_source import open_model_source
from gym.training.runtime import prepare_tensorflow


def predict_images(config: PredictConfig) -> FolderResult:
    """Segment a folder of images with the model of a run or of a model archive, and print the outcome.

    Raises:
        RunError: There is no such run, its model cannot be read, or the archive was altered.
        DataError: No image could be segmented.
    """
    prepare_tensorflow(TrainingConfig())
    output = Path(config.output)
    with open_model_source(config.tracking, Path(config.outputs), config.run) as source:
        model = load_model(source.folder / "model")
    folders = [Path(folder) for folder in parse_folders("input", config.input)]
    result = segment_folder(model, folders, output, config.drop_from_stem)
    console = plain_console()
    console.print_lines(f"left out {line}" for line in group_reasons(result.failed))
    if not result.done:
        raise DataError(f"no image in input={config.input} could be segmented; correct the causes listed above.")
    console.print(f"{pluralize(len(result.done), 'image')} segmented by {source.name} ({source.origin}) into {output}")
    return result

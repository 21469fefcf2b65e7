"""Use a run: find it, load its model, segment a folder, and say how it went."""

from pathlib import Path

from gym.config.schema import PredictConfig, TrainingConfig, parse_folders
from gym.core.errors import DataError
from gym.core.text import plain_console, pluralize
from gym.prediction.predict_folder import FolderResult, segment_folder
from gym.runs.model_files import load_model
from gym.runs.model_source import open_model_source
from gym.training.runtime import prepare_tensorflow


def apply_run(config: PredictConfig) -> FolderResult:
    """Segment a folder of images with the model of a run, or with a published one.

    Raises:
        RunError: There is no such run, or it has no readable model, or a zip is not as it was published.
        DataError: Not one image could be segmented.
    """
    prepare_tensorflow(TrainingConfig())
    output = Path(config.output)
    with open_model_source(config.tracking, Path(config.outputs), config.run) as source:
        model = load_model(source.folder / "model")
    report = segment_folder(
        model, [Path(folder) for folder in parse_folders("input", config.input)], output, config.drop_from_stem
    )
    console = plain_console()
    for name, reason in report.failed.items():
        console.print(f"left out {name}: {reason}")
    if not report.done:
        raise DataError(f"not one image of {config.input} could be segmented; the lines above say why.")
    console.print(f"{pluralize(len(report.done), 'image')} segmented by {source.name} ({source.origin}) into {output}")
    return report

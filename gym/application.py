"""Use a run: find it, load its model, segment a folder, and say how it went."""

from pathlib import Path

from gym.config import PredictConfig, TrainingConfig, folders_of
from gym.console import counted, plain_console
from gym.errors import DataError
from gym.prediction.folder import Report, segment_folder
from gym.saved_model import load_model
from gym.tracking import fetch_model_folder, find_run
from gym.training.runtime import prepare_tensorflow


def apply_run(config: PredictConfig) -> Report:
    """Segment a folder of images with the model of a run.

    Raises:
        RunError: There is no such run, or it has no readable model.
        DataError: Not one image could be segmented.
    """
    prepare_tensorflow(TrainingConfig())
    outputs, output = Path(config.outputs), Path(config.output)
    run = find_run(config.tracking, outputs, config.run)
    model = load_model(fetch_model_folder(config.tracking, outputs, run))
    report = segment_folder(
        model, [Path(folder) for folder in folders_of("input", config.input)], output, config.drop_from_stem
    )
    console = plain_console()
    for name, reason in report.failed.items():
        console.print(f"left out {name}: {reason}")
    if not report.done:
        raise DataError(f"not one image of {config.input} could be segmented; the lines above say why.")
    console.print(
        f"{counted(len(report.done), 'image')} segmented by {run.info.run_name} ({run.info.run_id}) into {output}"
    )
    return report

"""What can be found out in seconds, before TensorFlow is imported and data are prepared."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gym.config.schema import CleanConfig, Config, ReportConfig, TrackingConfig
from gym.core.startup import quiet_mlflow_imports
from gym.runs.model_archive import SUFFIX
from gym.runs.tracking_uri import check_tracking


def check_first(config: Any) -> None:
    """Check that MLflow can be used and that the runs exist which a command needs.

    Args:
        config: The configuration of any command.

    Raises:
        ConfigError: ``tracking`` names no place where MLflow can log.
        RunError: MLflow does not answer, or there is no such run or sweep.
    """
    if isinstance(config, Config):
        check_tracking(config.tracking, Path(config.outputs))
    elif isinstance(config, CleanConfig):
        return  # which also cleans folders without a database
    elif given := getattr(config, "run", None):
        check_runs(config.tracking, Path(config.outputs), given if isinstance(given, list) else [given])
    elif isinstance(config, ReportConfig):
        _check_sweep(config.tracking, Path(config.outputs), config.sweep)


def check_runs(tracking: TrackingConfig, outputs: Path, addresses: Sequence[str]) -> None:
    """Check that runs exist.

    Args:
        tracking: The MLflow server and experiment.
        outputs: The folder of the database.
        addresses: Values of ``run=...``; model archives are passed over.

    Raises:
        RunError: MLflow does not answer, or there is no such run.
    """
    runs = [address for address in addresses if not address.endswith(SUFFIX)]
    if not runs:
        return
    check_tracking(tracking, outputs)
    with quiet_mlflow_imports():
        from gym.runs.mlflow_lookup import check_address

    for run in runs:
        check_address(tracking, outputs, run)


def _check_sweep(tracking: TrackingConfig, outputs: Path, sweep: str) -> None:
    check_tracking(tracking, outputs)
    with quiet_mlflow_imports():
        from gym.sweeps.records import find_sweep

    find_sweep(tracking, outputs, sweep)

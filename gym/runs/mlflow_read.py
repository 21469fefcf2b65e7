"""Read runs back from MLflow: metrics by epoch, results, datasets, and tables of runs.

Import this module only where runs are looked up, because MLflow takes seconds to import.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.entities import Run

from gym.config.overrides import parse_settings
from gym.config.registries import SCORES
from gym.config.schema import TrackingConfig
from gym.core.errors import DataError
from gym.data.build import dataset_folder
from gym.data.dataset import Dataset
from gym.evaluation.legacy_scores import drop_incomparable
from gym.runs.mlflow_client import RetryingClient, connect, find_experiment
from gym.runs.mlflow_limits import fit_key, replace_special_characters
from gym.runs.mlflow_lookup import equality_filter, search_runs
from gym.runs.result import RunResult

_EPOCH_METRICS = ("train/", "val/", "learning_rate")
_CLASS_METRICS = re.compile(r"(test/)?class_[a-z0-9_]+/")


def read_metrics(client: RetryingClient, run_id: str, names: Iterable[str]) -> dict[str, dict[int, float]]:
    """Read metrics of a run by name and step. If a step was logged twice, the later value is used."""
    return {
        name: {metric.step: metric.value for metric in client.get_metric_history(run_id, fit_key(name))}
        for name in names
    }


def read_logged_result(run: Run) -> RunResult:
    """Read the result of a run without its confusion matrices and images, which MLflow does not store.

    The classes are those of the settings. If the settings name none, they are the classes with an IoU, sorted by name.
    """
    settings = parse_settings(run.data.params)
    metrics = {
        name: float(value)
        for name, value in run.data.metrics.items()
        if not name.startswith(_EPOCH_METRICS) and math.isfinite(value)
    }
    known = settings["data.classes"] if isinstance(settings.get("data.classes"), list) else []
    names = _original_names(metrics, known)
    scores = {names.get(name, name): value for name, value in metrics.items()}
    prefix = f"class_{SCORES.default}/"
    classes = known or sorted(name.removeprefix(prefix) for name in scores if name.startswith(prefix))
    return RunResult(
        run_id=run.info.run_id,
        name=run.info.run_name,
        fingerprint=run.data.tags.get("fingerprint", ""),
        settings=settings,
        scores=scores,
        weights_sha256=run.data.tags.get("weights_sha256", ""),
        classes=classes,
        images=[],
        scenes=[],
        matrices=np.zeros((0, len(classes), len(classes)), np.int64),
    )


def _original_names(metrics: Iterable[str], classes: Sequence[str]) -> dict[str, str]:
    """Map the metrics of classes to their original names, from which MLflow's rules have removed special characters.

    Earlier versions gave classes that differ only in such characters the same metric. It cannot be attributed to a
    class and keeps its name.
    """
    kinds = {found.group() for name in metrics if (found := _CLASS_METRICS.match(name))}
    scores = [f"{kind}{name}" for kind in sorted(kinds) for name in classes]
    uses = Counter(map(replace_special_characters, scores))
    earlier = {old: score for score in scores if uses[old := replace_special_characters(score)] == 1}
    return earlier | {fit_key(score): score for score in scores}


def find_run_dataset(outputs: Path, run: Run) -> Dataset:
    """Open the dataset that a run was trained on.

    A run logs the fingerprint of the dataset's content, but the folder is named after the fingerprint of its sources.
    They differ if a scene could not be prepared, so the manifests are searched.

    Args:
        outputs: The folder of datasets.
        run: The run.

    Raises:
        DataError: The dataset is missing or damaged.
    """
    kind, wanted = run.data.params.get("data.kind", ""), run.data.tags.get("data_fingerprint", "")
    named = dataset_folder(outputs, kind, wanted)
    if named.is_dir() and (dataset := Dataset(named)).manifest.fingerprint == wanted:
        return dataset
    for path in sorted(named.parent.glob(f"{kind}-*/manifest.json")):
        with suppress(DataError):  # another dataset that is damaged does not matter
            if (dataset := Dataset(path.parent)).manifest.fingerprint == wanted:
                return dataset
    raise DataError(
        f"the dataset of {run.info.run_name} is missing from {named.parent}; build it again from the same data, or "
        "train the run again."
    )


def tabulate_runs(config: TrackingConfig, outputs: Path, sweep: str | None) -> list[dict[str, Any]]:
    """List the runs of an experiment or of a sweep, the most recent first, without the parent runs of sweeps.

    Args:
        config: Where runs are logged.
        outputs: Folder of the database.
        sweep: Name of a sweep; None for all runs.

    Returns:
        One mapping per run: ``run_id``, ``name``, ``status``, ``sweep``, ``started`` (UTC), the scores by name and the
        settings by dotted keys.

    Raises:
        RunError: MLflow cannot be reached, the database or experiment does not exist, or the sweep's name cannot be
            searched for.
    """
    client = connect(config, outputs)
    experiment = find_experiment(client, config)
    runs = search_runs(client, experiment, "" if sweep is None else equality_filter("tags.sweep", sweep))
    return [
        {
            "run_id": run.info.run_id,
            "name": run.info.run_name,
            "status": run.info.status,
            "sweep": run.data.tags.get("sweep", ""),
            "started": datetime.fromtimestamp(run.info.start_time / 1000, UTC),
            **_final_metrics(run, settings),
            **{key: value for key, value in settings.items() if key != "name"},  # empty unless the user gave one
        }
        for run in runs
        if "fingerprint" in run.data.tags
        for settings in [parse_settings(run.data.params)]
    ]


def _final_metrics(run: Run, settings: dict[str, Any]) -> dict[str, float]:
    """Return the metrics of a finished run that can stand next to those of other runs."""
    final = {name: value for name, value in run.data.metrics.items() if not name.startswith(_EPOCH_METRICS)}
    return drop_incomparable(final, bool(settings.get("data.null_class")))

"""What MLflow keeps of runs, read back: values by epoch, and what a run came to.

MLflow takes seconds to import: this module is imported only by what logs or looks up a run.

Find the dataset that a run was trained on.

MLflow takes seconds to import: this module is imported only by what looks up a run.
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

from gym.config.overrides import read_settings
from gym.config.registries import SCORES
from gym.config.schema import TrackingConfig
from gym.core.errors import DataError
from gym.data.build import dataset_folder
from gym.data.dataset import Dataset
from gym.runs.mlflow_client import RetryingClient, open_tracking
from gym.runs.mlflow_log import metric_name, replace_signs
from gym.runs.mlflow_lookup import equals, search_runs
from gym.runs.result import RunResult

_BY_EPOCH = ("train/", "val/", "learning_rate")
_OF_CLASSES = re.compile(r"(test/)?class_[a-z0-9_]+/")


def read_metrics(client: RetryingClient, run_id: str, names: Iterable[str]) -> dict[str, dict[int, float]]:
    """The values of some metrics of a run, by name and step; of a step that was logged again the last."""
    return {
        name: {metric.step: metric.value for metric in client.get_metric_history(run_id, metric_name(name))}
        for name in names
    }


def read_logged_result(run: Run) -> RunResult:
    """What a run came to, but for the confusion matrices of its scenes, which MLflow does not have: there are none.

    Classes are those of the settings, or where these do not name them, those with an IoU, by name.
    """
    settings = read_settings(run.data.params)
    metrics = {
        name: float(value)
        for name, value in run.data.metrics.items()
        if not name.startswith(_BY_EPOCH) and math.isfinite(value)
    }
    known = settings["data.classes"] if isinstance(settings.get("data.classes"), list) else []
    names = names_of_classes(metrics, known)
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


def names_of_classes(metrics: Iterable[str], classes: Sequence[str]) -> dict[str, str]:
    """The score of a class that each metric is: MLflow takes fewer signs than a class may have.

    Earlier versions gave two classes one metric where they differ in such signs; whose it is cannot be told.
    """
    kinds = {found.group() for name in metrics if (found := _OF_CLASSES.match(name))}
    scores = [f"{kind}{name}" for kind in sorted(kinds) for name in classes]
    uses = Counter(map(replace_signs, scores))
    earlier = {replace_signs(score): score for score in scores if uses[replace_signs(score)] == 1}
    return earlier | {metric_name(score): score for score in scores}


def find_run_dataset(outputs: Path, run: Run) -> Dataset:
    """Open the dataset that a run was trained on.

    A run logs the fingerprint of what its dataset holds. The folder is named after the fingerprint of what the dataset
    was to be made from, which differs if a scene could not be prepared. The manifests are therefore searched.

    Args:
        outputs: Folder of the stores.
        run: The run.

    Raises:
        DataError: It is gone or damaged.
    """
    kind, wanted = run.data.params.get("data.kind", ""), run.data.tags.get("data_fingerprint", "")
    named = dataset_folder(outputs, kind, wanted)
    if named.is_dir() and (dataset := Dataset(named)).manifest.fingerprint == wanted:
        return dataset
    for path in sorted(named.parent.glob(f"{kind}-*/manifest.json")):
        with suppress(DataError):  # a damaged one may be of any data
            if (dataset := Dataset(path.parent)).manifest.fingerprint == wanted:
                return dataset
    raise DataError(
        f"the data of {run.info.run_name} are gone: no dataset in {named.parent} has what it was trained on."
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
        RunError: MLflow cannot be reached, or the sweep's name cannot be searched for.
    """
    client, experiment = open_tracking(config, outputs)
    runs = search_runs(client, experiment, "" if sweep is None else equals("tags.sweep", sweep))
    return [
        {
            "run_id": run.info.run_id,
            "name": run.info.run_name,
            "status": run.info.status,
            "sweep": run.data.tags.get("sweep", ""),
            "started": datetime.fromtimestamp(run.info.start_time / 1000, UTC),
            **{name: value for name, value in run.data.metrics.items() if not name.startswith(_BY_EPOCH)},
            **read_settings(run.data.params),
        }
        for run in runs
        if "fingerprint" in run.data.tags
    ]

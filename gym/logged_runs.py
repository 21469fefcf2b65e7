"""What MLflow keeps of runs, read back: values by epoch, and what a run came to.

MLflow takes seconds to import: this module is imported only by what logs or looks up a run.
"""

import math
from collections.abc import Iterable

import numpy as np
from mlflow.entities import Run

from gym.result import RunResult
from gym.settings import read_settings
from gym.tracking import metric_name
from gym.tracking_client import PatientClient

_BY_EPOCH = ("train/", "val/", "learning_rate")
_OF_A_CLASS = "class_iou/"


def logged_metrics(client: PatientClient, run_id: str, names: Iterable[str]) -> dict[str, dict[int, float]]:
    """The values of some metrics of a run, by name and step; of a step that was logged again the last."""
    return {
        name: {metric.step: metric.value for metric in client.get_metric_history(run_id, metric_name(name))}
        for name in names
    }


def logged_result(run: Run) -> RunResult:
    """What a run came to, but for the confusion matrices of its scenes, which MLflow does not have: there are none.

    Classes are those with a score, by name.
    """
    scores = {
        name: float(value)
        for name, value in run.data.metrics.items()
        if not name.startswith(_BY_EPOCH) and math.isfinite(value)
    }
    classes = sorted(name.removeprefix(_OF_A_CLASS) for name in scores if name.startswith(_OF_A_CLASS))
    return RunResult(
        run_id=run.info.run_id,
        name=run.info.run_name,
        fingerprint=run.data.tags.get("fingerprint", ""),
        settings=read_settings(run.data.params),
        scores=scores,
        weights_sha256=run.data.tags.get("weights_sha256", ""),
        classes=classes,
        scenes=[],
        matrices=np.zeros((0, len(classes), len(classes)), np.int64),
    )

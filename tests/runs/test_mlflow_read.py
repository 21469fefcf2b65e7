"""Metrics, scores and settings of a run are read back from MLflow."""

import math
import uuid
from types import SimpleNamespace

import numpy as np
import pytest

from gym.config.schema import TrackingConfig
from gym.runs.mlflow_client import open_tracking
from gym.runs.mlflow_limits import fit_key
from gym.runs.mlflow_log import open_mlflow_run
from gym.runs.mlflow_read import read_logged_result, read_metrics, tabulate_runs

CONFIG = TrackingConfig()


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A client and a run of two epochs, the second of which was logged twice."""
    outputs = tmp_path_factory.mktemp("outputs")
    with open_mlflow_run(CONFIG, outputs, "unet cce f4", {"fingerprint": "f" * 64}, uuid.uuid4().hex) as run:
        run.log_params({"model.filters": 4, "name": "", "search.objective": ["iou"], "data.remap": None})
        for step, loss in ((1, 0.9), (2, 0.7), (2, 0.5)):
            run.log_metrics({"val/loss": loss, "learning_rate": 1e-3, "train/iou": 0.1}, step=step)
        run.log_metrics({"iou": 0.6, "kld": math.nan, "class_iou/water": 0.5, "class_iou/land": 0.7, "seconds": 3.0})
        run.log_tags({"weights_sha256": "abc"})
    client, _ = open_tracking(CONFIG, outputs)
    return client, client.get_run(run.run_id)


def test_metrics_are_read_by_name_and_step(logged):
    """A resumed run may have logged a step twice, and its later value is used; a missing metric has no values."""
    client, run = logged

    assert read_metrics(client, run.info.run_id, ["val/loss", "val/kld"]) == {
        "val/loss": {1: 0.9, 2: 0.5},
        "val/kld": {},
    }


def test_a_result_is_read_as_far_as_mlflow_stores_it(logged):
    """It has the defined scores and typed settings, but no images and no matrices."""
    _, run = logged
    result = read_logged_result(run)

    assert (result.run_id, result.name, result.fingerprint) == (run.info.run_id, "unet cce f4", "f" * 64)
    assert result.scores == {"iou": 0.6, "class_iou/water": 0.5, "class_iou/land": 0.7, "seconds": 3.0}
    assert result.settings == {"model.filters": 4, "name": "", "search.objective": ["iou"], "data.remap": None}
    assert (result.classes, result.images, result.scenes, result.weights_sha256) == (["land", "water"], [], [], "abc")
    assert (result.matrices.shape, result.matrices.dtype) == ((0, 2, 2), np.int64)


def with_metrics(metrics, classes):
    """A logged run with these metrics and classes."""
    params, info = {"data.classes": repr(classes)}, SimpleNamespace(run_id="0", run_name="unet cce f4")
    return SimpleNamespace(info=info, data=SimpleNamespace(params=params, tags={}, metrics=metrics))


@pytest.mark.parametrize(("null_class", "is_shown"), [("padding", True), ("", False), (None, False)])
def test_a_table_of_runs_has_the_mean_iou_of_2022_only_with_a_null_class(tmp_path, null_class, is_shown):
    """Version 0.1.0 logged it for every first class, and no null class."""
    with open_mlflow_run(CONFIG, tmp_path, "it", {"fingerprint": "f" * 64}, uuid.uuid4().hex) as run:
        run.log_params({"model.filters": 4} | ({} if null_class is None else {"data.null_class": null_class}))
        run.log_metrics({"iou": 0.6, "legacy/iou": 0.5, "legacy/iou_2022": 0.9, "test/legacy/iou_2022": 0.8})

    (row,) = tabulate_runs(CONFIG, tmp_path, None)

    assert (row["iou"], row["legacy/iou"], row["model.filters"]) == (0.6, 0.5, 4)
    assert ("legacy/iou_2022" in row, "test/legacy/iou_2022" in row) == (is_shown, is_shown)


def test_class_names_are_restored():
    """Characters that MLflow rejects are restored, and classes without a score are kept in order."""
    scores = {"class_iou/sand (wet)": 0.25, "class_iou/sand [wet]": 0.5, "test/class_dice/a": 0.75, "site_iou/a": 1.0}
    classes = ["sand (wet)", "sand [wet]", "sand _wet_", "a"]

    result = read_logged_result(with_metrics({fit_key(name): score for name, score in scores.items()}, classes))

    assert (result.classes, result.scores) == (classes, scores)
    assert result.matrices.shape == (0, 4, 4)


def test_class_names_of_earlier_versions_are_restored_if_they_are_unique():
    """Their metrics had underscores without a hash; a metric that two classes share keeps its name."""
    logged = {"class_iou/sand _wet_": 0.25, "class_iou/a_b": 0.5, "class_iou/sea": 0.75}

    result = read_logged_result(with_metrics(logged, ["sand (wet)", "a+b", "a&b", "sea"]))

    assert result.scores == {"class_iou/sand (wet)": 0.25, "class_iou/a_b": 0.5, "class_iou/sea": 0.75}

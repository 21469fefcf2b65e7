"""One configuration, one result: everything that a run must leave in MLflow, from real runs on tiny scenes."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from omegaconf import OmegaConf
from PIL import Image

from gym.application import apply_run
from gym.config import Config, PredictConfig
from gym.config_check import read_config
from gym.data.split import Split
from gym.data.store import write_store
from gym.errors import DataError, RunError, TrainingError
from gym.experiment import choose_split, class_weights, flatten, identity, next_steps, run_experiment, run_name
from gym.tracking import find_run, tracking_uri
from tests.conftest import make_pairs

TINY = [
    "+debug=tiny",
    "model=unet",
    "model.levels=2",
    "model.kernel=3",
    "training.precision=float32",
    "training.epochs=2",
]
EPOCH_METRICS = {"train/loss", "train/iou", "val/loss", "val/iou", "val/kld", "learning_rate"}
FINAL_METRICS = {"iou", "kld", "stopping_epoch", "best_epoch", "parameters", "dice", "loss", "seconds"}
ARTIFACTS = {
    "config.yaml",
    "confusion_matrix.json",
    "confusion_matrix.png",
    "contact_sheet.png",
    "learning_curves.png",
    "model",
    "split.json",
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """One database for the runs of this file."""
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def finished(configure, outputs):
    """A finished tiny run: configuration, result, and the run in MLflow."""
    config = configure(*TINY, f"outputs={outputs}")
    result = run_experiment(config)
    client = MlflowClient(tracking_uri(config.tracking, outputs))
    return config, result, client.get_run(result.run_id), client


def test_a_run_leaves_everything_in_mlflow(finished):
    """Parameters, metrics by epoch and at the end, tags, data set and artifacts."""
    config, result, run, client = finished

    assert run.info.status == "FINISHED"
    assert run.info.run_name == "unet cce f2"
    assert set(run.data.params) >= set(flatten({"model": vars(config.model), "data": {"split.seed": 0}}))
    metrics = run.data.metrics
    assert set(metrics) >= EPOCH_METRICS | FINAL_METRICS
    assert {f"class_iou/{name}" for name in ("water", "sand")} <= set(metrics)
    assert any(name.startswith("site_dice/") for name in metrics)
    assert {f"legacy/{name}" for name in ("iou", "dice", "kld", "iou_2022", "dice_2022", "kld_2022")} <= set(metrics)
    assert all(math.isfinite(value) for value in metrics.values())
    for name in EPOCH_METRICS:
        assert [point.step for point in client.get_metric_history(result.run_id, name)] == [1, 2]
    assert {"git_commit", "machine", "fingerprint", "data_fingerprint", "precision", "weights_sha256"} <= set(
        run.data.tags
    )
    assert run.inputs.dataset_inputs[0].dataset.digest == run.data.tags["data_fingerprint"][:36]
    assert {item.path for item in client.list_artifacts(result.run_id)} == ARTIFACTS

    kept = OmegaConf.load(client.download_artifacts(result.run_id, "config.yaml"))
    assert read_config(kept, Config) == config
    split = json.loads(Path(client.download_artifacts(result.run_id, "split.json")).read_text())
    assert len(split["training"]) + len(split["validation"]) == 8


def test_final_scores_are_those_of_the_best_epoch(finished):
    """The metrics at the end are counted with the best weights, and agree with what that epoch logged."""
    _, result, run, client = finished
    best = int(run.data.metrics["best_epoch"])
    history = {point.step: point.value for point in client.get_metric_history(result.run_id, "val/iou")}
    klds = {point.step: point.value for point in client.get_metric_history(result.run_id, "val/kld")}

    assert result.scores["iou"] == pytest.approx(history[best], rel=1e-5)
    assert result.scores["kld"] == pytest.approx(klds[best], rel=1e-4)
    assert run.data.metrics["stopping_epoch"] == 2


def test_a_trained_run_segments_a_folder(finished, outputs, tmp_path, capsys):
    """By its name: labels at the images' own size, overlays, areas; a bad file is listed and the others are done."""
    config, _, run, _ = finished
    images = tmp_path / "images"
    images.mkdir()
    for band in range(5):
        (tmp_path / f"band{band}").mkdir()
        Image.fromarray(np.random.default_rng(band).integers(1, 255, (50, 70), dtype=np.uint8)).save(
            tmp_path / f"band{band}" / "shore one.png"
        )
        (tmp_path / f"band{band}" / "bad.png").write_bytes(b"bad")
    folders = [str(tmp_path / f"band{band}") for band in range(5)]

    report = apply_run(PredictConfig(run.info.run_name, folders, str(tmp_path / "out"), str(outputs)))

    assert report.done == ["shore one"]
    assert "bad.png cannot be read as an image" in next(iter(report.failed.values()))
    for name in ("shore one.png", "overlays/shore one.png"):
        with Image.open(tmp_path / "out" / name) as picture:
            assert picture.size == (70, 50)
    with (tmp_path / "out" / "class_areas.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["class"] for row in rows] == ["water", "whitewater", "sand", "other"]
    assert sum(int(row["pixels"]) for row in rows) == 50 * 70
    said = capsys.readouterr().out
    assert "left out" in said
    assert run.info.run_id in said
    assert config.model.name == "unet"


def test_nothing_segmented_is_an_error(finished, outputs, tmp_path):
    """Three bands for a model of five: listed with both numbers, and the command fails."""
    _, result, _, _ = finished
    (tmp_path / "in").mkdir()
    Image.fromarray(np.ones((40, 40, 3), np.uint8)).save(tmp_path / "in" / "rgb.png")

    with pytest.raises(DataError, match=r"not one image of .* could be segmented; the lines above say why"):
        apply_run(PredictConfig(result.run_id, str(tmp_path / "in"), str(tmp_path / "out"), str(outputs)))


def test_an_unknown_run_is_refused(outputs, tmp_path):
    """Before an image is read."""
    with pytest.raises(RunError, match="run=zz is no run in"):
        apply_run(PredictConfig("zz", str(tmp_path), str(tmp_path / "out"), str(outputs)))


def test_a_loss_that_is_no_number_leaves_a_failed_run(configure, outputs):
    """With the message as a tag."""
    config = configure(
        *TINY, f"outputs={outputs}", "name=explodes", "schedule.max_rate=1e30", "schedule.start_rate=1e30"
    )

    with pytest.raises(TrainingError, match="the loss is"):
        run_experiment(config)

    client = MlflowClient(tracking_uri(config.tracking, outputs))
    experiment = client.get_experiment_by_name("segsweep").experiment_id
    run = client.search_runs([experiment], "attributes.run_name = 'explodes'")[0]
    assert run.info.status == "FAILED"
    assert run.data.tags["error"].startswith("TrainingError: the loss is")
    with pytest.raises(RunError):
        find_run(config.tracking, outputs, "explodes")


def test_a_run_is_named_after_what_it_is(configure):
    """Unless the user names it."""
    assert run_name(configure("model=unet", "loss=dice", "filters=12")) == "unet dice f12"
    assert run_name(configure("name=mine")) == "mine"


def test_what_to_do_next_can_be_copied(configure):
    """The commands find the run where it is, also outside the default folder."""
    default = configure()
    default.outputs = "outputs"
    moved = configure("tracking.uri=http://127.0.0.1:1")
    moved.outputs = "/data/o"

    assert next_steps(default, "abc")[1:] == [
        "  see it:  ./scripts/ui",
        "  use it:  python -m gym.predict run=abc input=IMAGES output=LABELS",
    ]
    assert next_steps(moved, "abc")[1:] == [
        "  see it:  ./scripts/ui 5000 /data/o",
        "  use it:  python -m gym.predict run=abc input=IMAGES output=LABELS outputs=/data/o "
        "tracking.uri=http://127.0.0.1:1",
    ]


def test_a_side_without_a_labelled_pixel_is_refused(configure, tmp_path):
    """Before anything is trained."""
    pairs = make_pairs()
    for pair in pairs[2:]:
        pair.label[:] = 255
    store = write_store(
        tmp_path / "s", pairs, fingerprint="f", source="t", classes=["a", "b", "c"], bands=["a", "b", "c"], left_out={}
    )

    with pytest.raises(DataError, match="scenes have not one labelled pixel; label more scenes, or change data"):
        choose_split(configure("data.split.validation=0.34"), store)


def test_few_steps_are_said(finished, caplog):
    """Batch normalisation needs some hundred steps; the remedy is named."""
    said = " ".join(record.getMessage() for record in caplog.get_records("setup"))

    assert (
        "only 6 steps in all: batch normalisation wants some hundred; raise training.epochs or augment.copies" in said
    )


def test_names_and_places_are_no_part_of_a_runs_identity(configure):
    """Another name, folder or tracking server is the same experiment; another seed is another."""
    base = identity(configure())

    assert identity(configure("name=x", "tracking.experiment=y", "outputs=elsewhere")) == base
    assert identity(configure("seed=1")) != base
    assert identity(configure("model.kernel=5")) != base


def test_class_weights_come_from_the_configuration_or_the_training_scenes(configure, tiny_store):
    """None, given, or from the pixels of the training side alone."""
    split = Split(training=[0, 1, 2, 3], validation=[4, 5])
    counts = tiny_store.counts[:4].sum(axis=0)

    assert class_weights(configure(), tiny_store, split) == [1.0, 1.0, 1.0]
    given = configure("loss.weighting=given", "loss.class_weights=[1,2,3,4]")
    assert class_weights(given, tiny_store, split) == [1, 2, 3, 4]
    balanced = class_weights(configure("loss.weighting=frequency"), tiny_store, split)
    assert balanced == pytest.approx(counts.sum() / (3 * counts))


def test_the_split_keeps_scenes_whole(configure, tiny_store):
    """Two pairs a scene: both on one side."""
    split = choose_split(configure("data.split.validation=0.34"), tiny_store)

    assert len(split.validation) == 2
    assert split.validation[0] // 2 == split.validation[1] // 2


def test_a_class_without_a_pixel_is_said(configure, tmp_path, caplog):
    """Labels that start at 1 are the usual reason."""
    names = ["a", "b", "c", "d"]
    store = write_store(
        tmp_path / "s", make_pairs(), fingerprint="f", source="t", classes=names, bands=["a", "b", "c"], left_out={}
    )
    choose_split(configure(), store)

    assert "class d has not one pixel in any scene" in caplog.text


def test_flattening_names_nested_values():
    """Dotted keys; an empty mapping is a value like any other."""
    assert flatten({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "a.c": {}, "d": [2]}

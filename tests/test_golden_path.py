"""The golden path: train, evaluate, predict, sweep, resume, report and publish, through the commands.

Every test session runs it once, in its own process. ``tests/test_train.py`` and ``tests/test_docs.py`` start the same
commands as separate processes.
"""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from gym.data.batches import ordered_batches
from gym.data.build import open_or_build_dataset
from gym.data.dataset import Dataset
from gym.data.labels import IGNORE
from gym.data.readers.raster import read_label
from gym.evaluation import confusion
from gym.evaluation.run_model import evaluate_model
from gym.runs.model_files import load_model
from gym.runs.result import read_result
from gym.sweeps.sweep_folder import SweepFolder
from tests.app.commands import run_here
from tests.golden import ARCHIVE, RUN, SETTINGS, SWEEP, copy_outputs, run_successfully
from tests.sweeps.commands import runs_of

CLASSES = ["water", "whitewater", "sand", "other"]


def artifacts_of(outputs: Path, run) -> Path:
    """Return the folder of a run's artifacts."""
    return outputs / "artifacts" / run.info.run_id / "artifacts"


def dataset_of(outputs: Path) -> Dataset:
    """Open the only dataset in an outputs folder."""
    (manifest,) = (outputs / "stores").glob("*/manifest.json")
    return Dataset(manifest.parent)


def labelled_pixels(dataset: Dataset, names: list[str]) -> int:
    """Count the labelled pixels of some pairs."""
    positions = [position for position, record in enumerate(dataset.manifest.pairs) if record.name in names]
    return int(dataset.counts[positions].sum())


@pytest.fixture
def images(tmp_path) -> str:
    """Two images of 50x70 pixels with a folder for each band; the first rows of one have no data."""
    for band in range(5):
        (tmp_path / f"band{band}").mkdir()
        for name in ("one", "two"):
            values = np.random.default_rng([band, len(name), ord(name[0])]).integers(1, 255, (50, 70), dtype=np.uint8)
            values[: 5 if name == "two" else 0] = 0
            Image.fromarray(values).save(tmp_path / f"band{band}" / f"{name}.png")
    return f"input=[{','.join(str(tmp_path / f'band{band}') for band in range(5))}]"


def test_training_logs_one_run_with_its_scores_and_files(golden_run):
    """The terminal names the run, and its IoU is that of its confusion matrix and of its best epoch."""
    (done,) = golden_run.commands
    (run,) = runs_of(golden_run.outputs)
    artifacts, scores = artifacts_of(golden_run.outputs, run), run.data.metrics

    assert done.err == ""
    assert f"logged as run {run.info.run_id}\n" in done.out
    assert (run.info.status, run.info.run_name) == ("FINISHED", RUN)
    sides = json.loads((artifacts / "split.json").read_text())
    matrix = np.array(json.loads((artifacts / "confusion_matrix.json").read_text()))
    assert matrix.shape == (4, 4)
    assert matrix.sum() == labelled_pixels(dataset_of(golden_run.outputs), sides["validation"])
    assert scores["iou"] == pytest.approx(confusion.mean_iou(matrix), abs=1e-12)
    client = MlflowClient(f"sqlite:///{golden_run.outputs}/mlflow.db")
    epochs = {
        name: [point.value for point in client.get_metric_history(run.info.run_id, name)]
        for name in ("val/iou", "val/loss", "val/kld")
    }
    best = int(np.argmin(epochs["val/loss"]))
    assert scores["best_epoch"] == best + 1
    assert scores["iou"] == pytest.approx(epochs["val/iou"][best], rel=1e-5)
    assert scores["kld"] == pytest.approx(epochs["val/kld"][best], rel=1e-4)
    assert {side: len(names) for side, names in sides.items()} == {"training": 12, "validation": 6, "test": 6}
    with Image.open(artifacts / "contact_sheet.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 100


def test_the_saved_model_reproduces_the_confusion_matrices(golden_run, configure):
    """Validation and test side agree to the last pixel."""
    (run,) = runs_of(golden_run.outputs)
    artifacts, dataset = artifacts_of(golden_run.outputs, run), dataset_of(golden_run.outputs)
    model = load_model(artifacts / "model")
    sides = json.loads((artifacts / "split.json").read_text())
    positions = {record.name: position for position, record in enumerate(dataset.manifest.pairs)}

    assert model.description.classes == CLASSES
    for side, prefix in (("validation", ""), ("test", "test/")):
        samples = [positions[name] for name in sides[side]]
        again = evaluate_model(model.network, dataset, samples, ordered_batches(dataset, samples, 4))
        np.testing.assert_array_equal(
            again.matrix, json.loads((artifacts / f"{prefix}confusion_matrix.json").read_text())
        )
    assert open_or_build_dataset(configure(*SETTINGS).data, golden_run.outputs).folder == dataset.folder


@pytest.mark.usefixtures("blank_pictures")
def test_evaluating_reproduces_the_test_score_of_training(golden_run, tmp_path):
    """The page, the JSON, MLflow and the terminal have the IoU that training logged."""
    outputs = copy_outputs(golden_run.outputs, tmp_path / "outputs")
    (run,) = runs_of(outputs)
    done = run_successfully(
        "evaluate", f"run={RUN}", f"output={tmp_path / 'scores'}", f"outputs={outputs}", "workers=1"
    )

    document = json.loads((tmp_path / "scores" / "evaluation.json").read_text())
    logged = run.data.metrics["test/iou"]
    assert document["overall"]["iou"][0] == pytest.approx(logged, abs=1e-12)
    assert document["images"] == 6
    assert f"{logged:.3f}" in (tmp_path / "scores" / "evaluation.html").read_text(encoding="utf-8")
    (run,) = runs_of(outputs)
    assert run.data.metrics["evaluate_test/iou"] == document["overall"]["iou"][0]
    assert f"{logged:.3f}" in done.out


def test_predicting_labels_every_image_at_its_own_size(golden_run, images, tmp_path):
    """Pixels without data have no label, and the table of areas counts all others."""
    done = run_successfully(
        "predict", f"run={RUN}", images, f"output={tmp_path / 'labels'}", f"outputs={golden_run.outputs}"
    )

    assert f"2 images segmented by {RUN}" in done.out
    for name, without in (("one", 0), ("two", 5)):
        label = read_label(tmp_path / "labels" / f"{name}.png").values
        assert label.shape == (50, 70)
        np.testing.assert_array_equal(label == IGNORE, np.arange(50)[:, None].repeat(70, axis=1) < without)
        assert label[label != IGNORE].max() < 4
    with (tmp_path / "labels" / "class_areas.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["class"] for row in rows] == 2 * CLASSES
    assert sum(int(row["pixels"]) for row in rows) == 2 * 50 * 70 - 5 * 70


def test_an_archive_predicts_the_same_as_its_run(golden_run, golden_archive, images, tmp_path):
    """All files are identical, and MLflow is not needed."""
    for name, run in (("by_run", RUN), ("by_archive", golden_archive.outputs / ARCHIVE)):
        outputs = golden_run.outputs if name == "by_run" else tmp_path / "elsewhere"
        run_successfully("predict", f"run={run}", images, f"output={tmp_path / name}", f"outputs={outputs}")

    written = sorted(path.relative_to(tmp_path / "by_run") for path in (tmp_path / "by_run").rglob("*.*"))
    assert len(written) == 5
    for path in written:
        assert (tmp_path / "by_run" / path).read_bytes() == (tmp_path / "by_archive" / path).read_bytes()
    assert not (tmp_path / "elsewhere").exists()
    (published,) = golden_archive.commands
    assert "models:/segsweep@champion is version 1" in published.out


def test_an_interrupted_sweep_resumes_after_its_last_epoch(golden_run, golden_sweep):
    """Ctrl-C ends it with exit code 130, and the same command resumes it.

    The interrupted run ends with the weights and scores of the golden run, which was not interrupted.
    """
    interrupted, finished = golden_sweep.commands
    folder = SweepFolder(golden_sweep.outputs, SWEEP)
    resumed, other = (read_result(folder.run_folder(job.fingerprint)) for job in folder.ledger.jobs())
    (whole,) = runs_of(golden_run.outputs)

    stopped = "stopped; repeat the command to continue\n"
    assert (interrupted.code, interrupted.err, finished.err) == (130, stopped, "")
    assert f"{RUN} seed=42  resumed after epoch 1\n" in finished.out
    assert "2 of 2 runs finished" in finished.out
    assert resumed.weights_sha256 == whole.data.tags["weights_sha256"] != other.weights_sha256
    ours, theirs = ({**scores, "seconds": 0} for scores in (resumed.scores, whole.data.metrics))
    assert ours == {name: theirs[name] for name in ours}
    assert [job.attempts for job in folder.ledger.jobs()] == [2, 1]


def test_a_sweep_is_a_parent_run_with_a_child_for_each_configuration(golden_sweep):
    """Despite the interruption, each epoch is logged once, and the parent contains the comparison."""
    runs = runs_of(golden_sweep.outputs)
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run is not parent]
    client = MlflowClient(f"sqlite:///{golden_sweep.outputs}/mlflow.db")

    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    assert {run.info.run_name for run in children} == {f"{RUN} seed=42", f"{RUN} seed=1"}
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    for run in children:
        steps = [point.step for point in client.get_metric_history(run.info.run_id, "val/iou")]
        assert sorted(steps) == [1, 2]
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"comparison.csv", "comparison.html", "figure4.png", "figure4.html"} <= files


@pytest.mark.usefixtures("blank_pictures")
def test_repeating_a_finished_sweep_trains_nothing(golden_sweep, tmp_path):
    """The ledger is unchanged, and no run is added to MLflow."""
    outputs = copy_outputs(golden_sweep.outputs, tmp_path / "outputs")
    ledger = outputs / "sweeps" / SWEEP / "ledger.jsonl"
    before = ledger.read_bytes()

    done = run_successfully("train", "-m", *SETTINGS, "seed=42,1", f"sweep.name={SWEEP}", f"outputs={outputs}")

    assert "2 of 2 runs finished" in done.out
    assert ledger.read_bytes() == before
    assert len(runs_of(outputs)) == 3


@pytest.mark.usefixtures("blank_pictures")
def test_a_report_shows_the_scores_of_the_sweep(golden_sweep, tmp_path):
    """The page has the exact IoU of each run, and the command of the sweep."""
    outputs = copy_outputs(golden_sweep.outputs, tmp_path / "outputs")
    done = run_successfully("report", f"sweep={SWEEP}", f"output={tmp_path / 'report'}", f"outputs={outputs}")

    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    folder = SweepFolder(outputs, SWEEP)
    assert "2 of 2 runs have a result" in done.out
    for job in folder.ledger.jobs():
        assert repr(read_result(folder.run_folder(job.fingerprint)).scores["iou"]) in page
    assert re.findall(r"<code>python -m gym\.train -m .* seed=42,1 ", page)


def test_an_unknown_run_is_refused_by_the_commands(golden_run, tmp_path):
    """The error is one line that names the closest match."""
    done = run_here("predict", "run=unet cce f3", f"input={tmp_path}", "output=x", f"outputs={golden_run.outputs}")

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: run=unet cce f3 was not found in ")
    assert f"the closest match is {RUN}" in done.err

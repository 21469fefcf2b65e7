"""Files written by version 0.1.0 still work: models, runs, an interrupted sweep, a search and a dataset.

README.md says how the files were made. The tests use only the command line and the files that it reads and writes.
"""

import json
import re
import sqlite3
import tarfile
import zipfile
from contextlib import closing
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.warm_start import WarmProcess

pytestmark = [pytest.mark.trains, pytest.mark.process]

HERE = Path(__file__).parent
ARCHIVE = HERE / "model_0.1.0.zip"
MADE_IN = "/srv/segsweep"  # the folder of all paths in the old files
WITH_PATHS = {".json", ".jsonl", ".yaml"}
COLUMNS_WITH_PATHS = [
    *(("experiments", "artifact_location"), ("runs", "artifact_uri"), ("params", "value")),
    *(("datasets", "dataset_source"), ("model_versions", "source"), ("model_versions", "storage_location")),
]

# The overrides of the commands in README.md. Since 0.2.0 model=simple_unet no longer implies spatial dropout.
TINY = [
    *("data.size=32", "data.scenes=8", "filters=2", "model.levels=1", "model.kernel=3"),
    *("training.batch=2", "training.precision=float32", "training.threads=1"),
]
MATRIX = ["model=simple_resunet,unet,resunet", "loss=dice", "training.epochs=12", "sweep.name=matrix", *TINY]
SEARCH = [
    *("hydra/sweeper=optuna", "model=simple_unet", "loss=cce,dice", "training.epochs=3", "search.startup=2"),
    *("schedule.max_rate=tag(log,interval(1e-3,1e-1))", "sweep.name=search", "model.dropout_kind=spatial", *TINY),
]
FINISHED, KILLED, WAITING = "simple_resunet dice f2", "unet dice f2", "resunet dice f2"  # runs of the sweep
KILLED_AFTER = 5  # epochs


def unpack(folder: Path) -> Path:
    """Unpack the old files, make their paths point to where they are now, and return the outputs folder."""
    with tarfile.open(HERE / "outputs_0.1.0.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    for path in folder.rglob("*"):
        if path.suffix in WITH_PATHS:
            path.write_text(path.read_text(encoding="utf-8").replace(MADE_IN, str(folder)), encoding="utf-8")
    with closing(sqlite3.connect(folder / "outputs" / "mlflow.db")) as database, database:
        for table, column in COLUMNS_WITH_PATHS:
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (MADE_IN, str(folder)))  # noqa: S608
    return folder / "outputs"


def run(module, *arguments):
    """Run a command that must succeed, and return its output."""
    process = WarmProcess(module, *map(str, arguments))
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    return output


def read_json(path):
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def reference(outputs, sweep):
    """Return the results that version 0.1.0 had for an uninterrupted sweep, by run name."""
    return {one["name"]: one for one in read_json(outputs.parent / "reference.json")[sweep]}


def results(outputs, sweep):
    """Return the results of a sweep, by run name."""
    found = (outputs / "sweeps" / sweep / "runs").glob("*/result.json")
    return {one["name"]: one for one in map(read_json, found)}


def events(outputs, sweep, kind):
    """Return the events of one kind from the ledger of a sweep."""
    lines = (outputs / "sweeps" / sweep / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == kind]


def logged(outputs):
    """Return the name and status of each MLflow run, by id."""
    with closing(sqlite3.connect(outputs / "mlflow.db")) as database:
        rows = database.execute("SELECT run_uuid, name, status FROM runs").fetchall()
    return {run_id: (name, status) for run_id, name, status in rows}


def dataset_files(outputs):
    """Identify the files of all datasets, so that a replaced file is noticed."""
    files = [path for path in (outputs / "stores").rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path): [path.stat().st_ino, path.stat().st_mtime_ns] for path in files}


def computed_with():
    """Return what the last bits depend on: the processor's maker, family and model, and the versions of libraries."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    processor = " ".join(re.findall(r"^(?:vendor_id|cpu family|model)\s*: (.*)", text, re.MULTILINE)[:3])
    return {"processor": processor} | {name: metadata.version(name) for name in ("tensorflow", "keras", "numpy")}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """The old outputs, unchanged."""
    return unpack(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """The old outputs after the interrupted sweep was resumed with its own command."""
    outputs = unpack(tmp_path_factory.mktemp("resumed"))
    (outputs.parent / "dataset_files.json").write_text(json.dumps(dataset_files(outputs)), encoding="utf-8")
    run("gym.train", "-m", *MATRIX, f"outputs={outputs}")
    return outputs


@pytest.mark.parametrize(
    ("wanted", "model"),
    [
        (str(ARCHIVE), "single"),
        ("single", "single"),
        ("models:/segsweep@champion", "single"),
        ("best:matrix", "matrix"),
    ],
    ids=["archive", "name", "registered", "best"],
)
def test_old_models_segment_as_before(wanted, model, outputs, tmp_path):
    """A model archive, a run, a registered model and the best run of a sweep predict the same labels as in 0.1.0."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        (sample,) = (name for name in archive.namelist() if name.startswith("samples/images/"))
        archive.extract(sample, tmp_path)
    run(
        *("gym.predict", f"run={wanted}", f"input={(tmp_path / sample).parent}", f"output={tmp_path / 'labels'}"),
        f"outputs={outputs}",
    )

    labels, before = (
        np.asarray(Image.open(path))
        for path in (tmp_path / "labels" / f"{Path(sample).stem}.png", outputs.parent / "predictions" / f"{model}.png")
    )
    assert np.mean(labels == before) > 0.99  # rounding may differ on another processor


def test_an_old_simple_network_still_segments(outputs, tmp_path):
    """The best run of the search is a simple U-Net with 3x3 kernels and spatial dropout, unlike the present default."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        (sample,) = (name for name in archive.namelist() if name.startswith("samples/images/"))
        archive.extract(sample, tmp_path)
    assert {
        (one["settings"]["model.kernel"], one["settings"]["model.dropout_kind"])
        for one in results(outputs, "search").values()
    } == {(3, "spatial")}

    given = f"input={(tmp_path / sample).parent}"
    run("gym.predict", "run=best:search", given, f"output={tmp_path / 'labels'}", f"outputs={outputs}")

    label = np.asarray(Image.open(tmp_path / "labels" / f"{Path(sample).stem}.png"))
    assert set(np.unique(label)) <= {0, 1, 2, 3, 255}


def test_an_old_run_gets_the_same_scores(outputs, tmp_path):
    """Evaluating a finished run gives the scores that 0.1.0 reported, without rebuilding the dataset."""
    before_files = dataset_files(outputs)
    run("gym.evaluate", "run=single", "baselines=false", f"output={tmp_path}", f"outputs={outputs}")

    (known,) = (outputs / "evaluations").glob("single-*/validation/evaluation.json")
    before, now = (read_json(path)["overall"] for path in (known, tmp_path / "evaluation.json"))
    assert now.keys() == before.keys()
    for name, values in before.items():
        assert [now[name]] == [pytest.approx(values, abs=0.01)], name
    assert dataset_files(outputs) == before_files


def test_an_old_sweep_is_reported(outputs):
    """The report lists all runs, the score and outputs of the finished one, and the command of the sweep."""
    output = run("gym.report", "sweep=matrix", f"outputs={outputs}")

    folder = outputs / "reports" / "matrix"
    page = (folder / "report.html").read_text(encoding="utf-8")
    rest = dict(re.findall(r'<th scope="row">([^<]*)</th><td>([^<]*)</td>', page))
    assert "1 of 3 runs have a result" in output
    assert f"{results(outputs, 'matrix')[FINISHED]['scores']['iou']:.4f}" in page
    assert (rest[KILLED], rest[WAITING]) == ("running or interrupted", "not started")
    assert (folder / "figure3.png").is_file()
    assert "sweep.name=matrix" in page


def test_an_interrupted_sweep_resumes_where_it_stopped(resumed, tmp_path):
    """The same command continues the interrupted run after its last epoch, in its MLflow run, and trains the rest."""
    before = unpack(tmp_path)
    (killed,) = (run_id for run_id, (name, _) in logged(before).items() if name == KILLED)
    starts = [(event["job"], event["epoch"]) for event in events(resumed, "matrix", "started")]

    assert starts == [(0, 0), (1, 0), (1, KILLED_AFTER), (2, 0)]
    assert results(resumed, "matrix").keys() == {FINISHED, KILLED, WAITING}
    assert results(resumed, "matrix")[KILLED]["run_id"] == killed
    assert {status for _, status in logged(resumed).values()} == {"FINISHED"}
    assert len(logged(resumed)) == len(logged(before)) + 1


def test_a_finished_run_of_an_interrupted_sweep_is_not_trained_again(resumed, outputs):
    """Its result is the old one."""
    assert results(resumed, "matrix")[FINISHED]["run_id"] == results(outputs, "matrix")[FINISHED]["run_id"]
    assert [event["job"] for event in events(resumed, "matrix", "finished")] == [0, 1, 2]


def test_an_interrupted_sweep_keeps_its_dataset(resumed):
    """No file of the dataset is rewritten, and no other dataset is built."""
    assert dataset_files(resumed) == read_json(resumed.parent / "dataset_files.json")


def test_a_resumed_sweep_has_the_scores_of_an_uninterrupted_one(resumed):
    """On any processor, fingerprints are equal and scores are close to those of 0.1.0."""
    for name, before in reference(resumed, "matrix").items():
        now = results(resumed, "matrix")[name]
        assert now["fingerprint"] == before["fingerprint"]
        for score in ("iou", "kld", "loss", "parameters", "stopping_epoch"):
            assert now["scores"][score] == pytest.approx(before["scores"][score], abs=0.02), (name, score)


def test_a_resumed_sweep_has_the_weights_of_an_uninterrupted_one(resumed):
    """On the same kind of processor and with the same libraries, all weights are equal to the last bit."""
    made_with = read_json(resumed.parent / "reference.json")["made_with"]
    if computed_with() != made_with:
        pytest.skip(f"the weights were computed with {made_with}, not with {computed_with()}")

    hashes = {name: one["weights_sha256"] for name, one in results(resumed, "matrix").items()}
    assert hashes == {name: one["weights_sha256"] for name, one in reference(resumed, "matrix").items()}


def test_an_old_search_resumes(resumed):
    """With one more trial allowed, exactly the trial that 0.1.0 would have proposed third is run."""
    before = results(resumed, "search")
    run("gym.train", "-m", *SEARCH, "search.trials=3", f"outputs={resumed}")

    third = next(one for name, one in reference(resumed, "search").items() if name not in before)
    ((name, trial),) = ((name, one) for name, one in results(resumed, "search").items() if name not in before)
    kind, rate = name.split(" schedule.max_rate=")
    kind_then, rate_then = third["name"].split(" schedule.max_rate=")
    assert [event["job"] for event in events(resumed, "search", "started")] == [0, 1, 2]
    assert (kind, float(rate)) == (kind_then, pytest.approx(float(rate_then), rel=1e-6))
    assert trial["scores"]["iou"] == pytest.approx(third["scores"]["iou"], abs=0.02)

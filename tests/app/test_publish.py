"""A run is published as a model archive and as a version of a registered model."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from mlflow import MlflowClient
from omegaconf import OmegaConf
from PIL import Image

from gym.app import predict
from gym.app.predict import predict_images
from gym.app.publish import publish
from gym.config.schema import PredictConfig, PublishConfig
from gym.core.errors import DataError, RunError
from gym.data.dataset import Dataset
from gym.data.labels import IGNORE
from gym.data.readers.raster import read_label
from gym.runs.model_files import load_model
from tests.conftest import ROOT
from tests.golden import copy_outputs
from tests.sweeps.commands import runs_of

pytestmark = pytest.mark.usefixtures("blank_pictures")

FILES = {"SHA256SUMS", "classes.json", "config.yaml", "model/model.json", "model/model.keras", "run.json", "split.json"}
CARD = {"card.md", "card.html", "card.json"}


class Trained(NamedTuple):
    """The run that the tests of this file publish."""

    run_id: str
    weights_sha256: str


@pytest.fixture(scope="module")
def outputs(golden_run, tmp_path_factory) -> Path:
    """A copy of the golden run's outputs, because publishing writes into MLflow's registry."""
    return copy_outputs(golden_run.outputs, tmp_path_factory.mktemp("outputs"))


@pytest.fixture(scope="module")
def trained(outputs) -> Trained:
    """The golden run."""
    (run,) = runs_of(outputs)
    return Trained(run.info.run_id, run.data.tags["weights_sha256"])


@pytest.fixture
def client(outputs):
    return MlflowClient(f"sqlite:///{outputs}/mlflow.db")


@pytest.fixture
def release(trained, outputs, tmp_path):
    """Publish the run, by default to a zip in the folder of the test."""

    def publish_run(**options):
        settings = {"run": trained.run_id, "outputs": str(outputs), "output": str(tmp_path / "model.zip")}
        return publish(PublishConfig(**settings | options))

    return publish_run


@pytest.fixture
def copied_run(trained, outputs, tmp_path):
    """A copy of the run that tests may damage: the options that publish it, and the folder of its artifacts."""
    for name in ("mlflow.db", "stores"):
        source = outputs / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, tmp_path / name)
    artifacts = shutil.copytree(outputs / "artifacts" / trained.run_id / "artifacts", tmp_path / "artifacts")
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    old = client.get_run(trained.run_id)
    run = client.create_run(old.info.experiment_id, tags=old.data.tags).info
    client.log_param(run.run_id, "data.kind", old.data.params["data.kind"])
    artifacts_copy = Path(run.artifact_uri.removeprefix("file://"))
    artifacts_copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(artifacts, artifacts_copy)
    client.set_terminated(run.run_id)
    return {"run": run.run_id, "outputs": str(tmp_path)}, artifacts_copy


def read_zip(path):
    """Read the files of a zip, by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_an_archive_contains_everything_about_the_model(release, trained, outputs, client):
    """It has model, configuration and split unchanged, and adds provenance, scores, classes and sample pairs."""
    published = release(samples=6)
    files = read_zip(published.path)

    run = client.get_run(trained.run_id)
    artifacts = outputs / "artifacts" / trained.run_id / "artifacts"
    samples = {name for name in files if name.startswith("samples/")}
    assert files.keys() - samples - CARD == FILES
    for name in ("model/model.json", "model/model.keras", "config.yaml", "split.json"):
        assert files[name] == (artifacts / name).read_bytes()
    described = json.loads(files["run.json"])
    assert (described["run_id"], described["name"]) == (trained.run_id, "unet cce f2")
    assert described["scores"] == run.data.metrics
    assert described["tags"]["weights_sha256"] == trained.weights_sha256
    assert {"fingerprint", "data_fingerprint", "git_commit", "version.tensorflow"} <= described["tags"].keys()
    assert not any(name.startswith("mlflow.") for name in described["tags"])
    assert json.loads(files["classes.json"])[:2] == [
        {"value": 0, "name": "water", "colour": "#0072b2"},
        {"value": 1, "name": "whitewater", "colour": "#d55e00"},
    ]
    validation = json.loads(files["split.json"])["validation"]
    assert {Path(name).stem.partition("_")[2] for name in samples} == set(validation)
    assert {str(Path(name).parent) for name in samples} == {"samples/images", "samples/labels"}
    assert published.sha256 == hashlib.sha256(published.path.read_bytes()).hexdigest()


def test_the_registered_version_identifies_the_archive(release, trained, client):
    """It has the SHA-256 of the archive, and the registered model is named after the experiment."""
    published = release()

    version = client.get_model_version_by_alias("segsweep", "champion")
    assert published.version == ("segsweep", str(version.version), "champion")
    assert (version.run_id, version.tags["zip_sha256"]) == (trained.run_id, published.sha256)
    assert version.tags["bands"] == '["red", "green", "blue", "nir", "swir"]'


def test_publishing_again_changes_nothing(release, tmp_path, client):
    """The archive has the same bytes and no second version is created, whatever the name and the alias are."""
    first, again = release(), release(output=str(tmp_path / "again.zip"), alias="coast")
    other = release(name="another name", alias="coast")

    assert first.path.read_bytes() == again.path.read_bytes() == other.path.read_bytes()
    assert first.version.number == again.version.number
    for name in ("segsweep", "another name"):
        (version,) = client.search_model_versions(f"name = '{name}'")
        assert set(client.get_model_version(name, version.version).aliases) >= {"coast"}


def test_by_default_the_archive_is_named_after_its_run(release, trained, outputs, capsys):
    """It is in the outputs folder, and the terminal shows its path and how to use it."""
    published = release(output="")

    assert published.path == outputs / "published" / f"unet_cce_f2-{trained.run_id[:8]}.zip"
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("left out card")]
    assert lines == [
        f"unet cce f2 ({trained.run_id}) is published",
        f"zip       {published.path} ({published.path.stat().st_size / 1e6:.1f} MB)",
        f"SHA-256   {published.sha256}",
        "registry  models:/segsweep@champion is version 1",
        f"use it    python -m gym.predict run={published.path} input=IMAGES output=LABELS",
    ]


@pytest.fixture
def images(tmp_path):
    """Two images of five bands, with a folder for each band."""
    for band in range(5):
        (tmp_path / f"band{band}").mkdir()
        for name in ("one", "two"):
            values = np.random.default_rng([band, len(name)]).integers(1, 255, (50, 70), dtype=np.uint8)
            Image.fromarray(values).save(tmp_path / f"band{band}" / f"{name}.png")
    return [str(tmp_path / f"band{band}") for band in range(5)]


def test_an_archive_predicts_the_same_as_its_run(release, trained, outputs, images, tmp_path, capsys):
    """Labels, overlays and areas are equal without MLflow, and the terminal identifies the archive."""
    published = release()
    elsewhere = tmp_path / "no outputs"

    predict_images(PredictConfig(trained.run_id, images, str(tmp_path / "by_run"), str(outputs)))
    predict_images(PredictConfig(str(published.path), images, str(tmp_path / "by_zip"), str(elsewhere)))

    written = sorted(path.relative_to(tmp_path / "by_run") for path in (tmp_path / "by_run").rglob("*.*"))
    assert len(written) == 5
    for name in written:
        assert (tmp_path / "by_run" / name).read_bytes() == (tmp_path / "by_zip" / name).read_bytes()
    assert not elsewhere.exists()
    assert f"by unet cce f2 ({published.path}, SHA-256 {published.sha256})" in capsys.readouterr().out


def test_samples_are_predicted_like_the_pairs_of_the_dataset(release, trained, outputs, tmp_path):
    """Labels of the sample images equal what the network predicts for the stored pairs."""
    published = release()
    with zipfile.ZipFile(published.path) as archive:
        archive.extractall(tmp_path / "open")

    predict_images(
        PredictConfig(str(published.path), str(tmp_path / "open" / "samples" / "images"), str(tmp_path / "labels"))
    )

    (folder,) = (path for path in (outputs / "stores").iterdir() if path.is_dir())
    dataset, network = Dataset(folder), load_model(tmp_path / "open" / "model").network
    positions = {record.name: position for position, record in enumerate(dataset.manifest.pairs)}
    predicted = list((tmp_path / "labels").glob("*.png"))
    assert len(predicted) == 4
    for path in predicted:
        position = positions[path.stem.partition("_")[2]]
        image = dataset.read_image(position)
        expected = network.predict_on_batch(image[np.newaxis].astype(np.float32))[0].argmax(axis=-1)
        expected[~image.any(axis=2)] = IGNORE
        np.testing.assert_array_equal(read_label(path).values, expected)


def test_the_best_run_of_a_sweep_can_be_published(release, trained, client):
    """The published model can be published again by its registered name."""
    parent = client.create_run("1", tags={"sweep": "tiny"}, run_name="sweep tiny").info.run_id
    for key, value in (("sweep", "tiny"), ("mlflow.parentRunId", parent)):
        client.set_tag(trained.run_id, key, value)

    first, again = release(run="best:tiny"), release(run="models:/segsweep@champion")

    assert first == again
    assert json.loads(read_zip(first.path)["run.json"])["run_id"] == trained.run_id


def test_an_archive_contains_the_model_card(copied_run, release, capsys):
    """The terminal lists the files of the card that the run lacks."""
    options, artifacts = copied_run
    (artifacts / "card.md").write_text("what to know\n\n![The worst](worst.png)\n")
    (artifacts / "card.html").unlink(missing_ok=True)

    files = read_zip(release(**options).path)

    assert files["card.md"] == b"what to know\n\n(The worst)\n"
    assert files.keys() & CARD == {"card.md", "card.json"}
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("left out")] == [
        "left out card.html: the run has none"
    ]


def test_an_undefined_score_is_left_out(copied_run, release, tmp_path):
    """JSON has no NaN."""
    options, _ = copied_run
    MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").log_metric(options["run"], "test/iou", float("nan"))
    MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").log_metric(options["run"], "test/dice", 0.5)

    described = read_zip(release(**options).path)["run.json"].decode()

    assert json.loads(described)["scores"] == {"test/dice": 0.5}
    assert "NaN" not in described


def test_samples_can_be_left_out(release, capsys):
    """The card then has no pictures either, because imagery may not be redistributed; fewer samples are possible."""
    files = read_zip(release(samples=0).path)
    assert not any(name.startswith("samples/") for name in files)
    assert b"<img" not in files["card.html"]
    assert b"(The validation images with the lowest mean IoU: worst.png)" in files["card.html"]
    assert "left out samples: samples=0" in capsys.readouterr().out
    assert b'<img class="worst"' in read_zip(release(samples=1).path)["card.html"]
    assert len([name for name in read_zip(release(samples=1).path) if name.startswith("samples/")]) == 2


@pytest.mark.parametrize("content", [None, b"{}"])
def test_a_card_page_whose_pictures_cannot_be_removed_is_left_out(copied_run, release, capsys, content):
    """Rewriting the page without imagery needs the contents of the card; a page with imagery is kept if samples are."""
    options, artifacts = copied_run
    (artifacts / "card.json").unlink()
    if content is not None:
        (artifacts / "card.json").write_bytes(content)

    files = read_zip(release(**options, samples=0).path)

    assert "card.html" not in files
    assert b"![" not in files["card.md"]
    assert not any(b"data:image" in content for content in files.values())
    output = capsys.readouterr().out
    assert "left out card.html: it shows imagery, and " in output
    assert "card.json is not a readable model card (" in output
    assert "card.html" in read_zip(release(**options).path)


def test_samples_are_found_whatever_the_name_of_the_dataset_folder(copied_run, release, tmp_path):
    """The folder is named after a different fingerprint if a scene could not be prepared."""
    (folder,) = (path for path in (tmp_path / "stores").iterdir() if path.is_dir())
    folder.rename(folder.with_name("synthetic-0123456789abcdef"))

    assert len([name for name in read_zip(release(**copied_run[0]).path) if name.startswith("samples/")]) == 8


def test_without_the_dataset_samples_are_left_out(copied_run, release, tmp_path, capsys):
    """The terminal gives the reason, and everything else is published."""
    shutil.rmtree(tmp_path / "stores")

    assert read_zip(release(**copied_run[0]).path).keys() - CARD == FILES
    output = capsys.readouterr().out
    assert f"left out samples: the dataset of unet cce f2 is missing from {tmp_path}/stores; build it again" in output


def test_with_an_unreadable_dataset_samples_are_left_out(copied_run, release, tmp_path, capsys):
    """The terminal gives the reason."""
    (manifest,) = (tmp_path / "stores").glob("*/manifest.json")
    manifest.write_text("{")

    assert read_zip(release(**copied_run[0]).path).keys() - CARD == FILES
    assert "left out samples: " in (output := capsys.readouterr().out)
    assert "is not a readable dataset (" in output


def test_without_the_pairs_of_the_run_samples_are_left_out(copied_run, release, capsys):
    """Renaming the scenes of a dataset has this effect."""
    options, artifacts = copied_run
    (artifacts / "split.json").write_text('{"training": [], "validation": ["gone"], "test": []}')

    assert read_zip(release(**options).path).keys() - CARD == FILES
    assert "left out samples: the run's dataset contains none of the validation pairs" in capsys.readouterr().out


def test_without_a_split_samples_are_left_out(copied_run, release, capsys):
    """Old runs have none, and can be published anyway."""
    options, artifacts = copied_run
    (artifacts / "split.json").unlink()
    (artifacts / "config.yaml").unlink()

    assert read_zip(release(**options).path).keys() - CARD == FILES - {"split.json", "config.yaml"}
    output = capsys.readouterr().out
    assert "left out config.yaml: the run has none" in output
    assert "left out split.json: the run has none" in output
    assert "left out samples: the split of unet cce f2 (" in output


def test_a_damaged_model_is_not_published(copied_run, release, tmp_path):
    """Neither an archive nor a version is created."""
    options, artifacts = copied_run
    whole = (artifacts / "model" / "model.keras").read_bytes()
    (artifacts / "model" / "model.keras").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(RunError, match=r"model contains no readable model \(.+\); train the run again\.$"):
        release(**options, name="damaged")

    assert not (tmp_path / "model.zip").exists()
    assert not MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_registered_models("name = 'damaged'")


def test_the_name_of_a_model_for_other_data_is_refused(release, client, tmp_path):
    """The error comes before anything is written."""
    client.create_registered_model("other kind")
    client.create_model_version("other kind", "file:///elsewhere", tags={"classes": "a, b"})

    with pytest.raises(
        RunError, match=r"^name=other kind is a registered model with the classes a, b, but this model has"
    ):
        release(name="other kind")

    assert not (tmp_path / "model.zip").exists()


def test_an_unwritable_archive_is_named(release, tmp_path):
    """The error includes the reason."""
    (tmp_path / "taken.zip").mkdir()

    with pytest.raises(
        DataError,
        match=r"output=.*taken\.zip cannot be written \(.*\); check its permissions and free space, or choose another",
    ):
        release(output=str(tmp_path / "taken.zip"))


def test_an_altered_archive_never_reaches_tensorflow(release, images, tmp_path, monkeypatch):
    """It is refused before its weights are loaded."""
    published = release()
    content = bytearray(published.path.read_bytes())
    with zipfile.ZipFile(published.path) as archive:
        entry = archive.getinfo("model/model.keras")
    content[entry.header_offset + 200] ^= 1
    published.path.write_bytes(content)
    monkeypatch.setattr(predict, "load_model", lambda folder: pytest.fail("the weights were loaded"))

    with pytest.raises(
        RunError, match=r"model\.zip is not a readable zip \(Bad CRC-32 for file 'model/model\.keras'\); download"
    ):
        predict_images(PredictConfig(str(published.path), images, str(tmp_path / "labels"), str(tmp_path)))


def test_an_archive_contains_the_configuration_of_its_run(release, golden_run):
    """Anyone can therefore train the model again."""
    config = OmegaConf.create(read_zip(release().path)["config.yaml"].decode())

    assert (config.outputs, config.model.name, config.data.scenes) == (str(golden_run.outputs), "unet", 24)


def run_module(module, *arguments, cwd=ROOT):
    """Run a module in a new process."""
    command = [sys.executable, "-m", module, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.process
def test_a_published_model_can_be_used_by_the_printed_command(trained, outputs, images, tmp_path):
    """The command runs in an empty folder, once its placeholders are filled in."""
    done = run_module("gym.publish", "run=unet cce f2", f"outputs={outputs}", f"output={tmp_path}/given.zip")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("use it"))
    assert line == f"use it    python -m gym.predict run={tmp_path}/given.zip input=IMAGES output=LABELS"

    (tmp_path / "empty").mkdir()
    used = run_module(
        "gym.predict",
        f"run={tmp_path}/given.zip",
        f"input=[{','.join(images)}]",
        f"output={tmp_path}/labels",
        cwd=tmp_path / "empty",
    )

    assert used.returncode == 0, used.stderr
    assert "2 images segmented by unet cce f2" in used.stdout
    assert not list((tmp_path / "empty").iterdir())

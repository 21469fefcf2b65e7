"""A model is taken from a run or from a zip alike, with its configuration and split."""

import json

import pytest
from omegaconf import OmegaConf

from gym.config.schema import Config, ModelConfig, TrackingConfig
from gym.core.errors import RunError
from gym.core.files import hash_file
from gym.runs.mlflow_log import open_mlflow_run
from gym.runs.model_archive import write_zip
from gym.runs.model_source import open_model_source

CONFIG = TrackingConfig()
TRAINED = Config(name="mine", model=ModelConfig(filters=10))


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """What a run logs, with a model that no test here loads."""
    folder = tmp_path_factory.mktemp("artifacts")
    (folder / "model").mkdir()
    (folder / "model" / "model.json").write_text("{}")
    (folder / "model" / "model.keras").write_bytes(b"keras")
    OmegaConf.save(OmegaConf.structured(TRAINED), folder / "config.yaml")
    (folder / "split.json").write_text(json.dumps({"training": ["a"], "validation": ["b"], "test": []}))
    return folder


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """One database for the tests of this file: making one takes seconds."""
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def logged(outputs, artifacts):
    """The id of a run with these artifacts."""
    with open_mlflow_run(CONFIG, outputs, "mine", {"data_fingerprint": "abc"}, "attempt 1") as run:
        run.log_folder(artifacts)
    return run.run_id


@pytest.fixture
def zipped(artifacts, tmp_path):
    """A zip of the same."""
    (artifacts / "run.json").write_text('{"name": "mine", "tags": {"data_fingerprint": "abc"}}')
    write_zip(artifacts, tmp_path / "mine.zip")
    return tmp_path / "mine.zip"


def test_a_run_is_opened_where_it_is(outputs, logged, artifacts):
    """With its name and id, what it was trained with and on what."""
    with open_model_source(CONFIG, outputs, "mine") as source:
        assert (source.name, source.origin, source.run_id) == ("mine", logged, logged)
        assert (source.short_id, source.is_zip, source.data_fingerprint) == (logged[:8], False, "abc")
        assert source.run.info.status == "FINISHED"
        assert (source.folder / "model" / "model.keras").read_bytes() == b"keras"
        assert source.read_config() == TRAINED
        assert source.read_split() == {"training": ["a"], "validation": ["b"], "test": []}


def test_a_zip_is_opened_without_mlflow(zipped, tmp_path):
    """No database is made or looked for; what is unpacked is gone at the end. Its SHA-256 tells it from others."""
    with open_model_source(TrackingConfig(uri="http://127.0.0.1:1"), tmp_path / "outputs", str(zipped)) as source:
        assert (source.name, source.run, source.run_id) == ("mine", None, None)
        assert source.origin == f"{zipped}, SHA-256 {hash_file(zipped)}"
        assert (source.short_id, source.is_zip, source.data_fingerprint) == (hash_file(zipped)[:8], True, "abc")
        assert (source.folder / "model" / "model.keras").read_bytes() == b"keras"
        assert source.read_config() == TRAINED
        assert source.read_split()["validation"] == ["b"]

    assert not source.folder.exists()
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"title": 1}', '{"name": "x", "tags": 5}'])
def test_a_zip_whose_run_has_no_name_is_refused(artifacts, tmp_path, content):
    """Though its checksums fit."""
    (artifacts / "run.json").write_text(content)
    write_zip(artifacts, tmp_path / "x.zip")

    refused = pytest.raises(RunError, match=r"x\.zip has no run\.json that can be read; give a zip that gym\.publish")
    with refused, open_model_source(CONFIG, tmp_path, str(tmp_path / "x.zip")):
        pass


BROKEN = [
    *("a: [", "model: {no_such_key: 1}\n", "seed: x\n", "\x00", None),
    *("data: {kind: no_such}\n", "data: {size: 17}\n", "data: {percentiles: [5, 1]}\n", "training: {batch: 0}\n"),
]


@pytest.mark.parametrize("content", BROKEN)
def test_a_configuration_that_cannot_be_read_is_refused_only_when_asked_for(zipped, content):
    """Prediction needs none, so that a model outlives the program that trained it."""
    with open_model_source(CONFIG, zipped.parent, str(zipped)) as source:
        path = source.folder / "config.yaml"
        path.unlink() if content is None else path.write_text(content)

        with pytest.raises(RunError, match=r"^mine \(.*\) has no configuration that can be read \(.+\); train the run"):
            source.read_config()


def test_a_configuration_of_an_older_program_has_todays_defaults_for_newer_keys(zipped):
    """What it does not say was so then, too."""
    with open_model_source(CONFIG, zipped.parent, str(zipped)) as source:
        (source.folder / "config.yaml").write_text("model: {filters: 10}\nname: mine\n")

        assert source.read_config() == TRAINED


@pytest.mark.parametrize("content", ["{", "[]", '{"training": 1}', None])
def test_a_split_that_cannot_be_read_is_refused_only_when_asked_for(zipped, content):
    """Likewise."""
    with open_model_source(CONFIG, zipped.parent, str(zipped)) as source:
        path = source.folder / "split.json"
        path.unlink() if content is None else path.write_text(content)

        with pytest.raises(
            RunError, match=r"^mine \(.*\) has no split that can be read \(.+\); train the run again\.$"
        ):
            source.read_split()

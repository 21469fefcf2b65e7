"""A model is opened from a run or from a model archive, with its configuration and split."""

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
    """The artifacts of a run, with a placeholder model."""
    folder = tmp_path_factory.mktemp("artifacts")
    (folder / "model").mkdir()
    (folder / "model" / "model.json").write_text("{}")
    (folder / "model" / "model.keras").write_bytes(b"keras")
    OmegaConf.save(OmegaConf.structured(TRAINED), folder / "config.yaml")
    (folder / "split.json").write_text(json.dumps({"training": ["a"], "validation": ["b"], "test": []}))
    return folder


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """One database for all tests of this file, because creating one takes seconds."""
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def logged(outputs, artifacts):
    """The id of a run with these artifacts."""
    with open_mlflow_run(CONFIG, outputs, "mine", {"data_fingerprint": "abc"}, "attempt 1") as run:
        run.log_folder(artifacts)
    return run.run_id


@pytest.fixture
def zipped(artifacts, tmp_path):
    """A model archive with these artifacts."""
    (artifacts / "run.json").write_text('{"name": "mine", "tags": {"data_fingerprint": "abc"}}')
    write_zip(artifacts, tmp_path / "mine.zip")
    return tmp_path / "mine.zip"


def test_a_run_is_opened_in_place(outputs, logged, artifacts):
    """Its name, id, configuration and split are available."""
    with open_model_source(CONFIG, outputs, "mine") as source:
        assert (source.name, source.origin, source.run_id) == ("mine", logged, logged)
        assert (source.short_id, source.is_zip, source.data_fingerprint) == (logged[:8], False, "abc")
        assert source.run.info.status == "FINISHED"
        assert (source.folder / "model" / "model.keras").read_bytes() == b"keras"
        assert source.read_config() == TRAINED
        assert source.read_split() == {"training": ["a"], "validation": ["b"], "test": []}


def test_a_model_archive_is_opened_without_mlflow(zipped, tmp_path):
    """No database is created, and the unpacked files are removed afterwards; the SHA-256 identifies it."""
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
def test_an_archive_whose_run_has_no_name_is_refused(artifacts, tmp_path, content):
    """Its checksums are correct, but run.json is not."""
    (artifacts / "run.json").write_text(content)
    write_zip(artifacts, tmp_path / "x.zip")

    refused = pytest.raises(RunError, match=r"x\.zip has no readable run\.json; pass a zip written by gym\.publish\.$")
    with refused, open_model_source(CONFIG, tmp_path, str(tmp_path / "x.zip")):
        pass


BROKEN = [
    *("a: [", "model: {no_such_key: 1}\n", "seed: x\n", "\x00", None),
    *("data: {kind: no_such}\n", "data: {size: 17}\n", "data: {percentiles: [5, 1]}\n", "training: {batch: 0}\n"),
]


@pytest.mark.parametrize("content", BROKEN)
def test_an_unreadable_configuration_is_reported_only_when_needed(zipped, content):
    """Prediction needs no configuration, so that old models remain usable."""
    with open_model_source(CONFIG, zipped.parent, str(zipped)) as source:
        path = source.folder / "config.yaml"
        path.unlink() if content is None else path.write_text(content)

        with pytest.raises(
            RunError, match=r"^the configuration of mine \(.*\) cannot be read \(.+\); train the run again\.$"
        ):
            source.read_config()


def test_keys_missing_from_an_older_configuration_have_their_defaults(zipped):
    """Defaults of new keys preserve the earlier behaviour."""
    with open_model_source(CONFIG, zipped.parent, str(zipped)) as source:
        (source.folder / "config.yaml").write_text("model: {filters: 10}\nname: mine\n")

        assert source.read_config() == TRAINED


@pytest.mark.parametrize("content", ["{", "[]", '{"training": 1}', None])
def test_an_unreadable_split_is_reported_only_when_needed(zipped, content):
    """Prediction needs no split either."""
    with open_model_source(CONFIG, zipped.parent, str(zipped)) as source:
        path = source.folder / "split.json"
        path.unlink() if content is None else path.write_text(content)

        with pytest.raises(RunError, match=r"^the split of mine \(.*\) cannot be read \(.+\); train the run again\.$"):
            source.read_split()

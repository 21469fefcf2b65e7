"""A published run becomes a version of a registered model, and the alias moves to it."""

import re
import uuid
from pathlib import Path

import mlflow.artifacts
import pytest

from gym.config.schema import TrackingConfig
from gym.core.errors import RunError
from gym.data.preparation import Preparation
from gym.data.scaling import Scaling
from gym.runs.mlflow_client import open_tracking
from gym.runs.mlflow_log import open_mlflow_run
from gym.runs.mlflow_registry import RegisteredVersion, check_compatible, register_model, registry_name
from gym.runs.model_files import ModelDescription

CONFIG = TrackingConfig()


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """One database for all tests of this file, because creating one takes seconds."""
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def client(outputs):
    return open_tracking(CONFIG, outputs)[0]


@pytest.fixture
def log(outputs, client, tmp_path):
    """Log a run with a placeholder model."""

    def log_run(name="unet cce f2", **scores):
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model" / "model.keras").write_text(name)
        with open_mlflow_run(CONFIG, outputs, name, {}, uuid.uuid4().hex) as run:
            run.log_folder(tmp_path)
            run.log_metrics(scores)
        return client.get_run(run.run_id)

    return log_run


def described(classes=("water", "other"), bands=("red", "nir")):
    """The description of a model."""
    return ModelDescription(Preparation((32, 32), "fit", 0.0, Scaling(), tuple(bands)), list(classes))


def test_the_description_of_a_version_may_have_a_remark(client, log):
    """It follows the score."""
    register_model(client, "chosen", "champion", log(iou=0.78349), described(), "ab12", "highest among 8 models")

    version = client.get_model_version_by_alias("chosen", "champion")
    assert version.description == "unet cce f2: validation IoU 0.783, highest among 8 models"


def test_a_run_becomes_a_version_with_an_alias(client, log):
    """The version has the run's id, score, classes, bands and archive hash, and MLflow downloads its model."""
    run = log(iou=0.78349)

    assert register_model(client, "one", "champion", run, described(), "ab12") == RegisteredVersion(
        "one", "1", "champion"
    )

    version = client.get_model_version_by_alias("one", "champion")
    assert (version.run_id, version.description) == (run.info.run_id, "unet cce f2: validation IoU 0.783")
    assert version.tags == {"classes": '["water", "other"]', "bands": '["red", "nir"]', "zip_sha256": "ab12"}
    assert version.source == f"{run.info.artifact_uri}/model"
    fetched = mlflow.artifacts.download_artifacts(client.get_model_version_download_uri("one", "1"))
    assert (Path(fetched) / "model.keras").read_text() == "unet cce f2"


def test_a_run_without_a_score_is_described_by_its_name(client, log):
    """The description omits the score."""
    register_model(client, "scoreless", "champion", log(), described(), "")

    assert client.get_model_version("scoreless", "1").description == "unet cce f2"


def test_the_same_run_stays_the_same_version(client, log):
    """Publishing it again updates the hash and may add another alias."""
    run = log()
    register_model(client, "same", "champion", run, described(), "first")
    register_model(client, "same", "champion", run, described(), "second")

    assert register_model(client, "same", "coast", run, described(), "second").number == "1"
    (version,) = client.search_model_versions("name = 'same'")
    assert version.tags["zip_sha256"] == "second"
    assert [client.get_model_version_by_alias("same", alias).run_id for alias in ("champion", "coast")] == 2 * [
        run.info.run_id
    ]


def test_the_alias_moves_to_the_model_published_last(client, log):
    """It can move back to an older version."""
    old, new = log(), log()
    numbers = [register_model(client, "moves", "champion", run, described(), "").number for run in (old, new, old)]

    assert numbers == ["1", "2", "1"]
    assert client.get_model_version_by_alias("moves", "champion").run_id == old.info.run_id


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            described(classes=("water", "sand")),
            'name=kind is a registered model with the classes ["water", "other"], but this model has '
            '["water", "sand"]; choose another name=...',
        ),
        (
            described(bands=("nir", "red")),
            'name=kind is a registered model with the bands ["red", "nir"], but this model has ["nir", "red"]; '
            "choose another name=...",
        ),
    ],
    ids=["classes", "bands"],
)
def test_a_model_with_other_classes_or_bands_is_refused(client, log, other, message):
    """Users of the alias would otherwise receive a model for other data."""
    register_model(client, "kind", "champion", log(), described(), "")

    check_compatible(client, "kind", described())
    with pytest.raises(RunError, match=f"^{re.escape(message)}$"):
        check_compatible(client, "kind", other)


def test_class_names_may_contain_commas(client, log):
    """A class named "sand, wet" is not two classes."""
    register_model(client, "parted", "champion", log(), described(classes=("sand, wet", "other")), "")

    check_compatible(client, "parted", described(classes=("sand, wet", "other")))
    with pytest.raises(RunError, match=r"^name=parted is a registered model with the classes"):
        check_compatible(client, "parted", described(classes=("sand", "wet, other")))


def test_versions_registered_by_earlier_programs_are_understood(client, log):
    """Their tags are comma-separated names; new versions use JSON."""
    client.create_registered_model("earlier")
    tags = {"classes": "water, other", "bands": "red, nir"}
    client.create_model_version("earlier", "file:///elsewhere", tags=tags)

    check_compatible(client, "earlier", described())
    with pytest.raises(RunError, match=r"^name=earlier is a registered model with the classes water, other, but this"):
        check_compatible(client, "earlier", described(classes=("water", "sand")))
    register_model(client, "earlier", "champion", log(), described(), "")
    assert client.get_model_version("earlier", "2").tags["classes"] == '["water", "other"]'


def test_a_new_name_and_a_foreign_version_accept_any_model(client, log):
    """Their classes and bands are unknown."""
    client.create_registered_model("theirs")
    check_compatible(client, "theirs", described())
    client.create_model_version("theirs", "file:///elsewhere")

    check_compatible(client, "free", described())
    check_compatible(client, "theirs", described())
    assert register_model(client, "theirs", "champion", log(), described(), "").number == "2"


def test_a_model_is_compared_with_the_newest_version(client, log):
    """Version 10 is newer than version 9."""
    for _ in range(9):
        register_model(client, "tenth", "champion", log(), described(), "")
    register_model(client, "tenth", "champion", log(), described(classes=("a", "b")), "")

    check_compatible(client, "tenth", described(classes=("a", "b")))

    with pytest.raises(RunError, match=r"^name=tenth is a registered model with the classes .*a.*b"):
        check_compatible(client, "tenth", described())


def test_a_model_is_named_after_its_experiment_by_default():
    """Characters that the registry rejects become underscores."""
    assert registry_name(TrackingConfig(), "") == "segsweep"
    assert registry_name(TrackingConfig(experiment="/Users/me@x/it's: sand"), "") == "_Users_me_x_it_s_ sand"
    assert registry_name(TrackingConfig(), "mine") == "mine"

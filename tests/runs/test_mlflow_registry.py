"""A published run becomes one version of a registered model, and the alias moves to it."""

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
    """One database for the tests of this file: making one takes seconds."""
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def client(outputs):
    return open_tracking(CONFIG, outputs)[0]


@pytest.fixture
def log(outputs, client, tmp_path):
    """Log a run with a model that no test here loads."""

    def log_run(name="unet cce f2", **scores):
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model" / "model.keras").write_text(name)
        with open_mlflow_run(CONFIG, outputs, name, {}, uuid.uuid4().hex) as run:
            run.log_folder(tmp_path)
            run.log_metrics(scores)
        return client.get_run(run.run_id)

    return log_run


def described(classes=("water", "other"), bands=("red", "nir")):
    """A description of a model."""
    return ModelDescription(Preparation((32, 32), "fit", 0.0, Scaling(), tuple(bands)), list(classes))


def test_a_run_becomes_a_version_with_an_alias(client, log):
    """With its run, score, classes, bands and the zip's hash; what MLflow fetches of it is the model."""
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


def test_a_run_without_a_score_is_named_only(client, log):
    """There is none to tell."""
    register_model(client, "scoreless", "champion", log(), described(), "")

    assert client.get_model_version("scoreless", "1").description == "unet cce f2"


def test_the_same_run_stays_the_same_version(client, log):
    """However often it is published; the hash is that of the last zip, and another alias may be added."""
    run = log()
    register_model(client, "same", "champion", run, described(), "first")
    register_model(client, "same", "champion", run, described(), "second")

    assert register_model(client, "same", "coast", run, described(), "second").number == "1"
    (version,) = client.search_model_versions("name = 'same'")
    assert version.tags["zip_sha256"] == "second"
    assert [client.get_model_version_by_alias("same", alias).run_id for alias in ("champion", "coast")] == 2 * [
        run.info.run_id
    ]


def test_the_alias_moves_to_what_is_published_last(client, log):
    """Also back to an older version."""
    old, new = log(), log()
    numbers = [register_model(client, "moves", "champion", run, described(), "").number for run in (old, new, old)]

    assert numbers == ["1", "2", "1"]
    assert client.get_model_version_by_alias("moves", "champion").run_id == old.info.run_id


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            described(classes=("water", "sand")),
            'name=kind is a registered model of the classes ["water", "other"], and this one has ["water", "sand"]; '
            "give it another name=...",
        ),
        (
            described(bands=("nir", "red")),
            'name=kind is a registered model of the bands ["red", "nir"], and this one has ["nir", "red"]; '
            "give it another name=...",
        ),
    ],
    ids=["classes", "bands"],
)
def test_a_model_of_another_kind_is_refused(client, log, other, message):
    """Who uses the alias would get a model of something else."""
    register_model(client, "kind", "champion", log(), described(), "")

    check_compatible(client, "kind", described())
    with pytest.raises(RunError, match=f"^{re.escape(message)}$"):
        check_compatible(client, "kind", other)


def test_a_name_may_hold_what_parts_names(client, log):
    """One class of two words is not two classes."""
    register_model(client, "parted", "champion", log(), described(classes=("sand, wet", "other")), "")

    check_compatible(client, "parted", described(classes=("sand, wet", "other")))
    with pytest.raises(RunError, match=r"^name=parted is a registered model of the classes"):
        check_compatible(client, "parted", described(classes=("sand", "wet, other")))


def test_a_version_of_earlier_takes_models_of_its_kind(client, log):
    """Its tags were words between commas; from the next version on they are not."""
    client.create_registered_model("earlier")
    tags = {"classes": "water, other", "bands": "red, nir"}
    client.create_model_version("earlier", "file:///elsewhere", tags=tags)

    check_compatible(client, "earlier", described())
    with pytest.raises(RunError, match=r"^name=earlier is a registered model of the classes water, other, and this"):
        check_compatible(client, "earlier", described(classes=("water", "sand")))
    register_model(client, "earlier", "champion", log(), described(), "")
    assert client.get_model_version("earlier", "2").tags["classes"] == '["water", "other"]'


def test_a_free_name_and_a_version_of_someone_else_take_any_model(client, log):
    """Nothing is known of their classes and bands."""
    client.create_registered_model("theirs")
    check_compatible(client, "theirs", described())
    client.create_model_version("theirs", "file:///elsewhere")

    check_compatible(client, "free", described())
    check_compatible(client, "theirs", described())
    assert register_model(client, "theirs", "champion", log(), described(), "").number == "2"


def test_the_newest_version_decides_of_which_kind_a_model_is(client, log):
    """By its number, of which 10 comes after 9."""
    for _ in range(9):
        register_model(client, "tenth", "champion", log(), described(), "")
    register_model(client, "tenth", "champion", log(), described(classes=("a", "b")), "")

    check_compatible(client, "tenth", described(classes=("a", "b")))


def test_a_model_is_named_after_its_experiment():
    """Unless a name is given; signs that the registry refuses become underscores."""
    assert registry_name(TrackingConfig(), "") == "segsweep"
    assert registry_name(TrackingConfig(experiment="/Users/me@x/it's: sand"), "") == "_Users_me_x_it_s_ sand"
    assert registry_name(TrackingConfig(), "mine") == "mine"

"""The connection to MLflow: made once, patient where it is locked, and clear where it fails."""

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from gym.config.schema import TrackingConfig
from gym.core.errors import DataError, RunError, Terminated
from gym.runs import mlflow_client
from gym.runs.mlflow_client import RetryingClient, open_tracking, tracking_uri
from tests.databases import create_database

CONFIG = TrackingConfig()


@pytest.fixture(autouse=True)
def databases_by_mlflow(monkeypatch):
    """Not copied, as elsewhere."""
    monkeypatch.setattr(mlflow_client, "create_database", create_database)


@pytest.fixture
def answers(monkeypatch):
    """What MLflow is to say to each call, errors raised; nobody sleeps."""
    monkeypatch.setattr(mlflow_client.time, "sleep", lambda seconds: None)
    said = []

    def get_run(client, run_id):
        answer = said.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(mlflow_client.MlflowClient, "get_run", get_run)
    return said


def test_a_locked_database_is_waited_for(answers, tmp_path):
    """Again and again."""
    answers += [MlflowException("database is locked"), MlflowException("(database is locked)"), 7]

    assert RetryingClient(f"sqlite:///{tmp_path}/m.db").get_run("x") == 7


def test_it_is_not_waited_for_without_end(answers, tmp_path, monkeypatch):
    """After a minute the lock is an error like others."""
    monkeypatch.setattr(mlflow_client, "_PATIENCE", -1)
    answers += [MlflowException("database is locked")]

    with pytest.raises(RunError, match=r"m\.db cannot be used \(database is locked\); check tracking\.uri\."):
        RetryingClient(f"sqlite:///{tmp_path}/m.db").get_run("x")


@pytest.mark.parametrize("error", [MlflowException("no such table\nmore"), OSError("no space left")])
def test_any_other_error_is_one_line(answers, tmp_path, error):
    """At once."""
    answers += [error, 7]

    with pytest.raises(RunError, match=r"^MLflow at sqlite:///.*m\.db cannot be used \(no s[\w ]+\); check"):
        RetryingClient(f"sqlite:///{tmp_path}/m.db").get_run("x")


def test_outputs_that_cannot_be_written_are_named(tmp_path):
    """Before anything is made."""
    (tmp_path / "file").touch()
    with pytest.raises(
        DataError, match=r"file cannot be written \(.*\); check its permissions and free space, or set outputs="
    ):
        open_tracking(CONFIG, tmp_path / "file")


def test_a_database_with_options_is_made_in_its_place(tmp_path):
    """What follows the question mark is no part of its name."""
    open_tracking(TrackingConfig(uri=f"sqlite:///{tmp_path}/my.db?timeout=30"), tmp_path)

    assert (tmp_path / "my.db").exists()
    assert MlflowClient(f"sqlite:///{tmp_path}/my.db").get_experiment_by_name("segsweep")


def test_a_dataset_that_is_no_dataset_is_refused(tmp_path):
    """A tracking URI that MLflow does not know."""
    with pytest.raises(RunError, match=r"MLflow at nothing:///x cannot be used \(.*\); check tracking\.uri"):
        open_tracking(TrackingConfig(uri="nothing:///x"), tmp_path)


def test_a_database_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    """MLflow cannot use one in which a process was killed that made its tables."""
    with monkeypatch.context() as patch:
        patch.setattr(
            mlflow_client.MlflowClient, "search_experiments", lambda *a, **k: (_ for _ in ()).throw(Terminated())
        )
        with pytest.raises(Terminated):
            open_tracking(CONFIG, tmp_path)
    assert not (tmp_path / "mlflow.db").exists()

    open_tracking(CONFIG, tmp_path)
    assert (tmp_path / "mlflow.db").exists()


def test_passwords_are_not_shown(tmp_path):
    """Nor is the user."""
    with pytest.raises(RunError, match=r"MLflow at nothing://\*\*\*@host/x cannot be used"):
        open_tracking(TrackingConfig(uri="nothing://me:secret@host/x"), tmp_path)


def test_an_own_uri_is_taken_over(tmp_path):
    """Without one it is SQLite under the outputs."""
    assert tracking_uri(TrackingConfig(uri="http://127.0.0.1:5000"), tmp_path) == "http://127.0.0.1:5000"
    assert tracking_uri(CONFIG, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"

"""The connection to MLflow creates its database, waits for locks and reports errors in one line."""

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
def _databases_by_mlflow(monkeypatch):
    """Let MLflow create databases; other tests copy one."""
    monkeypatch.setattr(mlflow_client, "create_database", create_database)


@pytest.fixture
def answers(monkeypatch):
    """The answers of MLflow to successive calls; exceptions are raised, and no call sleeps."""
    monkeypatch.setattr(mlflow_client.time, "sleep", lambda seconds: None)
    answers = []

    def get_run(client, run_id):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(mlflow_client.MlflowClient, "get_run", get_run)
    return answers


def test_a_call_is_repeated_while_the_database_is_locked(answers, tmp_path):
    """The third attempt succeeds."""
    answers += [MlflowException("database is locked"), MlflowException("(database is locked)"), 7]

    assert RetryingClient(f"sqlite:///{tmp_path}/m.db").get_run("x") == 7


def test_a_lock_becomes_an_error_after_a_minute(answers, tmp_path, monkeypatch):
    """The message names the database and the setting to check."""
    monkeypatch.setattr(mlflow_client, "_PATIENCE", -1)
    answers += [MlflowException("database is locked")]

    with pytest.raises(RunError, match=r"m\.db cannot be used \(database is locked\); check tracking\.uri\."):
        RetryingClient(f"sqlite:///{tmp_path}/m.db").get_run("x")


@pytest.mark.parametrize("error", [MlflowException("no such table\nmore"), OSError("no space left")])
def test_any_other_error_is_reported_in_one_line(answers, tmp_path, error):
    """It is not retried."""
    answers += [error, 7]

    with pytest.raises(RunError, match=r"^MLflow at sqlite:///.*m\.db cannot be used \(no s[\w ]+\); check"):
        RetryingClient(f"sqlite:///{tmp_path}/m.db").get_run("x")


def test_an_outputs_folder_that_cannot_be_written_is_named(tmp_path):
    """The error names remedies."""
    (tmp_path / "file").touch()
    with pytest.raises(
        DataError, match=r"file cannot be written \(.*\); check its permissions and free space, or set outputs="
    ):
        open_tracking(CONFIG, tmp_path / "file")


def test_a_database_uri_may_have_options(tmp_path):
    """Options after the question mark are not part of the file name."""
    open_tracking(TrackingConfig(uri=f"sqlite:///{tmp_path}/my.db?timeout=30"), tmp_path)

    assert (tmp_path / "my.db").exists()
    assert MlflowClient(f"sqlite:///{tmp_path}/my.db").get_experiment_by_name("segsweep")


def test_an_unsupported_tracking_uri_is_refused(tmp_path):
    """MLflow does not know its scheme."""
    with pytest.raises(RunError, match=r"MLflow at nothing:///x cannot be used \(.*\); check tracking\.uri"):
        open_tracking(TrackingConfig(uri="nothing:///x"), tmp_path)


def test_a_database_is_created_completely_or_not_at_all(tmp_path, monkeypatch):
    """MLflow cannot use a database whose creation was interrupted."""
    with monkeypatch.context() as patch:
        patch.setattr(
            mlflow_client.MlflowClient, "search_experiments", lambda *a, **k: (_ for _ in ()).throw(Terminated())
        )
        with pytest.raises(Terminated):
            open_tracking(CONFIG, tmp_path)
    assert not (tmp_path / "mlflow.db").exists()

    open_tracking(CONFIG, tmp_path)
    assert (tmp_path / "mlflow.db").exists()


def test_errors_do_not_show_user_and_password(tmp_path):
    """Both are replaced by asterisks."""
    with pytest.raises(RunError, match=r"MLflow at nothing://\*\*\*@host/x cannot be used"):
        open_tracking(TrackingConfig(uri="nothing://me:secret@host/x"), tmp_path)


def test_a_configured_uri_is_used(tmp_path):
    """The default is an SQLite database in the outputs folder."""
    assert tracking_uri(TrackingConfig(uri="http://127.0.0.1:5000"), tmp_path) == "http://127.0.0.1:5000"
    assert tracking_uri(CONFIG, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"

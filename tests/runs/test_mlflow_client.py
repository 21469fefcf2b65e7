"""The connection to MLflow creates its database, waits for locks and reports errors in one line."""

import logging
import sqlite3
import threading

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from gym.config.schema import TrackingConfig
from gym.core.errors import DataError, RunError, Terminated
from gym.runs import mlflow_client
from gym.runs.mlflow_client import RetryingClient, connect, find_experiment, open_tracking
from tests.databases import copy_database, create_database

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

    with pytest.raises(RunError, match=r"m\.db cannot be used \(database is locked\); another process keeps"):
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


@pytest.mark.parametrize("call", ["get_run", "search_experiments"])
def test_no_error_escapes_from_mlflow(call, tmp_path, monkeypatch):
    """Whatever a library raises below MLflow becomes one line."""
    client = RetryingClient(f"sqlite:///{tmp_path}/m.db")
    monkeypatch.setattr(client._client, call, lambda *a: (_ for _ in ()).throw(KeyError("boom")), raising=False)

    with pytest.raises(RunError, match=r"cannot be used \('boom'\); check tracking\.uri\.$"):
        getattr(client, call)("x")


@pytest.mark.parametrize("seconds", [7])
def test_a_database_locked_for_a_while_is_waited_for(seconds, tmp_path, caplog):
    """SQLite itself gives up after five seconds while a database is opened."""
    copy_database(f"sqlite:///{tmp_path}/mlflow.db")
    lock = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None, check_same_thread=False)
    lock.execute("BEGIN EXCLUSIVE")
    threading.Timer(seconds, lock.execute, ["ROLLBACK"]).start()

    client, experiment = open_tracking(CONFIG, tmp_path)

    assert client.create_run(experiment).info.run_id
    assert "another process keeps the MLflow database locked; waiting up to 1 min 00 s" in caplog.messages


def test_a_deleted_experiment_is_refused_with_its_restoration(tmp_path):
    """Readers and writers say the same, before anything is logged."""
    client, experiment = open_tracking(CONFIG, tmp_path)
    client.delete_experiment(experiment)

    for use in (open_tracking, lambda config, outputs: find_experiment(connect(config, outputs), config)):
        with pytest.raises(
            RunError, match=rf"mlflow experiments restore --experiment-id {experiment}, or name another"
        ):
            use(CONFIG, tmp_path)

    client.restore_experiment(experiment)
    assert open_tracking(CONFIG, tmp_path)[1] == experiment


@pytest.mark.parametrize(
    ("version", "remedy"), [("ffffffffffff", "install that version"), ("0c779009ac13", "db upgrade")]
)
def test_a_database_of_another_version_of_mlflow_is_refused(version, remedy, tmp_path):
    """A newer one needs a newer MLflow, an older one an upgrade."""
    copy_database(f"sqlite:///{tmp_path}/mlflow.db")
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = ?", [version])
    database.close()

    with pytest.raises(RunError, match=remedy):
        open_tracking(CONFIG, tmp_path)


def test_a_silent_server_is_told_once(caplog):
    """urllib3 would write a line for every attempt."""
    for attempt in range(3):
        logging.getLogger("urllib3.connectionpool").warning(
            "Retrying (Retry(total=%s)) after connection broken", attempt
        )

    assert [one for one in caplog.messages if "Retrying" in one] == []

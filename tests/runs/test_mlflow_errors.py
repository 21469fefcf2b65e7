"""Errors of MLflow and of its databases give the real reason and a remedy that fits it."""

import sqlite3

import pytest
import requests
from mlflow.exceptions import MlflowException, RestException
from sqlalchemy.exc import OperationalError

from gym.runs.mlflow_errors import explain_error, find_reason, is_locked

URI = "sqlite:////data/mlflow.db"
AUTOFLUSH = (
    "(raised as a result of Query-invoked autoflush; consider using a session.no_autoflush block if this flush is "
    "occurring prematurely)\n(sqlite3.OperationalError) {}\n[SQL: INSERT]\n(Background on this error at: https://x)"
)


def nested(inner, outer):
    """Raise one exception from another, and return the outer one."""
    try:
        try:
            raise inner
        except Exception as error:
            raise outer from error
    except Exception as error:
        return error


def from_database(reason):
    """The error that SQLAlchemy makes of one of SQLite's."""
    return OperationalError("INSERT", {}, sqlite3.OperationalError(reason))


def from_server(reason):
    """The error that MLflow makes of a failed connection."""
    os_error = ConnectionRefusedError(111, reason)
    return nested(nested(os_error, requests.ConnectionError("Max retries exceeded")), MlflowException("API request"))


@pytest.mark.parametrize(
    "error",
    [
        from_database("database is locked"),
        nested(from_database("database is locked"), MlflowException("x")),
        MlflowException(AUTOFLUSH.format("database is locked")),
        RestException({"error_code": "TEMPORARILY_UNAVAILABLE", "message": AUTOFLUSH.format("database is locked")}),
        sqlite3.OperationalError("database table is locked"),
    ],
)
def test_a_lock_is_recognized_however_it_is_wrapped(error):
    """The reason is the database's, without what its callers say."""
    assert is_locked(error)
    assert find_reason(error) in ("database is locked", "database table is locked")
    assert "another process keeps the database locked; stop it" in str(explain_error(error, URI))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (from_database("database or disk is full"), r"(database or disk is full); make space and repeat the command"),
        (
            MlflowException(AUTOFLUSH.format("disk I/O error")),
            "MLflow at sqlite:////data/mlflow.db cannot be used (disk I/O error); check tracking.uri.",
        ),
        (OSError(28, "No space left on device"), "(No space left on device); make space"),
        (from_database("file is not a database"), "restore /data/mlflow.db from a copy or move it away"),
        (from_database("database disk image is malformed"), "restore /data/mlflow.db from a copy or move it away"),
        (from_database("attempt to write a readonly database"), "make /data/mlflow.db and its folder writable"),
        (from_database("unable to open database file"), "make /data/mlflow.db and its folder writable"),
        (from_server("Connection refused"), "(Connection refused); start the server, or correct tracking.uri."),
        (MlflowException("'name' exceeds the maximum length of 500 characters"), "characters); shorten it."),
        (
            MlflowException("The experiment 7 must be in the 'active' state. Current state is deleted."),
            "MLFLOW_TRACKING_URI=sqlite:////data/mlflow.db mlflow experiments restore --experiment-id 7",
        ),
        (
            MlflowException("The run ab12 must be in the 'active' state. Current state is deleted."),
            "mlflow runs restore --run-id ab12",
        ),
        (
            MlflowException("Detected out-of-date database schema (found version ffffffffffff, but expected x)."),
            "an MLflow newer than",
        ),
        (
            MlflowException("Detected out-of-date database schema (found version 0c779009ac13, but expected x)."),
            "make a copy of it, then run: mlflow db upgrade sqlite:////data/mlflow.db",
        ),
        (
            ModuleNotFoundError("No module named 'psycopg'", name="psycopg"),
            'needs the package psycopg; run: python -m pip install "psycopg[binary]"',
        ),
        (RestException({"error_code": "INTERNAL_ERROR", "message": "boom\nmore"}), "(boom); check tracking.uri."),
        (ValueError(""), "(ValueError); check tracking.uri."),
    ],
)
def test_the_remedy_fits_the_reason(error, message):
    """The message is one line."""
    told = str(explain_error(error, URI))

    assert message in told
    assert "\n" not in told
    assert "autoflush" not in told


def test_user_and_password_are_not_shown():
    """Neither in the URI nor in the remedy."""
    for error in (ValueError("x"), MlflowException("The experiment 7 must be in the 'active' state.")):
        assert "secret" not in str(explain_error(error, "postgresql://me:secret@host/x"))

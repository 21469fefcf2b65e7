"""Whether MLflow can log is found out in seconds, without MLflow."""

import http.server
import json
import socket
import threading
import time

import pytest

from gym.config.schema import TrackingConfig
from gym.core.errors import ConfigError, RunError
from gym.runs import tracking_uri as tracking
from gym.runs.tracking_uri import NoAnswerError, check_tracking, sqlite_path, tracking_uri


@pytest.fixture
def serve():
    """Start an HTTP server with one answer, and return its address."""
    servers = []

    def start(status=200, body=b"{}"):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append((self.path, self.headers.get("Authorization")))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    asked = start.asked = []
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def free_port():
    """Return a port on which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_the_default_is_a_database_in_outputs(tmp_path):
    """A configured URI replaces it."""
    assert tracking_uri(TrackingConfig(), tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    assert tracking_uri(TrackingConfig(uri="http://127.0.0.1:5000"), tmp_path) == "http://127.0.0.1:5000"
    assert str(sqlite_path("sqlite:////a/b.db?timeout=3")) == "/a/b.db"


@pytest.mark.parametrize(
    "uri",
    [
        *("sqlite:/x", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite", "mlruns", "file:///x", "foo://x"),
        *("http:/x", "http://127.0.0.1:x", "postgresql:/x", "postgres://host/x", "127.0.0.1:5000", " "),
    ],
)
def test_a_uri_that_mlflow_cannot_log_to_is_refused(uri, tmp_path):
    """The message shows the forms that work."""
    with pytest.raises(ConfigError, match=r"^tracking\.uri=.*sqlite:///FILE\.db"):
        check_tracking(TrackingConfig(uri=uri), tmp_path)


@pytest.mark.parametrize("name", ["", "  ", "x" * 501])
def test_the_name_of_an_experiment_has_1_to_500_characters(name, tmp_path):
    """MLflow refuses others when it creates them."""
    with pytest.raises(ConfigError, match=r"tracking\.experiment=.* must have 1 to 500 characters; it has (0|501)\.$"):
        check_tracking(TrackingConfig(experiment=name), tmp_path)


@pytest.mark.parametrize(
    ("make", "reason"),
    {
        "folder": (lambda path: path.mkdir(), "it is a folder"),
        "text": (lambda path: path.write_text("hello " * 100), "it is not an SQLite database"),
        "short": (lambda path: path.write_bytes(b"SQL"), "it is not an SQLite database"),
    }.values(),
)
def test_a_path_that_is_no_database_is_refused(make, reason, tmp_path):
    """MLflow would try for an hour to open a folder."""
    make(tmp_path / "mlflow.db")

    with pytest.raises(RunError, match=rf"mlflow\.db cannot be used by MLflow \({reason}\); move it away"):
        check_tracking(TrackingConfig(), tmp_path)


def test_a_new_or_empty_database_is_accepted_and_not_created(tmp_path):
    """MLflow creates its tables."""
    check_tracking(TrackingConfig(), tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "mlflow.db").touch()
    check_tracking(TrackingConfig(), tmp_path)


@pytest.mark.parametrize("answer", [(200, b"{}"), (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}')])
def test_a_server_that_answers_is_accepted(answer, serve, tmp_path, monkeypatch):
    """It need not know the experiment; credentials are those that MLflow uses."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t")
    check_tracking(TrackingConfig(uri=serve(*answer), experiment="é b"), tmp_path)

    assert serve.asked == [("/api/2.0/mlflow/experiments/get-by-name?experiment_name=%C3%A9+b", "Bearer t")]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, b""), r"refuses access \(401 Unauthorized\); export MLFLOW_TRACKING_USERNAME"),
        ((403, b"no"), r"refuses access \(403 Forbidden\); export"),
        ((503, b""), r"does not answer \(503 Service Unavailable\); start the server"),
        ((200, b"<html>"), r"does not answer \(what answers there is not an MLflow server\)"),
        ((404, b"not found"), r"what answers there is not an MLflow server"),
        ((200, json.dumps([1]).encode()), r"what answers there is not an MLflow server"),
    ],
)
def test_a_server_that_cannot_be_used_is_refused(answer, message, serve, tmp_path):
    """The reason is given."""
    with pytest.raises(RunError, match=message):
        check_tracking(TrackingConfig(uri=serve(*answer)), tmp_path)


@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "http://127.0.0.1:{}/mlflow/", "http://u:secret@127.0.0.1:{}"])
def test_a_server_that_does_not_answer_is_found_at_once(form, tmp_path):
    """MLflow alone would try for four minutes."""
    start = time.monotonic()
    with pytest.raises(NoAnswerError, match=r"does not answer \(Connection refused\); start the server") as raised:
        check_tracking(TrackingConfig(uri=form.format(free_port())), tmp_path)

    assert time.monotonic() - start < 3
    assert "secret" not in str(raised.value)


def test_a_server_that_accepts_but_is_silent_is_found_soon(tmp_path, monkeypatch):
    """It may hang."""
    monkeypatch.setattr(tracking, "_ANSWER", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(NoAnswerError, match=r"\(timed out\)"):
        check_tracking(TrackingConfig(uri=f"http://127.0.0.1:{silent.getsockname()[1]}"), tmp_path)


def test_a_database_server_needs_its_driver(tmp_path, monkeypatch):
    """It is named with the command that installs it."""
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(RunError, match=r'needs the package psycopg; run: python -m pip install "psycopg\[binary\]"'):
        check_tracking(TrackingConfig(uri="postgresql://u:p@127.0.0.1/x"), tmp_path)


def test_a_database_server_must_listen(tmp_path, monkeypatch):
    """MLflow alone would try for most of an hour."""
    monkeypatch.setattr("sqlalchemy.engine.URL.get_dialect", lambda url: type("D", (), {"import_dbapi": lambda: None}))
    with pytest.raises(NoAnswerError, match=r"postgresql://\*\*\*@127\.0\.0\.1:\d+/x does not answer \(Connection ref"):
        check_tracking(TrackingConfig(uri=f"postgresql://u:p@127.0.0.1:{free_port()}/x"), tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        check_tracking(TrackingConfig(uri=f"postgresql://127.0.0.1:{listening.getsockname()[1]}/x"), tmp_path)
    check_tracking(TrackingConfig(uri="postgresql:///x"), tmp_path)


def test_a_server_that_is_restarted_is_waited_for(serve, tmp_path, monkeypatch, caplog):
    """One line says so."""
    answers = [NoAnswerError("x"), NoAnswerError("x"), None]

    def check(uri, experiment):
        if error := answers.pop(0):
            raise error

    monkeypatch.setattr(tracking, "_check", check)
    monkeypatch.setattr(tracking.time, "sleep", lambda seconds: None)
    check_tracking(TrackingConfig(uri="http://me:secret@host"), tmp_path, patience=60)

    assert caplog.messages == ["MLflow at http://***@host does not answer; waiting up to 1 min 00 s"]


@pytest.mark.parametrize(("name", "found"), [("a?b", r"\?"), ("a%20b", "%20")])
def test_a_folder_that_a_url_cannot_name_is_refused(name, found, tmp_path):
    """The database would be made elsewhere."""
    with pytest.raises(ConfigError, match=rf"^outputs=.* contains {found}, which has a meaning in the URL"):
        check_tracking(TrackingConfig(), tmp_path / name)
    for accepted in ("a#b", "a b", "a&b=c", "ä;b", "100%"):
        check_tracking(TrackingConfig(), tmp_path / accepted)

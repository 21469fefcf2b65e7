"""Where runs are logged, and a check within seconds that it can be used.

MLflow is not imported here: it takes seconds to import, and minutes to give up on a server that does not answer.
"""

import logging
import os
import re
import socket
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from gym.config.schema import TrackingConfig
from gym.core.errors import ConfigError, RunError, first_line
from gym.core.redaction import redact
from gym.core.text import format_duration
from gym.runs.artifact_location import DATABASE
from gym.runs.mlflow_limits import EXPERIMENT_NAME, fit_text

if TYPE_CHECKING:
    import requests

SQLITE = "sqlite:///"
_DATABASES = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}  # default ports
# What to install for the drivers that SQLAlchemy imports.
_DRIVERS = {"psycopg": '"psycopg[binary]"', "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
log = logging.getLogger(__name__)

_CONNECT, _ANSWER = 5, 10  # seconds
# Ways of signing requests that only MLflow knows.
_SIGNED_BY_MLFLOW = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4")


def tracking_uri(config: TrackingConfig, outputs: Path) -> str:
    """The configured tracking URI, by default the SQLite database in ``outputs``."""
    return config.uri or f"{SQLITE}{(outputs / DATABASE).resolve()}"


def has_database(config: TrackingConfig, outputs: Path) -> bool:
    """Whether the SQLite database exists; a server is taken to have one."""
    uri = tracking_uri(config, outputs)
    return not uri.startswith(SQLITE) or sqlite_path(uri).is_file()


def sqlite_path(uri: str) -> Path:
    """Return the file of an SQLite URI, which may end in options."""
    return Path(uri.removeprefix(SQLITE).partition("?")[0])


class NoAnswerError(RunError):
    """A server does not answer."""


def check_tracking(config: TrackingConfig, outputs: Path, patience: float = 0) -> None:
    """Check that runs can be logged, before anything that takes long; create nothing.

    Args:
        config: The MLflow server.
        outputs: The folder of the database.
        patience: Seconds to wait for a server that does not answer, for example because it is being restarted.

    Raises:
        ConfigError: ``tracking.uri`` is not a URI that MLflow can log to, or the name of the experiment is too long.
        NoAnswerError: The server does not answer.
        RunError: The driver of a database is missing, or a file is no database.
    """
    if not 0 < len(config.experiment.strip()) <= EXPERIMENT_NAME:
        raise ConfigError(
            f"tracking.experiment={fit_text(config.experiment, 60)} must have 1 to {EXPERIMENT_NAME} characters; it "
            f"has {len(config.experiment.strip())}."
        )
    if not config.uri and (found := re.search(r"\?|%[0-9A-Fa-f]{2}", str(outputs.resolve()))):
        raise ConfigError(
            f"outputs={outputs.resolve()} contains {found[0]}, which has a meaning in the URL of MLflow's database; "
            "choose another folder."
        )
    uri, start, is_told = tracking_uri(config, outputs), time.monotonic(), False
    while True:
        try:
            return _check(uri, config.experiment)
        except NoAnswerError:
            if time.monotonic() - start >= patience:
                raise
        if not is_told:
            log.warning("MLflow at %s does not answer; waiting up to %s", redact(uri), format_duration(patience))
            is_told = True
        time.sleep(1)


def _check(uri: str, experiment: str) -> None:
    if uri.startswith(SQLITE):
        _check_sqlite(uri)
    elif uri.startswith(("http://", "https://")):
        _check_server(uri, experiment)
    elif uri.partition(":")[0].partition("+")[0] in _DATABASES:
        _check_database(uri)
    elif not (uri.startswith("databricks") or _is_of_plugin(uri)):
        raise _refuse(uri)


def _is_of_plugin(uri: str) -> bool:
    """Whether a plugin of MLflow that is installed takes this kind of URI."""
    return bool(metadata.entry_points(group="mlflow.tracking_store", name=uri.partition(":")[0]))


def _refuse(uri: str) -> ConfigError:
    return ConfigError(
        f"tracking.uri={redact(uri)} is not where MLflow can log to; use http://HOST:PORT for a server, "
        f"{SQLITE}FILE.db for a file, or postgresql://USER@HOST/NAME for a database."
    )


def _check_sqlite(uri: str) -> None:
    path = sqlite_path(uri)
    if str(path) in (".", ":memory:"):
        raise ConfigError(f"tracking.uri={uri} is a database in memory, which is lost; use {SQLITE}FILE.db.")
    if not path.exists():
        return
    reason = ""
    if path.is_dir():
        reason = "it is a folder"
    else:
        try:
            with path.open("rb") as stream:
                start = stream.read(16)
            reason = "" if start in (b"", b"SQLite format 3\0") else "it is not an SQLite database"
        except OSError as error:
            reason = error.strerror or first_line(error)
    if reason:
        raise RunError(
            f"{path} cannot be used by MLflow ({reason}); move it away, or set tracking.uri={SQLITE}FILE.db."
        )


def _check_server(uri: str, experiment: str) -> None:
    import requests  # takes a tenth of a second

    try:
        answer = requests.get(
            f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/get-by-name",
            params={"experiment_name": experiment},
            headers=_authorization(),
            auth=_credentials(),
            timeout=(_CONNECT, _ANSWER),
            verify=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
            or os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() not in ("true", "1"),
        )
    except (requests.exceptions.InvalidURL, ValueError) as error:
        raise _refuse(uri) from error
    except requests.RequestException as error:
        raise _no_answer(uri, find_cause(error)) from error
    if any(os.environ.get(name) for name in _SIGNED_BY_MLFLOW):
        return
    if answer.status_code in (401, 403):
        raise RunError(
            f"MLflow at {redact(uri)} refuses access ({answer.status_code} {answer.reason}); export "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
        )
    if answer.status_code >= 500:
        raise _no_answer(uri, f"{answer.status_code} {answer.reason}")
    if not _is_json(answer):
        raise _no_answer(uri, "what answers there is not an MLflow server")


def _authorization() -> dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _credentials() -> tuple[str, str] | None:
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    return (user, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")) if user else None


def _is_json(answer: "requests.Response") -> bool:
    try:
        return isinstance(answer.json(), dict)
    except ValueError:
        return False


def _check_database(uri: str) -> None:
    from sqlalchemy.engine import make_url  # takes a third of a second
    from sqlalchemy.exc import SQLAlchemyError

    try:
        url = make_url(uri)
        url.get_dialect().import_dbapi()
    except ModuleNotFoundError as error:
        raise RunError(explain_missing_driver(uri, str(error.name))) from error
    except (SQLAlchemyError, ValueError) as error:
        raise _refuse(uri) from error
    if not url.host or url.host.startswith("/"):
        return  # a socket on this machine
    try:
        socket.create_connection((url.host, url.port or _DATABASES[url.get_backend_name()]), _CONNECT).close()
    except OSError as error:
        raise _no_answer(uri, find_cause(error)) from error


def explain_missing_driver(uri: str, module: str) -> str:
    """Say what to install for a database whose Python driver is missing."""
    return (
        f"tracking.uri={redact(uri)} needs the package {module}; run: python -m pip install "
        f"{_DRIVERS.get(module, module)}"
    )


def _no_answer(uri: str, reason: str) -> NoAnswerError:
    return NoAnswerError(
        f"MLflow at {redact(uri)} does not answer ({reason}); start the server, or correct tracking.uri."
    )


def find_cause(error: BaseException) -> str:
    """Return the message of the operating system's error that led to an exception, or else its own first line."""
    chain = list_causes(error)
    known = [one.strerror for one in chain if isinstance(one, OSError) and one.strerror]
    if known:
        return known[-1]
    if any(isinstance(one, TimeoutError) or "timed out" in str(one) for one in chain):
        return "timed out"
    return first_line(error)


def list_causes(error: BaseException) -> list[BaseException]:
    """List an exception and those that led to it, the first cause last.

    Those of urllib3 and SQLAlchemy are attributes or arguments, not ``__cause__``.
    """
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            inner = [getattr(one, name, None) for name in ("__cause__", "__context__", "reason", "orig")]
            waiting += [*inner, *one.args]
    return found

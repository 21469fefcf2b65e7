"""One-line messages for the errors of MLflow, of its databases and of its servers: the real reason, and what to do."""

import re
import shlex
from pathlib import Path

import mlflow
from sqlalchemy.exc import DBAPIError

from gym.core.errors import RunError, first_line
from gym.core.redaction import redact
from gym.runs.tracking_uri import SQLITE, explain_missing_driver, find_cause, list_causes, sqlite_path

_LOCKED = re.compile(r"database( table| schema)? is locked|locking protocol", re.IGNORECASE)
# What SQLAlchemy and the REST API put before the reason.
_PREFIXES = re.compile(r"^(?:\(raised as a result of [^)]*\)|\([\w.]+\)|[A-Z]+(?:_[A-Z]+)*:|\s)+")
_SCHEMA = re.compile(r"out-of-date database schema \(found version (\w+)")
_INACTIVE = re.compile(r"[Tt]he (experiment|run) '?(\w+)'? must be in the 'active' state")

# What to do, by what the reason says.
_REMEDIES = {
    r"disk is full|No space left|quota exceeded": "make space and repeat the command, which continues",
    r"not a database|malformed|disk image": "restore {place} from a copy or move it away, or set another outputs=...",
    r"readonly|read-only|[Pp]ermission denied|unable to open database": "make {place} and its folder writable",
    r"maximum length|exceeds|too long": "shorten it",
    r"Unauthorized|not authenticated|\b401\b|\b403\b|[Pp]ermission": (
        "export MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
    ),
    r"refused|timed out|unreachable|not known|resolve|reset|server closed|\b50[0-9]\b": (
        "start the server, or correct tracking.uri"
    ),
}


def is_locked(error: BaseException) -> bool:
    """Whether another process locks the SQLite database, so that the call may be repeated."""
    return any(_LOCKED.search(str(one)) for one in list_causes(error))


def explain_error(error: BaseException, uri: str) -> RunError:
    """Return an error with the real reason and a remedy that fits it, in one line.

    Args:
        error: Whatever a call of MLflow raised.
        uri: The tracking URI.
    """
    if isinstance(error, ModuleNotFoundError):
        return RunError(explain_missing_driver(uri, str(error.name)))
    reason = find_reason(error)
    return RunError(f"MLflow at {redact(uri)} cannot be used ({reason}); {_find_remedy(reason, uri)}".rstrip(".") + ".")


def find_reason(error: BaseException) -> str:
    """Return what went wrong: the message of the database or of the operating system, not that of their callers."""
    chain = list_causes(error)
    from_database = [one.orig for one in chain if isinstance(one, DBAPIError) and one.orig is not None]
    if from_database:
        return first_line(from_database[-1]).rstrip(".")
    if any(isinstance(one, OSError) and one.strerror for one in chain):
        return find_cause(error).rstrip(".")
    return first_line(Exception(_PREFIXES.sub("", str(error)))).rstrip(".") or type(error).__name__


def _find_remedy(reason: str, uri: str) -> str:
    if _LOCKED.search(reason):
        return "another process keeps the database locked; stop it, and repeat the command"
    if found := _INACTIVE.search(reason):
        return explain_deleted(found[1], found[2], uri)
    if found := _SCHEMA.search(reason):
        return _explain_schema(found[1], uri)
    place = str(sqlite_path(uri)) if uri.startswith(SQLITE) else redact(uri)
    remedies = (remedy for pattern, remedy in _REMEDIES.items() if re.search(pattern, reason))
    return next(remedies, "check tracking.uri").format(place=place)


def explain_deleted(kind: str, identity: str, uri: str) -> str:
    """Say how to restore a deleted experiment or run.

    Args:
        kind: ``experiment`` or ``run``.
        identity: Its id.
        uri: The tracking URI.
    """
    command = f"MLFLOW_TRACKING_URI={shlex.quote(redact(uri))} mlflow {kind}s restore --{kind}-id {identity}"
    other = "name another with tracking.experiment=..." if kind == "experiment" else "repeat the command"
    return f"it was deleted: restore it with {command}, or {other}"


def _explain_schema(version: str, uri: str) -> str:
    if any((Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions").glob(f"{version}_*.py")):
        return f"make a copy of it, then run: mlflow db upgrade {shlex.quote(redact(uri))}"
    return f"an MLflow newer than {mlflow.__version__} made it; install that version, or set another outputs=..."

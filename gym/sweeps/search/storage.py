"""Storage of a search: Optuna's database, in SQLite or at any URL supported by SQLAlchemy."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import RDBStorage
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from gym.core.errors import ConfigError, RunError, first_line
from gym.core.redaction import redact

_LOCK_TIMEOUT = 60  # seconds to wait for another process that is writing to SQLite

optuna.logging.set_verbosity(optuna.logging.WARNING)


def default_url(folder: Path) -> str:
    """Return the URL of ``search.db`` in the folder of a sweep, used if no other is configured."""
    return f"sqlite:///{(folder / 'search.db').resolve()}"


def open_storage(url: str, is_ready: bool = False) -> RDBStorage:
    """Connect to the database of a search.

    Args:
        url: Database URL, as for SQLAlchemy.
        is_ready: Whether another process has already opened it. Otherwise, missing folders, files and tables are
            created; only one process may do so, because two that create the tables at the same time crash.

    Raises:
        ConfigError: The URL is not that of a persistent database.
        RunError: The database cannot be used.
    """
    shown = redact(url)
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            f"search.storage={shown} is not a database URL; use one such as sqlite:////data/search.db."
        ) from None
    options: dict[str, Any] = {}
    if parsed.get_backend_name() == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise ConfigError(
                f"search.storage={shown} is in memory, so the search could not be resumed; "
                "use a file, as in sqlite:///search.db."
            )
        options = {"connect_args": {"timeout": _LOCK_TIMEOUT}, "poolclass": NullPool}
    try:
        if options:
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
        template = url.replace("{", "{{").replace("}", "}}")  # Optuna calls str.format on the URL
        return RDBStorage(template, options, skip_compatibility_check=is_ready, skip_table_creation=is_ready)
    except (OptunaError, SQLAlchemyError, ImportError, OSError, RuntimeError, ValueError) as error:
        raise RunError(
            f"the search database {shown} cannot be opened ({_describe_error(error)}); check search.storage."
        ) from error


@contextmanager
def translate_storage_errors(name: str) -> Iterator[None]:
    """Turn database errors into a `RunError` that names the search.

    Args:
        name: Name of the study.
    """
    try:
        yield
    except (OptunaError, SQLAlchemyError) as error:
        raise RunError(
            f"the database of search {name} cannot be used ({_describe_error(error)}); check it and the free disk "
            "space, then repeat the command: finished trials are kept."
        ) from error


def _describe_error(error: BaseException) -> str:
    return redact(first_line(error.__cause__ or error))  # Optuna puts the reason into the cause

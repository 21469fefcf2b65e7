"""Where a search is kept: Optuna's database, in SQLite or at any URL that SQLAlchemy knows."""

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
from gym.core.text import redact_uri

_PATIENCE = 60  # seconds until a process gives up that waits for another to finish writing

optuna.logging.set_verbosity(optuna.logging.WARNING)


def default_url(folder: Path) -> str:
    """The database of a search that has no other: ``search.db`` in its folder."""
    return f"sqlite:///{(folder / 'search.db').resolve()}"


def open_storage(url: str, is_ready: bool = False) -> RDBStorage:
    """Connect to the database of a search.

    Args:
        url: As SQLAlchemy takes it.
        is_ready: Whether another process has opened it before. Else file, folder and tables are made where they are
            missing, by one process at a time: two that make the tables of a fresh database together crash.

    Raises:
        ConfigError: It is no URL of a database that lasts.
        RunError: The database cannot be used.
    """
    shown = redact_uri(url)
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            f"search.storage={shown} is no database; give a URL as in sqlite:////data/search.db."
        ) from None
    options: dict[str, Any] = {}
    if parsed.get_backend_name() == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise ConfigError(f"search.storage={shown} ends with the process; name a file as in sqlite:///search.db.")
        options = {"connect_args": {"timeout": _PATIENCE}, "poolclass": NullPool}
    try:
        if options:
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
        # Optuna calls str.format on it.
        template = url.replace("{", "{{").replace("}", "}}")
        return RDBStorage(template, options, skip_compatibility_check=is_ready, skip_table_creation=is_ready)
    except (OptunaError, SQLAlchemyError, ImportError, OSError, RuntimeError, ValueError) as error:
        raise RunError(
            f"the search's database {shown} cannot be used ({reason(error)}); mend search.storage."
        ) from error


@contextmanager
def naming_storage_errors(name: str) -> Iterator[None]:
    """Make a `RunError` of what the database of a study named ``name`` refuses."""
    try:
        yield
    except (OptunaError, SQLAlchemyError) as error:
        raise RunError(
            f"the database of search {name} cannot be used ({reason(error)}); "
            "nothing finished is lost: mend it or free space, and give the same command again."
        ) from error


def reason(error: BaseException) -> str:
    """What went wrong, in one line; Optuna tells it only in the error beneath its own."""
    return redact_uri(first_line(error.__cause__ or error))

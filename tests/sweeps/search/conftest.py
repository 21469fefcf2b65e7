"""Databases of searches, copied from one that is created once: Optuna takes a quarter of a second for its tables."""

import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from gym.sweeps.search.storage import default_url, open_storage

_folder = tempfile.TemporaryDirectory(prefix="empty_search")


@functools.cache
def _empty() -> Path:
    open_storage(default_url(Path(_folder.name)))
    return Path(_folder.name, "search.db")


def _open_copy(url: str, **options: Any) -> Any:
    """Do what `gym.sweeps.search.storage.open_storage` does; a new SQLite database is a copy."""
    place = Path(str(make_url(url).database))
    if url.startswith("sqlite:///") and place.name and not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_empty(), place)
    return open_storage(url, **options)


@pytest.fixture(autouse=True)
def copied_search_databases(monkeypatch, request) -> None:
    """Studies open copies, unless a test is about the creation of a database and uses ``created_databases``."""
    if "created_databases" not in request.fixturenames:
        monkeypatch.setattr("gym.sweeps.search.study.open_storage", _open_copy)


@pytest.fixture
def created_databases() -> None:
    """Databases are created as they are for users."""

"""Copies of an empty MLflow database, because creating its tables takes seconds."""

import functools
import shutil
import tempfile
from pathlib import Path

from sqlalchemy import make_url

from gym.runs.mlflow_client import create_database
from gym.runs.tracking_uri import SQLITE

_folder = tempfile.TemporaryDirectory(prefix="empty_database")


@functools.cache
def _empty_database() -> Path:
    path = Path(_folder.name, "mlflow.db")
    create_database(f"{SQLITE}{path}")
    return path


def copy_database(uri: str) -> None:
    """Do the same as `gym.runs.mlflow_client.create_database`, by copying an empty database."""
    if uri.startswith(SQLITE):
        path = Path(make_url(uri).database)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(_empty_database(), path)

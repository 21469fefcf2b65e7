"""MLflow databases without runs: MLflow takes seconds to make the tables of one, so one is made and copied."""

import functools
import shutil
import tempfile
from pathlib import Path

from sqlalchemy import make_url

from gym.runs.mlflow_client import SQLITE, create_database

_folder = tempfile.TemporaryDirectory(prefix="empty_database")


@functools.cache
def _empty() -> Path:
    place = Path(_folder.name, "mlflow.db")
    create_database(f"{SQLITE}{place}")
    return place


def copy_database(uri: str) -> None:
    """Do what `gym.runs.mlflow_client.create_database` does, sooner."""
    if uri.startswith(SQLITE):
        place = Path(make_url(uri).database)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(_empty(), place)

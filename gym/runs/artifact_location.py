"""Keep the artifacts of runs where the outputs folder is, although MLflow stores absolute locations.

MLflow's database names the folder of every run's artifacts in full. After ``outputs`` was copied or moved, these
locations lead to the original, which would be written to, or made again. They are therefore corrected in the database,
which the MLflow UI reads as well, when it is next opened.

This module imports no MLflow, because ``scripts/ui`` calls it.
"""

import logging
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

DATABASE, ARTIFACTS = "mlflow.db", "artifacts"

# Only experiments of this program, which keeps all their artifacts in one folder, have the view that scripts/ui shows.
_EXPERIMENTS = """
    SELECT experiment_id, artifact_location FROM experiments JOIN experiment_tags USING (experiment_id)
    WHERE key = 'mlflow.sharedViewState.scores' AND artifact_location LIKE 'file:%' AND artifact_location != ?
"""
_LOCATIONS = {"runs": ("artifact_uri",), "model_versions": ("source", "storage_location")}
_PATIENCE = 60.0  # seconds to wait for another process

log = logging.getLogger(__name__)


def artifacts_uri(outputs: Path) -> str:
    """Return the location of the artifacts in an outputs folder."""
    return (outputs / ARTIFACTS).resolve().as_uri()


def correct_locations(outputs: Path) -> None:
    """Let MLflow's database in an outputs folder refer to the artifacts in this folder, wherever it was before.

    A database that cannot be read or written is left as it is: whoever opens it reports why.
    """
    with suppress(sqlite3.Error, OSError):
        if not (outputs / DATABASE).is_file():
            return
        with closing(_open(outputs, "ro")) as reading:
            is_moved = bool(_find_moved(reading, outputs))
        if is_moved:
            with closing(_open(outputs, "rw")) as connection:
                _correct_all(connection, outputs)


def _correct_all(connection: sqlite3.Connection, outputs: Path) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")  # so that another process finds nothing left to correct
        moved = _find_moved(connection, outputs)
        for experiment, before in moved:
            _correct(connection, experiment, before, outputs)
    for place in sorted({before.parent for _, before in moved}):
        log.info("%s was copied or moved from %s; MLflow now finds its artifacts in it", outputs, place)


def find_artifacts(outputs: Path, run_id: str, artifact_uri: str) -> Path | None:
    """Return the folder of the artifacts of a run in the database of ``outputs``; None if they are on a server.

    A copy that is read-only cannot be corrected, so the folder in ``outputs`` comes first.
    """
    here = outputs / ARTIFACTS / run_id / "artifacts"
    known = to_path(artifact_uri)
    return here.resolve() if known is not None and here.is_dir() else known


def to_path(uri: str) -> Path | None:
    """Return the path of a local artifact location; None if it is on a server."""
    parsed = urlparse(uri)
    return Path(url2pathname(parsed.path)) if parsed.scheme in ("", "file") else None


def _open(outputs: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{(outputs / DATABASE).resolve().as_uri()}?mode={mode}", timeout=_PATIENCE, uri=True)


def _find_moved(connection: sqlite3.Connection, outputs: Path) -> list[tuple[int, Path]]:
    """List the experiments whose artifacts were elsewhere when ``outputs`` was copied or moved."""
    found = connection.execute(_EXPERIMENTS, [artifacts_uri(outputs)]).fetchall()
    return [(number, before) for number, uri in found if (before := to_path(uri)) and _is_moved(before, outputs)]


def _is_moved(before: Path, outputs: Path) -> bool:
    now = outputs / ARTIFACTS
    if before.name != ARTIFACTS or (before.exists() and now.exists() and before.samefile(now)):
        return False
    # With tracking.uri=..., a database may refer on purpose to artifacts in a folder that has none.
    return not before.exists() or (before.parent / DATABASE).is_file()


def _correct(connection: sqlite3.Connection, experiment: int, before: Path, outputs: Path) -> None:
    """Correct an experiment with its runs and registered models.

    Artifacts that are only in the original stay there: an earlier version may have written them after the copy.
    """
    old, new = before.as_uri(), artifacts_uri(outputs)
    connection.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (new, experiment))
    for table, columns in _LOCATIONS.items():
        for column in columns:
            known = connection.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall()  # noqa: S608 - constants
            changes = [
                (new + rest, uri)
                for (uri,) in known
                if (rest := _rest(uri, old)) and (_exists(new + rest) or not _exists(old + rest))
            ]
            connection.executemany(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", changes)  # noqa: S608


def _rest(uri: str | None, old: str) -> str:
    return uri.removeprefix(old) if uri and uri.startswith(f"{old}/") else ""


def _exists(uri: str) -> bool:
    path = to_path(uri)
    return path is not None and path.exists()

"""Connect to MLflow: create the database, retry while it is locked, and report errors in one line.

Import this module only where runs are logged or looked up, because MLflow takes seconds to import.
"""

import functools
import json
import logging
import math
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Experiment, LifecycleStage
from mlflow.tracking._tracking_service import utils as _tracking

from gym.config.registries import SCORES, Place
from gym.config.schema import TrackingConfig
from gym.core.errors import RunError
from gym.core.files import atomic_file, read_yaml, translate_disk_errors
from gym.core.redaction import redact
from gym.core.text import format_duration
from gym.runs.artifact_location import DATABASE, artifacts_uri, correct_locations
from gym.runs.mlflow_errors import explain_deleted, explain_error, is_locked
from gym.runs.tracking_uri import SQLITE, check_tracking, has_database, sqlite_path, tracking_uri

T = TypeVar("T")

_PATIENCE, _SILENCE = 60.0, 5.0  # seconds

log = logging.getLogger(__name__)

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow").setLevel(logging.WARNING)
# It logs a traceback of every error that `RetryingClient` reports in one line.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


class _RetryNotice(logging.Filter):
    """Replace urllib3's lines, one for every attempt to reach a server, by one of ours per minute."""

    def __init__(self) -> None:
        super().__init__()
        self._last = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop the line."""
        if time.monotonic() - self._last > _PATIENCE:
            self._last = time.monotonic()
            log.warning("the MLflow server does not answer; trying again for up to four minutes")
        return False


logging.getLogger("urllib3.connectionpool").addFilter(_RetryNotice())


class RetryingClient:
    """MLflow's client, whose methods wait up to a minute while another process locks the SQLite database.

    Args:
        uri: Tracking URI.

    Raises:
        RunError: MLflow cannot be reached or reports an error. Every method raises it.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._client = self.call(MlflowClient, uri)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return functools.partial(self.call, getattr(self._client, name))

    def call(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call a function of MLflow as the methods are called."""
        start, is_told = time.monotonic(), False
        while True:
            try:
                return function(*arguments, **options)
            except Exception as error:  # MLflow also lets those of SQLAlchemy, requests and database drivers pass
                waited = time.monotonic() - start
                if not is_locked(error) or waited > _PATIENCE:
                    raise explain_error(error, self.uri) from error
            if not is_told and waited > _SILENCE:
                log.warning(
                    "another process keeps the MLflow database locked; waiting up to %s", format_duration(_PATIENCE)
                )
                is_told = True
            time.sleep(random.uniform(0.05, 0.5))  # noqa: S311 - keeps two processes from colliding again


def hurry_client() -> None:
    """Let the rest of this process, which is being stopped, not wait for a server that does not answer."""
    os.environ |= {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


def open_tracking(config: TrackingConfig, outputs: Path, patience: float = _PATIENCE) -> tuple[RetryingClient, str]:
    """Connect to MLflow; create the database and the experiment if they are missing.

    A lock admits one process at a time: two that create the tables of a new database together would crash.

    Args:
        config: The MLflow server and experiment.
        outputs: The folder of the database.
        patience: Seconds to wait for a server that does not answer.

    Returns:
        The client, and the id of the experiment.

    Raises:
        DataError: ``outputs`` cannot be written.
        RunError: MLflow cannot be reached or reports an error.
    """
    uri = tracking_uri(config, outputs)
    check_tracking(config, outputs, patience)
    with translate_disk_errors(outputs):
        outputs.mkdir(parents=True, exist_ok=True)
        with FileLock(outputs / ".mlflow.lock"):
            create_database(uri)
            client = RetryingClient(uri)  # before anything else, because it says when it waits for a lock
            _follow_artifacts(uri, outputs)
            found = client.get_experiment_by_name(config.experiment)
            if found is not None:
                _check_active(found, uri)
                return client, found.experiment_id
            location = None if uri.startswith("http") else artifacts_uri(outputs)
            return client, client.create_experiment(config.experiment, artifact_location=location, tags=_view_tags())


def connect(config: TrackingConfig, outputs: Path) -> RetryingClient:
    """Connect to MLflow to read; create nothing.

    Raises:
        RunError: There is no database, or MLflow cannot be reached.
    """
    uri = tracking_uri(config, outputs)
    if not has_database(config, outputs):
        given = f"tracking.uri={config.uri} does not exist" if config.uri else f"outputs={outputs} has no mlflow.db"
        raise RunError(
            f"{given}, so there are no runs; give the folder that training wrote to with outputs=..., or "
            "tracking.uri=... if runs are logged elsewhere."
        )
    check_tracking(config, outputs)
    client = RetryingClient(uri)
    _follow_artifacts(uri, outputs)
    return client


def _follow_artifacts(uri: str, outputs: Path) -> None:
    """Find the artifacts of runs in ``outputs``, even if it is a copy and this process knows the original."""
    if uri.startswith(SQLITE) and sqlite_path(uri).resolve() == (outputs / DATABASE).resolve():
        correct_locations(outputs)
        # By run id, the same in original and copy.
        getattr(_tracking, "_artifact_repos_cache", {}).clear()


def find_experiment(client: RetryingClient, config: TrackingConfig) -> str:
    """Return the id of the experiment.

    Raises:
        RunError: There is none of this name; the message lists those that exist.
    """
    found = client.get_experiment_by_name(config.experiment)
    if found is None:
        known = ", ".join(sorted(one.name for one in client.search_experiments()))
        raise RunError(f"tracking.experiment={config.experiment} does not exist; choose one of {known}.")
    _check_active(found, client.uri)
    return str(found.experiment_id)


def _check_active(experiment: Experiment, uri: str) -> None:
    if experiment.lifecycle_stage != LifecycleStage.ACTIVE:
        remedy = explain_deleted("experiment", experiment.experiment_id, uri)
        raise RunError(f"tracking.experiment={experiment.name} of MLflow at {redact(uri)} cannot be used; {remedy}.")


def create_database(uri: str) -> None:
    """Create the tables of an SQLite database if it is missing.

    MLflow creates tables one by one and cannot use an incomplete database, such as a killed process would leave.
    """
    if not uri.startswith(SQLITE):
        return
    path = sqlite_path(uri)
    if path.exists():
        return
    with atomic_file(path) as partial:
        RetryingClient(f"{SQLITE}{partial.absolute()}").search_experiments(max_results=1)


_WHOLE, _BY_EPOCH = "whole-runs", "by-epoch"  # sections of mlflow_view.yaml


def _view_tags() -> dict[str, str]:
    """Define the view of the experiment that ``scripts/ui`` links to: a table of scores, and charts."""
    main, fixed = SCORES.default, read_yaml(Path(__file__).with_name("mlflow_view.yaml"))

    def chart(kind: str, section: str, name: str, **options: Any) -> dict[str, Any]:
        return {"uuid": f"{section}-{name}", "metricSectionId": section, **fixed["chart"], **fixed[kind], **options}

    axes = {axis: {"type": "METRIC", "key": key} for axis, key in (("xaxis", "parameters"), ("yaxis", main))}
    curves = (f"val/{main}", "val/loss", "train/loss")
    view = fixed["view"] | {
        "orderByKey": f"metrics.`{main}`",
        "selectedColumns": [*(f"metrics.`{name}`" for name in SCORES.names_at(Place.MLFLOW)), "attributes.`Duration`"],
        "compareRunCharts": [
            chart("scatter", _WHOLE, f"{main}-parameters", **axes),
            *(chart("bar", _WHOLE, name, metricKey=name) for name in SCORES.names_at(Place.FIGURE4)),
            *(chart("line", _BY_EPOCH, name, metricKey=name, selectedMetricKeys=[name]) for name in curves),
        ],
    }
    return {"mlflow.experimentKind": "custom_model_development", "mlflow.sharedViewState.scores": json.dumps(view)}

"""MLflow's client as a run needs it: connected, with its database made, patient, and clear where it fails.

MLflow takes seconds to import: this module is imported only by what logs or looks up a run.

How MLflow's UI shows the experiment, by the link that ``scripts/ui`` prints: a table of scores, and charts.

MLflow keeps a view that is shared as a tag of the experiment, in JSON of its own; this is that of MLflow 3.
"""

import json
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.engine import make_url

from gym.config.registries import SCORES, Place
from gym.config.schema import TrackingConfig
from gym.core.errors import RunError, first_line
from gym.core.files import atomic_file, translate_disk_errors
from gym.core.text import redact_uri

_WHOLE, _BY_EPOCH = "whole-runs", "by-epoch"


def _card(section: str, name: str, **what: Any) -> dict[str, Any]:
    shared = {"isGenerated": False, "deleted": False, "runsCountToCompare": 100, "displayName": None}
    return {"uuid": f"{section}-{name}", "metricSectionId": section, **shared, **what}


def _bar(metric: str) -> dict[str, Any]:
    return _card(_WHOLE, metric, type="BAR", metricKey=metric)


def _against(metric: str, other: str) -> dict[str, Any]:
    axes = {name: {"type": "METRIC", "key": key} for name, key in (("xaxis", other), ("yaxis", metric))}
    return _card(_WHOLE, f"{metric}-{other}", type="SCATTER", **axes)


def _curve(metric: str) -> dict[str, Any]:
    axis = {"xAxisKey": "step", "xAxisScaleType": "linear", "selectedXAxisMetricKey": "", "yAxisKey": "metric"}
    scale = {"scaleType": "linear", "lineSmoothness": 0, "range": dict.fromkeys(("xMin", "xMax", "yMin", "yMax"))}
    chosen = {
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "selectedYAxisMetricKeys": [],
        "yAxisExpressions": [],
    }
    return _card(_BY_EPOCH, metric, type="LINE", **axis, **scale, **chosen)


def _section(key: str, name: str) -> dict[str, Any]:
    return {"uuid": key, "name": name, "display": True, "isReordered": True, "deleted": False, "isGenerated": False}


def view_tags() -> dict[str, str]:
    """The tags of an experiment that make the table and charts its first view."""
    main, columns = SCORES.default, [f"metrics.`{name}`" for name in SCORES.names_at(Place.MLFLOW)]
    view = {
        "orderByKey": f"metrics.`{main}`",
        "orderByAsc": False,
        "selectedColumns": [*columns, "attributes.`Duration`"],
        "searchFilter": "",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsHiddenMode": "SHOWALL",
        "groupBy": "",
        "hideEmptyCharts": True,
        "isAccordionReordered": True,
        "compareRunSections": [_section(_WHOLE, "Whole runs"), _section(_BY_EPOCH, "By epoch")],
        "compareRunCharts": [
            *(_against(main, "parameters"), *map(_bar, SCORES.names_at(Place.FIGURE4))),
            *(_curve(f"val/{main}"), _curve("val/loss"), _curve("train/loss")),
        ],
    }
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.sharedViewState.scores": json.dumps(view),
    }


SQLITE = "sqlite:///"
_PATIENCE = 60.0  # seconds

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # a traceback of what `RetryingClient` says


class RetryingClient:
    """The methods of MLflow's client; each waits while SQLite is locked by another process, for up to a minute.

    Args:
        uri: Tracking URI.

    Raises:
        RunError: MLflow cannot be reached or refuses; so does every method.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client = self._patiently(MlflowClient, uri)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *arguments, **options: self._patiently(method, *arguments, **options)

    def _patiently(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                return call(*arguments, **options)
            except (MlflowException, OSError) as error:  # artifacts are files
                if "database is locked" not in str(error) or time.monotonic() > until:
                    raise RunError(
                        f"MLflow at {redact_uri(self._uri)} cannot be used ({first_line(error)}); check tracking.uri."
                    ) from error
                time.sleep(random.uniform(0.05, 0.5))  # noqa: S311 - so that two do not meet again


def tracking_uri(config: TrackingConfig, outputs: Path) -> str:
    """The configured tracking URI; without one, SQLite under ``outputs``."""
    return config.uri or f"{SQLITE}{(outputs / 'mlflow.db').resolve()}"


def open_tracking(config: TrackingConfig, outputs: Path) -> tuple[RetryingClient, str]:
    """Connect, making database and experiment where they are missing.

    One process at a time does this: two that create the tables of a fresh database together crash.

    Returns:
        The client, and the id of the experiment.

    Raises:
        DataError: ``outputs`` cannot be written.
        RunError: MLflow cannot be reached or refuses.
    """
    uri = tracking_uri(config, outputs)
    with translate_disk_errors(outputs):
        outputs.mkdir(parents=True, exist_ok=True)
        with FileLock(outputs / ".mlflow.lock"):
            create_database(uri)
            client = RetryingClient(uri)
            found = client.get_experiment_by_name(config.experiment)
            if found is not None:
                return client, found.experiment_id
            location = None if uri.startswith("http") else (outputs / "artifacts").resolve().as_uri()
            return client, client.create_experiment(config.experiment, artifact_location=location, tags=view_tags())


def create_database(uri: str) -> None:
    """Make the tables of an SQLite database that is missing, beside its place.

    MLflow makes them one by one, and cannot use a database in which a killed process left some.
    """
    if not uri.startswith(SQLITE):
        return
    url = make_url(uri)
    place = Path(url.database or "")
    if place.exists():
        return
    with atomic_file(place) as beside:
        RetryingClient(str(url.set(database=str(beside)))).search_experiments(max_results=1)

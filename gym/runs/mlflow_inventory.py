"""List all runs of an MLflow server, whatever their experiment, and delete runs.

Import this module only where runs are looked up, because MLflow takes seconds to import.
"""

import re
from typing import Any, NamedTuple

from mlflow.entities import ViewType

from gym.runs.mlflow_client import RetryingClient
from gym.runs.mlflow_log import ATTEMPT, PARENT
from gym.runs.mlflow_lookup import fetch_all_pages

_PAGE = 1000
_RUN_ID = re.compile("[0-9a-f]{32}")


class LoggedRun(NamedTuple):
    """What decides whether a run of MLflow is still needed.

    Attributes:
        run_id: Its id.
        name: Its name.
        status: Its status in MLflow; DELETED if it was deleted.
        sweep: Name of its sweep; empty if it has none.
        is_parent: Whether it is the parent run of a sweep.
        data: Fingerprint of its dataset; empty if unknown.
        attempt: Name of its attempt; empty if unknown.
        version: A registered model and version made from it, as in ``shore/2``; empty if there is none.
        tracking_uri: The tracking URI that it was configured with.
    """

    run_id: str
    name: str
    status: str
    sweep: str
    is_parent: bool
    data: str
    attempt: str
    version: str
    tracking_uri: str = ""


def list_logged_runs(client: RetryingClient) -> list[LoggedRun]:
    """List the runs of all experiments, deleted ones included.

    Raises:
        RunError: MLflow cannot be used.
    """
    experiments = fetch_all_pages(lambda token: client.search_experiments(ViewType.ALL, _PAGE, page_token=token))
    versions = {
        run_id: f"{version.name}/{version.version}"
        for version in fetch_all_pages(lambda token: client.search_model_versions(max_results=_PAGE, page_token=token))
        for run_id in {str(version.run_id), *_RUN_ID.findall(str(version.source))}  # either may be missing
    }
    ids = [str(experiment.experiment_id) for experiment in experiments]
    found = fetch_all_pages(
        lambda token: client.search_runs(ids, "", ViewType.ALL, max_results=_PAGE, page_token=token)
    )
    return [_describe(run, versions) for run in found]


def _describe(run: Any, versions: dict[str, str]) -> LoggedRun:
    tags, info = run.data.tags, run.info
    return LoggedRun(
        run_id=str(info.run_id),
        name=str(info.run_name),
        status="DELETED" if info.lifecycle_stage == "deleted" else str(info.status),
        sweep=tags.get("sweep", ""),
        is_parent="sweep" in tags and PARENT not in tags,
        data=tags.get("data_fingerprint", ""),
        attempt=tags.get(ATTEMPT, ""),
        version=versions.get(str(info.run_id), ""),
        tracking_uri=run.data.params.get("tracking.uri", ""),
    )


def delete_run(client: RetryingClient, run_id: str) -> None:
    """Delete a run in MLflow, which hides it.

    Raises:
        RunError: MLflow cannot be used.
    """
    client.delete_run(run_id)

"""Log runs to MLflow.

A `RunLog` is one MLflow run. Its status follows the block it is used in: FINISHED if the block succeeds or a search
prunes the run, KILLED for Ctrl-C and SIGTERM, FAILED for any other exception. A killed process leaves the run RUNNING
until the attempt is resumed, in the same MLflow run.

Import this module only where runs are logged or looked up, because MLflow takes seconds to import.
"""

import functools
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.utils.file_utils import local_file_uri_to_path

from gym.config.schema import TrackingConfig
from gym.core.errors import Pruned, RunError, Terminated, first_line
from gym.core.files import copy_file
from gym.core.signals import hold_signals, signals_first
from gym.core.temporary import temporary_folder
from gym.runs.mlflow_client import RetryingClient, connect, hurry_client, open_tracking
from gym.runs.mlflow_limits import (
    DATASET_DIGEST,
    DATASET_NAME,
    DATASET_SOURCE,
    RUN_NAME,
    TAG,
    fit_key,
    fit_metric,
    fit_parameters,
    fit_tags,
    fit_text,
    in_calls,
)
from gym.runs.provenance import environment_tags

_PATIENCE_AFTER_STOP = 5.0  # seconds; SLURM kills a job 30 s after it was told to stop
ATTEMPT, PARENT, DESCRIPTION = "attempt", "mlflow.parentRunId", "mlflow.note.content"  # tags


class RunLog:
    """An MLflow run that can be written to."""

    def __init__(self, client: RetryingClient, run_id: str, is_resumed: bool) -> None:
        self._client, self.run_id, self.is_resumed = client, run_id, is_resumed
        self._writer = ThreadPoolExecutor(1, "mlflow")
        self._pending: Future[None] | None = None

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters that have not been logged before; long values are truncated."""
        logged = self._client.get_run(self.run_id).data.params if self.is_resumed else {}
        fitting = fit_parameters({key: str(value) for key, value in params.items()})
        entities = [Param(key, value) for key, value in fitting.items() if key not in logged]
        for some in in_calls(entities):
            self._client.log_batch(self.run_id, params=some)

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Log tags; long values are truncated."""
        for some in in_calls(fit_tags(tags).items()):
            self._client.log_batch(self.run_id, tags=[RunTag(*tag) for tag in some])

    def log_metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log the metrics of one step. At step 0 of a resumed run, only those with another value than the latest."""
        now = int(time.time() * 1000)
        latest = self._client.get_run(self.run_id).data.metrics if self.is_resumed and not step else {}
        metrics = [Metric(fit_key(key), fit_metric(value), now, step) for key, value in values.items()]
        changed = [metric for metric in metrics if repr(metric.value) != repr(latest.get(metric.key))]
        for some in in_calls(changed):
            self._client.log_batch(self.run_id, metrics=some)

    def log_metrics_in_background(self, values: Mapping[str, float], step: int) -> None:
        """Log the metrics of one step in a thread, after waiting for the previous call.

        Raises:
            RunError: The metrics of the previous call could not be written.
        """
        self.wait_until_written()
        self._pending = self._writer.submit(self.log_metrics, values, step)

    def wait_until_written(self, seconds: float | None = None) -> None:
        """Wait until all metrics are written.

        Args:
            seconds: How long to wait; None waits as long as it takes.

        Raises:
            RunError: They could not be written.
            TimeoutError: They are not written yet.
        """
        if pending := self._pending:
            self._pending = None
            pending.result(seconds)

    def logged_steps(self, name: str) -> set[int]:
        """Return the steps at which a metric has been logged."""
        self.wait_until_written()
        return {metric.step for metric in self._client.get_metric_history(self.run_id, fit_key(name))}

    def log_dataset(self, name: str, fingerprint: str, source: str, profile: str) -> None:
        """Log the dataset the run was trained on."""
        dataset = Dataset(
            fit_text(name, DATASET_NAME),
            fingerprint[:DATASET_DIGEST],
            "local",
            fit_text(source, DATASET_SOURCE),
            profile=profile,
        )
        self._client.log_inputs(self.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])

    def log_folder(self, folder: Path, place: str | None = None) -> None:
        """Log a folder as artifacts, below the artifact path ``place``.

        Raises:
            DiskError: The disk is full or read-only. Each artifact is then the old or the new one.
        """
        destination = self._find_local_artifacts(place)
        if destination is None:
            self._client.log_artifacts(self.run_id, str(folder), place)
            return
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            copy_file(path, destination / path.relative_to(folder))

    def log_files(self, files: Iterable[Path], place: str) -> None:
        """Log files as artifacts, below the artifact path ``place``. Errors are those of `log_folder`."""
        destination = self._find_local_artifacts(place)
        for path in files:
            if destination is None:
                self._client.log_artifact(self.run_id, str(path), place)
            else:
                copy_file(path, destination / path.name)

    def _find_local_artifacts(self, place: str | None) -> Path | None:
        """Return the folder of artifacts on this machine, where MLflow would overwrite files in place."""
        uri = self._client.get_run(self.run_id).info.artifact_uri
        return Path(local_file_uri_to_path(uri)) / (place or "") if urlparse(uri).scheme in ("", "file") else None

    def fetch_artifacts(self, names: Iterable[str], folder: Path) -> None:
        """Copy artifacts to the same paths in a folder; artifacts that the run does not have are left out."""
        wanted = list(dict.fromkeys(names))
        parents = {name.rpartition("/")[0] for name in wanted}
        present = {item.path for parent in parents for item in self._client.list_artifacts(self.run_id, parent or None)}
        for name in (name for name in wanted if name in present):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with temporary_folder() as scratch:
                shutil.move(self._client.download_artifacts(self.run_id, name, str(scratch)), folder / name)


@contextmanager
def open_mlflow_run(
    config: TrackingConfig, outputs: Path, name: str, tags: Mapping[str, str], attempt: str
) -> Iterator[RunLog]:
    """Open an MLflow run for a block, and end it with the block.

    Args:
        config: The MLflow server and experiment.
        outputs: The folder of the database.
        name: Name of the run.
        tags: Tags of a new run.
        attempt: Name of the attempt. An interrupted attempt resumes in its own MLflow run.

    Raises:
        RunError: MLflow cannot be used.
    """
    client, experiment = open_tracking(config, outputs)
    with ExitStack() as cleanup:
        with hold_signals():
            resumed = _resume_run(client, experiment, attempt)
            run_id = resumed or start_run(client, experiment, name, {**tags, ATTEMPT: attempt})
            run = RunLog(client, run_id, is_resumed=bool(resumed))
            cleanup.push(functools.partial(_end_run, client, run))
        with signals_first():
            yield run
            run.wait_until_written()


def _end_run(client: RetryingClient, run: RunLog, kind: type[BaseException] | None, error: Any, _: Any) -> None:
    """End a run with the status that belongs to the exception that ended its block, if any."""
    is_stopped = isinstance(error, KeyboardInterrupt | Terminated)
    if is_stopped:
        hurry_client()
    # An error of MLflow must not hide the one that ends the run.
    with hold_signals(), suppress(RunError) if error else nullcontext():
        with suppress(RunError, TimeoutError):
            run.wait_until_written(_PATIENCE_AFTER_STOP if is_stopped else None)
        if isinstance(error, Pruned):
            client.set_tag(run.run_id, "pruned", "true")
        elif isinstance(error, Exception):
            client.set_tag(run.run_id, "error", fit_text(f"{type(error).__name__}: {first_line(error)}", TAG))
        client.set_terminated(run.run_id, _status(error))


def _status(error: BaseException | None) -> str:
    if error is None or isinstance(error, Pruned):
        return "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt | Terminated) else "FAILED"


def open_run_log(config: TrackingConfig, outputs: Path, run_id: str) -> RunLog:
    """Open a finished run to log more to it; its status does not change."""
    return RunLog(connect(config, outputs), run_id, is_resumed=True)


def start_run(client: RetryingClient, experiment: str, name: str, tags: Mapping[str, str]) -> str:
    """Create a run and return its id."""
    run = client.create_run(
        experiment, run_name=fit_text(name, RUN_NAME), tags=fit_tags({**environment_tags(), **tags})
    )
    return str(run.info.run_id)


def _resume_run(client: RetryingClient, experiment: str, attempt: str) -> str | None:
    """Reopen the run of an attempt and return its id; None if there is none."""
    found = client.search_runs([experiment], f"tags.{ATTEMPT} = '{attempt}'", max_results=1)
    if not found:
        return None
    run_id = str(found[0].info.run_id)
    client.update_run(run_id, "RUNNING")
    if "error" in found[0].data.tags:
        client.delete_tag(run_id, "error")
    return run_id


def end_abandoned_run(config: TrackingConfig, outputs: Path, attempt: str) -> None:
    """Mark the unfinished run of an attempt that will not be resumed as KILLED.

    Raises:
        RunError: MLflow cannot be used.
    """
    client, experiment = open_tracking(config, outputs)
    unfinished = f"tags.{ATTEMPT} = '{attempt}' and attributes.status = 'RUNNING'"
    for run in client.search_runs([experiment], unfinished):
        client.set_terminated(run.info.run_id, "KILLED")

"""Log runs to MLflow.

One `RunLog` is one MLflow run. Whatever ends the block it is used in ends the run too: FINISHED when the block ends
well or a search gives the run up, KILLED for Ctrl-C and SIGTERM, FAILED for anything else. A process that is killed
outright leaves it RUNNING until the same attempt goes on, in the same MLflow run.

MLflow takes seconds to import: this module is imported only by what logs or looks up a run.
"""

import getpass
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from gym.config.schema import TrackingConfig
from gym.core.errors import Pruned, RunError, Terminated, first_line
from gym.core.files import hash_value
from gym.runs.mlflow_client import RetryingClient, open_tracking

PACKAGES = ("segsweep", "tensorflow", "keras", "numpy", "mlflow", "hydra-core", "scikit-image")
_BATCH_OF_PARAMS = 100
_LONGEST_PARAM = 6000

ATTEMPT, PARENT, DESCRIPTION = "attempt", "mlflow.parentRunId", "mlflow.note.content"  # tags


class RunLog:
    """One MLflow run, open to be written."""

    def __init__(self, client: RetryingClient, run_id: str, is_resumed: bool) -> None:
        self._client, self.run_id, self.is_resumed = client, run_id, is_resumed
        self._writer = ThreadPoolExecutor(1, "mlflow")
        self._being_written: Future[None] | None = None

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters, but for those logged before; a value beyond MLflow's length is cut."""
        logged = self._client.get_run(self.run_id).data.params if self.is_resumed else {}
        entities = [Param(key, str(value)[:_LONGEST_PARAM]) for key, value in params.items() if key not in logged]
        for start in range(0, len(entities), _BATCH_OF_PARAMS):
            self._client.log_batch(self.run_id, params=entities[start : start + _BATCH_OF_PARAMS])

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Log tags."""
        self._client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def log_metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of one step in one call."""
        now = int(time.time() * 1000)
        metrics = [Metric(metric_name(key), value, now, step) for key, value in values.items()]
        self._client.log_batch(self.run_id, metrics=metrics)

    def log_metrics_in_background(self, values: Mapping[str, float], step: int) -> None:
        """Log metrics of one step in a thread while the caller goes on, once those before are written.

        Raises:
            RunError: Those before could not be written.
        """
        self.wait_until_written()
        self._being_written = self._writer.submit(self.log_metrics, values, step)

    def wait_until_written(self) -> None:
        """Wait until all is written.

        Raises:
            RunError: It could not be.
        """
        if pending := self._being_written:
            self._being_written = None
            pending.result()

    def logged_steps(self, name: str) -> set[int]:
        """The steps at which a metric has been logged."""
        self.wait_until_written()
        return {metric.step for metric in self._client.get_metric_history(self.run_id, metric_name(name))}

    def log_dataset(self, name: str, fingerprint: str, source: str, profile: str) -> None:
        """Log the dataset the run was trained on."""
        dataset = Dataset(name, fingerprint[:36], "local", source, profile=profile)
        self._client.log_inputs(self.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])

    def log_folder(self, folder: Path, place: str | None = None) -> None:
        """Log all files of a folder as artifacts, by their path in it, below ``place`` among the run's artifacts."""
        self._client.log_artifacts(self.run_id, str(folder), place)

    def log_files(self, files: Iterable[Path], place: str) -> None:
        """Log some files as artifacts, by their names, below ``place`` among the run's artifacts."""
        for path in files:
            self._client.log_artifact(self.run_id, str(path), place)

    def fetch_artifacts(self, names: Iterable[str], folder: Path) -> None:
        """Copy artifacts into a folder, each to its path there; what the run does not have is left out."""
        wanted = list(dict.fromkeys(names))
        parents = {name.rpartition("/")[0] for name in wanted}
        present = {item.path for parent in parents for item in self._client.list_artifacts(self.run_id, parent or None)}
        for name in (name for name in wanted if name in present):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory() as place:
                shutil.move(self._client.download_artifacts(self.run_id, name, place), folder / name)


@contextmanager
def open_mlflow_run(
    config: TrackingConfig, outputs: Path, name: str, tags: Mapping[str, str], attempt: str
) -> Iterator[RunLog]:
    """Open an MLflow run for a block, and end it as the block ends.

    Args:
        config: Where to log.
        outputs: Folder of the database.
        name: Name of the run.
        tags: First tags of the run.
        attempt: Whose run it is: an attempt that was cut off goes on in the MLflow run it began.

    Raises:
        RunError: MLflow cannot be used.
    """
    client, experiment = open_tracking(config, outputs)
    resumed = resume_run(client, experiment, attempt)
    run_id = resumed or start_run(client, experiment, name, {**tags, ATTEMPT: attempt})
    run, status = RunLog(client, run_id, is_resumed=bool(resumed)), "FAILED"
    try:
        yield run
        run.wait_until_written()
        status = "FINISHED"
    except Pruned:
        client.set_tag(run_id, "pruned", "true")
        status = "FINISHED"
        raise
    except (KeyboardInterrupt, Terminated):
        status = "KILLED"
        raise
    except Exception as error:
        client.set_tag(run_id, "error", f"{type(error).__name__}: {first_line(error)}")
        raise
    finally:
        with suppress(RunError):  # what ends the run is said already
            run.wait_until_written()
        client.set_terminated(run_id, status)


def open_run_log(config: TrackingConfig, outputs: Path, run_id: str) -> RunLog:
    """Open a run that has ended, to log more to it; its status stays."""
    client, _ = open_tracking(config, outputs)
    return RunLog(client, run_id, is_resumed=True)


def start_run(client: RetryingClient, experiment: str, name: str, tags: Mapping[str, str]) -> str:
    """Create a run; gives its id."""
    run = client.create_run(experiment, run_name=name, tags={**environment_tags(), **tags})
    return str(run.info.run_id)


def resume_run(client: RetryingClient, experiment: str, attempt: str) -> str | None:
    """Open the run of an attempt again; gives its id, or None where there is none."""
    found = client.search_runs([experiment], f"tags.{ATTEMPT} = '{attempt}'", max_results=1)
    if not found:
        return None
    run_id = str(found[0].info.run_id)
    client.update_run(run_id, "RUNNING")
    if "error" in found[0].data.tags:
        client.delete_tag(run_id, "error")
    return run_id


def end_abandoned_run(config: TrackingConfig, outputs: Path, attempt: str) -> None:
    """End as KILLED the run of an attempt that was cut off and that nobody will go on with.

    Raises:
        RunError: MLflow cannot be used.
    """
    client, experiment = open_tracking(config, outputs)
    open_ended = f"tags.{ATTEMPT} = '{attempt}' and attributes.status = 'RUNNING'"
    for run in client.search_runs([experiment], open_ended):
        client.set_terminated(run.info.run_id, "KILLED")


def environment_tags() -> dict[str, str]:
    """Where and with what a run is made: commit, package versions, machine."""
    versions = {f"version.{name}": metadata.version(name) for name in PACKAGES}
    commit = git_commit()
    return {
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": "gym.train",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit.removesuffix("-dirty"),
        "git_commit": commit,
        "machine": f"{platform.node()} {platform.machine()} {os.cpu_count()} cores {platform.system()}",
        "version.python": platform.python_version(),
        **versions,
    }


def git_commit() -> str:
    """The commit of this code, with ``-dirty`` for uncommitted changes; ``none`` outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "none"
    return done.stdout.strip()


def metric_name(name: str) -> str:
    """Make a name that MLflow takes, and that no other name becomes: one with signs that it refuses ends in a hash."""
    fit = replace_signs(name)
    return fit if fit == name else f"{fit}_{hash_value(name)[:4]}"


def replace_signs(name: str) -> str:
    """Make what MLflow refuses in a name, as it is neither letter, digit nor one of ``_-./: ``, an underscore."""
    return re.sub(r"[^\w\-./: ]", "_", name)

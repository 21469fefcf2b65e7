"""The parent run of a sweep in MLflow, which has the runs as children and holds their comparison."""

import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gym.config.schema import Config, TrackingConfig
from gym.core.errors import RunError
from gym.core.signals import hold_signals
from gym.core.startup import quiet_imports
from gym.core.temporary import temporary_folder
from gym.core.text import pluralize
from gym.runs.mlflow_client import open_tracking
from gym.runs.mlflow_log import DESCRIPTION, PARENT, RunLog, open_mlflow_run
from gym.runs.mlflow_lookup import equality_filter, search_runs
from gym.runs.next_steps import format_sweep_steps
from gym.runs.result import find_result
from gym.sweeps.ledger import FINISHED, Job, drop_duplicates
from gym.sweeps.sweep_folder import SweepFolder

log = logging.getLogger(__name__)


@contextmanager
def open_parent_run(tracking: TrackingConfig, outputs: Path, folder: SweepFolder) -> Iterator[RunLog]:
    """Open the parent run of a sweep; a resumed sweep continues the same one.

    Args:
        tracking: Where to log.
        outputs: Folder of the database.
        folder: Folder of the sweep.

    Raises:
        RunError: MLflow cannot be used.
    """
    log.info("opening MLflow ...")
    known = folder.read_metadata()
    if "attempt" not in known:
        known["attempt"] = uuid.uuid4().hex  # identifies the parent run when the sweep is resumed
        folder.write_metadata(known)
    tags = {"sweep": folder.name}
    with open_mlflow_run(tracking, outputs, f"sweep {folder.name}", tags, known["attempt"]) as run:
        folder.write_metadata(known | {"run_id": run.run_id})
        try:
            yield run
        except BaseException:
            # An error of MLflow must not hide the one that ends the sweep.
            with hold_signals(), suppress(RunError):
                end_dead_runs(tracking, outputs, folder, run.run_id)
            raise
        end_dead_runs(tracking, outputs, folder, run.run_id)


def end_dead_runs(tracking: TrackingConfig, outputs: Path, folder: SweepFolder, parent: str) -> None:
    """Mark runs as KILLED whose process is gone: that of a worker, which could not do so itself.

    Args:
        tracking: Where the runs are logged.
        outputs: Folder of the database.
        folder: Folder of the sweep.
        parent: Id of its parent run. On another machine, a sweep of the same name has another one.

    Raises:
        RunError: MLflow cannot be used.
    """
    client, experiment = open_tracking(tracking, outputs, patience=0)
    unfinished = f"attributes.status = 'RUNNING' and {equality_filter(f'tags.`{PARENT}`', parent)}"
    fingerprints = {str(job.number): job.fingerprint for job in folder.ledger.jobs()}
    for run in search_runs(client, experiment, unfinished):
        fingerprint = fingerprints.get(run.data.tags.get("job", ""))
        if fingerprint and not folder.is_run_locked(fingerprint):
            client.set_terminated(run.info.run_id, "KILLED")


def log_comparison(parent: RunLog, folder: SweepFolder, jobs: Sequence[Job]) -> list[str]:
    """Compare the finished runs, log the comparison, and return the findings as sentences."""
    finished = [job for job in jobs if job.status == FINISHED]
    parent.log_metrics({"runs": len(jobs), "runs_finished": len(finished)})
    found = [find_result(folder.run_folder(job.fingerprint)) for job in drop_duplicates(finished)]
    results = [result for result in found if result]
    if lost := len(found) - len(results):
        log.warning("comparison without %s: no readable result in %s", pluralize(lost, "run"), folder.runs)
    if not results:
        return []
    with quiet_imports():  # the plotting libraries take seconds to import
        from gym.reporting.comparison import write_comparison
        from gym.reporting.sweep_page import write_special_reports

    with temporary_folder() as temporary:
        recommendation = write_comparison(temporary, results, folder.name)
        findings = [recommendation.sentence, *write_special_reports(temporary, results)]
        parent.log_folder(temporary)
    parent.log_tags({DESCRIPTION: "\n\n".join(findings)})
    return findings


def next_steps(folder: SweepFolder, jobs: Sequence[Job], config: Config) -> list[str]:
    """Return lines that say what to do with a sweep, after an empty one; none if no run has finished."""
    if not any(job.status == FINISHED for job in jobs):
        return []
    return ["", *format_sweep_steps(folder.name, config.outputs, config.tracking, config.plugins)]

"""Read the record of a sweep from its folder or, if the folder is gone, from MLflow.

MLflow has the scores of a run, but not the confusion matrices of its scenes.
"""

import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gym.config.composed import load_settings
from gym.config.groups import unquote_options
from gym.config.overrides import to_overrides
from gym.config.registries import SCORES
from gym.config.schema import TrackingConfig
from gym.core.errors import RunError
from gym.core.redaction import redact
from gym.core.text import pluralize
from gym.runs.mlflow_client import RetryingClient, connect, find_experiment, open_tracking
from gym.runs.mlflow_log import PARENT
from gym.runs.mlflow_lookup import find_sweep_runs, search_runs, suggest_nearest
from gym.runs.mlflow_read import Run, read_logged_result
from gym.runs.result import RunResult, find_result
from gym.runs.tracking_uri import has_database, tracking_uri
from gym.sweeps.ledger import FAILED, FINISHED, PRUNED, QUEUED, STARTED, Job, drop_duplicates
from gym.sweeps.plan import format_command, name_outputs
from gym.sweeps.sweep_folder import SweepFolder

# A ledger or MLflow alone cannot tell a running run from an interrupted one.
_STATUS = {
    QUEUED: "not started",
    STARTED: "running or interrupted",
    PRUNED: "pruned",
    FAILED: "failed",
    FINISHED: "finished, but its result is missing",
}


class RunRecord(NamedTuple):
    """Record of one run of a sweep.

    Attributes:
        name: Readable name.
        status: Readable status of a run without a result; else empty.
        message: Error message of a failed run; else empty.
        command: Command that trains the run by itself.
        result: Its result; None if it did not finish or the result is lost.
        logged: Its MLflow run; None if there is none.
    """

    name: str
    status: str
    message: str
    command: str
    result: RunResult | None
    logged: Run | None


class SweepRecord(NamedTuple):
    """Record of a sweep.

    Attributes:
        name: Name of the sweep.
        run_id: Id of its parent run in MLflow; empty if there is none.
        command: Command that started it; empty if unknown.
        runs: All its runs, by number.
        missing: What is missing from the record, in sentences.
    """

    name: str
    run_id: str
    command: str
    runs: list[RunRecord]
    missing: list[str]


def find_sweep(tracking: TrackingConfig, outputs: Path, wanted: str) -> SweepRecord:
    """Find a sweep and read its record.

    Args:
        tracking: Where runs are logged.
        outputs: Folder of the sweeps and the MLflow database.
        wanted: Name of the sweep, or name or MLflow id of its parent run.

    Raises:
        RunError: The sweep does not exist, and the message suggests the nearest name; or it cannot be read.
    """
    folder = SweepFolder(outputs, wanted) if has_ledger(outputs, wanted) else None
    if folder and not tracking.uri and not has_database(tracking, outputs):  # its ledger suffices for a report
        open_tracking(tracking, outputs)
    client = connect(tracking, outputs)
    experiment = find_experiment(client, tracking)
    parent = find_parent(client, str(folder.read_metadata().get("run_id", ""))) if folder else ""
    children = find_sweep_runs(client, experiment, parent or wanted)
    if folder is None:
        if not children:
            places = f"{outputs / 'sweeps'} or {redact(tracking_uri(tracking, outputs))}"
            runs = search_runs(client, experiment, "tags.sweep LIKE '%'")
            raise RunError(explain_absence(runs, outputs, wanted, places))
        name, parent = (str(children[0].data.tags[tag]) for tag in ("sweep", PARENT))
        folder = SweepFolder(outputs, name)
    if has_ledger(outputs, folder.name):
        return read_from_folder(folder, parent, children)
    return read_from_mlflow(folder, parent, children)


def find_parent(client: RetryingClient, run_id: str) -> str:
    """Return the id of a parent run if MLflow still has it, else an empty string."""
    with suppress(RunError):
        return str(client.get_run(run_id).info.run_id)
    return ""


def has_ledger(outputs: Path, name: str) -> bool:
    """Whether a sweep of this name has a folder with a ledger."""
    return Path(name).name == name and SweepFolder(outputs, name).ledger.path.is_file()


def explain_absence(runs: Sequence[Run], outputs: Path, wanted: str, places: str) -> str:
    """Return the error message for an unknown sweep.

    Args:
        runs: All MLflow runs that belong to sweeps.
        outputs: Folder of the sweeps.
        wanted: What was searched for.
        places: Where it was searched for.
    """
    for run in runs:
        if run.info.run_id == wanted and PARENT in run.data.tags:
            sweep = run.data.tags["sweep"]
            return f"sweep={wanted} is a single run of sweep {sweep}; use sweep={sweep} or run={wanted}."
    names = {run.data.tags["sweep"] for run in runs}
    if wanted in names:
        return f"sweep={wanted} has no runs yet; repeat the command that started it."
    names |= {path.parent.name for path in (outputs / "sweeps").glob("*/ledger.jsonl")}
    near = suggest_nearest(wanted, names, "there is no sweep yet: run one with -m")
    return f"sweep={wanted} was not found in {places}; {near}."


def read_from_folder(folder: SweepFolder, parent: str, children: Sequence[Run]) -> SweepRecord:
    """Read the record of a sweep from its folder.

    Args:
        folder: Folder of the sweep.
        parent: Id of its parent run in MLflow; may be empty.
        children: MLflow runs of its runs.
    """
    # A search may contain equal trials, of which only the first one is trained.
    known = [job for job in folder.ledger.jobs() if job.fingerprint]  # else its line in the ledger is damaged
    jobs = drop_duplicates(sorted(known, key=lambda job: job.status != FINISHED))
    logged = latest_by_fingerprint(children)
    runs = [
        record_job(
            replace(job, overrides=name_outputs(job.overrides, folder.outputs)),
            find_result(folder.run_folder(job.fingerprint)),
            logged.get(job.fingerprint),
        )
        for job in sorted(jobs, key=lambda job: job.number)
    ]
    missing = [warning] if (warning := folder.ledger.describe_damage()) else []
    if lost := sum(run.result is not None and not run.result.scenes for run in runs):
        missing.append(
            f"No result of {pluralize(lost, 'run')} in {folder.runs}: their scores come from MLflow, which has none "
            "for single scenes."
        )
    if not parent:
        missing.append("MLflow has no parent run for this sweep, so the report is not logged there.")
    if any(run.logged is None for run in runs):
        missing.append("Runs that are not in MLflow have no training curve.")
    return SweepRecord(folder.name, parent, read_command(folder), runs, missing)


def record_job(job: Job, result: RunResult | None, logged: Run | None) -> RunRecord:
    """Return the record of a run in the ledger, with its scores from MLflow if its result is lost."""
    if job.status == FINISHED and result is None and logged is not None and SCORES.default in logged.data.metrics:
        result = read_logged_result(logged)
    if job.status != FINISHED or result is None:
        return RunRecord(job.name, _STATUS[job.status], job.message, format_command(job.overrides), None, logged)
    command = format_command([*job.overrides, *assigned_threads(job, result)])
    return RunRecord(job.name, "", "", command, result, logged)


def assigned_threads(job: Job, result: RunResult) -> list[str]:
    """Return the override for the threads that the launcher assigned to a run, which affect its last bits."""
    threads = result.settings.get("training.threads")
    is_configured = any(override.startswith("training.threads=") for override in job.overrides)
    return [f"training.threads={threads}"] if threads and not is_configured else []


def read_from_mlflow(folder: SweepFolder, parent: str, children: Sequence[Run]) -> SweepRecord:
    """Read the record of a sweep whose folder is gone; arguments as in `read_from_folder`."""
    latest = latest_by_fingerprint(children).values()
    runs = [record_logged_run(run, folder.outputs) for run in sorted(latest, key=_job_number)]
    missing = f"{folder.path} does not exist: all scores come from MLflow, which has none for single scenes."
    return SweepRecord(folder.name, parent, "", runs, [missing])


def _job_number(run: Run) -> int:
    number = run.data.tags.get("job", "")
    return int(number) if re.fullmatch("[0-9]{1,9}", number) else 0


def record_logged_run(run: Run, outputs: Path) -> RunRecord:
    """Return the record of a run that is only in MLflow, and may be trained again in a folder of outputs."""
    result, error = read_logged_result(run), run.data.tags.get("error", "")
    command = format_command(name_outputs(to_overrides(result.settings), outputs))
    if run.info.status == "FINISHED" and "pruned" not in run.data.tags:
        return RunRecord(result.name, "", "", command, result, run)
    ends = {"FINISHED": PRUNED, "FAILED": FAILED}
    return RunRecord(result.name, _STATUS[ends.get(run.info.status, STARTED)], error, command, None, run)


def latest_by_fingerprint(children: Sequence[Run]) -> dict[str, Run]:
    """Return the latest MLflow run for each fingerprint: a retried run has several."""
    by_start = sorted(children, key=lambda run: run.info.start_time)
    return {run.data.tags.get("fingerprint", run.info.run_id): run for run in by_start}


def read_command(folder: SweepFolder) -> str:
    """Return the latest command of a sweep, as recorded by Hydra; empty if there is no valid record."""
    try:
        recorded = OmegaConf.select(load_settings(folder.path / "multirun.yaml"), "hydra.overrides")
        own = [text for text in recorded.hydra if not text.startswith("hydra.mode=")]
        task = name_outputs(recorded.task, folder.outputs)
        return shlex.join(["python", "-m", "gym.train", "-m", *own, *map(unquote_options, task)])
    except (OSError, ValueError, OmegaConfBaseException, AttributeError, TypeError):
        return ""

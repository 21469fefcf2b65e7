"""What is known of a sweep once it is over or cut off: its folder tells, and where that is gone, MLflow.

Of runs whose result is gone from the folder MLflow has the scores, but not the confusion matrices of their scenes.
"""

import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mlflow.entities import Run
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gym.config.overrides import show_options, to_overrides
from gym.config.schema import TrackingConfig
from gym.core.errors import RunError
from gym.core.text import pluralize, redact_uri
from gym.runs.mlflow_client import RetryingClient, open_tracking, tracking_uri
from gym.runs.mlflow_log import PARENT
from gym.runs.mlflow_lookup import find_sweep_runs, search_runs, suggest_nearest
from gym.runs.mlflow_read import read_logged_result
from gym.runs.result import RunResult, find_result
from gym.sweeps.ledger import FAILED, FINISHED, PRUNED, QUEUED, STARTED, Job, drop_duplicates
from gym.sweeps.plan import format_command
from gym.sweeps.sweep_folder import SweepFolder

_STANDINGS = {
    QUEUED: "not started",
    STARTED: "under way, or cut off",
    PRUNED: "given up by the search",
    FAILED: "failed",
    FINISHED: "finished, but its result is gone",
}


class RunRecord(NamedTuple):
    """A run of a sweep.

    Attributes:
        name: In words.
        standing: How it stands, in words; empty where it has a result.
        message: Why it failed; empty where it did not.
        command: Makes it by itself.
        result: What it came to; None where it did not come to an end, or that is gone.
        logged: Its MLflow run; None where there is none.
    """

    name: str
    standing: str
    message: str
    command: str
    result: RunResult | None
    logged: Run | None


class SweepRecord(NamedTuple):
    """A sweep.

    Attributes:
        name: Of the sweep.
        run_id: Of its parent run in MLflow; empty where there is none.
        command: Makes it; empty where that is not known.
        runs: All of its runs, by number.
        missing: What is gone, in sentences.
    """

    name: str
    run_id: str
    command: str
    runs: list[RunRecord]
    missing: list[str]

    @property
    def finished(self) -> list[RunRecord]:
        """The runs that have a result."""
        return [run for run in self.runs if run.result]


def find_sweep(config: TrackingConfig, outputs: Path, wanted: str) -> SweepRecord:
    """Find a sweep.

    Args:
        config: Where runs are logged.
        outputs: Folder of sweeps and of the database.
        wanted: Name of the sweep, or name or MLflow id of its parent run.

    Raises:
        RunError: There is none, the message names the nearest; or what is there cannot be read.
    """
    client, experiment = open_tracking(config, outputs)
    folder = SweepFolder(outputs, wanted) if has_ledger(outputs, wanted) else None
    parent = find_parent(client, str(folder.read_metadata().get("run_id", ""))) if folder else ""
    children = find_sweep_runs(client, experiment, parent or wanted)
    if folder is None:
        if not children:
            raise RunError(explain_absence(client, experiment, config, outputs, wanted))
        name, parent = (str(children[0].data.tags[tag]) for tag in ("sweep", PARENT))
        folder = SweepFolder(outputs, name)
    if has_ledger(outputs, folder.name):
        return record_folder(folder, parent, children)
    return record_children(folder, parent, children)


def find_parent(client: RetryingClient, run_id: str) -> str:
    """The id of a parent run, if it is still in MLflow; else empty."""
    with suppress(RunError):
        return str(client.get_run(run_id).info.run_id)
    return ""


def has_ledger(outputs: Path, name: str) -> bool:
    """Whether there is the folder of a sweep of this name."""
    return Path(name).name == name and SweepFolder(outputs, name).ledger.path.is_file()


def explain_absence(client: RetryingClient, experiment: str, config: TrackingConfig, outputs: Path, wanted: str) -> str:
    """Say that there is no such sweep, and what there is."""
    runs = search_runs(client, experiment, "tags.sweep LIKE '%'")
    for run in runs:
        if run.info.run_id == wanted and PARENT in run.data.tags:
            sweep = run.data.tags["sweep"]
            return f"sweep={wanted} is one run of sweep {sweep}; give sweep={sweep}, or run={wanted}."
    names = {run.data.tags["sweep"] for run in runs}
    if wanted in names:
        return f"sweep={wanted} has no run yet; run its command again."
    names |= {path.parent.name for path in (outputs / "sweeps").glob("*/ledger.jsonl")}
    places = f"{outputs / 'sweeps'} or {redact_uri(tracking_uri(config, outputs))}"
    return f"sweep={wanted} is no sweep in {places}; {suggest_nearest(wanted, names, 'sweep yet: run one with -m')}."


def record_folder(folder: SweepFolder, parent: str, children: Sequence[Run]) -> SweepRecord:
    """What the folder of a sweep tells, with the MLflow runs of its runs."""
    jobs = folder.ledger.jobs()
    distinct = drop_duplicates(sorted(jobs, key=lambda job: job.status != FINISHED))  # a search may try one twice
    logged = last_of_each(children)
    runs = [
        record_job(job, find_result(folder.run_folder(job.fingerprint)), logged.get(job.fingerprint))
        for job in sorted(distinct, key=lambda job: job.number)
    ]
    lost = sum(run.result is not None and not run.result.scenes for run in runs)
    notes = {
        f"The results of {pluralize(lost, 'run')} are gone from {folder.runs}: their scores are those in MLflow, "
        "without what they came to on each scene.": lost,
        "The sweep has no parent run in MLflow, where the report could be logged.": not parent,
        "Runs without a record in MLflow have no learning curve here.": any(run.logged is None for run in runs),
    }
    return SweepRecord(
        folder.name, parent, sweep_command(folder), runs, [note for note, holds in notes.items() if holds]
    )


def record_job(job: Job, result: RunResult | None, logged: Run | None) -> RunRecord:
    """A run as the ledger has it."""
    if job.status != FINISHED:
        return RunRecord(job.name, _STANDINGS[job.status], job.message, format_command(job.overrides), None, logged)
    if result is None and logged is not None and "iou" in logged.data.metrics:
        result = read_logged_result(logged)
    if result is None:
        return RunRecord(job.name, _STANDINGS[FINISHED], "", format_command(job.overrides), None, logged)
    return RunRecord(job.name, "", "", format_command([*job.overrides, *given_threads(job, result)]), result, logged)


def given_threads(job: Job, result: RunResult) -> list[str]:
    """The threads that a launcher gave a run beside others, without which it is not the same to the last bit."""
    threads = result.settings.get("training.threads")
    is_own = any(override.startswith("training.threads=") for override in job.overrides)
    return [f"training.threads={threads}"] if threads and not is_own else []


def record_children(folder: SweepFolder, parent: str, children: Sequence[Run]) -> SweepRecord:
    """What MLflow tells of a sweep whose folder is gone."""
    logged = last_of_each(children).values()
    runs = [record_child(run) for run in sorted(logged, key=lambda run: int(run.data.tags.get("job", 0)))]
    note = f"{folder.path} is gone: scores are those in MLflow, without what each run came to on each scene."
    return SweepRecord(folder.name, parent, "", runs, [note])


def record_child(run: Run) -> RunRecord:
    """A run as MLflow has it."""
    result = read_logged_result(run)
    command, error = format_command(to_overrides(result.settings)), run.data.tags.get("error", "")
    if run.info.status == "FINISHED" and "pruned" not in run.data.tags:
        return RunRecord(result.name, "", "", command, result, run)
    ends = {"FINISHED": PRUNED, "FAILED": FAILED}
    standing = _STANDINGS[ends.get(run.info.status, STARTED)]
    return RunRecord(result.name, standing, error, command, None, run)


def last_of_each(children: Sequence[Run]) -> dict[str, Run]:
    """The last MLflow run of each run of a sweep, by fingerprint: one that failed and was tried again has several."""
    by_start = sorted(children, key=lambda run: run.info.start_time)
    return {run.data.tags.get("fingerprint", run.info.run_id): run for run in by_start}


def sweep_command(folder: SweepFolder) -> str:
    """The command of a sweep, as Hydra recorded it last; empty where it did not."""
    try:
        recorded = OmegaConf.select(OmegaConf.load(folder.path / "multirun.yaml"), "hydra.overrides")
        own = [text for text in recorded.hydra if not text.startswith("hydra.mode=")]
        return shlex.join(["python", "-m", "gym.train", "-m", *own, *map(show_options, recorded.task)])
    except (OSError, YAMLError, OmegaConfBaseException, AttributeError, TypeError):
        return ""

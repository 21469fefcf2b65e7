"""Write up a sweep or a run: find all that is known of it, write its report, and log that to MLflow."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mlflow.entities import Run
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gym.config import ReportConfig, TrackingConfig
from gym.console import plain_console
from gym.errors import GymError, RunError
from gym.exhibits import FinishedRun, Tell, exhibit, sites_of
from gym.files import naming_disk_errors
from gym.finished_runs import look_up
from gym.logged_runs import logged_metrics, logged_result
from gym.reporting.environment import environment_rows
from gym.reporting.examples import Examples
from gym.reporting.run_curves import RunCurve
from gym.reporting.run_report import RunFacts, write_run_report
from gym.reporting.sweep_report import SweepFacts, Unfinished, write_sweep_report
from gym.result import RunResult, find_result
from gym.run_store import find_store
from gym.settings import read_settings, to_overrides
from gym.sweeps.folder import SweepFolder
from gym.sweeps.plan import command_of
from gym.sweeps.records import SweepRecord, find_sweep
from gym.tracking import PARENT, open_run_log
from gym.tracking_client import PatientClient, open_tracking
from gym.training.history import LOGGED, Epoch, logged_epochs

PLACE = "report"  # among the artifacts of a run
_STEPS = 6  # beside one for each run: loading and segmenting of two models, drawing, logging


def write_up(config: ReportConfig) -> Path:
    """Write the report on a sweep or on a run, and log it there.

    Returns:
        The page.

    Raises:
        RunError: There is no such sweep or run, or MLflow cannot be used.
        DataError: The report cannot be written.
    """
    return write_up_sweep(config) if config.sweep else write_up_run(config)


def write_up_sweep(config: ReportConfig) -> Path:
    """Write the report on a sweep; errors as those of `write_up`."""
    outputs = Path(config.outputs)
    record = find_sweep(config.tracking, outputs, config.sweep)
    folder = ready_folder(config, record.name)
    with steps(len(record.runs) + _STEPS) as tell:
        facts = gather_sweep(config, record, tell)
        tell("drawing")
        with naming_disk_errors(folder, "give another folder with output=."):
            files = write_sweep_report(folder, facts)
    say([f"{len(facts.results)} of {len(record.runs)} runs have a result", *facts.notes], facts.examples, files[0])
    return deliver(config, record.run_id, files)


def gather_sweep(config: ReportConfig, record: SweepRecord, tell: Tell) -> SweepFacts:
    """All that is known of a sweep."""
    outputs = Path(config.outputs)
    client, _ = open_tracking(config.tracking, outputs)
    finished = [FinishedRun(run.result, run.logged) for run in record.runs if run.result and run.logged]
    curves = [curve_of(client, run.logged, bool(run.result), tell) for run in record.runs if run.logged]
    return SweepFacts(
        name=record.name,
        command=record.command,
        results=[run.result for run in record.runs if run.result],
        commands=[run.command for run in record.runs if run.result],
        unfinished=[
            Unfinished(run.name, run.standing, run.message, run.command) for run in record.runs if not run.result
        ],
        curves=curves,
        environment=environment_rows([run.logged.data.tags for run in finished]),
        sites=find_sites(outputs, finished),
        examples=find_examples(config.tracking, outputs, finished, tell),
        notes=record.missing,
    )


def curve_of(client: PatientClient, run: Run, is_finished: bool, tell: Tell) -> RunCurve:
    """The learning curve of a run; one that was cut off before its settings were logged has no epochs either."""
    tell(f"reading {run.info.run_name}")
    settings = read_settings(run.data.params)
    return RunCurve(
        model=settings.get("model.name", ""),
        loss=settings.get("loss.name", ""),
        filters=settings.get("model.filters", 0),
        epochs=read_epochs(client, run),
        is_finished=is_finished,
    )


def read_epochs(client: PatientClient, run: Run) -> list[Epoch]:
    """The epochs of a run, as far as they were logged."""
    return logged_epochs(logged_metrics(client, run.info.run_id, LOGGED.values()))


def write_up_run(config: ReportConfig) -> Path:
    """Write the report on a run; errors as those of `write_up`."""
    run = look_up(config.tracking, Path(config.outputs), config.run)
    tags, info = run.data.tags, run.info
    if "sweep" in tags and PARENT not in tags:
        raise RunError(f"run={config.run} is a sweep; give sweep={tags['sweep']}.")
    folder = ready_folder(config, f"{re.sub(r'[^A-Za-z0-9.-]+', '_', info.run_name)}-{info.run_id[:8]}")
    with steps(_STEPS) as tell:
        facts = gather_run(config, run, tell)
        tell("drawing")
        with naming_disk_errors(folder, "give another folder with output=."):
            files = write_run_report(folder, facts)
    say(facts.notes, facts.examples, files[0])
    return deliver(config, info.run_id, files)


def gather_run(config: ReportConfig, run: Run, tell: Tell) -> RunFacts:
    """All that is known of a run."""
    outputs, tags = Path(config.outputs), run.data.tags
    client, _ = open_tracking(config.tracking, outputs)
    result = find_own(outputs, run)
    finished = [FinishedRun(result, run)] if result else []
    tell(f"reading {run.info.run_name}")
    about = {"MLflow run": run.info.run_id, "status": run.info.status, "sweep": tags.get("sweep", "")}
    return RunFacts(
        name=run.info.run_name,
        about=[(name, value) for name, value in about.items() if value],
        result=result,
        epochs=read_epochs(client, run),
        command=command_of(to_overrides(result.settings if result else read_settings(run.data.params))),
        environment=environment_rows([tags]),
        sites=find_sites(outputs, finished),
        examples=find_examples(config.tracking, outputs, finished, tell),
        notes=run_notes(run, result),
    )


def run_notes(run: Run, result: RunResult | None) -> list[str]:
    """What is not as it should be with a run, in sentences."""
    if result is None:
        reason = run.data.tags.get("error", "it did not come to its end").rstrip(".")
        return [f"The run is {run.info.status}: {reason}."]
    return [] if result.scenes else ["What the run came to on each scene is gone; its scores are those in MLflow."]


def find_own(outputs: Path, run: Run) -> RunResult | None:
    """What a run came to, from its folder or else from MLflow; None where it did not come to its end."""
    fingerprint, sweep = (run.data.tags.get(tag, "") for tag in ("fingerprint", "sweep"))
    places = [outputs / "runs" / fingerprint[:16], *([SweepFolder(outputs, sweep).run(fingerprint)] if sweep else [])]
    for result in map(find_result, places):
        if result and result.run_id == run.info.run_id:
            return result
    return logged_result(run) if run.info.status == "FINISHED" and "iou" in run.data.metrics else None


def find_sites(outputs: Path, finished: Sequence[FinishedRun]) -> dict[str, str]:
    """The site of each validation image of all runs; those of data that are gone are left out."""
    sites: dict[str, str] = {}
    by_data = {run.logged.data.tags.get("data_fingerprint"): run for run in finished}
    for run in by_data.values():
        with suppress(GymError):
            store = find_store(outputs, run.logged)
            of_data = [
                one for one in finished if one.logged.data.tags.get("data_fingerprint") == store.manifest.fingerprint
            ]
            sites |= sites_of(store, [image for one in of_data for image in one.result.images])
    return sites


def find_examples(config: TrackingConfig, outputs: Path, finished: Sequence[FinishedRun], tell: Tell) -> Examples | str:
    """What Figure 3 shows, or why there is nothing to show."""
    try:
        return exhibit(config, outputs, finished, tell)
    except GymError as error:
        return f"Figure 3 is left out: {error}"


def ready_folder(config: ReportConfig, name: str) -> Path:
    """The folder of a report, made where it is missing, before the work whose results it is to take."""
    folder = Path(config.output) if config.output else Path(config.outputs) / "reports" / name
    with naming_disk_errors(folder, "give another folder with output=."):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def steps(total: int) -> Iterator[Tell]:
    """Show for a block what is being done, how much of it is, and the time left; gives what is told of each step."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = plain_console()
    with Progress(*columns, transient=True, console=console, disable=not console.is_terminal) as progress:
        task, begun = progress.add_task("", total=total), iter(range(total))

        def tell(words: str) -> None:
            progress.update(task, description=words, completed=next(begun, total))

        yield tell


def say(lines: Sequence[str], examples: Examples | str, page: Path) -> None:
    """Print what is to be known of a report, and where it is."""
    console = plain_console()
    for line in [*lines, *([examples] if isinstance(examples, str) else []), f"report  {page}"]:
        console.print(line)


def deliver(config: ReportConfig, run_id: str, files: Sequence[Path]) -> Path:
    """Log a report to a run, where there is one; gives the page."""
    if run_id:
        open_run_log(config.tracking, Path(config.outputs), run_id).log_files(files, PLACE)
        plain_console().print(f"logged to run {run_id}, under {PLACE}/")
    return files[0]

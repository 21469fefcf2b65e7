"""Write the report on a sweep or a run, and log it to MLflow.

Importing MLflow takes seconds, so only modules that look up runs import this one.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gym.app.report_examples import FinishedRun, find_examples, find_sites
from gym.app.selection import describe_for_card, find_run_result, find_selection
from gym.config.overrides import parse_settings, to_overrides
from gym.config.plugins import plugins_in_tags, require_plugins
from gym.config.schema import ReportConfig
from gym.core.errors import RunError
from gym.core.escape import escape_text
from gym.core.files import translate_disk_errors
from gym.core.text import plain_console
from gym.reporting.figure3_data import Examples
from gym.reporting.page_tables import provenance_rows
from gym.reporting.run_page import RunReport, write_run_report
from gym.reporting.sweep_page import SweepReport, UnfinishedRun, write_sweep_report
from gym.reporting.training_curves import RunCurve
from gym.runs.mlflow_client import RetryingClient, connect
from gym.runs.mlflow_log import PARENT, open_run_log
from gym.runs.mlflow_lookup import find_model_run
from gym.runs.mlflow_read import Run, read_metrics
from gym.runs.result import RunResult
from gym.sweeps.plan import format_command, name_outputs
from gym.sweeps.records import SweepRecord, find_sweep
from gym.training.checkpoint import MLFLOW_NAMES, Epoch, epochs_from_metrics

ShowStep = Callable[[str], None]  # names the step that is about to start

_ARTIFACTS = "report"  # folder among the artifacts of a run
_STEPS = 6  # in addition to one per run: loading and segmenting of two models, drawing, logging


def create_report(config: ReportConfig) -> Path:
    """Write the report on a sweep or a run, and log it to MLflow.

    Returns:
        The page.

    Raises:
        RunError: There is no such sweep or run, or MLflow cannot be used.
        DataError: The report cannot be written.
    """
    return _report_on_sweep(config) if config.sweep else _report_on_run(config)


def _report_on_sweep(config: ReportConfig) -> Path:
    record = find_sweep(config.tracking, Path(config.outputs), config.sweep)
    _check_plugins(f"sweep={config.sweep}", [run.logged for run in record.runs if run.logged])
    folder = _create_folder(config, record.name)
    with _progress(len(record.runs) + _STEPS) as show_step:
        contents = _collect_sweep(config, record, show_step)
        show_step("drawing")
        with translate_disk_errors(folder, "choose another folder with output=..."):
            files = write_sweep_report(folder, contents)
    lines = [f"{len(contents.results)} of {len(record.runs)} runs have a result", *contents.notes]
    return _print_and_log(config, record.run_id, files, lines, contents.examples)


def _check_plugins(owner: str, runs: Sequence[Run]) -> None:
    require_plugins({name: digest for run in runs for name, digest in plugins_in_tags(run.data.tags).items()}, owner)


def _collect_sweep(config: ReportConfig, record: SweepRecord, show_step: ShowStep) -> SweepReport:
    outputs = Path(config.outputs)
    client = connect(config.tracking, outputs)
    finished = [FinishedRun(run.result, run.logged) for run in record.runs if run.result and run.logged]
    curves = [read_curve(client, run.logged, bool(run.result), show_step) for run in record.runs if run.logged]
    return SweepReport(
        name=record.name,
        command=record.command,
        results=[run.result for run in record.runs if run.result],
        commands=[run.command for run in record.runs if run.result],
        unfinished=[
            UnfinishedRun(run.name, run.status, run.message, run.command) for run in record.runs if not run.result
        ],
        curves=curves,
        environment=provenance_rows([run.logged.data.tags for run in finished]),
        sites=find_sites(outputs, finished),
        examples=find_examples(config.tracking, outputs, finished, show_step),
        notes=record.missing,
    )


def read_curve(client: RetryingClient, run: Run, is_finished: bool, show_step: ShowStep) -> RunCurve:
    """Read the training curve of a run. A run that was interrupted before its settings were logged has no epochs."""
    show_step(f"reading {run.info.run_name}")
    settings = parse_settings(run.data.params)
    return RunCurve(
        model=settings.get("model.name", ""),
        loss=settings.get("loss.name", ""),
        filters=settings.get("model.filters", 0),
        epochs=_read_epochs(client, run),
        is_finished=is_finished,
    )


def _read_epochs(client: RetryingClient, run: Run) -> list[Epoch]:
    return epochs_from_metrics(read_metrics(client, run.info.run_id, MLFLOW_NAMES.values()))


def _report_on_run(config: ReportConfig) -> Path:
    run = find_model_run(config.tracking, Path(config.outputs), config.run)
    tags, info = run.data.tags, run.info
    if "sweep" in tags and PARENT not in tags:
        raise RunError(f"run={config.run} is a sweep; use sweep={tags['sweep']}.")
    _check_plugins(f"run={config.run}", [run])
    folder = _create_folder(config, f"{re.sub(r'[^A-Za-z0-9.-]+', '_', info.run_name)}-{info.run_id[:8]}")
    with _progress(_STEPS) as show_step:
        contents = _collect_run(config, run, show_step)
        show_step("drawing")
        with translate_disk_errors(folder, "choose another folder with output=..."):
            files = write_run_report(folder, contents)
    return _print_and_log(config, info.run_id, files, contents.notes, contents.examples)


def _collect_run(config: ReportConfig, run: Run, show_step: ShowStep) -> RunReport:
    outputs, tags = Path(config.outputs), run.data.tags
    client = connect(config.tracking, outputs)
    result, selection = find_run_result(outputs, run), find_selection(config.tracking, outputs, config.run)
    finished = [FinishedRun(result, run)] if result else []
    overrides = to_overrides(result.settings if result else parse_settings(run.data.params))
    show_step(f"reading {run.info.run_name}")
    about = {"MLflow run": run.info.run_id, "status": run.info.status, "sweep": tags.get("sweep", "")}
    return RunReport(
        name=run.info.run_name,
        about=[(name, value) for name, value in about.items() if value],
        result=result,
        epochs=_read_epochs(client, run),
        command=format_command(name_outputs(overrides, outputs)),
        environment=provenance_rows([tags]),
        sites=find_sites(outputs, finished),
        examples=find_examples(config.tracking, outputs, finished, show_step),
        notes=[*_list_notes(run, result), *([describe_for_card(selection)] if selection else [])],
    )


def _list_notes(run: Run, result: RunResult | None) -> list[str]:
    if result is None:
        reason = run.data.tags.get("error", "it did not finish").rstrip(".")
        return [f"The run is {run.info.status}: {reason}."]
    return [] if result.scenes else ["The results of each scene are missing; the scores are those in MLflow."]


def _create_folder(config: ReportConfig, name: str) -> Path:
    # Before the work: a folder that cannot be created should not cost minutes.
    folder = Path(config.output) if config.output else Path(config.outputs) / "reports" / name
    with translate_disk_errors(folder, "choose another folder with output=..."):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _progress(total: int) -> Iterator[ShowStep]:
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = plain_console()
    with Progress(*columns, transient=True, console=console, disable=not console.is_terminal) as progress:
        task, completed = progress.add_task("", total=total), iter(range(total))

        def show_step(description: str) -> None:
            progress.update(task, description=escape_text(description), completed=next(completed, total))

        yield show_step


def _print_and_log(
    config: ReportConfig, run_id: str, files: Sequence[Path], lines: Sequence[str], examples: Examples | str
) -> Path:
    console = plain_console()
    for line in [*lines, *([examples] if isinstance(examples, str) else []), f"report  {files[0]}"]:
        console.print(line)
    if run_id:
        open_run_log(config.tracking, Path(config.outputs), run_id).log_files(files, _ARTIFACTS)
        console.print(f"logged to run {run_id}, under {_ARTIFACTS}/")
    return files[0]

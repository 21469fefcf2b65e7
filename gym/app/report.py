"""Write up a sweep or a run: find all that is known of it, write its report, and log that to MLflow.

Find what a report shows of the data: sites, and examples of outputs.

MLflow takes seconds to import: this module is imported only by what looks up a run.
"""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gym.config.overrides import parse_settings, to_overrides
from gym.config.plugins import plugins_in_tags, require_plugins
from gym.config.registries import ARCHITECTURES, SCORES
from gym.config.schema import AugmentConfig, ReportConfig, TrackingConfig, TrainingConfig
from gym.core.errors import DataError, GymError, RunError
from gym.core.files import translate_disk_errors
from gym.core.text import plain_console
from gym.data.dataset import Dataset
from gym.data.samples import find_samples, pair_positions
from gym.reporting.figure3_data import (
    ChosenImage,
    Examples,
    add_outputs,
    choose_images,
    choose_models,
    read_examples,
)
from gym.reporting.page_tables import provenance_rows
from gym.reporting.run_page import RunReport, write_run_report
from gym.reporting.run_table import run_labels, score_of
from gym.reporting.sweep_page import SweepReport, UnfinishedRun, write_sweep_report
from gym.reporting.training_curves import RunCurve
from gym.runs.mlflow_client import RetryingClient, open_tracking
from gym.runs.mlflow_log import PARENT, open_run_log
from gym.runs.mlflow_lookup import MODEL, fetch_model_files, find_model_run
from gym.runs.mlflow_read import Run, find_run_dataset, read_logged_result, read_metrics
from gym.runs.model_files import load_model
from gym.runs.result import RunResult, find_result
from gym.sweeps.plan import format_command
from gym.sweeps.records import SweepRecord, find_sweep
from gym.sweeps.sweep_folder import SweepFolder
from gym.training.checkpoint import MLFLOW_NAMES, Epoch, epochs_from_metrics
from gym.training.runtime import prepare_tensorflow

Tell = Callable[[str], None]  # what is about to be done, in a few words


class FinishedRun(NamedTuple):
    """What a run came to, and its record in MLflow."""

    result: RunResult
    logged: Run


class Shown(NamedTuple):
    """The runs that are shown, and the images that all of them were validated on."""

    runs: list[FinishedRun]
    images: list[ChosenImage]


def sites_of(dataset: Dataset, images: Sequence[str]) -> dict[str, str]:
    """The site of each validation image that the dataset has, by name."""
    samples = find_samples(dataset, images)
    positions = pair_positions(list(samples.values()), len(dataset))
    return {name: dataset.manifest.pairs[place].site for name, place in zip(samples, positions, strict=True)}


def choose_shown(finished: Sequence[FinishedRun]) -> Shown:
    """The two models that Figure 3 shows, or the better of them where they have no data or no images in common.

    Raises:
        DataError: There is nothing to choose from.
    """
    by_result = {id(run.result): run for run in finished}
    chosen = [by_result[id(result)] for result in choose_models([run.result for run in finished])]
    if not chosen:
        raise DataError(f"no run with a model has a {SCORES.get(SCORES.default).title}.")
    is_one_dataset = len({run.logged.data.tags.get("data_fingerprint") for run in chosen}) == 1
    images = choose_images([run.result for run in chosen]) if is_one_dataset else []
    if not images:
        chosen = [max(chosen, key=lambda run: score_of(run.result, SCORES.default) or 0.0)]
        images = choose_images([chosen[0].result])
    if not images:
        raise DataError("what the runs came to on each scene is gone.")
    return Shown(chosen, images)


def augmentation_of(settings: Mapping[str, Any]) -> AugmentConfig:
    """How the training pairs of a run were changed; what this version does not know is left out."""
    known = {f"augment.{key.name}": key.name for key in fields(AugmentConfig)}
    return AugmentConfig(**{known[key]: value for key, value in settings.items() if key in known})


def word_model(run: RunResult) -> tuple[str, str]:
    """What a model is, as a panel has room for: architecture, loss and filters, and its size."""
    model, loss, filters = (run.settings[key] for key in ("model.name", "loss.name", "model.filters"))
    size = score_of(run, "parameters")
    return f"{ARCHITECTURES.get(model).title} {loss} f{filters}", "" if size is None else f"{size:,} parameters"


def exhibit(config: TrackingConfig, outputs: Path, finished: Sequence[FinishedRun], tell: Tell) -> Examples:
    """Segment the images that Figure 3 shows.

    Args:
        config: Where the runs are logged.
        outputs: Folder of stores and of the database.
        finished: The runs to choose from.
        tell: Is told of each step that takes seconds.

    Raises:
        DataError: The data are gone, or what the runs came to on each scene.
        RunError: A model is gone or damaged.
    """
    runs, images = choose_shown(finished)
    dataset, settings = find_run_dataset(outputs, runs[0].logged), runs[0].result.settings
    prepare_tensorflow(TrainingConfig())
    examples = read_examples(dataset, images, augmentation_of(settings), settings["seed"])
    labels = run_labels([run.result for run in runs])
    for run, label in zip(runs, labels, strict=True):
        tell(f"loading {label}")
        with tempfile.TemporaryDirectory() as place:
            network = load_model(fetch_model_files(config, outputs, run.logged, Path(place)) / MODEL).network
        tell(f"segmenting with {label}")
        examples = add_outputs(examples, network)
    return Examples(
        images=examples,
        models=[word_model(run.result) for run in runs],
        labels=labels,
        rules=[image.rule for image in images],
        bands=dataset.bands,
        classes=dataset.manifest.classes,
    )


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
    check_plugins(f"sweep={config.sweep}", [run.logged for run in record.runs if run.logged])
    folder = ready_folder(config, record.name)
    with steps(len(record.runs) + _STEPS) as tell:
        facts = gather_sweep(config, record, tell)
        tell("drawing")
        with translate_disk_errors(folder, "give another folder with output=."):
            files = write_sweep_report(folder, facts)
    say([f"{len(facts.results)} of {len(record.runs)} runs have a result", *facts.notes], facts.examples, files[0])
    return deliver(config, record.run_id, files)


def check_plugins(owner: str, runs: Sequence[Run]) -> None:
    """Raise `RunError` if a plugin of the runs is not loaded."""
    require_plugins({name: digest for run in runs for name, digest in plugins_in_tags(run.data.tags).items()}, owner)


def gather_sweep(config: ReportConfig, record: SweepRecord, tell: Tell) -> SweepReport:
    """All that is known of a sweep."""
    outputs = Path(config.outputs)
    client, _ = open_tracking(config.tracking, outputs)
    finished = [FinishedRun(run.result, run.logged) for run in record.runs if run.result and run.logged]
    curves = [curve_of(client, run.logged, bool(run.result), tell) for run in record.runs if run.logged]
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
        examples=find_examples(config.tracking, outputs, finished, tell),
        notes=record.missing,
    )


def curve_of(client: RetryingClient, run: Run, is_finished: bool, tell: Tell) -> RunCurve:
    """The learning curve of a run; one that was cut off before its settings were logged has no epochs either."""
    tell(f"reading {run.info.run_name}")
    settings = parse_settings(run.data.params)
    return RunCurve(
        model=settings.get("model.name", ""),
        loss=settings.get("loss.name", ""),
        filters=settings.get("model.filters", 0),
        epochs=read_epochs(client, run),
        is_finished=is_finished,
    )


def read_epochs(client: RetryingClient, run: Run) -> list[Epoch]:
    """The epochs of a run, as far as they were logged."""
    return epochs_from_metrics(read_metrics(client, run.info.run_id, MLFLOW_NAMES.values()))


def write_up_run(config: ReportConfig) -> Path:
    """Write the report on a run; errors as those of `write_up`."""
    run = find_model_run(config.tracking, Path(config.outputs), config.run)
    tags, info = run.data.tags, run.info
    if "sweep" in tags and PARENT not in tags:
        raise RunError(f"run={config.run} is a sweep; give sweep={tags['sweep']}.")
    check_plugins(f"run={config.run}", [run])
    folder = ready_folder(config, f"{re.sub(r'[^A-Za-z0-9.-]+', '_', info.run_name)}-{info.run_id[:8]}")
    with steps(_STEPS) as tell:
        facts = gather_run(config, run, tell)
        tell("drawing")
        with translate_disk_errors(folder, "give another folder with output=."):
            files = write_run_report(folder, facts)
    say(facts.notes, facts.examples, files[0])
    return deliver(config, info.run_id, files)


def gather_run(config: ReportConfig, run: Run, tell: Tell) -> RunReport:
    """All that is known of a run."""
    outputs, tags = Path(config.outputs), run.data.tags
    client, _ = open_tracking(config.tracking, outputs)
    result = find_own(outputs, run)
    finished = [FinishedRun(result, run)] if result else []
    tell(f"reading {run.info.run_name}")
    about = {"MLflow run": run.info.run_id, "status": run.info.status, "sweep": tags.get("sweep", "")}
    return RunReport(
        name=run.info.run_name,
        about=[(name, value) for name, value in about.items() if value],
        result=result,
        epochs=read_epochs(client, run),
        command=format_command(to_overrides(result.settings if result else parse_settings(run.data.params))),
        environment=provenance_rows([tags]),
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
    places = [
        outputs / "runs" / fingerprint[:16],
        *([SweepFolder(outputs, sweep).run_folder(fingerprint)] if sweep else []),
    ]
    for result in map(find_result, places):
        if result and result.run_id == run.info.run_id:
            return result
    return read_logged_result(run) if run.info.status == "FINISHED" and SCORES.default in run.data.metrics else None


def find_sites(outputs: Path, finished: Sequence[FinishedRun]) -> dict[str, str]:
    """The site of each validation image of all runs; those of data that are gone are left out."""
    sites: dict[str, str] = {}
    by_data = {run.logged.data.tags.get("data_fingerprint"): run for run in finished}
    for run in by_data.values():
        with suppress(GymError):
            dataset = find_run_dataset(outputs, run.logged)
            of_data = [
                one for one in finished if one.logged.data.tags.get("data_fingerprint") == dataset.manifest.fingerprint
            ]
            sites |= sites_of(dataset, [image for one in of_data for image in one.result.images])
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
    with translate_disk_errors(folder, "give another folder with output=."):
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

"""Publish a trained model: as a model archive, and as a version of a registered model in MLflow.

NAME.zip
    model/               network and description, as `gym.runs.model_files` reads them
    run.json             id, provenance and scores of the run
    config.yaml          its configuration
    split.json           names of the training, validation and test pairs
    card.md, card.html   the model card; the page shows imagery unless samples=0
    card.json            contents of the card
    classes.json         class names and colours by label value
    samples/             a few validation pairs, as `gym.data.sample_pairs` writes them
    SHA256SUMS           hashes of all other files

Files that the run does not have are left out and listed.
"""

import math
import re
import shlex
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from rasterio.errors import RasterioError

from gym.app.selection import describe_for_card, record_in_card
from gym.config.plugins import TAG, format_plugins
from gym.config.schema import PublishConfig, TrainingConfig
from gym.core.errors import DataError, RunError
from gym.core.files import translate_disk_errors, write_json, write_text
from gym.core.temporary import temporary_folder
from gym.core.text import plain_console
from gym.data.class_colours import colour_codes
from gym.data.sample_pairs import write_sample_pairs
from gym.reporting.card.contents import CONTENTS
from gym.reporting.card.write import CARD, describe_pictures, read_card, write_card
from gym.runs.mlflow_client import connect, find_experiment
from gym.runs.mlflow_lookup import DESCRIPTIONS, MODEL
from gym.runs.mlflow_read import find_run_dataset
from gym.runs.mlflow_registry import RegisteredVersion, check_compatible, register_model, registry_name
from gym.runs.model_archive import RUN_FILE, write_zip
from gym.runs.model_files import ModelDescription, load_model
from gym.runs.model_source import ModelSource, open_model_source
from gym.runs.selection import Selection
from gym.training.runtime import prepare_tensorflow

_PROVENANCE = ("fingerprint", "data", "data_fingerprint", "split", "precision", "weights_sha256", "git_commit")


class PublishedModel(NamedTuple):
    """A model archive with its SHA-256, and its version in MLflow's model registry."""

    path: Path
    sha256: str
    version: RegisteredVersion


def publish(config: PublishConfig) -> PublishedModel:
    """Write the model of a run as a model archive, and register it.

    Publishing a run again gives the same version, and the same archive unless an evaluation has added to its card and
    scores. The card of a run that is published as the best of a sweep says so from then on.

    Raises:
        DataError: The archive cannot be written.
        RunError: There is no such run, its model cannot be read, the registered model has other classes or bands, or
            MLflow cannot be used.
    """
    prepare_tensorflow(TrainingConfig())
    outputs = Path(config.outputs)
    selection = record_in_card(config.tracking, outputs, config.run)
    with open_model_source(config.tracking, outputs, config.run) as source:
        description = load_model(source.folder / MODEL).description
        name, client = registry_name(config.tracking, config.name), connect(config.tracking, outputs)
        find_experiment(client, config.tracking)  # its name is the default of the model's
        check_compatible(client, name, description)
        path = Path(config.output) if config.output else outputs / "published" / f"{_archive_name(source)}.zip"
        disk = translate_disk_errors(f"output={path}", "choose another path with output=...", (OSError, RasterioError))
        with disk, temporary_folder() as scratch:
            left_out = _collect_files(source, description, scratch, outputs, config.samples)
            digest = write_zip(scratch, path)
        remark = f"highest among {selection.candidates}" if selection else ""
        version = register_model(client, name, config.alias, source.run, description, digest, remark)
    published = PublishedModel(path, digest, version)
    _print_summary(source, published, left_out, selection)
    return published


def _archive_name(source: ModelSource) -> str:
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '_', source.name)}-{str(source.run_id)[:8]}"


def _collect_files(
    source: ModelSource, description: ModelDescription, folder: Path, outputs: Path, samples: int
) -> list[str]:
    """Write the files of the archive to ``folder``; return what is left out, with the reasons."""
    shutil.copytree(source.folder / MODEL, folder / MODEL)
    present = [name for name in DESCRIPTIONS if (source.folder / name).is_file()]
    for name in present:
        shutil.copyfile(source.folder / name, folder / name)
    write_json(folder / RUN_FILE, _describe_run(source.run))
    write_json(folder / "classes.json", _describe_classes(description.classes))
    left_out = [f"{name}: the run has none" for name in DESCRIPTIONS if name not in present]
    if not samples:
        left_out += _remove_pictures(source, folder)
    if (folder / CARD).is_file():
        write_text(folder / CARD, describe_pictures((folder / CARD).read_text(encoding="utf-8", errors="replace")))
    obstacle = _add_samples(source, folder / "samples", outputs, samples) if samples else "samples=0"
    return left_out + ([f"samples: {obstacle}"] if obstacle else [])


def _remove_pictures(source: ModelSource, folder: Path) -> list[str]:
    """Write the card again without pictures. If its contents cannot be read, leave its page out and say why."""
    try:
        write_card(folder, read_card(source.folder / CONTENTS))
    except RunError as error:
        page = folder / "card.html"
        if page.is_file():
            page.unlink()
            return [f"{page.name}: it shows imagery, and {error}"]
    return []


def _describe_run(run: Any) -> dict[str, Any]:
    versions = {name for name in run.data.tags if name.startswith(("version.", TAG))}
    return {
        "run_id": run.info.run_id,
        "name": run.info.run_name,
        "tags": {name: run.data.tags[name] for name in sorted({*_PROVENANCE, *versions} & run.data.tags.keys())},
        "scores": {name: score for name, score in run.data.metrics.items() if math.isfinite(score)},  # JSON has no NaN
    }


def _describe_classes(names: list[str]) -> list[dict[str, Any]]:
    return [
        {"value": value, "name": name, "colour": code}
        for value, (name, code) in enumerate(zip(names, colour_codes(names), strict=True))
    ]


def _add_samples(source: ModelSource, folder: Path, outputs: Path, count: int) -> str:
    """Add validation pairs of the run's dataset; return the reason if there are none, otherwise an empty string."""
    try:
        dataset, names = find_run_dataset(outputs, source.run), source.read_split()["validation"]
        written = write_sample_pairs(dataset, names, count, folder)
    except (DataError, RunError) as error:
        return str(error)
    return "" if written else "the run's dataset contains none of the validation pairs"


def _print_summary(
    source: ModelSource, published: PublishedModel, left_out: list[str], selection: Selection | None
) -> None:
    console, version = plain_console(), published.version
    console.print(f"{source.name} ({source.origin}) is published")
    if selection:
        console.print(describe_for_card(selection))
    for line in left_out:
        console.print(f"left out {line}")
    size = published.path.stat().st_size / 1e6
    console.print(f"zip       {published.path} ({size:.1f} MB)")
    console.print(f"SHA-256   {published.sha256}")
    console.print(f"registry  models:/{version.name}@{version.alias} is version {version.number}")
    plugins = f" {format_plugins(source.plugins)}" if source.plugins else ""
    archive = shlex.quote(str(published.path))
    console.print(f"use it    python -m gym.predict run={archive} input=IMAGES output=LABELS{plugins}")

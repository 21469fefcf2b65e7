"""Hand a trained model on: as one zip, and as a version of a registered model in MLflow.

NAME.zip
    model/               as `gym.runs.model_files` reads it
    run.json             which run it was, and what it came to
    config.yaml          what it was trained with
    split.json           the names of the pairs that trained, validated and tested it
    card.md, card.html   what a user must know; the page shows imagery, unless no samples are handed on
    card.json            the facts behind the card
    classes.json         class names and colours by label value
    samples/             a few validation pairs, as `gym.data.sample_pairs` writes them
    SHA256SUMS           of every other file

What the run does not have is left out and named.
"""

import math
import re
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from rasterio.errors import RasterioError

from gym.config.plugins import TAG, format_plugins
from gym.config.schema import PublishConfig, TrainingConfig
from gym.core.errors import DataError, RunError
from gym.core.files import translate_disk_errors, write_json, write_text
from gym.core.text import plain_console
from gym.data.class_colours import colour_codes
from gym.data.sample_pairs import write_sample_pairs
from gym.reporting.card.contents import CONTENTS, read_contents
from gym.reporting.card.write import CARD, describe_pictures, write_card
from gym.runs.mlflow_client import open_tracking
from gym.runs.mlflow_lookup import DESCRIPTIONS, MODEL
from gym.runs.mlflow_read import find_run_dataset
from gym.runs.mlflow_registry import RegisteredVersion, check_compatible, register_model, registry_name
from gym.runs.model_archive import RUN_FILE, write_zip
from gym.runs.model_files import ModelDescription, load_model
from gym.runs.model_source import ModelSource, open_model_source
from gym.training.runtime import prepare_tensorflow

_PROVENANCE = ("fingerprint", "data", "data_fingerprint", "split", "precision", "weights_sha256", "git_commit")


class Published(NamedTuple):
    """A published model: its zip with its SHA-256, and its version in MLflow's model registry."""

    path: Path
    sha256: str
    version: RegisteredVersion


def publish(config: PublishConfig) -> Published:
    """Write the model of a run as a zip, and register it.

    However often it is published, a run stays the same version, and makes the same zip as long as no evaluation adds to
    its card and scores.

    Raises:
        DataError: The zip cannot be written.
        RunError: There is no such run, or its model cannot be read, or the registered model is one of other classes or
            bands, or MLflow cannot be used.
    """
    prepare_tensorflow(TrainingConfig())
    outputs = Path(config.outputs)
    with open_model_source(config.tracking, outputs, config.run) as source:
        description = load_model(source.folder / MODEL).description
        name, (client, _) = registry_name(config.tracking, config.name), open_tracking(config.tracking, outputs)
        check_compatible(client, name, description)
        path = Path(config.output) if config.output else outputs / "published" / f"{file_name(source)}.zip"
        disk = translate_disk_errors(f"output={path}", "give another output=...", (OSError, RasterioError))
        with disk, tempfile.TemporaryDirectory() as place:
            left_out = gather(source, description, config, Path(place))
            digest = write_zip(Path(place), path)
        version = register_model(client, name, config.alias, source.run, description, digest)
    published = Published(path, digest, version)
    tell(source, published, left_out)
    return published


def file_name(source: ModelSource) -> str:
    """Name a zip after its run, as in ``resunet_cce_f6-1a2b3c4d``."""
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '_', source.name)}-{str(source.run_id)[:8]}"


def gather(source: ModelSource, description: ModelDescription, config: PublishConfig, place: Path) -> list[str]:
    """Bring together what is published; gives what is left out, and why.

    Raises:
        OSError: The disk refuses.
    """
    shutil.copytree(source.folder / MODEL, place / MODEL)
    present = [name for name in DESCRIPTIONS if (source.folder / name).is_file()]
    for name in present:
        shutil.copyfile(source.folder / name, place / name)
    write_json(place / RUN_FILE, describe_run(source.run))
    write_json(place / "classes.json", describe_classes(description.classes))
    missing = [f"{name}: the run has none" for name in DESCRIPTIONS if name not in present]
    if not config.samples:
        missing += hide_imagery(source, place)
    if (place / CARD).is_file():
        write_text(place / CARD, describe_pictures((place / CARD).read_text(encoding="utf-8")))
    obstacle = add_samples(source, config, place / "samples") if config.samples else "samples=0"
    return missing + ([f"samples: {obstacle}"] if obstacle else [])


def hide_imagery(source: ModelSource, place: Path) -> list[str]:
    """Write the card anew without pictures; where its facts cannot be read, leave its page out, and give why."""
    try:
        write_card(place, read_contents(source.folder / CONTENTS))
    except RunError as error:
        page = place / "card.html"
        if page.is_file():
            page.unlink()
            return [f"{page.name}: it shows imagery, and {error}"]
    return []


def describe_run(run: Any) -> dict[str, Any]:
    """Which run it was, what it was made from and with, and what it came to."""
    versions = {name for name in run.data.tags if name.startswith(("version.", TAG))}
    return {
        "run_id": run.info.run_id,
        "name": run.info.run_name,
        "tags": {name: run.data.tags[name] for name in sorted({*_PROVENANCE, *versions} & run.data.tags.keys())},
        "scores": {name: score for name, score in run.data.metrics.items() if math.isfinite(score)},  # JSON has no NaN
    }


def describe_classes(names: list[str]) -> list[dict[str, Any]]:
    """Label value, name and colour of every class, in the colours of all pictures."""
    return [
        {"value": value, "name": name, "colour": code}
        for value, (name, code) in enumerate(zip(names, colour_codes(names), strict=True))
    ]


def add_samples(source: ModelSource, config: PublishConfig, folder: Path) -> str:
    """Add validation pairs of the run's dataset; gives what stands in the way, "" where nothing does."""
    try:
        dataset, names = find_run_dataset(Path(config.outputs), source.run), source.read_split()["validation"]
        written = write_sample_pairs(dataset, names, config.samples, folder)
    except (DataError, RunError) as error:
        return str(error)
    return "" if written else "none of the validation pairs is in the run's dataset"


def tell(source: ModelSource, published: Published, left_out: list[str]) -> None:
    """Say what was published, where it is, and how to use it, in lines that can be copied."""
    console, version = plain_console(), published.version
    console.print(f"{source.name} ({source.origin}) is published")
    for line in left_out:
        console.print(f"left out {line}")
    size = published.path.stat().st_size / 1e6
    console.print(f"zip       {published.path} ({size:.1f} MB)")
    console.print(f"SHA-256   {published.sha256}")
    console.print(f"registry  models:/{version.name}@{version.alias} is version {version.number}")
    plugins = f" {format_plugins(source.plugins)}" if source.plugins else ""
    place = shlex.quote(str(published.path))
    console.print(f"use it    python -m gym.predict run={place} input=IMAGES output=LABELS{plugins}")

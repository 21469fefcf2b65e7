"""Write an experiment of what an old configuration says: its name, its YAML, and a report on every key."""

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, NamedTuple

from gym.config.legacy_keys import Row, Translation, parse, translate
from gym.config.legacy_values import as_yaml, is_plain
from gym.core.errors import ConfigError

_GROUPS = ("model", "filters", "loss", "data", "split", "augment", "schedule", "training")
_SECTIONS = ("model", "loss", "data", "split", "augment", "schedule", "training")
_OPTIONS = {"data": "folder", "split": "random", "augment": "none", "schedule": "paper", "training": "paper"}


class Experiment(NamedTuple):
    """The YAML of an experiment, what became of each key, and the command that trains with it."""

    text: str
    rows: list[Row]
    command: str


def name_of(stem: str, wanted: str | None) -> str:
    """Name an experiment as wanted, or else after its file.

    Raises:
        ConfigError: ``+experiment=`` would not take the wanted name.
    """
    clean = clean_name(stem if wanted is None else wanted)
    if wanted is not None and wanted != clean:
        raise ConfigError(
            f"--name {wanted} must be letters, digits and underscores, with a letter in front; try {clean}."
        )
    return clean


def clean_name(stem: str) -> str:
    """Make a name that YAML and Hydra take for text."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", stem).strip("_")
    return name if is_plain(name) else f"old_{name}".strip("_")


def refuse_taken(target: str, taken: bool, hidden: bool) -> None:
    """Refuse a file that is there already, or that an experiment of the program would hide.

    Raises:
        ConfigError: Either is so.
    """
    if taken:
        raise ConfigError(f"{target} exists already; add --overwrite, or another name with --name.")
    if hidden:
        raise ConfigError(
            f"{target} would stay hidden behind the program's own experiment of that name; give another with --name."
        )


@contextmanager
def blaming(rows: Sequence[Row]) -> Iterator[None]:
    """Put the key of the file in front of what the schema says of ours."""
    try:
        yield
    except ConfigError as error:
        keys = [row.key for row in rows if row.target and str(error).startswith(f"{row.target}=")]
        raise ConfigError(": ".join([*keys[:1], str(error)])) from error


def to_experiment(content: bytes, source: str, name: str, folder: str) -> Experiment:
    """Translate a configuration into the YAML of an experiment.

    Args:
        content: The bytes of the configuration.
        source: Name of its file.
        name: Name of the experiment.
        folder: The configuration folder it goes into; empty for the program's own.

    Raises:
        ConfigError: As `parse` and `translate`.
    """
    translation = translate(parse(content, source))
    command = train_command(name, folder)
    origin = "".join(letter if letter.isprintable() else "?" for letter in " ".join(source.split()))
    header = [
        "# @package _global_",
        f"# {command}",
        f"# From {origin} of Segmentation Gym (sha256 {sha256(content).hexdigest()[:12]}).",
        "# Classes and bands have stand-in names; give yours in the same order: data.classes=[...] data.bands=[...]",
    ]
    return Experiment("\n".join([*header, *body(translation)]) + "\n", translation.rows, command)


def train_command(name: str, folder: str) -> str:
    """Write the command that trains with an experiment; ``folder`` as in `to_experiment`."""
    own = f"--config-dir {shlex.quote(folder)} " if folder else ""
    return f"python -m gym.train {own}+experiment={name} data.images=[path/to/images] data.labels=path/to/labels"


def body(translation: Translation) -> list[str]:
    """Write the lines of an experiment below its header."""
    options = {**translation.options, **_OPTIONS}
    chosen = [f"  - override /{group}: {as_option(options[group])}" for group in _GROUPS if group in options]
    lines = ["defaults:", *chosen, ""]
    if "name" in translation.values:
        lines.append(f"name: {as_yaml(translation.values['name'])}")
    for section in _SECTIONS:
        keys = [key for key in translation.values if key.startswith(f"{section}.")]
        lines += [f"{section}:"] * bool(keys)
        lines += [f"  {key.partition('.')[2]}: {as_yaml(translation.values[key])}" for key in keys]
    return lines


def as_option(option: Any) -> str:
    """Write an option of a group; a number is quoted, for it names a file."""
    return f'"{option}"' if isinstance(option, int) else str(option)


def report(experiment: Experiment, target: str) -> str:
    """Say what became of each key, where the experiment is, and how to train with it."""
    header = ("key", "value", "fate", "where, or why")
    cells = [header, *((row.key, row.value, row.fate, row.where) for row in experiment.rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(line[:3], widths, strict=True)), line[3]])
        for line in cells
    ]
    closing = [f"written: {target}", "To train, with your folders, and your names of classes and bands:"]
    return "\n".join([*lines, "", *closing, experiment.command])

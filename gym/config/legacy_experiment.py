"""The experiment made from a Segmentation Gym configuration: its name, its YAML, and a report on every key."""

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, NamedTuple

from gym.config.legacy_keys import Row, Translation, parse, translate
from gym.config.legacy_values import is_plain, to_yaml
from gym.core.errors import ConfigError

_GROUPS = ("model", "filters", "loss", "data", "split", "augment", "schedule", "training")
_OPTIONS = {"data": "folder", "split": "random", "augment": "none", "schedule": "paper", "training": "paper"}


class Experiment(NamedTuple):
    """The YAML of an experiment, the outcome for each key, and the command that trains it."""

    text: str
    rows: list[Row]
    command: str


def choose_name(stem: str, wanted: str | None) -> str:
    """Return the name of an experiment: the wanted one, or one made from the name of its file.

    Raises:
        ConfigError: ``+experiment=`` would not accept the wanted name.
    """
    name = clean_name(stem if wanted is None else wanted)
    if wanted is not None and wanted != name:
        raise ConfigError(
            f"--name {wanted} must consist of letters, digits and underscores and start with a letter; try {name}."
        )
    return name


def clean_name(stem: str) -> str:
    """Turn any text into a name that YAML and Hydra read as text."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", stem).strip("_")
    return name if is_plain(name) else f"old_{name}".strip("_")


def check_target(target: str, exists: bool, is_hidden: bool) -> None:
    """Check where an experiment is written.

    Raises:
        ConfigError: The file exists, or an experiment of the program with the same name would hide it.
    """
    if exists:
        raise ConfigError(f"{target} already exists; add --overwrite, or choose another name with --name.")
    if is_hidden:
        raise ConfigError(
            f"{target} would be hidden by the program's own experiment of that name; choose another with --name."
        )


@contextmanager
def name_legacy_key(rows: Sequence[Row]) -> Iterator[None]:
    """Prepend the key of the file to errors about the key that it was translated to."""
    try:
        yield
    except ConfigError as error:
        keys = [row.key for row in rows if row.target and str(error).startswith(f"{row.target}=")]
        raise ConfigError(": ".join([*keys[:1], str(error)])) from error


def make_experiment(content: bytes, source: str, name: str, folder: str) -> Experiment:
    """Translate a configuration into an experiment.

    Args:
        content: Bytes of the configuration.
        source: Name of its file.
        name: Name of the experiment.
        folder: Configuration folder that the experiment is written to; empty for the program's own.

    Raises:
        ConfigError: The configuration cannot be parsed or translated.
    """
    translation = translate(parse(content, source))
    command = train_command(name, folder)
    origin = "".join(letter if letter.isprintable() else "?" for letter in " ".join(source.split()))
    header = [
        "# @package _global_",
        f"# {command}",
        f"# From {origin} of Segmentation Gym (sha256 {sha256(content).hexdigest()[:12]}).",
        "# Classes and bands have placeholder names; set yours in the same order: data.classes=[...] data.bands=[...]",
    ]
    return Experiment("\n".join([*header, *_format_body(translation)]) + "\n", translation.rows, command)


def train_command(name: str, folder: str) -> str:
    """Return the command that trains an experiment. ``folder`` is as in `make_experiment`."""
    option = f"--config-dir {shlex.quote(folder)} " if folder else ""
    return f"python -m gym.train {option}+experiment={name} 'data.images=[path/to/images]' data.labels=path/to/labels"


def _format_body(translation: Translation) -> list[str]:
    options = {**translation.options, **_OPTIONS}
    chosen = [f"  - override /{group}: {_format_option(options[group])}" for group in _GROUPS if group in options]
    lines = ["defaults:", *chosen, ""]
    if "name" in translation.values:
        lines.append(f"name: {to_yaml(translation.values['name'])}")
    for section in _GROUPS:
        keys = [key for key in translation.values if key.startswith(f"{section}.")]
        lines += [f"{section}:"] * bool(keys)
        lines += [f"  {key.partition('.')[2]}: {to_yaml(translation.values[key])}" for key in keys]
    return lines


def _format_option(option: Any) -> str:
    return f'"{option}"' if isinstance(option, int) else str(option)  # the name of a file, not a number


def format_outcomes(experiment: Experiment, target: str) -> str:
    """Format a table with the outcome for each key, the path of the experiment and the command that trains it."""
    header = ("key", "value", "outcome", "new key, or reason")
    cells = [header, *((row.key, row.value, row.outcome, row.detail) for row in experiment.rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(line[:3], widths, strict=True)), line[3]])
        for line in cells
    ]
    closing = [f"written: {target}", "To train, with your own folders and names of classes and bands:"]
    return "\n".join([*lines, "", *closing, experiment.command])

"""One-line explanations of Hydra's errors, for the command line and the Python API."""

import re
import shlex
from pathlib import Path

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gym.config.groups import group_names, natural_key, option_names, sweep_of
from gym.config.overrides import format_value
from gym.config.schema import Config
from gym.config.suggestions import suggest
from gym.config.validation import all_keys
from gym.core.errors import first_line
from gym.runs.recent import recent_run_names

# Hydra gives the key only within its message. The group of each pattern is that key.
_PLUS_ON_EXISTING = {
    r"(\w+) appears more than once in the final defaults list": "this group is already chosen; leave out the +.",
    r"Could not append to config. An item is already at '([^']+)'": "this key already exists; leave out the +.",
}

# Errors about files and folders that flags name, and what to do about them.
_FLAGS = {
    r"Cannot find primary config '(.*?)'": "--config-name={}: there is no such file in the configuration; leave it "
    "out, or add its folder with --config-dir=FOLDER.",
    r"Primary config (?:module|directory) '(.*?)' not found": "--config-path: {} was not found; leave it out, or add a "
    "folder to the configuration with --config-dir=FOLDER.",
    r"Additional config directory '(.*?)' not found": "--config-dir: the folder {} was not found; name one that "
    "exists.",
}

# Options and keys by their former names.
RENAMED = {"experiment=learning_curve": "experiment=label_curve"}


def explain(error: Exception, schema: type) -> str:
    """Explain in one line why Hydra could not compose a configuration.

    Args:
        error: Exception raised by Hydra or OmegaConf.
        schema: Dataclass of the configuration, whose keys are suggested.
    """
    message = str(error)
    if isinstance(error, MissingConfigException) and error.options is not None and error.missing_cfg_file:
        return _explain_missing_option(error.missing_cfg_file, list(error.options))
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override} is not an override of the form key=value; put quotes around a value with spaces, "
            "commas, parentheses or signs such as ^, as in \"key='value'\"."
        )
    cause = error.__cause__
    if match := re.search(r"Could not override '([^']+)'", message):
        given = re.search(r"use \+\S+?=(.*)", message)
        return _explain_override(match[1], given[1] if given else "", cause, schema)
    if match := re.search(r"Error merging override (\S+)", message):
        return f"{match[1]}: {first_line(cause or error).rstrip('.')}; see --help for the keys."
    if match := re.search(r"Ambiguous value for argument '([^=']+)=(.*)'", message):
        return (
            f"{match[1]} has several values; type -m {sweep_of(match[1], match[2])} to sweep over them, or choose one."
        )
    for pattern, advice in _FLAGS.items():
        if match := re.search(pattern, message):
            return advice.format(match[1])
    for pattern, advice in _PLUS_ON_EXISTING.items():
        if match := re.search(pattern, message):
            return f"+{match[1]}: {advice}"
    return " ".join(message.split())


def _explain_missing_option(path: str, options: list[str]) -> str:
    group, _, option = path.rpartition("/")
    if not group:
        return f"{option} is not a configuration file; see --help."
    if now := RENAMED.get(f"{group}={option}"):
        return f"{group}={option} has been renamed; use +{now}."
    choices = ", ".join(sorted(options, key=natural_key))
    is_width = option.isdigit() and int(option) > 0
    if group == "filters":
        choices += f", or set any other width with model.filters={option if is_width else 'N (at least 1)'}"
    return f"{group}={option} is not an option; {group} must be one of {choices}."


def explain_missing_run(outputs: str) -> str:
    """Explain that no run is chosen, and list the latest ones."""
    names = recent_run_names(Path(outputs))
    if not names:
        return f"run is missing, and {outputs} has no finished run; train one, or set run=... to an id or a name."
    example = shlex.quote(f"run={format_value(names[0])}")
    return f"run is missing; set it, as in {example}, to one of the latest runs: {', '.join(names)}."


def _explain_override(key: str, value: str, cause: BaseException | None, schema: type) -> str:
    known = known_names(schema)
    if key in ("experiment", "debug") and schema is Config:
        return f"{key} is not in the defaults; add it with +{key}=..."
    if key in all_keys(OmegaConf.structured(schema)):
        return f"{key}: {first_line(cause).rstrip('.') if cause else 'cannot be set'}; see --help for the keys."
    if key.startswith("hydra."):
        return f"{key}: unknown key of Hydra; see --hydra-help."
    return f"{key}: unknown key; {suggest(key, known, lambda found: complete_setting(found, value, schema))}"


def known_names(schema: type) -> list[str]:
    """List the keys of a command's configuration and its groups, without ``filters``: model.filters does more."""
    keys = list(all_keys(OmegaConf.structured(schema)))
    return [*keys, *(name for name in group_names() if schema is Config and name not in (*keys, "filters"))]


def suggest_setting(name: str, value: str, schema: type) -> str:
    """Return a remedy for a setting by another name, as in "did you mean training.epochs=30?".

    Args:
        name: The name.
        value: The value that was given; may be empty.
        schema: Dataclass of the command's configuration.
    """
    return suggest(name, known_names(schema), lambda key: complete_setting(key, value, schema))


def complete_setting(key: str, value: str, schema: type) -> str:
    """Return an override of a known key or group, with the given value if it is a possible one."""
    if not _is_possible(key, value, schema):
        value = "..."
    return f"{add_plus(key)}={shlex.quote(value)}"


def add_plus(group: str) -> str:
    """Return the name of a group as it is written in an override."""
    return f"+{group}" if group in ("experiment", "debug") else group


def _is_possible(key: str, value: str, schema: type) -> bool:
    if key in group_names():
        return value in option_names(key)
    try:
        OmegaConf.update(OmegaConf.structured(schema), key, value)
    except OmegaConfBaseException:
        return False
    return bool(value)

"""One-line explanations of Hydra's errors, for the command line and the Python API."""

import re
from difflib import get_close_matches

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import OmegaConf

from gym.config.groups import group_names, natural_key
from gym.config.schema import Config
from gym.config.validation import all_keys, explain_unknown_key
from gym.core.errors import first_line

# Hydra gives the key only within its message. The group of each pattern is that key.
_PLUS_ON_EXISTING = {
    r"(\w+) appears more than once in the final defaults list": "this group is already chosen; leave out the +.",
    r"Could not append to config. An item is already at '([^']+)'": "this key already exists; leave out the +.",
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
        return _explain_override(match[1], cause, schema)
    if match := re.search(r"Error merging override (\S+)", message):
        return f"{match[1]}: {first_line(cause or error).rstrip('.')}; see --help for the keys."
    if match := re.search(r"Ambiguous value for argument '([^=']+)=", message):
        return f"{match[1]} has several values; add -m to sweep over them, or choose one."
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
    if group == "filters":
        choices += ", or set any other width with model.filters=N (at least 1)"
    return f"{group}={option} is not an option; {group} must be one of {choices}."


def _explain_override(key: str, cause: BaseException | None, schema: type) -> str:
    known = list(all_keys(OmegaConf.structured(schema)))
    if key in ("experiment", "debug") and schema is Config:
        return f"{key} is not in the defaults; add it with +{key}=..."
    if key in known:
        return f"{key}: {first_line(cause).rstrip('.') if cause else 'cannot be set'}; see --help for the keys."
    groups = [name for name in group_names() if name in known or schema is Config]
    near = [] if "." in key else get_close_matches(key, groups, n=1)
    return f"{key}: unknown group; did you mean {near[0]}?" if near else f"{key}: {explain_unknown_key(key, known)}"

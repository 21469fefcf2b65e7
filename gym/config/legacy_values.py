"""Values of a Segmentation Gym configuration: parsed with their expected types, and formatted as JSON or YAML."""

import json
import re
from typing import Any

import yaml

from gym.core.errors import ConfigError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_YAML_VALUES = ("true", "false", "null", "yes", "no", "on", "off", "nan", "inf")


class _Dumper(yaml.SafeDumper):
    """Quote all text but plain names, because OmegaConf reads more words as numbers than PyYAML expects."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # OmegaConf would resolve ${...} in quoted text as well.
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", escaped, style=None if is_plain(text) else '"')


_Dumper.add_representer(str, _represent_text)


def parse_integer(key: str, value: Any) -> int:
    """Parse a whole number. A float such as 2.0 is accepted."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
        return int(value)
    raise value_error(key, value, "a whole number")


def parse_number(key: str, value: Any) -> float:
    """Parse a number. A boolean is refused."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise value_error(key, value, "a number")
    try:
        return float(value)
    except OverflowError as error:
        raise value_error(key, value, "a number of at most 308 digits") from error


def parse_bool(key: str, value: Any) -> bool:
    """Parse true or false. 0 and 1 are refused."""
    if isinstance(value, bool):
        return value
    raise value_error(key, value, "true or false")


def parse_text(key: str, value: Any) -> str:
    """Parse text. Nothing is converted to it."""
    if isinstance(value, str):
        return value
    raise value_error(key, value, "text in quotes")


def value_error(key: str, value: Any, rule: str) -> ConfigError:
    """Return the error for a value that breaks a rule."""
    return ConfigError(f"{key}={to_json(value)} must be {rule}; correct the file.")


def to_json(value: Any) -> str:
    """Format a value as in the file."""
    return json.dumps(value, ensure_ascii=False)


def to_yaml(value: Any) -> str:
    """Format a value as YAML on one line, so that OmegaConf reads it back unchanged."""
    text = yaml.dump(
        [value], Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return text.rstrip("\n")[1:-1]


def is_plain(name: str) -> bool:
    """Whether YAML and Hydra both read an unquoted name as text."""
    return bool(_NAME.fullmatch(name)) and name.lower() not in _YAML_VALUES

"""The values of an old configuration: read as what they must be, and written as JSON or YAML within a line."""

import json
import re
from typing import Any

from gym.core.errors import ConfigError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VALUES_OF_YAML = ("true", "false", "null", "yes", "no", "on", "off", "nan", "inf")


def whole(key: str, value: Any) -> int:
    """Read a whole number; 0.0 is one."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
        return int(value)
    raise wrong(key, value, "a whole number")


def number(key: str, value: Any) -> float:
    """Read a number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong(key, value, "a number")
    try:
        return float(value)
    except OverflowError as error:
        raise wrong(key, value, "a number of at most 308 digits") from error


def truth(key: str, value: Any) -> bool:
    """Read true or false."""
    if isinstance(value, bool):
        return value
    raise wrong(key, value, "true or false")


def text(key: str, value: Any) -> str:
    """Read text."""
    if isinstance(value, str):
        return value
    raise wrong(key, value, "text in quotes")


def wrong(key: str, value: Any, wanted: str) -> ConfigError:
    """Word the refusal of a value."""
    return ConfigError(f"{key}={as_json(value)} must be {wanted}; mend the file.")


def as_json(value: Any) -> str:
    """A value as it stands in the file."""
    return json.dumps(value, ensure_ascii=False)


def as_yaml(value: Any) -> str:
    """Write a value as YAML within a line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_yaml(target)}" for key, target in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    if isinstance(value, str):
        return value if is_plain(value) else quoted(value)
    if isinstance(value, float):
        # YAML wants a point in front of the exponent.
        return re.sub(r"^(-?\d+)e", r"\1.0e", repr(value))
    return as_json(value)


def quoted(value: str) -> str:
    """Write text as YAML in quotes, so that Hydra looks up no ``${...}`` in it."""
    escaped = as_json(re.sub(r"(\\*)\$\{", r"\1\1\\${", value))
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in escaped)


def is_plain(name: str) -> bool:
    """Tell whether neither YAML nor Hydra take a name for anything but text."""
    return bool(_NAME.fullmatch(name)) and name.lower() not in _VALUES_OF_YAML

"""Conversion between a configuration, its settings by dotted keys such as ``model.filters``, and Hydra's overrides.

Runs log their configuration as settings. The overrides made from settings compose the same configuration again.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

from gym.config.schema import FREE_MAPPINGS, Config

_OMITTED_IF_EMPTY = ("options", "plugins")  # runs of earlier versions do not have these keys
_SWEEP_GROUPS = ("sweep.", "search.")
_UNQUOTED = re.compile(r"[A-Za-z_/][\w./-]*", re.ASCII)
_KEYWORDS = ("null", "true", "false", "nan", "inf")


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings to dotted keys. An empty mapping is kept as a value."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def to_dict(config: Any) -> dict[str, Any]:
    """Convert a configuration to nested dictionaries, without keys of plugins that are empty."""
    return asdict(
        config, dict_factory=lambda items: {key: value for key, value in items if value or key not in _OMITTED_IF_EMPTY}
    )


def parse_settings(texts: Mapping[str, str]) -> dict[str, Any]:
    """Parse settings that MLflow stored as text. A value that cannot be parsed stays text."""
    defaults = flatten(asdict(Config()))
    return {key: text if isinstance(defaults.get(key), str) else _parse_value(text) for key, text in texts.items()}


def _parse_value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def to_overrides(settings: Mapping[str, Any]) -> list[str]:
    """List the overrides of the defaults that reproduce settings, without those of the sweep.

    Settings of an earlier version that no longer exist are omitted.
    """
    defaults = flatten(asdict(Config()))
    wanted = dict(settings)
    for key in FREE_MAPPINGS:
        wanted[key] = _collect_mapping(settings, key) or settings.get(key, defaults[key])
    return [
        f"{key}={format_value(wanted[key])}"
        for key, default in defaults.items()
        if wanted.get(key, default) != default and not key.startswith(_SWEEP_GROUPS)
    ]


def _collect_mapping(settings: Mapping[str, Any], key: str) -> dict[Any, Any]:
    """Collect a mapping that `flatten` spread over dotted keys; whole numbers become integers again."""
    flat = {name.removeprefix(f"{key}."): value for name, value in settings.items() if name.startswith(f"{key}.")}
    return {int(name) if re.fullmatch(r"-?\d+", name) else name: value for name, value in flat.items()}


def format_value(value: Any) -> str:
    """Format a value for Hydra's override grammar. The shell needs further quotes."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_escape_key(str(key))}:{format_value(of)}" for key, of in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(format_value, value)) + "]"
    if isinstance(value, str):
        return value if _UNQUOTED.fullmatch(value) and value.lower() not in _KEYWORDS else _quote(value)
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else repr(value)


def _escape_key(key: str) -> str:
    # The grammar has no quotes for keys of a mapping.
    return re.sub(r"([\\()\[\]{}:=, \t])", r"\\\1", key)


def _quote(text: str) -> str:
    # Hydra escapes quotes, but OmegaConf would still resolve ${...}.
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    return QuotedString(escaped, Quote.single).with_quotes()

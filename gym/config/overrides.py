"""Conversion between a configuration, its settings by dotted keys such as ``model.filters``, and Hydra's overrides.

Runs log their configuration as settings. The overrides made from settings compose the same configuration again.
"""

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

from gym.config.registries import LOSSES
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


def format_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Format settings as the text that MLflow stores, from which `parse_settings` restores them.

    Text of a key that may hold anything, such as an option of a plugin, is quoted if it reads like another value: 1e3.
    """
    texts = _text_keys()
    return {
        key: repr(value) if isinstance(value, str) and key not in texts and _parse_value(value) != value else str(value)
        for key, value in settings.items()
    }


def parse_settings(texts: Mapping[str, str]) -> dict[str, Any]:
    """Parse settings that MLflow stored as text. A value that cannot be parsed stays text."""
    text_keys = _text_keys()
    return {key: text if key in text_keys else _parse_value(text) for key, text in texts.items()}


def _text_keys() -> set[str]:
    return {key for key, default in flatten(asdict(Config())).items() if isinstance(default, str)}


def _parse_value(text: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of Python, about text such as '\d'
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def to_overrides(settings: Mapping[str, Any]) -> list[str]:
    """List the overrides of the defaults that reproduce settings, without those of the sweep.

    Settings of an earlier version that no longer exist are omitted.
    """
    defaults = flatten(asdict(Config()))
    wanted = dict(settings)
    if "loss.clip" not in settings and settings.get("loss.name") in LOSSES.users_of("clip"):
        wanted["loss.clip"] = True  # versions before this key clipped
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
    return QuotedString(escape_interpolation(text), Quote.single).with_quotes()


def escape_interpolation(text: str) -> str:
    """Escape ``${...}``, which OmegaConf would resolve even in quotes."""
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", text)

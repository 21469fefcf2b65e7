"""A configuration as flat settings, by dotted keys as in ``model.filters``: as runs log them, and back again.

The option groups of the configuration, as they stand in its folder.
"""

import ast
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gym.config.schema import FREE_MAPPINGS, Config

_OMITTED_IF_EMPTY = ("options", "plugins")  # runs of earlier versions do not have these keys
_OF_THE_SWEEP = ("sweep.", "search.")
_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*", re.ASCII)
_WORDS = ("null", "true", "false", "nan", "inf")


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name nested values by dotted keys; an empty mapping is a value."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration as nested dictionaries, without the keys of plugins if they are empty."""
    return asdict(
        config,
        dict_factory=lambda items: {key: value for key, value in items if value or key not in _OMITTED_IF_EMPTY},
    )


def read_settings(texts: Mapping[str, str]) -> dict[str, Any]:
    """Settings of their texts, as MLflow keeps them; one that cannot be read stays text."""
    defaults = flatten(asdict(Config()))
    return {key: text if isinstance(defaults.get(key), str) else read_value(text) for key, text in texts.items()}


def read_value(text: str) -> Any:
    """The value that Python writes as a text; the text itself where there is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def to_overrides(settings: Mapping[str, Any]) -> list[str]:
    """What to override of the defaults to have some settings, in their order, but for those of the sweep.

    A setting that the configuration does not know, as one of an older version, is left out.
    """
    defaults = flatten(asdict(Config()))
    wanted = dict(settings)
    for key in FREE_MAPPINGS:
        wanted[key] = gather_mapping(settings, key) or settings.get(key, defaults[key])
    return [
        f"{key}={to_hydra(wanted[key])}"
        for key, default in defaults.items()
        if wanted.get(key, default) != default and not key.startswith(_OF_THE_SWEEP)
    ]


def gather_mapping(settings: Mapping[str, Any], key: str) -> dict[Any, Any]:
    """Collect a mapping that `flatten` spread over dotted keys; whole numbers become numbers again."""
    flat = {name.removeprefix(f"{key}."): value for name, value in settings.items() if name.startswith(f"{key}.")}
    return {int(name) if re.fullmatch(r"-?\d+", name) else name: value for name, value in flat.items()}


def to_hydra(value: Any) -> str:
    """Write a value as Hydra's command line takes it, without the quotes of a shell."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{escape(str(key))}:{to_hydra(of)}" for key, of in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(to_hydra, value)) + "]"
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value.lower() not in _WORDS else quote(value)
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else repr(value)


def escape(key: str) -> str:
    """Write the key of a mapping, which Hydra takes without quotes only: of plain letters, digits and some signs."""
    return re.sub(r"([\\()\[\]{}:=, \t])", r"\\\1", key)


def quote(text: str) -> str:
    """Put text in quotes, so that Hydra reads it as it is and looks up no ``${...}`` in it."""
    kept = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", kept)
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"


_NOT_TEXT = re.compile(r"[-+.\d]+(e[-+]?\d+)?|null|true|false|nan|inf", re.IGNORECASE)
_NAMES = ("name", "run", "sweep", "sweep.name")  # keys whose values are names, and 12e45 may be one


def configuration_folder() -> Path:
    """The folder of the YAML: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).parent.parent
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"


def group_names() -> list[str]:
    """The groups of the configuration, without those of Hydra itself."""
    folders = (path.name for path in configuration_folder().iterdir() if path.is_dir())
    return [name for name in folders if name not in ("hydra", "__pycache__")]


def options_of(group: str) -> list[str]:
    """The options of a group, numbers by value."""
    return sorted((path.stem for path in (configuration_folder() / group).glob("*.yaml")), key=natural)


def natural(name: str) -> tuple[int, str]:
    """Sort numbers by value, before words."""
    return (int(name), "") if name.isdigit() else (sys.maxsize, name)


def quote_options(argument: str) -> str:
    """Make text of the numbers in ``filters=2,4``: Hydra takes them for integers, and an option or a name is text."""
    group, _, options = argument.partition("=")
    if group not in (*group_names(), *_NAMES):
        return argument
    quoted = [repr(option) if re.fullmatch(_NOT_TEXT, option) else option for option in options.split(",")]
    return f"{group}={','.join(quoted)}"


def show_options(override: str) -> str:
    """Undo `quote_options`, for a command that is shown: whoever runs it has them quoted again."""
    group, _, _ = override.partition("=")
    if group not in (*group_names(), *_NAMES):
        return override
    return re.sub(rf"'({_NOT_TEXT.pattern})'", r"\1", override, flags=_NOT_TEXT.flags)

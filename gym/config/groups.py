"""The option groups of ``conf/``, such as ``model`` and ``loss``, and the quoting of option names."""

import re
import sys
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob
from hydra.errors import HydraException

from gym.core.errors import ConfigError

# Hydra would parse these as numbers, booleans or null.
_NOT_TEXT = re.compile(r"[-+.\d]+(e[-+]?\d+)?|null|true|false|nan|inf", re.IGNORECASE)
_NAME_KEYS = ("name", "run", "sweep", "sweep.name")  # their values are text, and a run may be called 12e45


def configuration_folder() -> Path:
    """Return the folder of the YAML files: ``gym/conf`` in an installed wheel, ``conf`` in a checkout."""
    package = Path(__file__).parent.parent
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"


def group_names() -> list[str]:
    """List the groups, without those of Hydra itself."""
    folders = (path.name for path in configuration_folder().iterdir() if path.is_dir())
    return [name for name in folders if name not in ("hydra", "__pycache__")]


def option_names(group: str) -> list[str]:
    """List the options of a group, with numbers in numerical order."""
    return sorted((path.stem for path in (configuration_folder() / group).glob("*.yaml")), key=natural_key)


def natural_key(name: str) -> tuple[int, str]:
    """Return a sorting key that puts numbers, in numerical order, before words."""
    return (int(name), "") if name.isdigit() else (sys.maxsize, name)


def quote_options(argument: str) -> str:
    """Quote numbers in ``filters=2,4``, because Hydra would parse them as integers, but options and names are text.

    A pattern, as in ``loss=glob(*)``, is replaced by the options that match it.

    Raises:
        ConfigError: No option matches, or a group gets a list.
    """
    key, _, options = argument.partition("=")
    group = key.lstrip("+")
    if options.startswith("glob("):
        options = ",".join(_match_options(argument, group))
    if options.startswith("[") and group in group_names():  # Hydra would apply one after the other
        several = sweep_of(key, options.strip("[]"))
        raise ConfigError(f"{argument} must be a single option; to sweep over several, type -m {several}.")
    if group not in (*group_names(), *_NAME_KEYS):
        return argument
    quoted = [repr(option) if re.fullmatch(_NOT_TEXT, option) else option for option in options.split(",")]
    return f"{key}={','.join(quoted)}"


def sweep_of(key: str, values: str) -> str:
    """Return the override that sweeps over values; widths that are no options of ``filters`` are set directly."""
    listed = [value.strip().strip("'") for value in values.split(",")]
    if key == "filters" and not set(listed) <= set(option_names(key)) and all(map(str.isdigit, listed)):
        key = "model.filters"
    return f"{key}={','.join(listed)}"


def _match_options(argument: str, group: str) -> list[str]:
    if group not in group_names():
        raise ConfigError(f"{argument}: glob selects options of a group, but {group} is not a group; list the values.")
    try:
        pattern = OverridesParser.create().parse_override(argument).value()
    except HydraException:
        pattern = None
    found: list[str] = pattern.filter(option_names(group)) if isinstance(pattern, Glob) else []
    if not found:
        raise ConfigError(f"{argument} matches no option; {group} must be one of {', '.join(option_names(group))}.")
    return sorted(found, key=natural_key)


def unquote_options(override: str) -> str:
    """Undo `quote_options` in a command that is shown; running it quotes the options again."""
    if override.partition("=")[0].lstrip("+") not in (*group_names(), *_NAME_KEYS):
        return override
    return re.sub(rf"'({_NOT_TEXT.pattern})'", r"\1", override, flags=_NOT_TEXT.flags)

"""The option groups of the configuration, as they stand in its folder."""

import re
import sys
from pathlib import Path

_NOT_TEXT = re.compile(r"[-+.\d]+(e[-+]?\d+)?|null|true|false|nan|inf", re.IGNORECASE)
_NAMES = ("name", "run", "sweep", "sweep.name")  # keys whose values are names, and 12e45 may be one


def configuration_folder() -> Path:
    """The folder of the YAML: inside the package when installed from a wheel, beside it in a checkout."""
    inside = Path(__file__).parent / "conf"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "conf"


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

"""The arguments of a command: Hydra's flags, which may stand anywhere, and overrides of the form ``key=value``.

Mistakes that Hydra would answer with its usage, or would misunderstand, are refused here in one line.
"""

import argparse
import itertools
import re
import shlex
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from gym.app.explain import add_plus, complete_setting, known_names, suggest_setting
from gym.config.groups import group_names, option_names
from gym.config.suggestions import suggest_key
from gym.core.errors import ConfigError

_CURLY = (
    "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
    "\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"
)
_QUOTES = f"\"'`{_CURLY}"
_DASHES = "\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}"  # typed by word processors in place of one or two hyphens
_SPACED = re.compile(r"\s*([+\w./@]+)\s*=\s*(.*?)\s*", re.DOTALL)
# Keys of Hydra that would move files to places where nothing looks for them.
_FOLDERS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.output_subdir", "hydra.job.chdir")
_SHOWN = ("cfg", "package", "resolve")


def parse_arguments(arguments: Sequence[str], schema: type) -> tuple[list[str], list[str]]:
    """Separate the flags of a command from its overrides.

    Args:
        arguments: The arguments as they were typed.
        schema: Dataclass of the command's configuration, whose keys are suggested.

    Returns:
        The flags, each in one piece as in ``--cfg=job``, and the overrides.

    Raises:
        ConfigError: A flag is unknown or lacks its value, or an argument cannot be meant as it is.
    """
    parser = get_args_parser()
    parser.error, parser.allow_abbrev = _refuse, False  # type: ignore[method-assign]
    for argument in arguments:
        _check_dash(argument)
    given, unknown = parser.parse_known_intermixed_args(list(arguments))
    if unknown:
        _refuse_flag(unknown[0], arguments, parser, schema)
    if given.experimental_rerun is not None:
        _refuse("--experimental-rerun needs files that this program does not write; repeat the command instead")
    if (given.package or given.resolve) and not (given.cfg or given.help):
        _refuse(
            f"--{'package' if given.package else 'resolve'} is used only with --cfg; add --cfg job, or leave it out"
        )
    if not given.shell_completion:
        _check_overrides(given.overrides, schema, is_run=given.run)
    shown = _show_runs(given) if given.multirun and given.cfg else []
    return _list_flags(parser, given), [*given.overrides, *shown]


def _refuse(message: str) -> NoReturn:
    remedy = "" if ";" in message else "; see --hydra-help"
    raise ConfigError(f"{message.removeprefix('argument ')}{remedy}.")


def _list_flags(parser: argparse.ArgumentParser, given: argparse.Namespace) -> list[str]:
    flags = []
    for action in parser._actions:
        value = getattr(given, action.dest, None)
        if action.option_strings and value:
            flags.append(action.option_strings[0] if value is True else f"{action.option_strings[0]}={value}")
    return flags


def _show_runs(given: argparse.Namespace) -> list[str]:
    """Turn ``-m --cfg job``, which Hydra refuses, into a sweep that prints its configurations."""
    values = ",".join(f"{name}:{value}" for name in _SHOWN if (value := getattr(given, name)))
    given.cfg, given.package, given.resolve = None, None, False
    return [f"hydra.sweeper.shown={{{values}}}"]


def _check_dash(argument: str) -> None:
    if argument[:1] in _DASHES and argument[:1]:
        word = argument.lstrip(f"-{_DASHES}")
        raise ConfigError(f"{argument} begins with a long dash; type {'--' if len(word) > 1 else '-'}{word}.")


def _refuse_flag(flag: str, arguments: Sequence[str], parser: argparse.ArgumentParser, schema: type) -> NoReturn:
    name, has_value, value = flag.partition("=")
    following = arguments[arguments.index(flag) + 1 :][:1]
    if not has_value and following and not re.match("-[^0-9]|.*=", following[0]):
        value = following[0]
    flags = [option for action in parser._actions for option in action.option_strings]
    keys = {key.rpartition(".")[2] for key in known_names(schema)}
    near = [] if name.lstrip("-").replace("-", "_") in keys else get_close_matches(name, flags, n=1, cutoff=0.75)
    remedy = f"did you mean {near[0]}?" if near else suggest_setting(name, value, schema)
    raise ConfigError(f"{' '.join(filter(None, [name, value]))} is not a flag, and settings have no dashes; {remedy}")


def _check_overrides(overrides: Sequence[str], schema: type, *, is_run: bool) -> None:
    _check_spaces(overrides)
    for place, override in enumerate(overrides):
        key, _, value = override.partition("=")
        plain = key.lstrip("+~")
        if key.startswith("~") and not plain.startswith("hydra"):
            raise ConfigError(f"{override} cannot be removed; {_suggest_value(plain)}.")
        if plain in _FOLDERS and value.lower() not in ("null", "false"):
            raise ConfigError(f"{override} would separate the files of a run; choose their folder with outputs=FOLDER.")
        if meant := _repair(override, overrides[place + 1 :][:1], schema, is_run=is_run):
            raise ConfigError(f"{override} is not an override of the form key=value; did you mean {meant}?")


def _check_spaces(overrides: Sequence[str]) -> None:
    """Raise `ConfigError` if the shell has split an override at a space."""
    for first, second in itertools.pairwise(overrides):
        parts = [first, second]
        if second.startswith("="):
            parts += overrides[overrides.index(second) + 1 :][: second == "="]
        elif "=" in second or not re.search(r"[=,\[{:]$", first):
            continue
        raise ConfigError(f"{' '.join(parts)} contains a space; leave it out, as in {shlex.quote(''.join(parts))}.")


def _suggest_value(key: str) -> str:
    if key not in group_names():
        return f"set another value with {key}=VALUE"
    options = option_names(key)
    return f"choose another option with {key}={'none' if 'none' in options else options[0]}"


def _repair(override: str, following: Sequence[str], schema: type, *, is_run: bool) -> str:
    """Return what is meant by an argument that is no override, or an empty string."""
    if override.startswith(tuple(_QUOTES)) and "=" in override:
        return shlex.quote(override.strip(_QUOTES))
    if match := re.fullmatch(_SPACED, override):
        key, value = match.groups()
        meant = f"{key}={value.lstrip('=').strip(_CURLY)}"
        is_wrong = not override.startswith(f"{key}=") or value.startswith(("=", *_CURLY))
        return shlex.quote(meant) if is_wrong else ""
    if "=" in override:
        return ""
    if is_run and "run" in known_names(schema):
        return f"run={override}"
    return "--help" if override == "help" else _find_option(override, schema) or _pair(override, following, schema)


def _find_option(name: str, schema: type) -> str:
    """Return the setting that chooses the option of this name; empty if there is none."""
    groups = [group for group in group_names() if group in known_names(schema)]
    chosen = (group for group in groups if name in option_names(group) and not name.isdigit())
    return next((f"{add_plus(group)}={name}" for group in chosen), "")


def _pair(override: str, following: Sequence[str], schema: type) -> str:
    """Return the setting that is meant by ``key:value``, or by a key that is followed by its value."""
    name, _, value = override.partition(":")
    value = value or next((word for word in following if "=" not in word), "")
    is_key = value or name in known_names(schema)
    key = suggest_key(name, known_names(schema)) if is_key and re.fullmatch(r"[\w.]+", name) else ""
    return complete_setting(key, value, schema) if key else ""

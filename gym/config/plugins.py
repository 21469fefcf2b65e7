"""Plugins: modules outside this program that register architectures, losses, readers, scores and export formats.

A plugin is named in ``plugins=my_module`` on the command line, or in the environment variable ``GYM_PLUGINS``. The
names in YAML files, runs and model archives load nothing, because loading a plugin runs its code: they only say which
plugins are needed. A plugin registers its parts when it is imported::

    import gym

    gym.register_architecture("toy", "toy:build", title="Toy net", marker="P")
    gym.register_score("hit_rate", "toy:hit_rate", places=["run", "evaluation", "figure 4"])
"""

import importlib
import importlib.util
import logging
import os
import re
import site
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from hydra.errors import HydraException

from gym.config.registries import ARCHITECTURES, EXPORTERS, LOSSES, READERS, SCORES
from gym.core.errors import ConfigError, GymError, RunError, first_line
from gym.core.files import hash_file, hash_value

VARIABLE = "GYM_PLUGINS"
TAG = "plugin."  # prefix of the MLflow tags with the SHA-256 of a run's plugins

log = logging.getLogger(__name__)

_OVERRIDE = re.compile(r"\+{0,2}plugins=")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_INSTALLED = tuple(
    f"{folder}{os.sep}"
    for folder in (
        *(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(),
        site.getusersitepackages(),
        Path(__file__).parent.parent,
    )
)
_KINDS = (ARCHITECTURES, LOSSES, READERS, SCORES, EXPORTERS)

_loaded: dict[str, str] = {}  # SHA-256 of each plugin of this process, as it was when it was imported
_imported: dict[str, list[str]] = {}  # the user's own modules that each plugin imported, itself included
_importing: list[str] = []


def add_environment_plugins(arguments: Sequence[str]) -> list[str]:
    """Merge the plugins of the environment variable into the ``plugins=`` argument of a command line.

    Args:
        arguments: The arguments of a command.

    Returns:
        The arguments with one ``plugins=[...]`` among the overrides, or unchanged if no plugin is named.

    Raises:
        ConfigError: ``plugins=`` or the variable does not name modules.
    """
    value = os.environ.get(VARIABLE, "")
    names = [name.strip() for name in value.split(",") if name.strip()]
    _check_names(names, f"{VARIABLE}={value}", f"set {VARIABLE}=")
    return _add_plugins(arguments, names)


def add_loaded_plugins(overrides: Sequence[str]) -> list[str]:
    """Merge the plugins that this process has loaded into ``plugins=``; errors as for `add_environment_plugins`."""
    return _add_plugins(overrides, _loaded)


def _add_plugins(arguments: Sequence[str], further: Iterable[str]) -> list[str]:
    names = list(dict.fromkeys([*plugins_in(arguments), *further]))
    if not names:
        return list(arguments)
    # Hydra's parser takes overrides only in one piece, not before and after its flags.
    given = [place for place, argument in enumerate(arguments) if _OVERRIDE.match(argument)]
    overrides = [place for place, argument in enumerate(arguments) if "=" in argument and argument[0] != "-"]
    place = next(iter([*given, *overrides]), len(arguments))
    before, after = arguments[:place], [argument for argument in arguments[place:] if not _OVERRIDE.match(argument)]
    return [*before, f"plugins=[{','.join(names)}]", *after]


def plugins_in(overrides: Iterable[str]) -> list[str]:
    """Return the plugins that overrides name, as in ``plugins=toy,other`` or ``plugins=[toy,other]``.

    Raises:
        ConfigError: The value does not name modules.
    """
    names: list[str] = []
    for override in overrides:
        if _OVERRIDE.match(override):
            value = _parse_list(override)
            _check_names(value, override, "try plugins=")
            names += value
    return names


def _parse_list(override: str) -> list[Any]:
    try:
        value = OverridesParser.create().parse_override(override).value()
    except HydraException:
        raise ConfigError(f"{override} must name modules, as in plugins=my_module.") from None
    if isinstance(value, ChoiceSweep):  # Hydra would try one after the other
        return [getattr(one, "text", one) for one in value.list]  # the text of a quoted one
    return value if isinstance(value, list) else [value]


def _check_names(names: Sequence[Any], owner: str, remedy: str) -> None:
    """Raise `ConfigError` unless all names are those of modules; names that could be are appended to the remedy."""
    suggested = list(map(_suggest_module, names))
    if suggested == list(names):
        return
    files = [f"{new}.py" for name, new in zip(names, suggested, strict=True) if "-" in str(name) and "-" not in new]
    rename = f"rename the file to {', '.join(files)}, and " if files else ""
    raise ConfigError(f"{owner} must name modules; {rename}{remedy}{','.join(suggested)}.")


def current_plugin() -> str:
    """Return the plugin that is being imported; empty if none is."""
    return _importing[-1] if _importing else ""


def load_plugins(names: Iterable[str], expected: Mapping[str, str] | None = None) -> dict[str, str]:
    """Import plugins, from the current folder too.

    A plugin is imported once in a process; a later change of its file has no effect there.

    Args:
        names: The modules, as a list or separated by commas.
        expected: The SHA-256 that each must have, if another process has loaded it before.

    Returns:
        The SHA-256 of each plugin, by name.

    Raises:
        ConfigError: A module is missing, fails to import, registers something wrong, or nothing.
        RunError: A plugin is not the expected one.
    """
    hashes = {}
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    for name in names:
        if name not in _loaded:
            _load(name)
        hashes[name] = _loaded[name]
        if expected and expected[name] != hashes[name]:
            raise RunError(
                f"plugin {name} changed after the sweep began ({expected[name][:12]}, now {hashes[name][:12]}); "
                "restore its file, or start another sweep with sweep.name=NAME."
            )
    return hashes


def _load(name: str) -> None:
    _check_names([name], f"plugins={name}", "try plugins=")
    if os.getcwd() not in sys.path:  # noqa: PTH109 - as sys.path has it
        sys.path.append(os.getcwd())  # noqa: PTH109
    try:
        module = _import_plugin(name)
        _check_registered(name, module)
        _loaded[name] = _hash_plugin(name, Path(str(module.__file__)))
    except BaseException as error:
        unload_plugin(name)
        if isinstance(error, GymError) or not isinstance(error, Exception | SystemExit):
            raise  # a script that calls sys.exit must not end the command, but Ctrl-C does
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"plugins={name}: there is no module {name} in {os.getcwd()} or on PYTHONPATH; "  # noqa: PTH109
                "run the command in the folder of the module, or add that folder to PYTHONPATH."
            ) from error
        raise ConfigError(
            f"plugins={name} cannot be imported ({type(error).__name__}: {first_line(error)}); correct the module, "
            "or set HYDRA_FULL_ERROR=1 to see where it fails."
        ) from error


def _check_registered(name: str, module: ModuleType) -> None:
    file = getattr(module, "__file__", "part of Python")
    if file is None:
        raise ConfigError(
            f"plugins={name}: the folder {name} has no __init__.py; name a module in it, as in "
            f"plugins={name}.my_module."
        )
    if any(entry.plugin == name for registry in _KINDS for entry in registry):
        return
    importer = next((plugin for plugin, modules in _imported.items() if plugin != name and name in modules), "")
    if importer:
        raise ConfigError(
            f"plugins={name}: plugin {importer} imports {name}, so that its parts belong to {importer}; leave out "
            f"{name}."
        )
    raise ConfigError(
        f"plugins={name}: the module {name} ({file}) registers nothing; call gym.register_architecture or another "
        f"gym.register_... function in it, or leave out {name}."
    )


def _import_plugin(name: str) -> ModuleType:
    importlib.invalidate_caches()
    before = set(sys.modules)
    _importing.append(name)
    try:
        return importlib.import_module(name)
    finally:
        _importing.pop()
        _imported[name] = [module for module in set(sys.modules) - before if _is_own(module, name)]


def _is_own(module: str, plugin: str) -> bool:
    """Whether a module belongs to a plugin or is the user's own, neither installed nor part of this program."""
    package = plugin.partition(".")[0]
    file = getattr(sys.modules[module], "__file__", None)
    return f"{module}.".startswith(f"{package}.") or bool(file and not file.startswith(_INSTALLED))


def unload_plugin(name: str) -> None:
    """Forget a plugin and what it registered; loading it again imports it and the user's modules that it uses again."""
    _loaded.pop(name, None)
    for module in _imported.pop(name, []):
        sys.modules.pop(module, None)
    for registry in _KINDS:
        registry.remove_plugin(name)


def _suggest_module(name: Any) -> str:
    """Return the name itself if it is that of a module, or else one that may be meant."""
    without_suffix = re.sub(r"\.py$", "", str(name)).replace("-", "_")
    module = re.sub(r"\W+", ".", without_suffix).strip(".")
    return module if isinstance(name, str) and _MODULE.fullmatch(module) else "my_module"


def _hash_plugin(name: str, path: Path) -> str:
    """Hash the file of a plugin, or all files of a package, and the modules of its implementations."""
    files = {str(file.relative_to(path.parent)): file for file in _files_of(path)}
    for entry in (entry for registry in _KINDS for entry in registry if entry.plugin == name):
        for implementation in (entry.implementation, getattr(entry, "by_class", "")):
            module = implementation.partition(":")[0]
            spec = importlib.util.find_spec(module) if module else None
            if spec and spec.origin and not module.startswith("gym.") and Path(spec.origin) not in files.values():
                files[module] = Path(spec.origin)
    hashes = {place: hash_file(file) for place, file in files.items()}
    return next(iter(hashes.values())) if len(hashes) == 1 else hash_value(hashes)


def _files_of(path: Path) -> list[Path]:
    return sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]


def plugin_hashes(names: Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of loaded plugins.

    Raises:
        ConfigError: One is not loaded.
    """
    check_loaded(names)
    return {name: _loaded[name] for name in names}


def check_loaded(names: Sequence[str]) -> None:
    """Check that the plugins of a configuration were loaded from the command line.

    Raises:
        ConfigError: One was not, because it is named in a YAML file.
    """
    for name in names:
        if name not in _loaded:
            raise ConfigError(
                f"plugins={name} is in a YAML file, but plugins run code, so only the command line loads them; "
                f"type {format_plugins([*_loaded, *names])}."
            )


def plugins_in_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the SHA-256 of the plugins of a run, by name, from its MLflow tags."""
    return {tag.removeprefix(TAG): digest for tag, digest in tags.items() if tag.startswith(TAG)}


def require_plugins(known: Mapping[str, str], owner: str) -> None:
    """Check that the plugins of a run or model archive are loaded, and warn of those that have changed since.

    Args:
        known: The plugins that it was made with, and the SHA-256 of each; empty if that is unknown.
        owner: What needs them, as in ``run=toy cce f2``.

    Raises:
        RunError: One is not loaded; the message says what to type.
    """
    missing = [name for name in known if name not in _loaded]
    if missing:
        hashes = ", ".join(f"{name} {known[name][:12]}".strip() for name in missing)
        raise RunError(
            f"{owner} was made with a plugin that is not loaded ({hashes}); add {format_plugins([*_loaded, *known])}, "
            f"or call gym.load_plugins({[*missing]}) in Python."
        )
    for name, digest in known.items():
        old, now = digest[:12], _loaded[name][:12]
        if digest and digest != _loaded[name]:
            log.warning("plugin %s changed since %s was trained (SHA-256 %s, now %s)", name, owner, old, now)


def format_plugins(names: Iterable[str]) -> str:
    """Return the argument that loads plugins, as in ``plugins=toy``, which no shell needs quotes for."""
    return f"plugins={','.join(dict.fromkeys(names))}"

"""Registries of parts that can be added, such as architectures and losses, each under a name.

An entry is light: it says what a part is called and how it is shown. The code behind it is named by a dotted path and
imported on first use, so that a configuration is checked without NumPy or TensorFlow.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from gym.core.errors import ConfigError
from gym.core.files import read_yaml


@dataclass(frozen=True)
class Entry:
    """What is known of a part without importing it.

    Attributes:
        name: Its value in the configuration, as in ``model.name=resunet``.
        title: What people read, as in ``Res-UNet``.
        implementation: The code, as ``module:object``.
        uses: Optional keys of its configuration group that it looks at; others ignore them.
        options: A dataclass of further keys, set with ``options={key:value}`` in its group; None if it has none.
        plugin: The plugin that registered it; empty for a part of this program.
    """

    name: str
    title: str
    implementation: str = ""
    uses: tuple[str, ...] = field(default=(), kw_only=True)
    options: type | None = field(default=None, kw_only=True)
    plugin: str = field(default="", kw_only=True)

    @classmethod
    def parse(cls, name: str, raw: dict[str, Any]) -> Self:
        """Build an entry from its attributes in YAML, where tuples are lists."""
        values: dict[str, Any] = {key: tuple(part) if isinstance(part, list) else part for key, part in raw.items()}
        return cls(name, **values)

    def load(self) -> Any:
        """Import the implementation.

        Raises:
            ConfigError: There is no such object.
        """
        return import_object(self.implementation, f"{self.name} of {self.plugin or 'segsweep'}")


EntryT = TypeVar("EntryT", bound=Entry)


class Registry(Generic[EntryT]):
    """Entries of one kind by name, in the order of registration.

    Args:
        kind: What the entries are, in one word.
        key: The key of the configuration that chooses one.
        entry_type: Their class.
        built_in: The YAML file with the entries of this program by name, read on first use: the attributes of each, and
            ``is_default: true`` for one.
    """

    def __init__(self, kind: str, key: str, entry_type: type[EntryT], built_in: Path | None = None) -> None:
        self.kind, self.key = kind, key
        self._type, self._built_in, self._entries = entry_type, built_in, dict[str, EntryT]()
        self._default = ""

    def register(self, entry: EntryT) -> None:
        """Add an entry.

        Raises:
            ConfigError: The name is taken.
        """
        entries = self._load()
        if entry.name in entries:
            owner = entries[entry.name].plugin
            raise ConfigError(
                f"{self.kind} {entry.name} is already registered by {f'plugin {owner}' if owner else 'segsweep'}; "
                "register it under another name."
            )
        entries[entry.name] = entry

    def remove_plugin(self, plugin: str) -> None:
        """Remove the entries of a plugin."""
        self._entries = {name: entry for name, entry in self._load().items() if entry.plugin != plugin}

    def get(self, name: str) -> EntryT:
        """Return the entry of a name.

        Raises:
            ConfigError: There is none; the message lists the names and says how to add a plugin.
        """
        entries = self._load()
        if name not in entries:
            raise ConfigError(
                f"{self.key}={name} must be one of {', '.join(entries)}; for one from a plugin, add plugins=MODULE."
            )
        return entries[name]

    @property
    def default(self) -> str:
        """The name that the configuration has if none is chosen."""
        self._load()
        return self._default

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all entries."""
        return tuple(self._load())

    def users_of(self, key: str) -> tuple[str, ...]:
        """The names of the entries that look at an optional key of their group."""
        return tuple(entry.name for entry in self if key in entry.uses)

    def __iter__(self) -> Iterator[EntryT]:
        return iter(list(self._load().values()))

    def __contains__(self, name: object) -> bool:
        return name in self._load()

    def _load(self) -> dict[str, EntryT]:
        if self._built_in:
            path, self._built_in = self._built_in, None
            for name, raw in read_yaml(path).items():
                if raw.pop("is_default", False):
                    self._default = name
                self.register(self._type.parse(name, raw))
        return self._entries


def import_object(path: str, needed_by: str = "") -> Any:
    """Import an object named ``module:object``.

    Raises:
        ConfigError: There is no such module or object.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        wanted = isinstance(error, AttributeError) or f"{module}.".startswith(f"{error.name}.")
        if not wanted:
            raise
        raise ConfigError(
            f"{path} ({needed_by or 'a dotted path'}) must name an object that can be imported, "
            "as module:object; correct it where it is registered."
        ) from error

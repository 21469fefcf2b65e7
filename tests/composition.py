"""Compose configurations as Hydra does, but compose each choice of options only once.

Composing takes a fifth of a second, most of it to read the YAML files of the chosen options. Hundreds of tests choose
the same options and differ in plain values such as ``training.epochs=2``, which Hydra sets last.
"""

import copy
import functools
import re

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from gym.config import plugins
from gym.config.groups import configuration_folder, group_names, quote_options

_PLAIN = re.compile(r"([a-z]\w*)[\w.]*=")


def compose_quickly(name: str, overrides: list[str]) -> DictConfig:
    """Return what `hydra.compose` returns."""
    parsed = OverridesParser.create().parse_overrides([quote_options(override) for override in overrides])
    values = [override for override in parsed if _is_plain(override)]
    options = tuple(str(override.input_line) for override in parsed if not _is_plain(override))
    config = copy.deepcopy(_compose_options(str(configuration_folder()), name, options, tuple(plugins._loaded)))
    ConfigLoaderImpl._apply_overrides_to_config(values, config)
    return config


def _is_plain(override: Override) -> bool:
    """Return whether an override sets one value of an existing key; others choose options, add keys or sweep."""
    found = _PLAIN.match(str(override.input_line))
    return found is not None and found[1] not in (*_groups(), "hydra") and not override.is_sweep_override()


@functools.cache
def _groups() -> list[str]:
    return group_names()


@functools.cache
def _compose_options(folder: str, name: str, options: tuple[str, ...], loaded: tuple[str, ...]) -> DictConfig:
    del loaded  # plugins add options
    with initialize_config_dir(config_dir=folder, version_base="1.3"):
        return compose(name, overrides=list(options))

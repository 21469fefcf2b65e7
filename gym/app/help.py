"""The help of a command: what it does, its groups with their options, and every key with its value and meaning.

Hydra's own help takes three times as long, because it copies the whole configuration for every group that it lists.
"""

from dataclasses import fields, is_dataclass
from string import Template
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from gym.config.groups import configuration_folder, group_names, option_names
from gym.core.redaction import redact_values

_COLUMN = 34  # of the comments with the meanings


def asks_for_help(flags: list[str]) -> bool:
    """Whether a command line asks for our help. Hydra answers ``--help`` if flags are given that change its output."""
    return "--help" in flags and set(flags) <= {"--help", "--multirun"}


def format_help(config_name: str, schema: type, overrides: list[str]) -> str:
    """Format the help of a command, with the values that its overrides set; swept values are not shown.

    Args:
        config_name: File in ``conf/`` whose ``hydra.help.template`` says what the command does.
        schema: Dataclass of the command's configuration.
        overrides: Overrides of the command line.

    Raises:
        HydraException: An override is wrong.
    """
    parsed = OverridesParser.create().parse_overrides(overrides)
    overrides = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
    with initialize_config_dir(str(configuration_folder()), version_base="1.3"):
        composed = compose(config_name, overrides, return_hydra_config=True)
    chosen = composed.hydra.runtime.choices
    groups = [name for name in sorted(group_names()) if name in chosen or config_name == "config"]
    own = OmegaConf.masked_copy(composed, [key.name for key in fields(schema)])
    values = redact_values(OmegaConf.to_container(own, resolve=True))
    return Template(composed.hydra.help.template).substitute(
        APP_CONFIG_GROUPS="".join(f"{name}: {', '.join(option_names(name))}\n" for name in groups),
        CONFIG="".join(f"{line}\n" for line in _describe_keys(schema, values)),
    )


def _describe_keys(schema: type, values: Any, indent: str = "") -> list[str]:
    lines = []
    for key in fields(schema):
        if isinstance(key.type, type) and is_dataclass(key.type):
            lines += [f"{indent}{key.name}:", *_describe_keys(key.type, values[key.name], indent + "  ")]
        else:
            text = f"{indent}{key.name}: {_format_yaml(values[key.name])}"
            lines.append(f"{text:{_COLUMN}}  # {key.metadata['meaning']}")
    return lines


def _format_yaml(value: Any) -> str:
    if value == "???":  # a mandatory key without a value; safe_dump would quote it
        return value
    return yaml.safe_dump([value], default_flow_style=True, width=1_000_000, allow_unicode=True)[1:-2]

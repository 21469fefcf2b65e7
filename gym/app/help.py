"""The help of a verb: what it does, its groups with their options, and every key with its value and meaning.

Hydra's own help takes three times as long, since it copies the whole configuration for every group that it lists.
"""

from dataclasses import fields, is_dataclass
from string import Template
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from gym.config.overrides import configuration_folder, group_names, options_of

_COLUMN = 34  # where meanings begin


def is_asked_for(arguments: list[str]) -> bool:
    """Whether a command line asks for help, and for nothing else of Hydra's: that is left to Hydra's own."""
    flags = {argument for argument in arguments if argument.startswith("-")}
    return bool(flags) and flags <= {"--help", "-h"}


def help_text(config_name: str, schema: type, arguments: list[str]) -> str:
    """Word the help of a verb, with the values that its other arguments give.

    Args:
        config_name: The verb's configuration, whose ``hydra.help.template`` says what the verb does.
        schema: Its dataclass.
        arguments: Of the command line.

    Raises:
        HydraException: An argument is wrong; `gym.app.command_line.explain` words it.
    """
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    with initialize_config_dir(str(configuration_folder()), version_base="1.3"):
        composed = compose(config_name, overrides, return_hydra_config=True)
    chosen = composed.hydra.runtime.choices
    groups = [name for name in sorted(group_names()) if name in chosen or config_name == "config"]
    values = OmegaConf.to_container(OmegaConf.masked_copy(composed, [key.name for key in fields(schema)]))
    return Template(composed.hydra.help.template).substitute(
        APP_CONFIG_GROUPS="".join(f"{name}: {', '.join(options_of(name))}\n" for name in groups),
        CONFIG="".join(f"{line}\n" for line in explained(schema, values)),
    )


def explained(schema: type, values: Any, indent: str = "") -> list[str]:
    """Lines of YAML, each with its key's meaning behind it."""
    lines = []
    for key in fields(schema):
        if isinstance(key.type, type) and is_dataclass(key.type):
            lines += [f"{indent}{key.name}:", *explained(key.type, values[key.name], indent + "  ")]
        else:
            text = f"{indent}{key.name}: {in_yaml(values[key.name])}"
            lines.append(f"{text:{_COLUMN}}  # {key.metadata['meaning']}")
    return lines


def in_yaml(value: Any) -> str:
    """A value on one line of YAML; ``???`` for one that must be given."""
    if value == "???":
        return value
    return yaml.safe_dump([value], default_flow_style=True, width=1_000_000, allow_unicode=True)[1:-2]

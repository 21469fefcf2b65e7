"""Read a composed configuration that this program wrote, as YAML."""

from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf

_MAX_SIZE = 1 << 20  # bytes
_MAX_NESTING = 32


def load_settings(path: Path) -> DictConfig:
    """Read a file that ``OmegaConf.to_yaml`` wrote.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not YAML of moderate size and nesting, or holds something else than a mapping.
    """
    if path.stat().st_size > _MAX_SIZE:
        raise ValueError(f"{path.name} has more than {_MAX_SIZE} bytes")
    text = path.read_bytes().decode()
    try:
        _check_structure(text)
        settings = OmegaConf.create(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error).replace("\n", " ")) from error
    if not isinstance(settings, DictConfig):
        raise ValueError(f"{path.name} holds {type(settings).__name__} instead of a mapping")
    return settings


def _check_structure(text: str) -> None:
    """Refuse deep nesting, and aliases, through which a few lines can expand to gigabytes."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("aliases are not supported")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_NESTING:
            raise ValueError(f"lists or mappings are nested more than {_MAX_NESTING} deep")

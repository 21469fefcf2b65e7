"""U-Net and Res-UNet segmentation of multi-band Earth imagery, swept by Hydra and logged to MLflow.

The names below are imported when they are first used, so that ``import gym`` takes no time. The commands are modules:
``python -m gym.train``, ``python -m gym.predict`` and so on; ``python -m gym`` lists them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gym.app.api import Model, assess, compose, fit, list_runs, load, open_dataset
    from gym.config.plugins import load_plugins
    from gym.config.registration import (
        register_architecture,
        register_exporter,
        register_loss,
        register_reader,
        register_score,
    )
    from gym.config.schema import Config
    from gym.core.errors import ConfigError, DataError, GymError, RunError, TrainingError

__version__ = "0.2.0"

_MODULES = {
    "gym.app.api": ("Model", "assess", "compose", "fit", "list_runs", "load", "open_dataset"),
    "gym.config.plugins": ("load_plugins",),
    "gym.config.registration": (
        *("register_architecture", "register_exporter", "register_loss", "register_reader", "register_score"),
    ),
    "gym.config.schema": ("Config",),
    "gym.core.errors": ("ConfigError", "DataError", "GymError", "RunError", "TrainingError"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Config",
    "ConfigError",
    "DataError",
    "GymError",
    "Model",
    "RunError",
    "TrainingError",
    "assess",
    "compose",
    "fit",
    "list_runs",
    "load",
    "load_plugins",
    "open_dataset",
    "register_architecture",
    "register_exporter",
    "register_loss",
    "register_reader",
    "register_score",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'gym' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})

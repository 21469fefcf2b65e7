"""What Hydra sees of our sweepers: names, keys, and a class each. What does the work is imported when it begins."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from gym.core.startup import quiet_imports

# Hydra takes sweepers only from a package of this name. There is none of ours: this module stands in for it until the
# sweeper is made, and not longer, since workers could not import it and must be sent the classes themselves.
_PACKAGE = "hydra_plugins.segsweep"


@dataclass
class GridKeys:
    """Keys of ``hydra/sweeper=resumable``."""

    _target_: str = f"{_PACKAGE}.ResumableSweeper"
    params: dict[str, Any] = field(default_factory=dict)


@dataclass
class SearchKeys:
    """Keys of ``hydra/sweeper=optuna``; those of the search itself are ``search.*``."""

    _target_: str = f"{_PACKAGE}.OptunaSweeper"
    params: dict[str, Any] = field(default_factory=dict)


class ResumableSweeper(Sweeper):
    """Runs every combination, in a sweep that can be stopped at any instant and gone on with.

    Args:
        params: What is swept over, as ``model: unet,resunet``; the command line adds to it and takes its place.
    """

    def __init__(self, params: dict[str, Any]) -> None:
        self._params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives."""
        sys.modules.pop(_PACKAGE, None)
        self._launcher = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)
        self._loader, self._config = hydra_context.config_loader, config

    def sweep(self, arguments: list[str]) -> Any:
        """Make what is left of the sweep."""
        with quiet_imports():  # MLflow takes seconds to import
            from gym.sweeps.grid import sweep

        return self._make(sweep, arguments)

    def _make(self, make: Callable[..., Any], arguments: list[str]) -> Any:
        def compose(overrides: Sequence[str]) -> DictConfig:
            composed = self._loader.load_sweep_config(self._config, list(overrides))
            return OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])

        return make(self._params, arguments, compose, self._launcher, self._config)


class OptunaSweeper(ResumableSweeper):
    """Runs what Optuna proposes, likewise; ``params`` may hold intervals."""

    def sweep(self, arguments: list[str]) -> Any:
        """Make what is left of the search."""
        with quiet_imports():
            from gym.sweeps.search.sweeper import search

        return self._make(search, arguments)


SWEEPERS = {"resumable": (ResumableSweeper, GridKeys), "optuna": (OptunaSweeper, SearchKeys)}


def register_sweepers() -> None:
    """Make our sweepers known to Hydra, as ``hydra/sweeper=...``."""
    sys.modules[_PACKAGE] = sys.modules[__name__]
    for name, (sweeper, keys) in SWEEPERS.items():
        sweeper.__module__ = _PACKAGE
        Plugins.instance().register(sweeper)
        ConfigStore.instance().store(group="hydra/sweeper", name=name, node=keys, provider="segsweep")

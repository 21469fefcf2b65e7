"""Register the sweepers with Hydra. The code that runs a sweep is imported when the sweep starts."""

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from gym.core.redaction import redact_values
from gym.core.registry import import_object
from gym.core.startup import quiet_imports

# Hydra loads sweepers only from the package hydra_plugins (facebookresearch/hydra#3015), so this module pretends to be
# part of it until the sweeper is created. Afterwards it must not: workers cannot import it, and joblib then pickles the
# classes themselves. Configurations contain this name, so it cannot change.
_PACKAGE = "hydra_plugins.segsweep"


@dataclass
class SweeperConfig:
    """Keys of ``hydra.sweeper``."""

    _target_: str
    params: dict[str, Any] = field(default_factory=dict)


class ResumableSweeper(Sweeper):
    """Sweeper that runs every combination of the swept values, and can be interrupted and resumed at any time.

    Args:
        params: Swept values by key, as in ``model: unet,resunet``. The command line adds to them or replaces them.
    """

    _function = "gym.sweeps.grid:run_grid"

    def __init__(self, params: dict[str, Any]) -> None:
        self._params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Create the launcher; Hydra calls this once, before `sweep`."""
        sys.modules.pop(_PACKAGE, None)
        shown = _redact_config(config)  # a launcher may store it in the files of its jobs, which compose their own
        self._launcher = Plugins.instance().instantiate_launcher(hydra_context, task_function, shown)
        self._loader, self._config = hydra_context.config_loader, config

    def sweep(self, arguments: list[str]) -> Any:
        """Run or resume the sweep with these command-line overrides."""
        with quiet_imports():  # MLflow takes seconds to import
            run = import_object(self._function)
        return run(self._params, arguments, self._compose, self._launcher, self._config)

    def _compose(self, overrides: Sequence[str]) -> DictConfig:
        composed = self._loader.load_sweep_config(self._config, list(overrides))
        return OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])


def _redact_config(config: DictConfig) -> DictConfig:
    """Return a copy of a composed configuration without passwords."""
    shown = copy.deepcopy(config)
    for name in (str(key) for key in config if key != "hydra" and OmegaConf.is_config(config[key])):
        values = redact_values(OmegaConf.to_container(config[name], resolve=False), name)
        OmegaConf.update(shown, name, values, force_add=True)
    return shown


class OptunaSweeper(ResumableSweeper):
    """Sweeper that runs the trials proposed by Optuna; values in ``params`` may be intervals."""

    _function = "gym.sweeps.search.sweeper:run_search"


def register_sweepers() -> None:
    """Register the sweepers with Hydra, as the options ``resumable`` and ``optuna`` of ``hydra/sweeper``."""
    sys.modules[_PACKAGE] = sys.modules[__name__]
    for name, sweeper in {"resumable": ResumableSweeper, "optuna": OptunaSweeper}.items():
        sweeper.__module__ = _PACKAGE
        Plugins.instance().register(sweeper)
        node = SweeperConfig(f"{_PACKAGE}.{sweeper.__name__}")
        ConfigStore.instance().store(group="hydra/sweeper", name=name, node=node, provider="segsweep")

"""Register the sweepers with Hydra. The code that runs a sweep is imported when the sweep starts."""

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from gym.core.errors import ConfigError
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
    shown: Any = None  # not dict, because the command line cannot add keys to a typed mapping


class ResumableSweeper(Sweeper):
    """Sweeper that runs every combination of the swept values, and can be interrupted and resumed at any time.

    Args:
        params: Swept values by key, as in ``model: unet,resunet``. The command line adds to them or replaces them.
        shown: What to print of each configuration instead of running it: the values of Hydra's flags ``cfg``,
            ``package`` and ``resolve``; None runs the sweep.
    """

    _function = "gym.sweeps.grid:run_grid"
    _expand = "gym.sweeps.plan:expand_grid"

    def __init__(self, params: dict[str, Any], shown: dict[str, Any] | None) -> None:
        self._params, self._shown = params, shown

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Create the launcher; Hydra calls this once, before `sweep`."""
        sys.modules.pop(_PACKAGE, None)
        if (folder := str(config.hydra.sweep.dir)) != f"{config.outputs}/sweeps":
            raise ConfigError(f"hydra.sweep.dir={folder} must be {config.outputs}/sweeps; set only outputs=FOLDER.")
        shown = _redact_config(config)  # a launcher may store it in the files of its jobs, which compose their own
        self._launcher = Plugins.instance().instantiate_launcher(hydra_context, task_function, shown)
        self._loader, self._config = hydra_context.config_loader, config

    def sweep(self, arguments: list[str]) -> Any:
        """Run or resume the sweep with these command-line overrides, or show its configurations."""
        if self._shown:
            return self._show(arguments)
        with quiet_imports():  # MLflow takes seconds to import
            run = import_object(self._function)
        return run(self._params, arguments, self._compose, self._launcher, self._config)

    def _show(self, arguments: list[str]) -> None:
        with quiet_imports():
            combinations = import_object(self._expand)(self._params, arguments)
        separator = ""
        for number, overrides in enumerate(combinations):
            composed = self._loader.load_sweep_config(self._config, overrides)
            part = format_part(composed, **(self._shown or {}))
            sys.stdout.write(f"{separator}# run {number}: {' '.join(overrides)}\n{part}")
            separator = "---\n"

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
    """Sweeper that runs the trials proposed by Optuna; values in ``params`` may be intervals.

    Instead of trials, which are not known before, it shows the configurations with each bound and choice.
    """

    _function = "gym.sweeps.search.sweeper:run_search"
    _expand = "gym.sweeps.search.sweeper:expand_search"


def format_part(composed: DictConfig, cfg: str, package: str = "", *, resolve: bool = False) -> str:
    """Format a configuration as YAML; arguments as for Hydra's flags.

    Raises:
        ConfigError: There is no such package.
    """
    hidden = {"job": lambda key: key == "hydra", "hydra": lambda key: key != "hydra"}.get(cfg, lambda key: False)
    HydraConfig.instance().set_config(composed)
    OmegaConf.set_readonly(composed.hydra, False)
    part: Any = OmegaConf.masked_copy(composed, [str(key) for key in composed if not hidden(key)])
    if package and (part := OmegaConf.select(part, package)) is None:
        raise ConfigError(f"--package={package} is not part of the configuration; see --cfg job for its parts.")
    if resolve and OmegaConf.is_config(part):
        OmegaConf.resolve(part)
    if not OmegaConf.is_config(part):
        return f"{redact_values(part, package)}\n"
    return OmegaConf.to_yaml(OmegaConf.create(redact_values(OmegaConf.to_container(part, resolve=False))))


def register_sweepers() -> None:
    """Register the sweepers with Hydra, as the options ``resumable`` and ``optuna`` of ``hydra/sweeper``."""
    sys.modules[_PACKAGE] = sys.modules[__name__]
    for name, sweeper in {"resumable": ResumableSweeper, "optuna": OptunaSweeper}.items():
        sweeper.__module__ = _PACKAGE
        Plugins.instance().register(sweeper)
        node = SweeperConfig(f"{_PACKAGE}.{sweeper.__name__}")
        ConfigStore.instance().store(group="hydra/sweeper", name=name, node=node, provider="segsweep")

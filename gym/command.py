"""What every verb of the command line shares: Hydra, and errors a user can read.

A user's mistake ends in one line (value, rule, remedy) and exit code 1. A defect of the program keeps its traceback.
HYDRA_FULL_ERROR=1 shows the traceback of everything.
"""

import functools
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib import metadata
from typing import Any, NoReturn

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gym.config import Config, DatasetConfig, EvaluateConfig, PredictConfig, PublishConfig, ReportConfig
from gym.config_check import all_keys, unknown_key
from gym.errors import ConfigError, GymError, Terminated, first_line
from gym.help import help_text, is_asked_for
from gym.hydra_mode import composed_once
from gym.interruption import heed_signals
from gym.options import configuration_folder, group_names, natural, quote_options
from gym.sweeps.plugin import register_sweepers

Task = Callable[[DictConfig], Any]

SCHEMAS = {
    "config": Config,
    "make_dataset": DatasetConfig,
    "predict": PredictConfig,
    "evaluate": EvaluateConfig,
    "publish": PublishConfig,
    "report": ReportConfig,
}


def verb(config_name: str) -> Callable[[Task], Callable[[], None]]:
    """Make a command of a function that takes the composed configuration named ``config_name``."""

    def decorate(task: Task) -> Callable[[], None]:
        @functools.wraps(task)
        def single_run_exits(composed: DictConfig) -> Any:
            try:
                return task(composed)
            except GymError as error:
                # A sweep goes on with its other runs, so there the error is left to Hydra's sweeper.
                if HydraConfig.get().mode == RunMode.MULTIRUN:
                    raise
                exit_with(error)

        @functools.wraps(task)
        def command() -> None:
            refuse_name_clash()
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its notes on CPU features and absent GPUs
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
            os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # one for every file
            register_configuration([config_name])
            heed_signals()
            sys.argv[1:] = [quote_options(argument) for argument in sys.argv[1:]]
            schema = SCHEMAS[config_name]
            if is_asked_for(sys.argv[1:]):
                return run_readably(lambda: print(help_text(config_name, schema, sys.argv[1:])), schema)
            main = hydra.main(config_path=str(configuration_folder()), config_name=config_name, version_base="1.3")
            with composed_once(config_name, sys.argv[1:]):
                return run_readably(main(single_run_exits), schema)

        return command

    return decorate


def register_configuration(config_names: Iterable[str] = tuple(SCHEMAS)) -> None:
    """Make known to Hydra what these files of ``conf`` refer to: their schemas, and our sweepers.

    A command names its own only: each schema costs it 20 ms.
    """
    for name in config_names:
        ConfigStore.instance().store(name=f"{name}_schema", node=SCHEMAS[name])
    register_sweepers()


def run_readably(main: Callable[[], Any], schema: type) -> None:
    """Run a Hydra main function of a configuration of ``schema``; what the user can mend becomes one line."""
    before = os.environ.get("HYDRA_FULL_ERROR", "")
    shows_all = before == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Terminated:
        sys.exit(128 + signal.SIGTERM)
    except (HydraException, OmegaConfBaseException, GymError) as error:
        if shows_all:
            raise
        exit_with(error if isinstance(error, GymError) else ConfigError(explain(error, schema)))
    finally:
        os.environ["HYDRA_FULL_ERROR"] = before


def exit_with(error: GymError) -> NoReturn:
    """Print an error's line and leave with exit code 1."""
    print(f"error: {error}", file=sys.stderr)
    sys.exit(1)


def refuse_name_clash() -> None:
    """Refuse to start beside the distribution ``gym`` (OpenAI's), which has our import name.

    Raises:
        ConfigError: It is installed; its files and ours overwrite each other.
    """
    try:
        version = metadata.version("gym")
    except metadata.PackageNotFoundError:
        return
    exit_with(
        ConfigError(
            f"the package gym {version} is installed here and shares our import name; "
            "run: python -m pip uninstall gym && python -m pip install --force-reinstall --no-deps segsweep"
        )
    )


def explain(error: Exception, schema: type) -> str:
    """Say in one line what Hydra found wrong with a configuration of ``schema``."""
    message = str(error)
    if isinstance(error, MissingConfigException) and error.options is not None and error.missing_cfg_file:
        return explain_missing_option(error.missing_cfg_file, list(error.options))
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override} is no override; give key=value; a value with spaces, commas, parentheses or signs such "
            "as ^ wants quotes of its own, as in \"key='value'\"."
        )
    cause = error.__cause__
    if match := re.search(r"Could not override '([^']+)'", message):
        return explain_override(match.group(1), cause, schema)
    if match := re.search(r"Error merging override (\S+)", message):
        return f"{match.group(1)}: {first_line(cause or error).rstrip('.')}; see --help for the keys."
    if match := re.search(r"(\w+) appears more than once in the final defaults list", message):
        return f"+{match.group(1)}: the group is chosen already; give it without the +."
    if match := re.search(r"Could not append to config. An item is already at '([^']+)'", message):
        return f"+{match.group(1)}: the key exists already; give it without the +."
    return " ".join(message.split())


def explain_missing_option(chosen: str, options: list[str]) -> str:
    """Word the choice of an option that its group does not have."""
    group, _, option = chosen.rpartition("/")
    if not group:
        return f"{option} is no configuration; see --help."
    more = ", or any other width with model.filters=N (at least 1)" if group == "filters" else ""
    return f"{group}={option} is no option; {group} must be one of {', '.join(sorted(options, key=natural))}{more}."


def explain_override(key: str, cause: BaseException | None, schema: type) -> str:
    """Word the override of a key that cannot be set."""
    known = list(all_keys(OmegaConf.structured(schema)))
    if key in ("experiment", "debug") and schema is Config:
        return f"{key} is not among the defaults; add it with +{key}=..."
    if key in known:
        return f"{key}: {first_line(cause).rstrip('.') if cause else 'cannot be set so'}; see --help for the keys."
    groups = [name for name in group_names() if name in known or schema is Config]
    near = [] if "." in key else get_close_matches(key, groups, n=1)
    return f"{key}: unknown group; did you mean {near[0]}?" if near else f"{key}: {unknown_key(key, known)}"

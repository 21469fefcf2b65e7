"""What every verb of the command line shares: Hydra, and errors a user can read.

A user's mistake ends in one line (value, rule, remedy) and exit code 1. A defect of the program keeps its traceback.
HYDRA_FULL_ERROR=1 shows the traceback of everything.

Whether a command is one run or many, without composing its configuration only to learn that.

Hydra composes twice: once to read ``hydra.mode``, which experiments set so that they sweep without ``-m``, and once to
run. Where nothing can have set the mode, the first is left out: a fifth of the time that a refusal takes.
"""

import functools
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import hydra
from hydra._internal.hydra import Hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gym import __version__
from gym.app.help import help_text, is_asked_for
from gym.app.hydra_plugin import register_sweepers
from gym.config.overrides import configuration_folder, group_names, natural, quote_options
from gym.config.schema import Config, DatasetConfig, EvaluateConfig, PredictConfig, PublishConfig, ReportConfig
from gym.config.validation import all_keys, read_config, unknown_key
from gym.core.errors import ConfigError, GymError, Terminated, first_line
from gym.core.registry import import_object
from gym.core.signals import handle_signals
from gym.core.startup import quiet_tensorflow_imports


@contextmanager
def composed_once(config_name: str, arguments: Sequence[str]) -> Iterator[None]:
    """Let Hydra compose once in here, unless the mode may be set.

    Args:
        config_name: The verb's configuration.
        arguments: Of the command line.
    """
    if may_set_mode(config_name, arguments):
        yield
        return
    composing = Hydra.get_mode
    setattr(Hydra, "get_mode", _unset)  # noqa: B010 - mypy refuses the assignment
    try:
        yield
    finally:
        setattr(Hydra, "get_mode", composing)  # noqa: B010


def may_set_mode(config_name: str, arguments: Sequence[str]) -> bool:
    """Whether an argument or the verb's own file may set ``hydra.mode``.

    An argument may by name, by adding a file (an experiment, say), or as a flag that brings other files.
    """
    if any(argument.startswith(("+", "-")) or "hydra" in argument for argument in {*arguments} - {"-m", "--multirun"}):
        return True
    return "MULTIRUN" in (configuration_folder() / f"{config_name}.yaml").read_text()


def _unset(*_: Any, **__: Any) -> None:
    """What Hydra finds where no mode is set."""


class Command(NamedTuple):
    """One command of the program.

    Attributes:
        config_name: Its file in ``conf/``, without the suffix; empty for a command that has arguments of its own.
        schema: The dataclass that checks its configuration.
        function: What it calls with the checked configuration, as ``module:function``. The module is imported only
            once the configuration is sound, because TensorFlow takes seconds to import.
        summary: What it does, in one line.
    """

    config_name: str
    schema: type
    function: str
    summary: str


COMMANDS = {
    "make_dataset": Command(
        "make_dataset", DatasetConfig, "gym.app.make_dataset:make_dataset", "Build a dataset and its report."
    ),
    "train": Command("config", Config, "gym.app.sweep_worker:train_or_work", "Train a model, or sweep with -m."),
    "evaluate": Command("evaluate", EvaluateConfig, "gym.app.evaluate:judge_runs", "Score trained models."),
    "report": Command("report", ReportConfig, "gym.app.report:write_up", "Write the report of a sweep or a run."),
    "predict": Command("predict", PredictConfig, "gym.app.predict:apply_run", "Segment a folder of images."),
    "publish": Command("publish", PublishConfig, "gym.app.publish:publish", "Publish a trained model."),
    "import_config": Command(
        "", Config, "gym.app.import_config:main", "Translate a Segmentation Gym configuration to an experiment."
    ),
}


def command(name: str) -> Callable[[], None]:
    """Return the main function of the command called ``name``; it reads ``sys.argv``."""
    chosen = COMMANDS[name]
    return functools.partial(run_command, chosen) if chosen.config_name else functools.partial(run_plainly, chosen)


def run_plainly(chosen: Command) -> None:
    """Run a command that parses its own arguments."""
    refuse_name_clash()
    run_readably(import_object(chosen.function), chosen.schema)


def run_command(chosen: Command) -> None:
    """Compose a command's configuration with Hydra, check it, and run the command."""
    refuse_name_clash()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its notes on CPU features and absent GPUs
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # one for every file
    name, schema = chosen.config_name, chosen.schema
    register_configuration([name])
    handle_signals()
    sys.argv[1:] = [quote_options(argument) for argument in sys.argv[1:]]
    if is_asked_for(sys.argv[1:]):
        return run_readably(lambda: print(help_text(name, schema, sys.argv[1:])), schema)
    main = hydra.main(config_path=str(configuration_folder()), config_name=name, version_base="1.3")

    def task(composed: DictConfig) -> Any:
        return run_checked(chosen, composed)

    with composed_once(name, sys.argv[1:]):
        return run_readably(main(task), schema)


def run_checked(chosen: Command, composed: DictConfig) -> Any:
    """Check a composed configuration and run its command; a user's mistake ends the process with one line."""
    try:
        config: Any = read_config(composed, chosen.schema)
        with quiet_tensorflow_imports():
            function = import_object(chosen.function)
        return function(config)
    except GymError as error:
        # Hydra's sweeper handles the error, so that the other runs of a sweep go on.
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        exit_with(error)


def register_configuration(config_names: Iterable[str] | None = None) -> None:
    """Register the schemas of configuration files and our sweepers with Hydra.

    A command registers its own file only, because each schema takes 20 ms.
    """
    schemas = {chosen.config_name: chosen.schema for chosen in COMMANDS.values() if chosen.config_name}
    for name in schemas if config_names is None else config_names:
        ConfigStore.instance().store(name=f"{name}_schema", node=schemas[name])
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


def dispatch() -> None:
    """Run the command that the first argument names, list the commands, or print the version."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in COMMANDS:
        sys.argv[:2] = [f"{Path(sys.argv[0]).name} {name}"]
        command(name)()
    elif name == "--version":
        print(f"segsweep {__version__}")
    elif name in ("--help", "-h"):
        print(list_commands())
    else:
        exit_with(ConfigError(f"{name} is not a command; {suggest(name, COMMANDS)}"))


def list_commands() -> str:
    """List the commands with their summaries."""
    rows = "".join(f"  {name:15}{chosen.summary}\n" for name, chosen in COMMANDS.items())
    return f"usage: segsweep COMMAND [OVERRIDES]\n\n{rows}\nHelp on a command: segsweep COMMAND --help"


def suggest(name: str, known: Iterable[str]) -> str:
    """Suggest the closest known name, or list them all."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"give one of {', '.join(known)}."

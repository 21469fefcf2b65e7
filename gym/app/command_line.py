"""The commands, and how each one starts: compose the configuration with Hydra, check it, run the command.

A user's mistake ends in one line (value, rule, remedy) and exit code 1. A bug keeps its traceback. HYDRA_FULL_ERROR=1
also shows the tracebacks of Hydra's errors.
"""

import functools
import json
import logging
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, NoReturn

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gym import __version__
from gym.app.arguments import parse_arguments
from gym.app.explain import explain, explain_missing_run
from gym.app.help import asks_for_help, format_help
from gym.app.hydra_plugin import register_sweepers
from gym.config.groups import configuration_folder, quote_options
from gym.config.plugins import add_environment_plugins, load_plugins, plugins_in
from gym.config.schema import (
    CleanConfig,
    Config,
    DatasetConfig,
    EvaluateConfig,
    PredictConfig,
    PublishConfig,
    ReportConfig,
)
from gym.config.validation import read_config
from gym.core.errors import ConfigError, GymError, Terminated
from gym.core.escape import escape_text
from gym.core.files import translate_full_disk, write_text
from gym.core.redaction import hide_secrets, redact, redact_error, redact_values
from gym.core.registry import import_object
from gym.core.signals import STOPPED, force_exit, handle_signals, signals_first
from gym.core.startup import quiet_tensorflow_imports
from gym.core.streams import protect_streams
from gym.core.temporary import remove_leftovers


class Command(NamedTuple):
    """One command of the program.

    Attributes:
        config_name: Its file in ``conf/``, without the suffix. Empty if the command parses its own arguments.
        schema: Dataclass that checks its configuration.
        function: Function called with the checked configuration, as ``module:function``. The module is imported only
            once the configuration is valid, because TensorFlow takes seconds to import.
        summary: What it does, in one line.
    """

    config_name: str
    schema: type
    function: str
    summary: str


# What to do about errors that Hydra raises as ValueError.
_FLAG_ERRORS = {
    "Only one of --run, --multirun": "leave out all but one of them",
    "Config group override must be a string": "put quotes around a number, as in \"filters='6'\"",
}

COMMANDS = {
    "make_dataset": Command(
        "make_dataset", DatasetConfig, "gym.app.make_dataset:make_dataset", "Build a dataset and its report."
    ),
    "train": Command("config", Config, "gym.app.sweep_worker:train_configuration", "Train a model, or sweep with -m."),
    "evaluate": Command("evaluate", EvaluateConfig, "gym.app.evaluate:evaluate_runs", "Score trained models."),
    "report": Command("report", ReportConfig, "gym.app.report:create_report", "Write the report of a sweep or a run."),
    "predict": Command("predict", PredictConfig, "gym.app.predict:predict_images", "Segment a folder of images."),
    "publish": Command("publish", PublishConfig, "gym.app.publish:publish", "Publish a trained model."),
    "clean": Command("clean", CleanConfig, "gym.app.clean:clean", "List and remove what outputs no longer needs."),
    "import_config": Command(
        "", Config, "gym.app.import_config:main", "Translate a Segmentation Gym configuration to an experiment."
    ),
}


def dispatch() -> None:
    """Run the command named by the first argument, list the commands, or print the version."""
    protect_streams()
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in COMMANDS:
        sys.argv[:2] = [f"{Path(sys.argv[0]).name} {name}"]
        command(name)()
    elif name == "--version":
        print(f"segsweep {__version__}")
    elif name in ("--help", "-h"):
        rows = "".join(f"  {name:15}{entry.summary}\n" for name, entry in COMMANDS.items())
        print(f"usage: segsweep COMMAND [OVERRIDES]\n\n{rows}\nHelp on a command: segsweep COMMAND --help")
    else:
        near = get_close_matches(name, COMMANDS, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(COMMANDS)}."
        _exit_with(ConfigError(f"{name} is not a command; {remedy}"))


def command(name: str) -> Callable[[], None]:
    """Return the main function of a command. It reads ``sys.argv``."""
    return functools.partial(_run, COMMANDS[name])


def _run(entry: Command) -> None:
    protect_streams()
    sys.excepthook = _print_traceback
    logging.setLogRecordFactory(_make_record)
    # The driver of a sweep writes to outputs, too.
    with exit_on_error(entry.schema), signals_first(), translate_full_disk("the outputs folder"):
        refuse_name_clash()
        if entry.config_name:
            _run_with_hydra(entry)
        else:
            import_object(entry.function)()


def _run_with_hydra(entry: Command) -> None:
    if "--version" in sys.argv[1:]:  # Hydra would print its own
        print(f"segsweep {__version__}")
        return
    register_configuration([entry.config_name])
    handle_signals()
    flags, overrides = parse_arguments(hide_secrets(sys.argv[1:]), entry.schema)
    overrides = add_environment_plugins(list(map(quote_options, overrides)))
    plugins = load_plugins(plugins_in(overrides))
    if asks_for_help(flags):
        print(format_help(entry.config_name, entry.schema, overrides))
        return
    sys.argv[1:] = [*flags, *overrides]

    @hydra.main(config_path=str(configuration_folder()), config_name=entry.config_name, version_base="1.3")
    def main(composed: DictConfig) -> Any:
        return _check_and_call(entry, composed, plugins)

    try:
        main()
    except ValueError as error:
        if f"{os.sep}hydra{os.sep}" not in traceback.extract_tb(error.__traceback__)[-1].filename:
            raise
        message = " ".join(str(error).split()).rstrip(".!")
        remedy = next((remedy for start, remedy in _FLAG_ERRORS.items() if message.startswith(start)), "see --help")
        raise ConfigError(f"{message}; {remedy}.") from error


def _check_and_call(entry: Command, composed: DictConfig, plugins: Mapping[str, str]) -> Any:
    protect_streams()  # again, as for plugins, because a sweep's workers are other processes
    logging.setLogRecordFactory(_make_record)
    _redact_saved_files()
    try:
        load_plugins(plugins, plugins)
        if OmegaConf.is_missing(composed, "run"):
            raise ConfigError(explain_missing_run(composed.outputs))
        config: Any = read_config(composed, entry.schema)
        if HydraConfig.get().mode == RunMode.RUN:  # a sweep checks it once
            from gym.app.first_checks import check_first  # not needed to show a configuration

            check_first(config)
        if entry.config_name != "clean":  # which lists them
            remove_leftovers(*(Path(place) for place in (config.outputs, getattr(config, "output", "")) if place))
        with translate_full_disk(config.outputs), quiet_tensorflow_imports():
            function = import_object(entry.function)
        with translate_full_disk(config.outputs):
            return function(config)
    except GymError as error:
        # A sweep continues with its other runs: the sweeper handles the error.
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        _exit_with(error)


def _redact_saved_files() -> None:
    """Redact what Hydra saved with ``hydra.output_subdir``: a password may come from a configuration file."""
    settings = HydraConfig.get()
    if settings.output_subdir is not None:
        for path in Path(settings.runtime.output_dir, settings.output_subdir).glob("*.yaml"):
            saved = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
            write_text(path, OmegaConf.to_yaml(OmegaConf.create(redact_values(saved))))


def _make_record(*arguments: Any, **options: Any) -> logging.LogRecord:
    """Make a log record without passwords, which urllib3 and others log with their URIs."""
    record = logging.LogRecord(*arguments, **options)
    with suppress(Exception):  # of a library that passes the wrong arguments, which logging reports by itself
        record.msg, record.args = redact_error(record.getMessage()), ()
    return record


def _print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    print(redact_error("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def register_configuration(config_names: Iterable[str] | None = None) -> None:
    """Register schemas and sweepers with Hydra.

    Args:
        config_names: Files in ``conf/`` whose schemas are registered; None registers all. A command registers only its
            own, because each takes 20 ms.
    """
    schemas = {entry.config_name: entry.schema for entry in COMMANDS.values() if entry.config_name}
    for name in schemas if config_names is None else config_names:
        ConfigStore.instance().store(name=f"{name}_schema", node=schemas[name])
    register_sweepers()


@contextmanager
def exit_on_error(schema: type) -> Iterator[None]:
    """Print a user's mistake as one line and exit with code 1; exit with 128 plus the signal number on a signal.

    Args:
        schema: Dataclass of the command's configuration, whose keys are suggested.
    """
    # Hydra prints errors and exits by itself unless this is set.
    before = os.environ.get("HYDRA_FULL_ERROR", "")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    except (KeyboardInterrupt, Terminated) as stop:
        code = 128 + (signal.SIGINT if isinstance(stop, KeyboardInterrupt) else signal.SIGTERM)
        print(STOPPED, file=sys.stderr)
        force_exit(code)
        sys.exit(code)
    except (HydraException, OmegaConfBaseException, GymError) as error:
        if before == "1":
            raise
        _exit_with(error if isinstance(error, GymError) else ConfigError(explain(error, schema)))
    finally:
        os.environ["HYDRA_FULL_ERROR"] = before


def _exit_with(error: GymError) -> NoReturn:
    print(f"error: {escape_text(redact(str(error)))}", file=sys.stderr)
    sys.exit(1)


def refuse_name_clash() -> None:
    """Refuse to start if OpenAI's distribution ``gym`` is installed.

    Raises:
        ConfigError: It is installed. It has our import name, so its files and ours overwrite each other.
    """
    try:
        version = metadata.version("gym")
    except metadata.PackageNotFoundError:
        return
    again = f" && python -m pip install --force-reinstall --no-deps {origin}" if (origin := _installed_from()) else ""
    raise ConfigError(
        f"the package gym {version} is installed, and its import name is the same as that of segsweep; "
        f"run: python -m pip uninstall -y gym{again}"
    )


def _installed_from() -> str:
    """Return what pip installed this program from, quoted for a shell; empty if it runs from a checkout only."""
    try:
        origin = metadata.distribution("segsweep").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return ""
    if not origin:
        return "segsweep"
    known = json.loads(origin)
    if vcs := known.get("vcs_info"):
        known["url"] = f"{vcs['vcs']}+{known['url']}@{vcs['commit_id']}"
    url = known["url"] + (f"#subdirectory={known['subdirectory']}" if "subdirectory" in known else "")
    return ("-e " if known.get("dir_info", {}).get("editable") else "") + shlex.quote(url)

"""Translate a Segmentation Gym configuration into an experiment, which is checked before it is written."""

from argparse import ArgumentParser
from pathlib import Path
from typing import NoReturn

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from gym.app.command_line import register_configuration
from gym.config.groups import configuration_folder
from gym.config.legacy_experiment import check_target, choose_name, format_outcomes, make_experiment, name_legacy_key
from gym.config.schema import Config
from gym.config.validation import read_config
from gym.core.errors import ConfigError, first_line
from gym.core.files import origin_of, write_text
from gym.core.text import plain_console


def import_experiment(legacy: Path, output: Path | None, wanted: str | None, overwrite: bool) -> str:
    """Translate a configuration, check the resulting experiment, and write it.

    Args:
        legacy: File of the Segmentation Gym configuration.
        output: Configuration folder to write to; None means the program's own.
        wanted: Name of the experiment; None derives it from the name of the file.
        overwrite: Whether to replace an existing experiment of that name.

    Returns:
        A table with the outcome for each key, the path of the experiment and the command that trains it.

    Raises:
        ConfigError: The file cannot be translated, the experiment is invalid, or its path is taken, hidden or not
            writable.
    """
    if not str(output).isprintable():
        raise ConfigError(f"--output {str(output)!a} must contain only printable characters; choose another folder.")
    conf = configuration_folder()
    name = choose_name(legacy.stem, wanted)
    try:
        built_in, target = (folder / "experiment" / f"{name}.yaml" for folder in (conf, output or conf))
        folder = str(output) if target.resolve() != built_in.resolve() else ""
        check_target(str(target), target.exists() and not overwrite, bool(folder) and built_in.exists())
        experiment = make_experiment(legacy.read_bytes(), legacy.name, name, folder)
        with name_legacy_key(experiment.rows):
            _check_experiment(experiment.text)
        write_text(target, experiment.text)
    except OSError as error:
        raise ConfigError(_explain_os_error(origin_of(error), target)) from error
    return format_outcomes(experiment, str(target))


def _explain_os_error(error: BaseException, target: Path) -> str:
    path, reason = (getattr(error, name, None) for name in ("filename", "strerror"))
    return f"{path or target}: {reason or first_line(error)}; correct the path, or choose another --output."


def _check_experiment(text: str) -> None:
    # The current folder stands in for the imagery, which is chosen only when training.
    register_configuration(["config"])
    ConfigStore.instance().store(group="imported", name="experiment", node=OmegaConf.create(text), package="_global_")
    with initialize_config_dir(str(configuration_folder()), version_base="1.3"):
        read_config(compose("config", ["+imported=experiment", "data.images=[.]", "data.labels=."]), Config)


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see {self.prog} --help.")


def main() -> None:
    """Parse the command line, import the configuration, and print the outcome for each key."""
    parser = _Parser(
        prog="python -m gym.import_config", description="Translate a Segmentation Gym configuration into an experiment."
    )
    parser.add_argument("legacy", metavar="OLD.json", type=Path, help="configuration of Segmentation Gym")
    parser.add_argument(
        "--output", metavar="FOLDER", type=Path, help="configuration folder; default: the program's own"
    )
    parser.add_argument("--name", help="name of the experiment; default: the name of the file")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing experiment of this name")
    given = parser.parse_args()

    plain_console().print_lines(import_experiment(given.legacy, given.output, given.name, given.overwrite).split("\n"))

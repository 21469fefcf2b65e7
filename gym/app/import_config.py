"""From the file of an old configuration to that of an experiment, which is checked before it is written."""

from argparse import ArgumentParser
from pathlib import Path
from typing import NoReturn

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from gym.app.command_line import register_configuration
from gym.config.groups import configuration_folder
from gym.config.legacy_experiment import blaming, name_of, refuse_taken, report, to_experiment
from gym.config.schema import Config
from gym.config.validation import read_config
from gym.core.errors import ConfigError
from gym.core.files import write_text
from gym.core.text import plain_console


def import_experiment(old: Path, output: Path | None, wanted: str | None, overwrite: bool) -> str:
    """Translate a configuration, check the experiment, and write it.

    Args:
        old: The configuration.
        output: Configuration folder to write to; None means the program's own.
        wanted: Name of the experiment; None makes one of the file's.
        overwrite: Whether an experiment of that name is replaced.

    Returns:
        What became of each key, where the experiment is, and how to train with it.

    Raises:
        ConfigError: The file cannot be translated, or the experiment would not compose, or its place is taken or
            cannot be written or named.
    """
    if not str(output).isprintable():
        raise ConfigError(f"--output {str(output)!a} must be text that can be printed; give another.")
    conf = configuration_folder()
    name = name_of(old.stem, wanted)
    try:
        ours, target = (folder / "experiment" / f"{name}.yaml" for folder in (conf, output or conf))
        elsewhere = str(output) if target.resolve() != ours.resolve() else ""
        refuse_taken(str(target), target.exists() and not overwrite, bool(elsewhere) and ours.exists())
        experiment = to_experiment(old.read_bytes(), old.name, name, elsewhere)
        with blaming(experiment.rows):
            check(experiment.text)
        write_text(target, experiment.text)
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}; mend the path, or give another --output.") from error
    return report(experiment, str(target))


def check(text: str) -> None:
    """Compose an experiment, with this folder in place of its imagery, and hold it against the schema.

    Raises:
        ConfigError: A value breaks a rule.
    """
    register_configuration(["config"])
    ConfigStore.instance().store(group="imported", name="experiment", node=OmegaConf.create(text), package="_global_")
    with initialize_config_dir(str(configuration_folder()), version_base="1.3"):
        read_config(compose("config", ["+imported=experiment", "data.images=[.]", "data.labels=."]), Config)


class Parser(ArgumentParser):
    """A parser of arguments that refuses in one line."""

    def error(self, message: str) -> NoReturn:  # noqa: D102 - the contract is argparse's
        raise ConfigError(f"{message}; see {self.prog} --help.")


def main() -> None:
    """Translate a configuration, check and write the experiment, and say what became of each key."""
    parser = Parser(prog="python -m gym.import_config", description="Turn an old configuration into an experiment.")
    parser.add_argument("old", metavar="OLD.json", type=Path, help="configuration of Segmentation Gym")
    parser.add_argument("--output", metavar="FOLDER", type=Path, help="configuration folder; else the program's own")
    parser.add_argument("--name", help="name of the experiment; else made from the file's")
    parser.add_argument("--overwrite", action="store_true", help="replace an experiment of this name")
    given = parser.parse_args()

    plain_console().print(import_experiment(given.old, given.output, given.name, given.overwrite))

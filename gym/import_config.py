"""Turn a configuration of Segmentation Gym into an experiment: ``python -m gym.import_config OLD.json``."""

from argparse import ArgumentParser
from pathlib import Path
from typing import NoReturn

from gym.command import refuse_name_clash, run_readably
from gym.config import Config
from gym.console import plain_console
from gym.errors import ConfigError
from gym.importing import import_experiment


class Parser(ArgumentParser):
    """A parser of arguments that refuses in one line."""

    def error(self, message: str) -> NoReturn:  # noqa: D102 - the contract is argparse's
        raise ConfigError(f"{message}; see {self.prog} --help.")


def main() -> None:
    """Translate a configuration, check and write the experiment, and say what became of each key."""
    refuse_name_clash()
    parser = Parser(prog="python -m gym.import_config", description="Turn an old configuration into an experiment.")
    parser.add_argument("old", metavar="OLD.json", type=Path, help="configuration of Segmentation Gym")
    parser.add_argument("--output", metavar="FOLDER", type=Path, help="configuration folder; else the program's own")
    parser.add_argument("--name", help="name of the experiment; else made from the file's")
    parser.add_argument("--overwrite", action="store_true", help="replace an experiment of this name")
    given = parser.parse_args()

    plain_console().print(import_experiment(given.old, given.output, given.name, given.overwrite))


if __name__ == "__main__":
    run_readably(main, Config)

"""Turn a configuration of Segmentation Gym into an experiment: ``python -m gym.import_config OLD.json``."""

from argparse import ArgumentParser
from pathlib import Path
from typing import NoReturn

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from gym import old_config
from gym.command import SCHEMAS, configuration_folder, refuse_name_clash, run_readably
from gym.config import Config
from gym.config_check import read_config
from gym.console import plain_console
from gym.errors import ConfigError
from gym.files import write_text


class Parser(ArgumentParser):
    """A parser of arguments that refuses in one line."""

    def error(self, message: str) -> NoReturn:  # noqa: D102 - the contract is argparse's
        raise ConfigError(f"{message}; see {self.prog} --help.")


def check(text: str) -> None:
    """Compose an experiment, with this folder in place of its imagery, and hold it against the schema."""
    for name, schema in SCHEMAS.items():
        ConfigStore.instance().store(name=name, node=schema)
    ConfigStore.instance().store(group="imported", name="experiment", node=OmegaConf.create(text), package="_global_")
    with initialize_config_dir(str(configuration_folder()), version_base="1.3"):
        read_config(compose("config", ["+imported=experiment", "data.images=[.]", "data.labels=."]), Config)


def main() -> None:
    """Translate a configuration, check and write the experiment, and say what became of each key."""
    refuse_name_clash()
    parser = Parser(prog="python -m gym.import_config", description="Turn an old configuration into an experiment.")
    parser.add_argument("old", metavar="OLD.json", type=Path, help="configuration of Segmentation Gym")
    parser.add_argument("--output", metavar="FOLDER", type=Path, help="configuration folder; else the program's own")
    parser.add_argument("--name", help="name of the experiment; else made from the file's")
    parser.add_argument("--overwrite", action="store_true", help="replace an experiment of this name")
    given, conf = parser.parse_args(), configuration_folder()
    try:
        name = old_config.name_of(given.old.stem, given.name)
        ours, target = (folder / "experiment" / f"{name}.yaml" for folder in (conf, given.output or conf))
        elsewhere = str(given.output) if target.resolve() != ours.resolve() else ""
        old_config.refuse_taken(str(target), target.exists() and not given.overwrite, bool(elsewhere) and ours.exists())
        experiment = old_config.to_experiment(given.old.read_bytes(), given.old.name, name, elsewhere)
        with old_config.blaming(experiment.rows):
            check(experiment.text)
        write_text(target, experiment.text)
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}; mend the path, or give another --output.") from error
    plain_console().print(old_config.report(experiment, str(target)))


if __name__ == "__main__":
    run_readably(main, Config)

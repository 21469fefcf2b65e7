"""Make labelled imagery model-ready: ``python -m gym.make_dataset data=folder data.images=[...] data.labels=...``."""

from omegaconf import DictConfig

from gym.command import verb
from gym.config import DatasetConfig
from gym.config_check import read_config
from gym.quiet import tensorflow_start


@verb("make_dataset")
def main(composed: DictConfig) -> None:
    """Make or find a store, and report on it."""
    config = read_config(composed, DatasetConfig)

    with tensorflow_start():  # TensorFlow takes seconds to import: only now that the configuration is sound
        from gym.dataset import make_dataset

    make_dataset(config)


if __name__ == "__main__":
    main()

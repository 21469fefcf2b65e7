"""Train, score and log one configuration: ``python -m gym.train model=resunet loss=cce filters=6``."""

from omegaconf import DictConfig

from gym.command import verb
from gym.config import Config
from gym.config_check import read_config
from gym.quiet import tensorflow_start


@verb("config")
def main(composed: DictConfig) -> float:
    """Train one configuration; give a sweeper its mean IoU."""
    config = read_config(composed, Config)

    with tensorflow_start():  # TensorFlow takes seconds to import: only now that the configuration is sound
        from gym.experiment import run_experiment
        from gym.sweeps.job import run_job

    return run_job(config) if config.sweep.job >= 0 else run_experiment(config).scores["iou"]


if __name__ == "__main__":
    main()

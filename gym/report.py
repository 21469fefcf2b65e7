"""Report on a sweep or on a run: ``python -m gym.report sweep=SWEEP``, ``python -m gym.report run=RUN``."""

from omegaconf import DictConfig

from gym.command import verb
from gym.config import ReportConfig
from gym.config_check import read_config
from gym.quiet import tensorflow_start


@verb("report")
def main(composed: DictConfig) -> None:
    """Write a page and its figures, and log them to the run in MLflow."""
    config = read_config(composed, ReportConfig)

    with tensorflow_start():  # TensorFlow takes seconds to import: only now that the configuration is sound
        from gym.write_up import write_up

    write_up(config)


if __name__ == "__main__":
    main()

"""Judge trained models: ``python -m gym.evaluate run=RUN``."""

from omegaconf import DictConfig

from gym.command import verb
from gym.config import EvaluateConfig
from gym.config_check import read_config
from gym.quiet import tensorflow_start


@verb("evaluate")
def main(composed: DictConfig) -> None:
    """Judge one model, or several on the same images."""
    config = read_config(composed, EvaluateConfig)

    with tensorflow_start():  # TensorFlow takes seconds to import: only now that the configuration is sound
        from gym.judging import judge_runs

    judge_runs(config)


if __name__ == "__main__":
    main()

"""Segment a folder of images with a trained run: ``python -m gym.predict run=RUN input=IMAGES output=LABELS``."""

from omegaconf import DictConfig

from gym.command import verb
from gym.config import PredictConfig
from gym.config_check import read_config
from gym.quiet import tensorflow_start


@verb("predict")
def main(composed: DictConfig) -> None:
    """Segment every image of a folder."""
    config = read_config(composed, PredictConfig)

    with tensorflow_start():  # TensorFlow takes seconds to import: only now that the configuration is sound
        from gym.application import apply_run

    apply_run(config)


if __name__ == "__main__":
    main()

"""Hand a trained model on, as one zip and in MLflow's model registry: ``python -m gym.publish run=RUN``."""

from omegaconf import DictConfig

from gym.command import verb
from gym.config import PublishConfig
from gym.config_check import read_config
from gym.quiet import tensorflow_start


@verb("publish")
def main(composed: DictConfig) -> None:
    """Publish the model of a run."""
    config = read_config(composed, PublishConfig)

    with tensorflow_start():  # TensorFlow takes seconds to import: only now that the configuration is sound
        from gym.publishing import publish

    publish(config)


if __name__ == "__main__":
    main()

"""The settings of a search, as its parts take them."""

from gym.config import Config
from gym.sweeps.folder import SweepFolder
from gym.sweeps.pruning import Pruning
from gym.sweeps.samplers import Sampling
from gym.sweeps.search_storage import default_url


def storage_of(config: Config, sweep: SweepFolder) -> str:
    """The URL of the database."""
    return config.search.storage or default_url(sweep.path)


def sampling_of(config: Config) -> Sampling:
    """How trials are proposed."""
    return Sampling(config.search.sampler, config.search.startup, config.search.seed)


def pruning_of(config: Config) -> Pruning:
    """How trials are given up."""
    return Pruning(config.search.pruner, config.search.startup, config.search.warmup, config.training.epochs)

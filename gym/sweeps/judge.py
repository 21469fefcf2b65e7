"""Whether a trial of a search goes on after an epoch."""

from collections.abc import Callable

from gym.config import Config
from gym.sweeps.folder import SweepFolder
from gym.training.history import Epoch

Judge = Callable[[Epoch], bool]


def open_judge(config: Config, sweep: SweepFolder, number: int) -> Judge | None:
    """What tells after each epoch of a trial whether to give it up; None where none is.

    Raises:
        RunError: The search's database cannot be used.
    """
    if config.search.pruner == "none":
        return None
    from gym.sweeps.pruning import EpochPruner  # imports Optuna
    from gym.sweeps.search_settings import pruning_of, storage_of

    pruner = EpochPruner(storage_of(config, sweep), sweep.name, number, pruning_of(config))
    objective = config.search.objective[0]
    return lambda epoch: pruner.report(epoch.number, float(getattr(epoch, f"val_{objective}")))

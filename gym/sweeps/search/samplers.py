"""Samplers that propose the trials of a search, reproducibly even if the search is interrupted.

Optuna's samplers draw from one random stream, so a study that is resumed in another process continues differently.
Here, every draw has its own sampler, seeded by the study's seed, the trial number and the parameter name. Everything
else that a proposal depends on is in the database.
"""

import warnings
import zlib
from collections.abc import Callable
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, CmaEsSampler, GridSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from gym.config.schema import SearchConfig
from gym.core.errors import ConfigError
from gym.core.seeding import derive_seed
from gym.sweeps.search.space import SearchSpace

MakeSampler = Callable[[int], BaseSampler]
Space = dict[str, BaseDistribution]


class ReproducibleSampler(BaseSampler):
    """Sampler whose proposals depend only on the study and the trial, not on the process.

    Args:
        make: Creates one of Optuna's samplers from a seed.
        seed: Seed of the study.
    """

    def __init__(self, make: MakeSampler, seed: int) -> None:
        self._make = make
        self._seed = seed

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Let the sampler store what it needs to know about the trial later, such as its generation."""
        self._at(trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        """Return the parameters that are sampled jointly."""
        return self._at(trial).infer_relative_search_space(study, trial)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        """Sample the joint parameters."""
        return self._at(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Sample a single parameter, whether or not this process sampled the others of the trial."""
        sampler = self._at(trial, zlib.crc32(param_name.encode()))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _at(self, trial: FrozenTrial, *counters: int) -> BaseSampler:
        return self._make(derive_seed(self._seed, "sampler", trial.number, *counters))


class StableNSGAIISampler(NSGAIISampler):
    """NSGA-II with parents in a fixed order.

    Optuna returns the parents from best to worst to the first child of a generation, but by number to the others,
    which read them from the database.
    """

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Return the parents by number."""
        super().get_parent_population(study, generation)  # writes them to the database
        return super().get_parent_population(study, generation)


def make_sampler(search: SearchConfig, space: SearchSpace) -> BaseSampler:
    """Create the sampler of a search.

    Raises:
        ConfigError: The sampler does not support this space or number of objectives.
    """
    return ReproducibleSampler(_sampler_factory(search, space), search.seed)


def _sampler_factory(search: SearchConfig, space: SearchSpace) -> MakeSampler:
    if search.sampler == "grid":
        grid = space.grid()
        order = derive_seed(search.seed, "grid")
        return lambda _: GridSampler(grid, seed=order)
    if search.sampler == "cmaes":
        check_cmaes(space, len(search.objective))
        return lambda seed: CmaEsSampler(n_startup_trials=search.startup, warn_independent_sampling=False, seed=seed)
    if search.sampler == "nsga2":
        return lambda seed: StableNSGAIISampler(population_size=search.startup, seed=seed)
    if search.sampler == "random":
        return lambda seed: RandomSampler(seed)
    return lambda seed: _make_tpe(search.startup, seed, is_multivariate=len(search.objective) == 1)


def _make_tpe(startup: int, seed: int, is_multivariate: bool) -> TPESampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # both options are experimental before Optuna 5
        return TPESampler(n_startup_trials=startup, seed=seed, multivariate=is_multivariate, constant_liar=True)


def check_cmaes(space: SearchSpace, objectives: int) -> None:
    """Raise `ConfigError` if CMA-ES does not support the space or the number of objectives."""
    if objectives > 1:
        raise ConfigError(
            f"search.sampler=cmaes supports one objective, not {objectives}; use search.sampler=nsga2 or tpe."
        )
    distributions = space.distributions.values()
    if all(isinstance(each, CategoricalDistribution) or each.single() for each in distributions):
        raise ConfigError(
            "search.sampler=cmaes needs a key with a numeric range, but all are lists; use search.sampler=tpe."
        )

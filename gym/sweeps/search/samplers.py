"""Who proposes the next trial of a search; each proposal depends on the study alone, not on the process.

Optuna's samplers draw from a stream that goes on from trial to trial, so that a study taken up again in another process
goes on differently. Here every draw has a sampler of its own, seeded by the study's seed, the trial's number and the
parameter's name. All else that a proposal depends on stands in the database.
"""

import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, CmaEsSampler, GridSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from gym.core.errors import ConfigError
from gym.core.seeding import derive_seed
from gym.sweeps.search.space import SearchSpace

SAMPLERS = ("tpe", "random", "grid", "cmaes", "nsga2")

MakeSampler = Callable[[int], BaseSampler]


@dataclass(frozen=True)
class Sampling:
    """How trials are proposed.

    Attributes:
        sampler: One of `SAMPLERS`.
        startup: How many first trials are drawn at random, before ``tpe`` and ``cmaes`` learn from them; for ``nsga2``
            the size of a generation, of which the first is drawn at random. 2 or more.
        seed: 0 or more.
    """

    sampler: str = "tpe"
    startup: int = 10
    seed: int = 42


class ReplayableSampler(BaseSampler):
    """A sampler that proposes the same for the same trial of the same study, whenever and wherever it is asked.

    Args:
        make: Makes one of Optuna's samplers of a seed.
        seed: Of the study.
    """

    def __init__(self, make: MakeSampler, seed: int) -> None:
        self._make = make
        self._seed = seed

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Let the sampler note in the database what it wants to know of the trial later."""
        self._at(trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that are drawn together."""
        return self._at(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw them together."""
        return self._at(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw one by itself, the same whether or not those before it were drawn in this process."""
        sampler = self._at(trial, zlib.crc32(param_name.encode()))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _at(self, trial: FrozenTrial, *counters: int) -> BaseSampler:
        return self._make(derive_seed(self._seed, "sampler", trial.number, *counters))


class SettledNSGAIISampler(NSGAIISampler):
    """NSGA-II whose parents have one order.

    Optuna gives them from best to worst to the first child of a generation, and by number to its later ones.
    """

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """The parents by number, as they are read from the database."""
        super().get_parent_population(study, generation)
        return super().get_parent_population(study, generation)


def make_sampler(sampling: Sampling, space: SearchSpace, objectives: int = 1) -> BaseSampler:
    """Make the sampler of a study with so many objectives.

    Raises:
        ConfigError: The sampler cannot search this space, or not by so many objectives.
    """
    make = _maker(sampling, space, objectives)
    return ReplayableSampler(make, sampling.seed)


def _maker(sampling: Sampling, space: SearchSpace, objectives: int) -> MakeSampler:
    if sampling.sampler == "grid":
        grid = space.grid()
        order = derive_seed(sampling.seed, "grid")
        return lambda _: GridSampler(grid, seed=order)
    if sampling.sampler == "cmaes":
        refuse_for_cmaes(space, objectives)
        return lambda seed: CmaEsSampler(n_startup_trials=sampling.startup, warn_independent_sampling=False, seed=seed)
    if sampling.sampler == "nsga2":
        return lambda seed: SettledNSGAIISampler(population_size=sampling.startup, seed=seed)
    if sampling.sampler == "random":
        return lambda seed: RandomSampler(seed)
    return lambda seed: _make_tpe(sampling.startup, seed, objectives)


def _make_tpe(startup: int, seed: int, objectives: int) -> TPESampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # these arguments were so before Optuna 5
        return TPESampler(n_startup_trials=startup, seed=seed, multivariate=objectives == 1, constant_liar=True)


def refuse_for_cmaes(space: SearchSpace, objectives: int) -> None:
    """Raise `ConfigError` where CMA-ES cannot search."""
    if objectives > 1:
        raise ConfigError(f"cmaes searches by one objective, not by {objectives}; choose search.sampler=nsga2 or tpe.")
    numbers = [one for one in space.distributions.values() if not isinstance(one, CategoricalDistribution)]
    if all(one.single() for one in numbers):
        raise ConfigError("cmaes wants a number to search, and all keys are lists; choose search.sampler=tpe.")

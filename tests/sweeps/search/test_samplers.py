"""A sampled value depends on the study, the trial and the parameter, but not on the history of the process."""

from dataclasses import fields

import optuna
import pytest

from gym.config.schema import SearchConfig
from gym.sweeps.search.samplers import StableNSGAIISampler, make_sampler
from gym.sweeps.search.space import read_space

SAMPLERS = next(field.metadata["rule"]["choices"] for field in fields(SearchConfig) if field.name == "sampler")
SPACE = read_space(["x=range(0,1,0.125)", "y=range(0,1,0.125)", "z=a,b,c"])


def study_of(sampler, startup=2):
    """Return a study in memory."""
    search = SearchConfig(sampler=sampler, startup=startup, seed=3)
    return optuna.create_study(direction="maximize", sampler=make_sampler(search, SPACE))


def finish(study, trials):
    """Run trials with made-up results."""
    for number in range(trials):
        study.tell(study.ask(SPACE.distributions), (number * 7 % 5) / 10)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_parameter_is_sampled_independently(sampler):
    """A trial that lost some of its parameters gets the same values again, in any order."""
    undisturbed, interrupted = study_of(sampler), study_of(sampler)
    finish(undisturbed, 5)
    finish(interrupted, 5)
    expected = undisturbed.ask(SPACE.distributions).params

    trial = interrupted.ask({"z": SPACE.distributions["z"]})
    again = optuna.trial.Trial(interrupted, trial._trial_id)
    again.suggest_float("y", 0.0, 0.875, step=0.125)
    again.suggest_float("x", 0.0, 0.875, step=0.125)

    assert again.params == expected


def test_every_configured_sampler_works():
    """All choices of ``search.sampler`` propose trials."""
    for sampler in SAMPLERS:
        finish(study := study_of(sampler), 4)
        assert len(study.trials) == 4


def test_the_order_of_parents_is_stable():
    """All children of a generation see the parents in the same order."""
    study = optuna.create_study(direction="maximize", sampler=StableNSGAIISampler(population_size=3, seed=1))
    finish(study, 3)
    assert [trial.value for trial in study.trials] == [0.0, 0.2, 0.4]

    first = study.sampler.get_parent_population(study, 1)
    later = study.sampler.get_parent_population(study, 1)

    assert [trial.number for trial in first] == [trial.number for trial in later] == [0, 1, 2]

"""A draw depends on the study, the trial and the parameter, and on nothing that the process did before."""

import optuna
import pytest

from gym.sweeps.search.samplers import SAMPLERS, Sampling, SettledNSGAIISampler, make_sampler
from gym.sweeps.search.space import read_space

SPACE = read_space(["x=range(0,1,0.125)", "y=range(0,1,0.125)", "z=a,b,c"])


def study_of(sampler, startup=2):
    """A study in memory."""
    return optuna.create_study(direction="maximize", sampler=make_sampler(Sampling(sampler, startup, seed=3), SPACE))


def finish(study, trials):
    """Ask for trials and tell them."""
    for number in range(trials):
        study.tell(study.ask(SPACE.distributions), (number * 7 % 5) / 10)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_parameter_has_its_own_draw(sampler):
    """A trial that lost some of its parameters gets the same ones, whichever are left."""
    whole, parted = study_of(sampler), study_of(sampler)
    finish(whole, 5)
    finish(parted, 5)
    expected = whole.ask(SPACE.distributions).params

    trial = parted.ask({"z": SPACE.distributions["z"]})
    again = optuna.trial.Trial(parted, trial._trial_id)
    again.suggest_float("y", 0.0, 0.875, step=0.125)
    again.suggest_float("x", 0.0, 0.875, step=0.125)

    assert again.params == expected


def test_all_samplers_are_there():
    """Each name makes a sampler that draws."""
    for sampler in SAMPLERS:
        finish(study := study_of(sampler), 4)
        assert len(study.trials) == 4


def test_parents_have_one_order():
    """The first child of a generation and its later ones find the parents in the same order."""
    study = optuna.create_study(direction="maximize", sampler=SettledNSGAIISampler(population_size=3, seed=1))
    finish(study, 3)
    assert [trial.value for trial in study.trials] == [0.0, 0.2, 0.4]

    first = study.sampler.get_parent_population(study, 1)
    later = study.sampler.get_parent_population(study, 1)

    assert [trial.number for trial in first] == [trial.number for trial in later] == [0, 1, 2]

"""Runs that are alike but for some keys come together."""

from hypothesis import given
from hypothesis import strategies as st

from gym.reporting.run_table import group_runs
from tests.reporting.test_run_table import made_run


def test_runs_of_several_seeds_come_together():
    """In the order of their first runs; names, places and their numbers in the sweep part nothing."""
    runs = [
        made_run(model=model, settings={"seed": seed, "name": f"run {place}", "sweep.job": place})
        for place, (model, seed) in enumerate([("unet", 1), ("resunet", 1), ("unet", 2), ("resunet", 2)])
    ]
    first, second = group_runs(runs, ["seed"])

    assert (first.label, first.settings) == ("unet", {"model.name": "unet"})
    assert (second.label, second.settings) == ("resunet", {"model.name": "resunet"})
    assert [run.settings["sweep.job"] for run in first.runs] == [0, 2]
    assert [run.settings["sweep.job"] for run in second.runs] == [1, 3]


def test_one_group_needs_no_label():
    """Nothing sets it apart."""
    (group,) = group_runs([made_run(settings={"seed": seed}) for seed in (1, 2)], ["seed"])

    assert (group.label, group.settings, len(group.runs)) == ("", {}, 2)
    assert group_runs([], ["seed"]) == []


def test_a_label_says_the_model_as_it_is_called():
    """Other keys as they are written on a command line, in whatever order."""
    runs = [
        made_run(model=model, loss=loss, filters=filters, settings={"data.indices": [loss], "seed": 1})
        for model, loss, filters in (("unet", "cce", 4), ("resunet", "dice", 8))
    ]

    assert [group.label for group in group_runs(runs, [])] == [
        'unet cce f4 data.indices=["cce"]',
        'resunet dice f8 data.indices=["dice"]',
    ]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12))
def test_each_run_is_in_the_group_of_its_settings(values):
    """Two runs are in one group if and only if they differ in nothing but what is set apart."""
    runs = [
        made_run(filters=filters, settings={"seed": seed, "model.kernel": kernel}) for filters, kernel, seed in values
    ]
    groups = group_runs(runs, ["seed"])

    assert sorted(id(run) for group in groups for run in group.runs) == sorted(map(id, runs))
    kinds = [{(run.settings["model.filters"], run.settings["model.kernel"]) for run in group.runs} for group in groups]
    assert all(len(kind) == 1 for kind in kinds)
    assert len(set.union(*kinds)) == len(groups)

"""The split is by scene, really random, and leaks nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.data.split import Split, refuse_leaks, split_by_scene
from gym.errors import DataError


@given(
    scenes=st.lists(st.sampled_from("abcdefghij"), min_size=2).filter(lambda names: len(set(names)) > 1),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 1000),
)
def test_a_split_is_a_partition_by_scene(scenes, share, seed):
    """Each pair stands on one side, all pairs of a scene on the same, both sides have a scene, the share is kept."""
    split = split_by_scene(scenes, share, seed)

    assert sorted(split.training + split.validation) == list(range(len(scenes)))
    training, validation = ({scenes[at] for at in side} for side in split)
    assert training
    assert validation
    assert not training & validation
    count = len(set(scenes))
    assert len(validation) == min(count - 1, max(1, round(share * count)))


def test_validation_is_not_the_first_files_by_name():
    """The original's random split was undone by a sort: its validation files were the first of the listing."""
    names = [f"scene{number:03d}" for number in range(100)]
    firsts = sum(split_by_scene(names, 0.6, seed).validation == list(range(60)) for seed in range(20))
    draws = {tuple(split_by_scene(names, 0.6, seed).validation) for seed in range(20)}

    assert firsts == 0
    assert len(draws) == 20


@given(st.permutations([f"s{number}" for number in range(12)]))
def test_the_draw_does_not_depend_on_the_order_of_the_files(names):
    """Another listing order puts the same scenes on the same sides."""
    sides = split_by_scene(names, 0.5, 3)
    expected = split_by_scene(sorted(names), 0.5, 3)

    assert {names[at] for at in sides.validation} == {sorted(names)[at] for at in expected.validation}


def test_one_scene_cannot_be_split():
    """With what to check."""
    with pytest.raises(DataError, match=r"1 scene \(a\) cannot be split; .* check data\.scene_pattern"):
        split_by_scene(["a", "a"], 0.5, 0)


def test_a_scene_on_both_sides_is_refused():
    """The leak check reads the split that is used, whoever made it."""
    with pytest.raises(DataError, match="n1 validates and n0 trains on the same scene"):
        refuse_leaks(Split([0], [1]), ["n0", "n1"], ["s", "s"], ["h0", "h1"])


def test_one_image_under_two_names_is_refused():
    """A copy in another scene leaks as well."""
    with pytest.raises(DataError, match="n2 validates and n0 trains on the same image; give them one scene"):
        refuse_leaks(Split([0, 1], [2]), ["n0", "n1", "n2"], ["a", "b", "c"], ["h0", "h1", "h0"])
    refuse_leaks(Split([0, 2], [1]), ["n0", "n1", "n2"], ["a", "b", "c"], ["h0", "h1", "h0"])

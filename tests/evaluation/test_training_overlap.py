"""What of the judged images a model has seen is told by their pixels; two models are compared on equal images only."""

import pytest

from gym.config.schema import AugmentConfig
from gym.data.split import Split
from gym.evaluation.training_overlap import (
    EvaluationSet,
    ImageIdentity,
    TrainingData,
    find_differing_images,
    identify_images,
    list_warnings,
)
from tests.conftest import make_scenes, make_tiny_dataset

SIDES = Split([0, 1, 2], [3, 4], [5])


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The data a model was trained on."""
    return make_tiny_dataset(tmp_path_factory.mktemp("stores") / "own", make_scenes())


def judged_of(dataset, samples, side, own, split=SIDES, obstacle=""):
    """Some samples, to be judged."""
    return EvaluationSet(dataset, samples, side, AugmentConfig(), 0, TrainingData(own, split, obstacle))


def test_the_sides_of_its_own_data_are_known(own):
    """Also through another dataset of the same fingerprint."""
    again = type(own)(own.folder)

    assert judged_of(again, [5], "test", own).training_side == "test"
    assert list_warnings(judged_of(again, [5], "test", own)) == []
    assert list_warnings(judged_of(again, [0, 1, 2], "training", own)) == [
        "the model was trained on 3 of these images, which inflates its scores"
    ]
    assert list_warnings(judged_of(again, [3, 4], "validation", own)) == [
        "these images were used to select the best epoch, which slightly inflates the scores"
    ]
    assert list_warnings(judged_of(again, range(6), "all", own)) == [
        "the model was trained on 3 of these images, which inflates its scores",
        "2 of these images were used to select the best epoch, which slightly inflates the scores",
    ]


def test_images_are_known_by_their_pixels(own, tmp_path):
    """Under other names too, and only those; a side of other data is no side of the model's own."""
    scenes = make_scenes()
    mixed = make_tiny_dataset(
        tmp_path / "mixed", {"a": scenes["pair1"], "b": scenes["pair5"], "pair0": scenes["pair4"]}
    )

    assert judged_of(mixed, [0, 1, 2], "validation", own).training_side == ""
    assert list_warnings(judged_of(mixed, [0, 1, 2], "validation", own)) == [
        "the model was trained on 1 of these images, which inflates its scores",
        "1 of these images were used to select the best epoch, which slightly inflates the scores",
    ]
    assert list_warnings(judged_of(mixed, [1], "validation", own)) == []


def test_a_split_that_parts_copies_is_said_to_leak_where_it_does(own, tmp_path):
    """On its own validation side; on other data there are no copies."""
    leaky = Split([6, 7, 8], [12, 13], [])
    scenes = make_scenes(12)
    other = make_tiny_dataset(tmp_path / "other", {name: scenes[name] for name in list(scenes)[6:]})

    warning = list_warnings(judged_of(own, [12, 13], "validation", own, leaky))[0]
    assert warning == "these images include copies of training scenes, so all scores are too optimistic"
    assert list_warnings(judged_of(other, range(6), "validation", own, leaky)) == []


def test_where_its_own_data_are_gone_nobody_knows(own):
    """And that is said, with the reason."""
    assert list_warnings(judged_of(own, [0], "all", None, obstacle="x is gone")) == [
        "it is unknown whether the model was trained on these images, because its training data is unavailable "
        "(x is gone)"
    ]


def test_images_are_equal_by_files_and_truth(own, tmp_path):
    """Other pixels or other labels under the same names are other images."""
    scenes = make_scenes()
    brighter = scenes | {"pair1": scenes["pair1"]._replace(image=scenes["pair1"].image + 1)}
    relabelled = scenes | {"pair2": scenes["pair2"]._replace(label=2 - scenes["pair2"].label)}
    ours = identify_images(judged_of(own, range(6), "all", own))

    assert find_differing_images(ours, ours[::-1]) == []
    for name, made in (("pair1", brighter), ("pair2", relabelled)):
        dataset = make_tiny_dataset(tmp_path / name, made)
        assert find_differing_images(ours, identify_images(judged_of(dataset, range(6), "all", own))) == [name]
    assert find_differing_images(ours[:5], ours[1:]) == ["pair0", "pair5"]


def test_more_bands_of_a_scene_are_the_same_scene():
    """Where the files of one model are among those of the other; other files are another scene."""
    few, many = ImageIdentity("a", frozenset("rl"), "t"), ImageIdentity("a", frozenset("rnl"), "t")

    assert find_differing_images([few], [many]) == find_differing_images([many], [few]) == []
    assert find_differing_images([many], [many._replace(files=frozenset("rsl"))]) == ["a"]


def test_copies_are_compared_as_augmentation_makes_them(own):
    """Of another seed they are other images."""
    flips = AugmentConfig(mode="offline", flip_horizontal=True, flip_vertical=True)
    judged = judged_of(own, range(6, 12), "validation", own)._replace(augment=flips)
    ours, others = (identify_images(judged._replace(seed=seed)) for seed in (0, 1))

    assert find_differing_images(ours, ours) == []
    assert find_differing_images(ours, others)

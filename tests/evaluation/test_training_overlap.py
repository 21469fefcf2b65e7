"""Images that a model has seen are found by their pixels, and models are compared on equal images only."""

import pytest

from gym.config.schema import AugmentConfig
from gym.data.split import Split
from gym.data.units import Units
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
def training_data(tmp_path_factory):
    """The dataset that a model was trained on."""
    return make_tiny_dataset(tmp_path_factory.mktemp("stores") / "training_data", make_scenes())


def evaluated_on(dataset, samples, side, training_data, split=SIDES, obstacle=""):
    """An evaluation set with these samples."""
    known = TrainingData(training_data, split, obstacle)
    return EvaluationSet(dataset, samples, side, AugmentConfig(), 0, known, Units("scene", []))


def test_the_side_of_the_training_data_is_recognised(training_data):
    """Another dataset with the same fingerprint counts as the same."""
    again = type(training_data)(training_data.folder)

    assert evaluated_on(again, [5], "test", training_data).training_side == "test"
    assert list_warnings(evaluated_on(again, [5], "test", training_data)) == []
    assert list_warnings(evaluated_on(again, [0, 1, 2], "training", training_data)) == [
        "the model was trained on 3 of these images, which inflates its scores"
    ]
    assert list_warnings(evaluated_on(again, [3, 4], "validation", training_data)) == [
        "these images were used to select the best epoch, which slightly inflates the scores"
    ]
    assert list_warnings(evaluated_on(again, range(6), "all", training_data)) == [
        "the model was trained on 3 of these images, which inflates its scores",
        "2 of these images were used to select the best epoch, which slightly inflates the scores",
    ]


def test_images_are_recognised_by_their_pixels(training_data, tmp_path):
    """Names do not matter, and a side of other data is not a side of the training data."""
    scenes = make_scenes()
    mixed = make_tiny_dataset(
        tmp_path / "mixed", {"a": scenes["pair1"], "b": scenes["pair5"], "pair0": scenes["pair4"]}
    )

    assert evaluated_on(mixed, [0, 1, 2], "validation", training_data).training_side == ""
    assert list_warnings(evaluated_on(mixed, [0, 1, 2], "validation", training_data)) == [
        "the model was trained on 1 of these images, which inflates its scores",
        "1 of these images were used to select the best epoch, which slightly inflates the scores",
    ]
    assert list_warnings(evaluated_on(mixed, [1], "validation", training_data)) == []


def test_a_leaky_split_is_reported_on_its_own_validation_side(training_data, tmp_path):
    """On other data there are no copies."""
    leaky = Split([6, 7, 8], [12, 13], [])
    scenes = make_scenes(12)
    other = make_tiny_dataset(tmp_path / "other", {name: scenes[name] for name in list(scenes)[6:]})

    warning = list_warnings(evaluated_on(training_data, [12, 13], "validation", training_data, leaky))[0]
    assert warning == "these images include copies of training scenes, so all scores are too optimistic"
    assert list_warnings(evaluated_on(other, range(6), "validation", training_data, leaky)) == []


def test_without_training_data_the_overlap_is_unknown(training_data):
    """The warning gives the reason."""
    assert list_warnings(evaluated_on(training_data, [0], "all", None, obstacle="x is gone")) == [
        "it is unknown whether the model was trained on these images, because its training data is unavailable "
        "(x is gone)"
    ]


def test_images_are_equal_by_files_and_truth(training_data, tmp_path):
    """Images with other pixels or labels differ even if they have the same names."""
    scenes = make_scenes()
    brighter = scenes | {"pair1": scenes["pair1"]._replace(image=scenes["pair1"].image + 1)}
    relabelled = scenes | {"pair2": scenes["pair2"]._replace(label=2 - scenes["pair2"].label)}
    ours = identify_images(evaluated_on(training_data, range(6), "all", training_data))

    assert find_differing_images(ours, ours[::-1]) == []
    for name, made in (("pair1", brighter), ("pair2", relabelled)):
        dataset = make_tiny_dataset(tmp_path / name, made)
        assert find_differing_images(ours, identify_images(evaluated_on(dataset, range(6), "all", training_data))) == [
            name
        ]
    assert find_differing_images(ours[:5], ours[1:]) == ["pair0", "pair5"]


def test_images_with_additional_bands_are_equal():
    """The files of one model must be among the files of the other."""
    few, many = ImageIdentity("a", frozenset("rl"), "t"), ImageIdentity("a", frozenset("rnl"), "t")

    assert find_differing_images([few], [many]) == find_differing_images([many], [few]) == []
    assert find_differing_images([many], [many._replace(files=frozenset("rsl"))]) == ["a"]


def test_copies_are_compared_after_augmentation(training_data):
    """Copies with another seed are other images."""
    flips = AugmentConfig(mode="offline", flip_horizontal=True, flip_vertical=True)
    evaluated = evaluated_on(training_data, range(6, 12), "validation", training_data)._replace(augment=flips)
    ours, others = (identify_images(evaluated._replace(seed=seed)) for seed in (0, 1))

    assert find_differing_images(ours, ours) == []
    assert find_differing_images(ours, others)

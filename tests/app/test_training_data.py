"""The training data of a model is verified by its fingerprint and its sides by name, or the reason is given."""

import pytest

from gym.app.training_data import open_training_data
from gym.config.schema import DataConfig
from gym.core.errors import RunError
from gym.runs.model_source import ModelSource

SIDES = {"training": ["pair2", "pair0"], "validation": ["pair1 copy 2"], "test": []}


class SourceWithSides(ModelSource):
    """A model whose sides are given."""

    def read_split(self):
        """Return the sides, or raise the given error."""
        if isinstance(self.run, RunError):
            raise self.run
        return self.run


def source_of(dataset, tmp_path, sides=SIDES):
    """Return a model that was trained on a dataset."""
    return SourceWithSides("mine", "0123", tmp_path, dataset.manifest.fingerprint, run=sides)


def test_sides_are_those_of_training(tiny_dataset, tmp_path):
    """They are in the order of training, copies included; a side that split.json lacks is empty."""
    own = open_training_data(source_of(tiny_dataset, tmp_path), DataConfig(), tmp_path, tiny_dataset)

    assert own.dataset is tiny_dataset
    assert own.split == ([2, 0], [13], [])
    assert open_training_data(
        source_of(tiny_dataset, tmp_path, {**SIDES, "test": ["pair5"]}), DataConfig(), tmp_path, tiny_dataset
    )[1][2] == [5]


@pytest.mark.parametrize(
    ("sides", "obstacle"),
    [
        (
            SIDES | {"test": ["pair5", "pair6"]},
            "the test side in split.json of mine lists images that its data lacks",
        ),
        (SIDES | {"training": []}, "the training side in split.json of mine is empty"),
        ({"training": ["pair0"]}, "the validation side in split.json of mine is empty"),
        (RunError("it is a goat"), "it is a goat"),
    ],
)
def test_an_invalid_split_makes_the_data_unavailable(tiny_dataset, tmp_path, sides, obstacle):
    """No side is guessed."""
    own = open_training_data(source_of(tiny_dataset, tmp_path, sides), DataConfig(), tmp_path, tiny_dataset)

    assert own.dataset is None
    assert own.obstacle.startswith(obstacle)


def test_data_with_another_fingerprint_is_not_the_training_data(tiny_dataset, tmp_path):
    """The configuration may still name it; a model without a fingerprint has no known data."""
    drawn = DataConfig(scenes=4, size=32)
    unknown = SourceWithSides("mine", "0123", tmp_path, "", run=SIDES)

    changed = open_training_data(source_of(tiny_dataset, tmp_path), drawn, tmp_path, None)
    assert changed.dataset is None
    assert changed.obstacle.startswith("4 synthetic coastal scenes of ")
    assert changed.obstacle.endswith(" changed after training")
    assert open_training_data(unknown, drawn, tmp_path, None).obstacle == "the model does not record its fingerprint"


def test_files_of_another_machine_make_the_data_unavailable(tiny_dataset, tmp_path):
    """They are refused like a wrong configuration, but evaluation continues."""
    elsewhere = {"images": [str(tmp_path)], "labels": str(tmp_path), "classes": ["sea", "land"]}
    trained = DataConfig(kind="folder", aliases="/nowhere/aliases.csv", **elsewhere)

    own = open_training_data(source_of(tiny_dataset, tmp_path), trained, tmp_path, None)

    assert own.dataset is None
    assert "/nowhere/aliases.csv is not a file" in own.obstacle

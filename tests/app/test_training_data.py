"""The data a model was trained on are found by their fingerprint, their sides by name; else it is said why not."""

import pytest

from gym.app.training_data import open_own
from gym.config.schema import Config, DataConfig
from gym.core.errors import RunError
from gym.runs.model_source import ModelSource

SIDES = {"training": ["pair2", "pair0"], "validation": ["pair1 copy 2"], "test": []}


class Held(ModelSource):
    """A model of known sides."""

    def read_split(self):
        """The sides, or what reading them raises."""
        if isinstance(self.run, RunError):
            raise self.run
        return self.run


def source_of(dataset, tmp_path, sides=SIDES):
    """A run that was trained on a dataset."""
    return Held("mine", "0123", tmp_path, dataset.manifest.fingerprint, run=sides)


def test_sides_are_those_of_the_training(tiny_dataset, tmp_path):
    """By name, in the order of the training, copies among them; a side that split.json does not name is empty."""
    own = open_own(source_of(tiny_dataset, tmp_path), Config(), tmp_path, tiny_dataset)

    assert own.dataset is tiny_dataset
    assert own.split == ([2, 0], [13], [])
    assert open_own(source_of(tiny_dataset, tmp_path, {**SIDES, "test": ["pair5"]}), Config(), tmp_path, tiny_dataset)[
        1
    ][2] == [5]


@pytest.mark.parametrize(
    ("sides", "obstacle"),
    [
        (SIDES | {"test": ["pair5", "pair6"]}, "the test side in split.json of mine names images that its data do not"),
        (SIDES | {"training": []}, "the training side in split.json of mine is empty"),
        ({"training": ["pair0"]}, "the validation side in split.json of mine is empty"),
        (RunError("it is a goat"), "it is a goat"),
    ],
)
def test_a_split_that_does_not_fit_is_an_obstacle(tiny_dataset, tmp_path, sides, obstacle):
    """No side is guessed."""
    own = open_own(source_of(tiny_dataset, tmp_path, sides), Config(), tmp_path, tiny_dataset)

    assert own.dataset is None
    assert own.obstacle.startswith(obstacle)


def test_data_of_another_fingerprint_are_not_its_own(tiny_dataset, tmp_path):
    """Though the configuration names them; nor are any where none is known."""
    drawn = Config(data=DataConfig(scenes=4, size=32))
    unknown = Held("mine", "0123", tmp_path, "", run=SIDES)

    changed = open_own(source_of(tiny_dataset, tmp_path), drawn, tmp_path, None)
    assert changed.dataset is None
    assert changed.obstacle.startswith("4 synthetic coastal scenes of ")
    assert changed.obstacle.endswith(" are no longer those it was trained on")
    assert open_own(unknown, drawn, tmp_path, None).obstacle == "it is not known which they were"


def test_files_of_another_machine_are_an_obstacle_and_no_error(tiny_dataset, tmp_path):
    """As a table of aliases, which is refused as a configuration."""
    elsewhere = {"images": [str(tmp_path)], "labels": str(tmp_path), "classes": ["sea", "land"]}
    trained = Config(data=DataConfig(kind="folder", aliases="/nowhere/aliases.csv", **elsewhere))

    own = open_own(source_of(tiny_dataset, tmp_path), trained, tmp_path, None)

    assert own.dataset is None
    assert "/nowhere/aliases.csv is not a file" in own.obstacle

"""The help of each command."""

import re

import pytest

from gym.app.help import asks_for_help
from tests.app.commands import run_lightly


@pytest.fixture
def help_of():
    """Print the help of a command and return it; no large library is imported for it."""

    def show(*arguments: str) -> str:
        code, out, err = run_lightly(*arguments)
        assert (code, err) == (0, "")
        return out

    return show


def test_the_help_of_train_shows_groups_options_and_keys(help_of):
    """Every group is listed with its options, and every key with its default and meaning."""
    out = help_of("train", "--help")

    assert "model: resunet, simple_resunet, simple_unet, unet" in out
    assert "data: coast_train, coast_train_2022, doodler, folder, gym_npz, synthetic" in out
    assert "split: given, kfold, leave_one_site_out, paper, random" in out
    assert "python -m gym.train model=resunet loss=cce filters=6" in out
    assert "  patience: 10                      # Epochs without" in out


def test_the_help_of_make_dataset_shows_only_its_own_groups(help_of):
    """They concern imagery, split and augmentation, and none concerns models."""
    out = help_of("make_dataset", "--help")

    assert "data: coast_train, coast_train_2022, doodler, folder, gym_npz, synthetic" in out
    assert "python -m gym.make_dataset data=doodler" in out
    assert "export: none " in out
    assert "debug" not in out
    assert "epochs" not in out


def test_help_shows_the_values_that_the_arguments_set(help_of):
    """For example, ``training=paper --help`` shows what that option sets."""
    out = help_of("train", "training=paper", "filters=12", "--help")

    assert "  epochs: 100 " in out
    assert "  filters: 12 " in out


def test_help_with_other_flags_is_left_to_hydra(help_of):
    """Some of Hydra's flags take a value."""
    assert not asks_for_help(["--config-dir", "conf", "--help"])
    assert "patience: 10" in help_of("train", "--config-dir", "conf", "--help")


def test_help_refuses_a_wrong_argument():
    """The error is the same as without ``-h``."""
    refused = run_lightly("train", "loss=mse", "-h")

    assert refused == (1, "", "error: loss=mse is not an option; loss must be one of cce, dice, hinge, kld.\n")


def test_the_help_of_predict_marks_mandatory_keys(help_of):
    """A mandatory key has OmegaConf's mark instead of a default."""
    assert "input: ???  " in help_of("predict", "--help")


def test_the_help_of_report_shows_how_to_choose_a_sweep(help_of):
    """The example and the key of a sweep are listed."""
    out = help_of("report", "--help")

    assert "python -m gym.report sweep=SWEEP" in out
    assert re.search("^sweep: '' +# Name of a sweep, or MLflow id or name of its parent run", out, re.MULTILINE)


def test_the_help_of_publish_shows_its_keys(help_of):
    """Keys of training are not among them."""
    out = help_of("publish", "--help")

    assert "Publish the model of a run" in out
    assert "alias: champion  " in out
    assert "epochs" not in out


def test_the_help_of_clean_shows_its_keys(help_of):
    """The kinds of files are listed."""
    out = help_of("clean", "--help")

    assert "python -m gym.clean sweep=SWEEP yes=true" in out
    assert "temporary, checkpoints, datasets, failed, deleted, orphaned, interrupted" in out

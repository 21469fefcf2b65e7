"""Option groups are listed, and option names that look like numbers are quoted for Hydra."""

import pytest

from gym.config.groups import (
    configuration_folder,
    group_names,
    natural_key,
    option_names,
    quote_options,
    unquote_options,
)
from gym.core.errors import ConfigError


def test_numbers_that_name_options_are_quoted():
    """Hydra would read 6 as an integer; values of other keys are left alone."""
    assert quote_options("filters=6") == "filters='6'"
    assert quote_options("filters=2,4,12") == "filters='2','4','12'"
    assert quote_options("filters=-1") == "filters='-1'"
    assert quote_options("sweep=12e456789012") == "sweep='12e456789012'"
    assert quote_options("run=0123") == "run='0123'"
    assert quote_options("sweep.name=1e5,b") == "sweep.name='1e5',b"
    assert quote_options("loss=cce,dice") == "loss=cce,dice"
    assert quote_options("seed=6") == "seed=6"
    assert quote_options("--multirun") == "--multirun"
    assert unquote_options("filters='2','4','12'") == "filters=2,4,12"
    assert quote_options("+filters=2,4") == "+filters='2','4'"
    assert unquote_options("+filters='2','4'") == "+filters=2,4"
    assert unquote_options("name='6'") == "name=6"
    assert unquote_options("name='a b'") == "name='a b'"
    assert unquote_options("data.bands='6'") == "data.bands='6'"


@pytest.mark.parametrize(
    ("pattern", "options"),
    {
        "loss=glob(*)": "loss=cce,dice,hinge,kld",
        "loss=glob([c*,d*])": "loss=cce,dice",
        "model=glob(*,exclude=simple*)": "model=resunet,unet",
        "filters=glob(*)": "filters='2','4','6','8','12'",
        "+experiment=glob(s*)": "+experiment=search,seeds,smoke_matrix",
    }.items(),
)
def test_a_pattern_is_replaced_by_the_options_that_match(pattern, options):
    """Numbers are quoted and in numerical order."""
    assert quote_options(pattern) == options


@pytest.mark.parametrize(
    ("pattern", "message"),
    {
        "loss=glob(z*)": "loss=glob(z*) matches no option; loss must be one of cce, dice, hinge, kld.",
        "loss=glob(": "loss=glob( matches no option; loss must be one of cce, dice, hinge, kld.",
        "seed=glob(*)": "seed=glob(*): glob selects options of a group, but seed is not a group; list the values.",
        "model.name=glob(*)": "model.name=glob(*): glob selects options of a group, but model.name is not a group; "
        "list the values.",
    }.items(),
)
def test_a_pattern_without_matches_is_refused(pattern, message):
    """The error lists the options, or says that there are none."""
    with pytest.raises(ConfigError) as refusal:
        quote_options(pattern)

    assert str(refusal.value) == message


def test_options_are_sorted_by_number():
    """The order is 2, 4, 12 and not 12, 2, 4."""
    assert sorted(["12", "x", "2", "4"], key=natural_key) == ["2", "4", "12", "x"]


def test_groups_and_their_options_are_the_folders_and_files_of_conf():
    """Hydra's own group is not listed, and numbers are in numerical order."""
    assert {"model", "loss", "data", "split"} <= set(group_names())
    assert all((configuration_folder() / name).is_dir() for name in group_names())
    assert "hydra" not in group_names()
    assert option_names("filters") == ["2", "4", "6", "8", "12"]
    assert option_names("loss") == ["cce", "dice", "hinge", "kld"]

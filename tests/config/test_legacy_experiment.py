"""An old configuration becomes an experiment with a valid name, readable YAML and a report on its keys."""

import json
import string

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from gym.config.legacy_experiment import (
    check_target,
    choose_name,
    clean_name,
    format_outcomes,
    make_experiment,
    name_legacy_key,
    train_command,
)
from gym.config.legacy_keys import translate
from gym.core.errors import ConfigError

OLD = {
    "TARGET_SIZE": [64, 32],
    "MODEL": "unet",
    "NCLASSES": 3,
    "N_DATA_BANDS": 3,
    "FILTERS": 6,
    "KERNEL": 5,
    "STRIDE": 2,
    "LOSS": "dice",
}


@given(st.text(string.printable))
def test_a_cleaned_name_can_be_chosen_on_the_command_line(stem):
    """Hydra parses it as text, never as a number, a list or null."""
    name = clean_name(stem)

    (override,) = OverridesParser.create().parse_overrides([f"+experiment={name}"])
    assert override.value() == name
    assert isinstance(override.value(), str)
    assert clean_name(name) == name


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("ct_l8_5d", "ct_l8_5d"),
        ("my config (2)", "my_config_2"),
        ("2023_run", "old_2023_run"),
        ("1e5", "old_1e5"),
        ("null", "old_null"),
        ("---", "old"),
        ("Größe", "Gr_e"),
    ],
)
def test_the_experiment_is_named_after_the_file(stem, name):
    """Its name has letters, digits and underscores, and begins with a letter."""
    assert choose_name(stem, None) == name
    assert choose_name("other", name) == name


@pytest.mark.parametrize(("wanted", "clean"), [("a b", "a_b"), ("3d", "old_3d"), ("", "old"), ("../x", "x")])
def test_an_invalid_requested_name_is_refused(wanted, clean):
    """The error suggests a valid one."""
    with pytest.raises(
        ConfigError, match=rf"^--name {wanted} must consist of letters, .* with a letter; try {clean}\.$"
    ):
        choose_name("x", wanted)


def test_the_yaml_begins_with_command_and_origin():
    """Hydra needs the first line, and users can paste the second."""
    experiment = make_experiment(json.dumps(OLD).encode(), "old  one\n.json", "one", "")
    lines = experiment.text.splitlines()

    assert lines[0] == "# @package _global_"
    assert lines[1] == f"# {experiment.command}"
    assert lines[2].startswith("# From old one .json of Segmentation Gym (sha256 ")
    assert experiment.command == (
        "python -m gym.train +experiment=one 'data.images=[path/to/images]' data.labels=path/to/labels"
    )


def test_another_folder_is_part_of_the_command():
    """It is quoted for the shell."""
    assert train_command("one", "my conf").startswith(
        "python -m gym.train --config-dir 'my conf' +experiment=one 'data.images="
    )


def test_messages_of_the_schema_begin_with_the_key_of_the_file():
    """The user wrote TARGET_SIZE and not data.size."""
    rows = translate(OLD).rows

    with pytest.raises(ConfigError, match=r"^TARGET_SIZE: data\.size=7 is bad\.$"), name_legacy_key(rows):
        raise ConfigError("data.size=7 is bad.")
    with pytest.raises(ConfigError, match=r"^seed=1 is bad\.$"), name_legacy_key(rows):
        raise ConfigError("seed=1 is bad.")


def test_an_existing_or_hidden_target_is_refused():
    """Nothing is overwritten, and Hydra never runs a different experiment of the same name."""
    check_target("a.yaml", exists=False, is_hidden=False)
    with pytest.raises(ConfigError, match=r"^a\.yaml already exists; add --overwrite, or choose another name with"):
        check_target("a.yaml", exists=True, is_hidden=False)
    with pytest.raises(ConfigError, match=r"^a\.yaml would be hidden by the program's own experiment of that name; "):
        check_target("a.yaml", exists=False, is_hidden=True)


def test_the_columns_of_the_report_are_aligned():
    """They are key, value, outcome, and new key or reason; the path and the command to train follow."""
    experiment = make_experiment(
        json.dumps(OLD | {"REMAP_CLASSES": {str(n): 0 for n in range(20)}}).encode(), "x", "y", ""
    )
    lines = format_outcomes(experiment, "conf/experiment/y.yaml").splitlines()
    rows = lines[: lines.index("")]

    assert rows[0].split() == ["key", "value", "outcome", "new", "key,", "or", "reason"]
    start = rows[0].index("outcome")
    outcomes = ("outcome", "kept", "renamed", "added")
    assert all(row[start - 2 : start] == "  " and row[start:].startswith(outcomes) for row in rows)
    assert '{"0": 0, "1": 0, "2":...' in "\n".join(rows)
    assert lines[-3] == "written: conf/experiment/y.yaml"
    assert lines[-1] == experiment.command

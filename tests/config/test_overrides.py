"""Settings are read back as they were logged, and the command of a run makes the same run."""

from dataclasses import asdict

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from gym.config.overrides import (
    flatten,
    natural,
    quote_options,
    read_settings,
    show_options,
    to_hydra,
    to_overrides,
)
from gym.config.schema import Config

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from("'\\${}\"[],:= "), max_size=9)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "B 2", "$", "7x"]), inner, max_size=2)
    ),
    max_leaves=5,
)


def settings_of(config):
    """As a run logs them."""
    return flatten(asdict(config))


def test_flattening_names_nested_values():
    """By dotted keys; an empty mapping is a value."""
    assert flatten({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "a.c": {}, "d": [2]}


def test_the_defaults_need_no_override(configure, tmp_path):
    """A bare command composes what the dataclasses say."""
    settings = settings_of(configure())

    assert to_overrides(settings) == [f"outputs={tmp_path}"]
    assert to_overrides(settings | {"sweep.name": "a", "search.trials": 3, "model.of_old": 3}) == [
        f"outputs={tmp_path}"
    ]


@pytest.mark.parametrize(
    "overrides",
    [
        ("model=unet", "filters=12", "loss=dice", "seed=7", "name=a run"),
        ("split=kfold", "split.fold=2", "schedule=paper", "training=paper", "augment=strong"),
        ("split=paper", "augment=paper", "optimizer=adamw", "data.size=[32,64]", "model.dropout=1e-3"),
        (
            "loss.weighting=given",
            "loss.class_weights=[1,2.5,1,1]",
            "data.indices=['x=(nir-red)/(nir+red)']",
            "data.standardize=band",
        ),
    ],
)
def test_the_overrides_of_a_run_make_the_same_run(configure, overrides):
    """Whatever options were chosen; also of settings that MLflow kept as texts."""
    config = configure(*overrides)
    settings = settings_of(config)

    assert configure(*to_overrides(settings)) == config
    assert configure(*to_overrides(read_settings({key: str(value) for key, value in settings.items()}))) == config


def test_a_remap_is_one_override(configure, tmp_path):
    """Its keys are the user's, values or names: they are flattened with the rest."""
    (tmp_path / "L8.zip").touch()
    files = ["data=doodler", f"data.archives=[{tmp_path}/L8.zip]", "data.classes=[water,sand]"]
    config = configure(*files, "data.remap={0:0,-7:1,old\\ name:water}")
    overrides = to_overrides(settings_of(config))

    assert "data.remap={0:0,-7:1,old\\ name:water}" in overrides
    assert configure(*overrides) == config


@given(values)
def test_hydra_reads_what_is_written(value):
    """Any text, number, list or mapping, also with quotes, backslashes and what looks like an interpolation."""
    override = OverridesParser.create().parse_override(f"key={to_hydra(value)}")
    parsed = override.value()

    assert OmegaConf.to_container(OmegaConf.create({"key": parsed}), resolve=True)["key"] == value


def test_what_cannot_be_read_stays_text():
    """As a value that MLflow cut; numbers and lists are read, texts of digits too stay text where text is meant."""
    read = read_settings(
        {"model.filters": "6", "name": "6", "data.indices": "['NDWI', 'ND", "search.objective": "['iou']"}
    )

    assert read == {"model.filters": 6, "name": "6", "data.indices": "['NDWI', 'ND", "search.objective": ["iou"]}
    assert settings_of(Config()) == read_settings({key: str(value) for key, value in settings_of(Config()).items()})


def test_numbers_of_a_group_become_text():
    """Hydra would read 6 as an integer; the values of keys are left alone."""
    assert quote_options("filters=6") == "filters='6'"
    assert quote_options("filters=2,4,12") == "filters='2','4','12'"
    assert quote_options("filters=-1") == "filters='-1'"
    assert quote_options("sweep=12e456789012") == "sweep='12e456789012'"
    assert quote_options("run=0123") == "run='0123'"
    assert quote_options("sweep.name=1e5,b") == "sweep.name='1e5',b"
    assert quote_options("loss=cce,dice") == "loss=cce,dice"
    assert quote_options("seed=6") == "seed=6"
    assert quote_options("--multirun") == "--multirun"
    assert show_options("filters='2','4','12'") == "filters=2,4,12"
    assert show_options("name='6'") == "name=6"
    assert show_options("name='a b'") == "name='a b'"
    assert show_options("data.bands='6'") == "data.bands='6'"


def test_options_are_sorted_by_number():
    """The order is 2, 4, 12 and not 12, 2, 4."""
    assert sorted(["12", "x", "2", "4"], key=natural) == ["2", "4", "12", "x"]

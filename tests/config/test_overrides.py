"""Settings survive logging, and the overrides made from them compose the same configuration."""

from dataclasses import asdict

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from gym.config.overrides import flatten, format_settings, format_value, parse_settings, to_overrides
from gym.config.schema import Config

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from("'\\${}\"[],:= "), max_size=9)
likely_texts = texts | st.sampled_from(
    ["1e3", "None", "True", "[1, 2]", "'quoted'", "1_000", "0x1F", "{}", "b'x'", "'\\\\d'", "(" * 999, "\x00"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "B 2", "$", "7x"]), inner, max_size=2)
    ),
    max_leaves=5,
)


def settings_of(config):
    """Return the settings of a configuration as runs log them."""
    return flatten(asdict(config))


def test_nested_mappings_are_flattened_to_dotted_keys():
    """An empty mapping is kept as a value."""
    assert flatten({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "a.c": {}, "d": [2]}


def test_the_defaults_need_no_override(configure, tmp_path):
    """A bare command composes the defaults of the dataclasses."""
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
def test_the_overrides_of_a_run_compose_the_same_configuration(configure, overrides):
    """The same holds for settings that MLflow stored as text."""
    config = configure(*overrides)
    settings = settings_of(config)

    assert configure(*to_overrides(settings)) == config
    assert configure(*to_overrides(parse_settings(format_settings(settings)))) == config


def test_a_run_of_an_earlier_version_is_repeated_with_clipping():
    """It computed cross-entropy from clipped probabilities, and did not record it."""
    assert to_overrides({"loss.name": "cce", "seed": 7}) == ["seed=7", "loss.clip=true"]
    assert to_overrides({"loss.name": "kld", "loss.clip": False}) == ["loss.name=kld"]
    assert to_overrides({"loss.name": "dice"}) == ["loss.name=dice"]


def test_a_remap_is_one_override(configure, tmp_path):
    """Its keys, label values or names, were flattened with all others."""
    (tmp_path / "L8.zip").touch()
    files = ["data=doodler", f"data.archives=[{tmp_path}/L8.zip]", "data.classes=[water,sand]"]
    config = configure(*files, "data.remap={0:0,-7:1,old\\ name:water}")
    overrides = to_overrides(settings_of(config))

    assert "data.remap={0:0,-7:1,old\\ name:water}" in overrides
    assert configure(*overrides) == config


@given(values)
def test_hydra_parses_formatted_values_back(value):
    """The values include quotes, backslashes and text that looks like an interpolation."""
    override = OverridesParser.create().parse_override(f"key={format_value(value)}")
    parsed = override.value()

    assert OmegaConf.to_container(OmegaConf.create({"key": parsed}), resolve=True)["key"] == value


@given(
    st.dictionaries(
        st.sampled_from(["name", "loss.options.form", "data.remap.old", "no.such.key"]),
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | likely_texts,
    )
)
def test_settings_are_restored_from_the_text_that_is_logged(settings):
    """Text of a plugin's option or of a mapping stays text even if it reads like a number, a list or None."""
    settings |= {"name": str(settings.get("name", ""))}

    restored = parse_settings(format_settings(settings))

    assert restored == settings
    assert {key: type(value) for key, value in restored.items()} == {key: type(of) for key, of in settings.items()}


def test_settings_that_cannot_be_parsed_stay_text():
    """Digits stay text if the key holds text; numbers and lists are parsed."""
    read = parse_settings(
        {"model.filters": "6", "name": "6", "data.indices": "['NDWI', 'ND", "search.objective": "['iou']"}
    )

    assert read == {"model.filters": 6, "name": "6", "data.indices": "['NDWI', 'ND", "search.objective": ["iou"]}
    assert settings_of(Config()) == parse_settings({key: str(value) for key, value in settings_of(Config()).items()})

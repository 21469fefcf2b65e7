"""Every key is typed, bounded and explained; what breaks a rule is refused in one line."""

from dataclasses import fields, is_dataclass

import pytest
import yaml

from gym.command import configuration_folder
from gym.config import Config, PredictConfig, frame_of
from gym.config_check import broken_rule
from gym.errors import ConfigError

FOLDER = ["data=folder", "data.images=[conf]", "data.labels=gym", "data.classes=[a,b]"]

REFUSED = {
    "model.filters=0": "model.filters=0 must be at least 1.",
    "model.filters=-3": "model.filters=-3 must be at least 1.",
    "model.kernel=0": "model.kernel=0 must be at least 1.",
    "model.levels=9": "model.levels=9 must be at least 1 and at most 8.",
    "model.name=vnet": "model.name=vnet must be one of unet, resunet, simple_unet, simple_resunet.",
    "model.dropout=1": "model.dropout=1.0 must be at least 0 and below 1.",
    "model.dropout=nan": "model.dropout=nan must be a finite number.",
    "model.dropout_change=0.4": "takes the rate to 1.3 at the deepest level; it must stay at least 0 and below 1.",
    "model.dropout_kind=x": "model.dropout_kind=x must be one of standard, spatial.",
    "model.upsampling=x": "model.upsampling=x must be one of nearest, transpose.",
    "model.head=x": "model.head=x must be one of softmax, sigmoid.",
    "loss.name=mse": "loss.name=mse must be one of cce, dice, kld, hinge.",
    "loss.weighting=frequency loss=dice": "loss.weighting=frequency is not for dice, which weighs classes equally",
    "loss.weighting=given": "loss.class_weights=[] must give one weight a class",
    "loss.class_weights=[1,2,3,4]": "is used only with loss.weighting=given; add that.",
    "data.kind=zip": "data.kind=zip must be one of synthetic, folder.",
    "data.size=100": "data.size=100 must be a multiple of 16, at least 16; try 96.",
    "data.size=[64,8]": "data.size=8 must be a multiple of 16, at least 16; try 16.",
    "data.size=big": "data.size=big must be one whole number, or two as in data.size=[160,96].",
    "data.size=[1,2,3]": "must be one whole number, or two",
    "data.split.validation=0": "data.split.validation=0.0 must be above 0 and below 1.",
    "data.split.validation=1": "data.split.validation=1.0 must be above 0 and below 1.",
    "data.split.validation=1.5": "data.split.validation=1.5 must be above 0 and below 1.",
    "data.split.seed=-1": "data.split.seed=-1 must be at least 0.",
    "data.scenes=1": "data.scenes=1 must be at least 2.",
    "data.sites=9": "data.sites=9 must be at least 1 and at most 8.",
    "data.classes=[a,b]": "is used only by data=folder, not by data=synthetic.",
    "data=folder": "data.images is missing; data=folder needs it, as in data.images=[path/to/images].",
    "augment.zoom=1": "augment.zoom=1.0 must be at least 0 and below 1.",
    "augment.rotation=200": "augment.rotation=200.0 must be at least 0 and at most 180.",
    "augment.copies=0": "augment.copies=0 must be at least 1.",
    "optimizer.name=sgd": "optimizer.name=sgd must be one of adam, adamw.",
    "schedule.max_rate=0": "schedule.max_rate=0.0 must be above 0.",
    "schedule.start_rate=1": "schedule.start_rate=1.0 must be at most schedule.max_rate",
    "schedule.decay=1.1": "schedule.decay=1.1 must be above 0 and at most 1.",
    "training.batch=0": "training.batch=0 must be at least 1.",
    "training.epochs=0": "training.epochs=0 must be at least 1.",
    "training.patience=0": "training.patience=0 must be at least 1.",
    "training.precision=int8": "training.precision=int8 must be one of auto, float32, mixed_bfloat16.",
    "seed=-1": "seed=-1 must be at least 0.",
    "+foo=1": "foo: unknown key; see python -m gym.train --help for the keys.",
    "+model.filter=1": "model.filter: unknown key; did you mean model.filters?",
}

REFUSED_FOLDERS = {
    "data.labels=''": "data.labels is missing; data=folder needs it",
    "data.images=[conf,nowhere]": "data.images: nowhere is no folder (looked in ",
    "data.images=nowhere": "data.images: nowhere is no folder (looked in ",
    "data.labels=nowhere": "data.labels: nowhere is no folder (looked in ",
    "data.images=3": "data.images=3 must be a folder, or folders as in data.images=[rgb,nir].",
    "data.classes=[a]": "data.classes=['a'] must name 2 to 255 classes, as in data.classes=[water,surf,sand,other].",
    "data.classes=[a,a]": "data.classes=['a', 'a'] must be distinct names.",
    "data.classes=['',b]": "must be names, not empty and without a slash.",
    "data.classes=[a/b,c]": "must be names, not empty and without a slash.",
    "data.remap={1:2}": "data.remap={1:2} must map label values to class indices 0..1.",
    "data.remap={a:1}": "data.remap={a:1} must map label values to class indices 0..1.",
    "data.remap=[1]": "data.remap=[1] must be a mapping, as in data.remap={1:0,2:1}.",
    "data.scene_pattern='(['": "data.scene_pattern=([ must be a regular expression:",
    "data.site_pattern=abc": "data.site_pattern=abc must have a group, as in '^([0-9]{8})'.",
    "data.scenes=3": "data.scenes=3 is used only by data=synthetic, not by data=folder.",
}


@pytest.mark.parametrize(("override", "message"), REFUSED.items())
def test_a_value_that_breaks_a_rule_is_refused(configure, override, message):
    """The line names the value, the rule, and what to do."""
    with pytest.raises(ConfigError) as refusal:
        configure(*override.split())

    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("override", "message"), REFUSED_FOLDERS.items())
def test_a_folder_configuration_is_checked(configure, override, message):
    """Classes, remap and patterns are refused before a file is read."""
    with pytest.raises(ConfigError) as refusal:
        configure(*FOLDER, override)

    assert message in str(refusal.value)


@pytest.mark.parametrize("weights", ["[1,2,3]", "[1,2,3,0]", "[1,2,3,inf]"])
def test_given_class_weights_must_fit_the_classes(configure, weights):
    """One finite positive weight for each class."""
    with pytest.raises(ConfigError, match=r"loss\.class_weights=.* (finite and above 0|each of 4 classes)"):
        configure("loss.weighting=given", f"loss.class_weights={weights}")


def test_a_deeper_model_needs_a_rounder_size(configure):
    """The frame must halve exactly at each level."""
    with pytest.raises(ConfigError, match=r"data.size=48 must be a multiple of 32, at least 32; try 64"):
        configure("model.levels=5", "data.size=48")


@pytest.mark.parametrize(
    "path", sorted(configuration_folder().glob("*/*.yaml")), ids=lambda p: f"{p.parent.name}={p.stem}"
)
def test_every_option_of_every_group_composes(configure, monkeypatch, path):
    """No option names a key that the schema does not have, or a value it refuses."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    plus = "+" if path.parent.name in ("experiment", "debug") else ""
    more = FOLDER[1:] if path.stem == "folder" or "folder" in path.read_text() else []

    config = configure(f"{plus}{path.parent.name}={path.stem}", *more)

    if path.parent.name == "filters":
        assert config.model.filters == int(path.stem)


def test_defaults_of_files_and_schema_do_not_drift(configure):
    """An option file says only what differs from the schema, or the same: the default run is the schema's defaults."""
    config = configure()
    config.outputs = Config().outputs

    assert config == Config()


def schema_fields(schema: type, prefix: str = ""):
    for item in fields(schema):
        nested = item.default_factory() if callable(item.default_factory) else None
        if is_dataclass(nested):
            yield from schema_fields(type(nested), f"{prefix}{item.name}.")
        else:
            yield f"{prefix}{item.name}", item


@pytest.mark.parametrize("schema", [Config, PredictConfig])
def test_every_key_says_what_it_means(schema):
    """No key without a sentence; no sentence without its full stop."""
    for key, item in schema_fields(schema):
        assert item.metadata["meaning"].endswith("."), key


def test_bounds_are_held_at_their_ends():
    """A value on an inclusive bound passes, on an exclusive one it does not."""
    assert broken_rule(0.0, {"least": 0, "below": 1}) is None
    assert broken_rule(1.0, {"least": 0, "below": 1}) == "at least 0 and below 1"
    assert broken_rule(0.0, {"above": 0}) == "above 0"
    assert broken_rule(180.0, {"most": 180}) is None


def test_a_size_is_a_number_or_a_pair():
    """One number means a square."""
    assert frame_of(64) == (64, 64)
    assert frame_of([160, 96]) == (160, 96)
    with pytest.raises(ConfigError, match="must be one whole number"):
        frame_of(True)


def test_option_files_are_plain_mappings():
    """Every option is YAML that opens with a mapping, and a group's option has no default list but for inheritance."""
    for path in configuration_folder().glob("*/*.yaml"):
        assert isinstance(yaml.safe_load(path.read_text()), dict), path

"""Every key has a type, a rule and a meaning; values that break a rule or have no effect are refused."""

import shlex
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from gym.app.command_line import COMMANDS
from gym.config.groups import configuration_folder
from gym.config.registries import READERS
from gym.config.schema import Config, DataConfig, DatasetConfig, SplitConfig, parse_folders, parse_size
from gym.config.validation import broken_rule, check_rules, warn_once
from gym.core.errors import ConfigError
from gym.data.framing import MAX_OVERLAP
from gym.data.readers.synthetic import CLASSES
from gym.models.blocks import STANDARDISATIONS

FOLDER = ["data=folder", "data.images=[conf]", "data.labels=gym", "data.classes=[a,b]"]
NPZ = ["data.archives=[conf]", "data.classes=[a,b]"]

# What an option needs in addition: paths that exist, or another option.
NEEDED = {
    "data=folder": FOLDER[1:],
    "data=doodler": NPZ,
    "data=gym_npz": NPZ,
    "data=coast_train": NPZ[:1],
    "data=coast_train_2022": NPZ[:1],
    "experiment=paper_matrix_2022": NPZ[:1],
    "split=given": ["split.sides=pyproject.toml"],
    "split=leave_one_site_out": ["split.held_out=duck"],
    "split=paper": ["augment=paper"],
}

# For every key with a rule: a value that breaks it, and the message.
REFUSED = {
    "model.options={heads:4}": "model.options.heads is not an option of resunet; leave it out.",
    "loss.options=3": "loss.options=3 must be a mapping, as in loss.options={name:value}.",
    "seed=-1": "seed=-1 must be at least 0.",
    "model.name=vnet": "model.name=vnet must be one of unet, resunet, simple_unet, simple_resunet; for one from "
    "a plugin, add plugins=MODULE.",
    "model.filters=0": "model.filters=0 must be at least 1.",
    "model.filters=-3": "model.filters=-3 must be at least 1.",
    "model.kernel=0": "model.kernel=0 must be at least 1.",
    "model.levels=9": "model.levels=9 must be at least 1 and at most 8.",
    "model.dropout=1": "model.dropout=1.0 must be at least 0 and below 1.",
    "model.dropout=nan": "model.dropout=nan must be a finite number.",
    "model.dropout_change=1": "model.dropout_change=1.0 must be above -1 and below 1.",
    "model.dropout_kind=x": "model.dropout_kind=x must be one of standard, spatial.",
    "model.decoder=x": "model.decoder=x must be one of half, plain.",
    "model.upsampling=x": "model.upsampling=x must be one of nearest, transpose.",
    "model.head=x": "model.head=x must be one of softmax, sigmoid.",
    "loss.name=mse": "loss.name=mse must be one of dice, cce, kld, hinge; for one from a plugin, add plugins=MODULE.",
    "loss.weighting=x": "loss.weighting=x must be one of none, frequency, given.",
    "data.kind=zip": "data.kind=zip must be one of synthetic, folder, doodler, gym_npz; for one from a plugin, add "
    "plugins=MODULE.",
    "data.framing=crop": "data.framing=crop must be one of fit, tile, resize.",
    "data.overlap=1 data.framing=tile": "data.overlap=1.0 must be at least 0 and at most 0.9.",
    "data.scaling=log": "data.scaling=log must be one of none, dtype, percentile, reflectance.",
    "data.standardize=z": "data.standardize=z must be one of image, frame, band, dataset, none.",
    "data.workers=-1": "data.workers=-1 must be at least 0.",
    "data.scenes=1": "data.scenes=1 must be at least 2.",
    "data.sites=9": "data.sites=9 must be at least 1 and at most 8.",
    "data.seed=-1": "data.seed=-1 must be at least 0.",
    "split.method=x": "split.method=x must be one of random, kfold, leave_one_out, given, paper.",
    "split.validation=0": "split.validation=0.0 must be above 0 and below 1.",
    "split.validation=1": "split.validation=1.0 must be above 0 and below 1.",
    "split.validation=1.5": "split.validation=1.5 must be above 0 and below 1.",
    "split.test=-0.1": "split.test=-0.1 must be at least 0 and below 1.",
    "split.test=1": "split.test=1.0 must be at least 0 and below 1.",
    "split=kfold split.folds=1": "split.folds=1 must be at least 2.",
    "split=kfold split.fold=-1": "split.fold=-1 must be at least 0.",
    "split.seed=-1": "split.seed=-1 must be at least 0.",
    "split.training_share=0": "split.training_share=0.0 must be above 0 and at most 1.",
    "sweep.attempts=0": "sweep.attempts=0 must be at least 1.",
    "sweep.name=../mine": "sweep.name=../mine must be a folder name without slashes; try my_sweep.",
    "sweep.name=..": "sweep.name=.. must be a folder name without slashes; try my_sweep.",
    "sweep.job=-3": "sweep.job=-3 must be at least -2.",
    "search.trials=0": "search.trials=0 must be at least 1.",
    "search.sampler=gp": "search.sampler=gp must be one of tpe, random, grid, cmaes, nsga2.",
    "search.startup=1": "search.startup=1 must be at least 2.",
    "search.pruner=wilcoxon": "search.pruner=wilcoxon must be one of none, median, hyperband.",
    "search.warmup=0": "search.warmup=0 must be at least 1.",
    "search.at_once=-1": "search.at_once=-1 must be at least 0.",
    "search.seed=-1": "search.seed=-1 must be at least 0.",
    "split.likeness=17": "split.likeness=17 must be at least 0 and at most 16.",
    "augment.mode=twice": "augment.mode=twice must be one of online, offline.",
    "augment.copies=0": "augment.copies=0 must be at least 1.",
    "augment.zoom=1": "augment.zoom=1.0 must be at least 0 and below 1.",
    "augment.rotation=200": "augment.rotation=200.0 must be at least 0 and at most 180.",
    "augment.shift_rows=1": "augment.shift_rows=1.0 must be at least 0 and below 1.",
    "augment.shift_columns=-0.1": "augment.shift_columns=-0.1 must be at least 0 and below 1.",
    "augment.brightness=-1": "augment.brightness=-1.0 must be at least 0.",
    "augment.brightness=inf": "augment.brightness=inf must be a finite number.",
    "augment.contrast=1": "augment.contrast=1.0 must be at least 0 and below 1.",
    "augment.noise=-0.1": "augment.noise=-0.1 must be at least 0.",
    "optimizer.name=sgd": "optimizer.name=sgd must be one of adam, adamw.",
    "optimizer.beta_1=1": "optimizer.beta_1=1.0 must be at least 0 and below 1.",
    "optimizer.beta_2=-1": "optimizer.beta_2=-1.0 must be at least 0 and below 1.",
    "optimizer.epsilon=0": "optimizer.epsilon=0.0 must be above 0.",
    "optimizer.weight_decay=-1": "optimizer.weight_decay=-1.0 must be at least 0.",
    "optimizer.clip_norm=-1": "optimizer.clip_norm=-1.0 must be at least 0.",
    "schedule.start_rate=0": "schedule.start_rate=0.0 must be above 0.",
    "schedule.max_rate=0": "schedule.max_rate=0.0 must be above 0.",
    "schedule.min_rate=-1": "schedule.min_rate=-1.0 must be at least 0.",
    "schedule.rampup_epochs=-1": "schedule.rampup_epochs=-1 must be at least 0.",
    "schedule.sustain_epochs=-1": "schedule.sustain_epochs=-1 must be at least 0.",
    "schedule.decay=1.1": "schedule.decay=1.1 must be above 0 and at most 1.",
    "training.batch=0": "training.batch=0 must be at least 1.",
    "training.epochs=0": "training.epochs=0 must be at least 1.",
    "training.patience=0": "training.patience=0 must be at least 1.",
    "training.threads=-1": "training.threads=-1 must be at least 0.",
    "training.precision=int8": "training.precision=int8 must be one of auto, float32, mixed_bfloat16, mixed_float16.",
}

REFUSED_TOGETHER = {
    "model.dropout_change=0.4": "model.dropout_change=0.4 changes the dropout rate to 1.3 at the deepest level; it "
    "must stay at least 0 and below 1.",
    "loss.weighting=frequency loss=dice": "loss.weighting=frequency does not apply to dice, which already weights all "
    "classes equally; use loss.weighting=none.",
    "loss.weighting=given": "loss.class_weights=[] must have one weight per class with loss.weighting=given.",
    "loss.class_weights=[1,2,3,4]": "loss.class_weights=[1.0, 2.0, 3.0, 4.0] is used only with loss.weighting=given; "
    "add that.",
    "schedule.start_rate=1": "schedule.start_rate=1.0 must be at most schedule.max_rate=0.004.",
    "schedule.min_rate=1": "schedule.min_rate=1.0 must be at most schedule.max_rate=0.004.",
    "data.size=100": "data.size=100 must be a multiple of 16, at least 16; try 96.",
    "data.percentiles=[98,2] data.scaling=percentile": "data.percentiles=[98.0, 2.0] must be two increasing "
    "numbers from 0 to 100, as in [2,98].",
    "split.validation=0.5 split.test=0.5": "split.validation=0.5 and split.test=0.5 must add up to less than 1; "
    "lower one.",
    "augment.quarter_turns=true data.size=[32,64]": "augment.quarter_turns=true needs a square frame, but "
    "data.size=[32,64]; set data.size to one number.",
    "data=folder": "data.images is missing; data.kind=folder needs it, as in data.images=[path/to/images].",
    "+foo=1": "foo: unknown key; see --help for the keys.",
    "+model.filter=1": "model.filter: unknown key; did you mean model.filters?",
    "+data.split.seed=1": "data.split: unknown key; did you mean split?",
}

ON_DISK_ONLY = (
    "is used only with data.kind=folder or data.kind=doodler or data.kind=gym_npz, not with synthetic; leave it out."
)
DRAWN = "is used only with split.method=random or split.method=kfold or split.method=leave_one_out, not with"

# For every conditional key: a use without effect, and the message.
UNUSED = {
    "data.overlap=0.3": "data.overlap=0.3 is used only with data.framing=tile, not with fit; leave it out.",
    "data.overlap=0.3 data.framing=resize": "data.overlap=0.3 is used only with data.framing=tile, not with resize; "
    "leave it out.",
    "data.percentiles=[1,99]": "data.percentiles=[1.0, 99.0] is used only with data.scaling=percentile, not with none; "
    "leave it out.",
    "data.reflectance=[1,0] data.scaling=dtype": "data.reflectance=[1.0, 0.0] is used only with "
    "data.scaling=reflectance, not with dtype; leave it out.",
    "data.kind=folder data.scenes=3": "data.scenes=3 is used only with data.kind=synthetic, not with folder; leave it "
    "out.",
    "data.kind=doodler data.sites=3": "data.sites=3 is used only with data.kind=synthetic, not with doodler; leave it "
    "out.",
    "data.kind=gym_npz data.seed=3": "data.seed=3 is used only with data.kind=synthetic, not with gym_npz; leave it "
    "out.",
    "data.kind=folder data.archives=[conf]": "data.archives=['conf'] is used only with data.kind=doodler or "
    "data.kind=gym_npz, not with folder; leave it out.",
    "data.kind=doodler data.labels=gym": "data.labels=gym is used only with data.kind=folder, not with doodler; leave "
    "it out.",
    "data.images=[conf]": f"data.images=['conf'] {ON_DISK_ONLY}",
    "data.drop_from_stem=['_label$']": f"data.drop_from_stem=['_label$'] {ON_DISK_ONLY}",
    "data.classes=[a,b]": f"data.classes=['a', 'b'] {ON_DISK_ONLY}",
    "data.bands=[red]": f"data.bands=['red'] {ON_DISK_ONLY}",
    "data.remap={1:0}": f"data.remap={{1: 0}} {ON_DISK_ONLY}",
    "data.aliases=x.json": "data.aliases=x.json is used only with data.kind=doodler, not with synthetic; leave it out.",
    "model=simple_unet model.decoder=plain": "model.decoder=plain is used only with model.name=unet or "
    "model.name=resunet, not with simple_unet; leave it out.",
    "optimizer.weight_decay=1": "optimizer.weight_decay=1.0 is used only with optimizer.name=adamw, not with adam; "
    "leave it out.",
    "data.null_class=water": f"data.null_class=water {ON_DISK_ONLY}",
    "data.ignore_values=[0]": f"data.ignore_values=[0] {ON_DISK_ONLY}",
    "data.table=x.csv": f"data.table=x.csv {ON_DISK_ONLY}",
    "data.scene_pattern='^(.)'": f"data.scene_pattern=^(.) {ON_DISK_ONLY}",
    "data.site_pattern='^(.)'": f"data.site_pattern=^(.) {ON_DISK_ONLY}",
    "data.date_pattern='^(.)'": f"data.date_pattern=^(.) {ON_DISK_ONLY}",
    "split.method=given split.by=site": f"split.by=site {DRAWN} given; leave it out.",
    "split.method=paper split.by=site": f"split.by=site {DRAWN} paper; leave it out.",
    "split.method=kfold split.validation=0.3": "split.validation=0.3 is used only with split.method=random or "
    "split.method=leave_one_out or split.method=paper, not with kfold; leave it out.",
    "split.method=leave_one_out split.test=0.3": "split.test=0.3 is used only with split.method=random or "
    "split.method=kfold, not with leave_one_out; leave it out.",
    "split.folds=3": "split.folds=3 is used only with split.method=kfold, not with random; leave it out.",
    "split.fold=1": "split.fold=1 is used only with split.method=kfold, not with random; leave it out.",
    "split.held_out=duck": "split.held_out=duck is used only with split.method=leave_one_out, not with random; leave "
    "it out.",
    "split.sides=x.csv": "split.sides=x.csv is used only with split.method=given, not with random; leave it out.",
    "split.method=given split.seed=1": f"split.seed=1 {DRAWN} given; leave it out.",
}


def schema_fields(schema: type, prefix: str = "") -> Iterator[tuple]:
    """Yield the dotted name, the field and the dataclass of every key of a schema."""
    for item in fields(schema):
        nested = item.default_factory() if callable(item.default_factory) else None
        if is_dataclass(nested):
            yield from schema_fields(type(nested), f"{prefix}{item.name}.")
        else:
            yield f"{prefix}{item.name}", item, schema


@pytest.mark.parametrize(("overrides", "message"), (REFUSED | REFUSED_TOGETHER).items())
def test_a_value_that_breaks_a_rule_is_refused(configure, overrides, message):
    """The message is one line with the value, the rule and the remedy."""
    with pytest.raises(ConfigError) as refusal:
        configure(*overrides.split())

    assert str(refusal.value) == message


@pytest.mark.parametrize(("overrides", "message"), UNUSED.items())
def test_a_value_without_effect_is_refused(configure, overrides, message):
    """A value that does nothing would mislead readers of the command; it is left out or reset."""
    with pytest.raises(ConfigError) as refusal:
        configure(*overrides.split())

    refused, _, reset = str(refusal.value).removesuffix(".").partition(", or reset it with ")
    assert f"{refused}." == message
    if " is used only with " in message and "; add that." not in message:
        (word,) = shlex.split(reset)
        key, _, default = word.partition("=")
        assert refused.startswith(f"{key}=")
        assert yaml.safe_load(default) == OmegaConf.select(OmegaConf.structured(Config), key)


def test_a_value_of_a_preset_can_be_reset_as_the_error_says(configure, tmp_path):
    """The user did not type the value, so that it cannot be left out."""
    overrides = ("data=synthetic", "data.kind=folder", f"data.images=[{tmp_path}]", f"data.labels={tmp_path}")
    with pytest.raises(ConfigError, match=r"^data\.sites=7 is used only with data\.kind=synthetic") as refusal:
        configure(*overrides, "data.sites=7", "data.classes=[a,b]")
    reset = str(refusal.value).removesuffix(".").rpartition(" ")[2]

    assert configure(*overrides, reset, "data.classes=[a,b]").data.kind == "folder"


def test_a_rate_at_which_training_rarely_converges_is_warned_of(configure, caplog):
    """Once for all configurations of a sweep, and not by the workers of a sweep again."""
    warn_once.cache_clear()
    for seed in range(3):
        configure("schedule.max_rate=10", f"seed={seed}")
    configure("schedule.max_rate=11", "sweep.job=0")
    configure("schedule.max_rate=0.1")

    assert caplog.messages == [
        "schedule.max_rate=10 is above 0.1, where training with Adam rarely converges; the default is 0.004"
    ]


@pytest.mark.parametrize("value", ["", "' '"])
def test_the_outputs_folder_has_a_name(configure, value):
    """The current folder must be named, as in ``outputs=.``."""
    with pytest.raises(ConfigError, match=r"^outputs is empty; name a folder"):
        configure(f"outputs={value}")


@pytest.mark.parametrize("order", [1, -1])
def test_the_tiny_preset_works_with_own_data(configure, tmp_path, order):
    """Only synthetic scenes have a number, which the preset sets; a number that the user gives wins."""
    overrides = ["+debug=tiny", "data=folder", f"data.images=[{tmp_path}]", f"data.labels={tmp_path}"]
    own = configure(*overrides[::order], "data.classes=[a,b]").data
    assert (own.kind, own.size) == ("folder", 32)

    assert configure("+debug=tiny").data.scenes == 8
    assert configure("+debug=tiny", "data=synthetic").data.scenes == 8
    assert configure("+debug=tiny", "data.scenes=9").data.scenes == 9


@pytest.mark.parametrize(("kind", "tried"), [("rule", REFUSED), ("only", UNUSED)])
def test_every_rule_of_the_schema_is_tested(kind, tried):
    """The tables above cover every key that has a rule."""
    lacking = [
        key
        for key, item, _ in schema_fields(Config)
        if item.metadata[kind] and not any(f" {key}=" in f" {overrides}" for overrides in tried)
    ]

    assert lacking == []


@pytest.mark.parametrize("schema", [SplitConfig, DataConfig])
def test_a_condition_names_a_key_of_the_same_group(schema):
    """Its values are among the choices of that key."""
    registries = {item.name: item.metadata["registry"] for item in fields(schema)}
    choices = {item.name: item.metadata["rule"].get("choices", ()) for item in fields(schema)}
    tied = [(item.name, *tie) for item in fields(schema) for tie in item.metadata["only"].items()]

    assert tied
    for name, decider, users in tied:
        if registries[decider]:
            assert users is registries[decider]
            assert set() < set(users.users_of(name)) < set(users.names), name
        else:
            assert set(users) < set(choices[decider]), name


def test_a_default_may_be_set_where_it_has_no_effect(configure):
    """It does not mislead."""
    assert configure("data.overlap=0.25", "split.folds=5", "data.percentiles=[2,98]").split.folds == 5


def test_a_conditional_key_may_be_set_where_it_has_an_effect(configure):
    """The same keys are accepted with the values that use them."""
    data = configure("data.framing=tile", "data.overlap=0.5", "data.scaling=percentile", "data.percentiles=[1,99]").data
    split = configure("split=kfold", "split.folds=3", "split.fold=2", "split.test=0.2", "split.by=site").split

    assert (data.overlap, data.percentiles) == (0.5, [1.0, 99.0])
    assert (split.method, split.folds, split.fold, split.test, split.by) == ("kfold", 3, 2, 0.2, "site")


@pytest.mark.parametrize("weights", ["[1,2,3]", "[1,2,3,0]", "[1,2,3,inf]"])
def test_given_class_weights_must_fit_the_classes(configure, weights):
    """There must be one finite positive weight per class."""
    with pytest.raises(ConfigError, match=r"loss\.class_weights=.* (finite and above 0|each of 4 classes)"):
        configure("loss.weighting=given", f"loss.class_weights={weights}")


def test_a_folder_configuration_is_checked(configure):
    """The rules of `gym.config.data_rules` apply on the command line."""
    with pytest.raises(ConfigError) as refusal:
        configure(*FOLDER, "data.classes=[a,a]")

    assert str(refusal.value) == "data.classes=['a', 'a'] must have names that differ by more than case; rename one."


def test_a_remap_can_be_set_on_the_command_line(configure):
    """Its keys are integers there, not text, and classes may be given by name."""
    assert configure(*FOLDER, "data.remap={1:0,2:b}").data.remap == {1: 0, 2: "b"}


def test_a_deeper_model_needs_a_larger_multiple(configure):
    """The frame must halve exactly at each level."""
    with pytest.raises(ConfigError, match=r"data.size=48 must be a multiple of 32, at least 32; try 64"):
        configure("model.levels=5", "data.size=48")


def needed_by(path: Path) -> list[str]:
    """The overrides that the option in a file, or the options it chooses, need in addition."""
    defaults = [entry for entry in yaml.safe_load(path.read_text()).get("defaults", []) if isinstance(entry, dict)]
    chosen = [f"{group.rpartition('/')[2]}={option}" for entry in defaults for group, option in entry.items()]
    return [more for option in (f"{path.parent.name}={path.stem}", *chosen) for more in NEEDED.get(option, [])]


@pytest.mark.parametrize(
    "path", sorted(configuration_folder().glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}={path.stem}"
)
def test_every_option_of_every_group_composes(configure, monkeypatch, path):
    """No option file has a key outside the schema or a value that it refuses."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    plus = "+" if path.parent.name in ("experiment", "debug") else ""

    config = configure(f"{plus}{path.parent.name}={path.stem}", *needed_by(path))

    if path.parent.name == "filters":
        assert config.model.filters == int(path.stem)


@pytest.mark.parametrize(
    "path",
    sorted(path for group in ("data", "split", "augment") for path in (configuration_folder() / group).glob("*.yaml")),
    ids=lambda path: f"{path.parent.name}={path.stem}",
)
def test_every_option_of_make_dataset_composes(configure, path):
    """The result is the same as for an experiment."""
    overrides = [f"{path.parent.name}={path.stem}", *needed_by(path)]
    dataset, config = configure(*overrides, name="make_dataset"), configure(*overrides)

    assert (dataset.data, dataset.split, dataset.augment) == (config.data, config.split, config.augment)


def test_options_set_what_their_names_say(configure):
    """A fold, a held-out site and the paper's split have the keys they need."""
    paper = configure("split=paper", "augment=paper")
    held_out = configure("split=leave_one_site_out", "split.held_out=duck").split
    coast_train = configure("data=coast_train", "data.archives=[conf]").data

    assert (paper.split.method, paper.split.validation) == ("paper", 0.6)
    assert (paper.augment.mode, paper.augment.copies, paper.augment.zoom) == ("offline", 5, 0.05)
    assert (held_out.method, held_out.by, held_out.held_out) == ("leave_one_out", "site", "duck")
    assert configure("split=kfold").split.method == "kfold"
    assert (coast_train.kind, coast_train.classes) == ("doodler", ["water", "whitewater", "sand", "other"])
    assert coast_train.remap["surf"] == "whitewater"


def test_the_default_configuration_equals_the_schema_defaults(configure):
    """The option files and the schema cannot drift apart."""
    config = configure()
    config.outputs = Config().outputs

    assert config == Config()


def test_the_defaults_of_make_dataset_equal_the_schema_defaults(configure):
    """The same holds for ``conf/make_dataset.yaml``."""
    config = configure(name="make_dataset")
    config.outputs = DatasetConfig().outputs

    assert config == DatasetConfig()


@pytest.mark.parametrize(
    ("override", "message"),
    {
        "export=zip": "export=zip must be one of none, gym_npz.",
        "seed=-1": "seed=-1 must be at least 0.",
        "data.size=40": "data.size=40 must be a multiple of 16, at least 16; try 32.",
        "split=given": "split.sides is missing; split=given needs a CSV file with the columns name and side.",
        "data.overlap=0.3": "data.overlap=0.3 is used only with data.framing=tile, not with fit; leave it out, or "
        "reset it with data.overlap=0.25.",
        "+model.filters=2": "model: unknown key; see --help for the keys.",
    }.items(),
)
def test_make_dataset_applies_the_rules(configure, override, message):
    """They are those of an experiment, without those of models."""
    with pytest.raises(ConfigError) as refusal:
        configure(override, name="make_dataset")

    assert str(refusal.value) == message


def test_make_dataset_accepts_its_own_keys(configure):
    """Export, seed and inspect are set as given."""
    exported = configure("export=gym_npz", "seed=7", name="make_dataset")

    assert (exported.inspect, exported.export, exported.seed) == (False, "gym_npz", 7)
    assert configure("inspect=true", name="make_dataset").inspect


def test_a_report_is_on_exactly_one_sweep_or_run(configure, tmp_path):
    """Both, neither, a model archive and a file as output are refused."""
    assert configure("sweep=mine", name="report").sweep == "mine"
    assert configure("run=best:mine", name="report").run == "best:mine"
    for given, found in {(): "neither is set", ("sweep=a", "run=b"): "sweep=a and run=b are both set"}.items():
        with pytest.raises(ConfigError, match=rf"^set exactly one of sweep=NAME and run=NAME; {found}\.$"):
            configure(*given, name="report")
    with pytest.raises(
        ConfigError, match=r"^run=m\.zip is a model archive; name the run that it was published from\.$"
    ):
        configure("run=m.zip", name="report")
    with pytest.raises(ConfigError, match=r"must name a sweep, as in run=best:my_sweep"):
        configure("run=best:", name="report")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^output=.*file is a file; choose a folder\.$"):
        configure("sweep=mine", f"output={tmp_path}/file", name="report")


def test_inspecting_and_exporting_exclude_each_other(configure):
    """The dataset that would be exported is discarded."""
    with pytest.raises(
        ConfigError, match=r"^inspect=true discards the dataset; leave out inspect=true or export=gym_npz\.$"
    ):
        configure("inspect=true", "export=gym_npz", name="make_dataset")


@pytest.mark.parametrize("schema", dict.fromkeys(entry.schema for entry in COMMANDS.values()))
def test_every_key_has_a_meaning(schema):
    """It ends with a full stop."""
    for key, item, _ in schema_fields(schema):
        assert item.metadata["meaning"].endswith("."), key


@pytest.mark.parametrize("schema", [Config, DatasetConfig])
def test_the_defaults_obey_their_own_rules(schema):
    """Otherwise every run would be refused. One value that breaks its rule is refused."""
    check_rules(schema())

    with pytest.raises(ConfigError, match=r"^seed=-1 must be at least 0\.$"):
        check_rules(schema(seed=-1))


def test_the_schema_offers_what_the_program_implements():
    """Choices are listed in a light module and implemented in modules that import TensorFlow."""
    rules = {item.name: item.metadata["rule"] for item in fields(DataConfig)}

    assert READERS.get("synthetic").classes == CLASSES
    assert set(rules["standardize"]["choices"]) == set(STANDARDISATIONS)
    assert rules["overlap"]["most"] == MAX_OVERLAP


def test_bounds_apply_at_their_ends():
    """A value on an inclusive bound passes; one on an exclusive bound does not."""
    assert broken_rule(0.0, {"least": 0, "below": 1}) is None
    assert broken_rule(1.0, {"least": 0, "below": 1}) == "at least 0 and below 1"
    assert broken_rule(0.0, {"above": 0}) == "above 0"
    assert broken_rule(180.0, {"most": 180}) is None


def test_a_size_is_a_number_or_a_pair():
    """One number means a square."""
    assert parse_size(64) == (64, 64)
    assert parse_size([160, 96]) == (160, 96)
    for wrong in (True, "big", [1, 2, 3], [16, 16.0]):
        with pytest.raises(ConfigError, match=r"must be a whole number, or a pair as in data\.size=\[160,96\]\."):
            parse_size(wrong)


def test_folders_are_one_path_or_a_list():
    """A list has one for each band set."""
    assert parse_folders("input", "a") == ["a"]
    assert parse_folders("input", ["a", "b"]) == ["a", "b"]
    for wrong in (3, [], "", ["a", 3]):
        with pytest.raises(
            ConfigError, match=r"^input=.* must be a folder, or a list of folders as in input=\[rgb,nir\]\.$"
        ):
            parse_folders("input", wrong)


def test_option_files_are_mappings():
    """Each parses as a YAML mapping."""
    for path in configuration_folder().glob("*/*.yaml"):
        assert isinstance(yaml.safe_load(path.read_text()), dict), path

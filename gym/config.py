"""The configuration: every key, its type, its rule and its meaning, in one place.

Hydra composes the YAML of ``conf/`` over these dataclasses; `read_config` checks the result and returns it as plain
dataclasses, so that no later floor sees OmegaConf. Nothing heavy is imported here: a bad value is refused in a
fraction of a second. Rules that concern one key stand beside the key; rules that tie keys together are functions
below the schema.
"""

import math
import operator
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, cast

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gym.errors import ConfigError

ARCHITECTURES = ("unet", "resunet", "simple_unet", "simple_resunet")
LOSSES = ("cce", "dice", "kld", "hinge")
PRECISIONS = ("auto", "float32", "mixed_bfloat16")

_BOUNDS = {
    "least": ("at least", operator.ge),
    "most": ("at most", operator.le),
    "above": ("above", operator.gt),
    "below": ("below", operator.lt),
}
Schema = TypeVar("Schema")


def setting(
    default: Any,
    meaning: str,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] | None = None,
    only: str = "",
) -> Any:
    """Declare one key: its default, what it means, the rule its value must keep, and the one reader that uses it."""
    rule = {"least": least, "above": above, "most": most, "below": below, "choices": choices}
    metadata = {
        "meaning": meaning,
        "only": only,
        "rule": {key: bound for key, bound in rule.items() if bound is not None},
    }
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class ModelConfig:
    """The network."""

    name: str = setting("resunet", "Architecture.", choices=ARCHITECTURES)
    filters: int = setting(6, "Feature maps at full resolution; each level down doubles them.", least=1)
    kernel: int = setting(7, "Side of the convolution kernels, in pixels.", least=1)
    levels: int = setting(4, "Levels of stride 2 on the way down.", least=1, most=8)
    dropout: float = setting(0.1, "Dropout rate of the first level down.", least=0, below=1)
    dropout_change: float = setting(0.0, "Added to the dropout rate at each further level.", above=-1, below=1)
    dropout_kind: str = setting("standard", "Drop single values, or whole maps.", choices=("standard", "spatial"))
    dropout_on_up: bool = setting(False, "Use dropout on the way up too.")
    upsampling: str = setting("nearest", "How a level up doubles the resolution.", choices=("nearest", "transpose"))
    head: str = setting("softmax", "Activation of the last layer.", choices=("softmax", "sigmoid"))


@dataclass
class LossConfig:
    """What training minimises."""

    name: str = setting("cce", "With one-hot labels cce and kld have the same gradient.", choices=LOSSES)
    weighting: str = setting(
        "none",
        "Class weights: none, from class frequency in the training scenes, or as given in loss.class_weights.",
        choices=("none", "frequency", "given"),
    )
    class_weights: list[float] = setting([], "One weight a class, for loss.weighting=given.")


@dataclass
class SplitConfig:
    """Which scenes validate."""

    validation: float = setting(0.25, "Share of the scenes that validates.", above=0, below=1)
    seed: int = setting(0, "Which scenes those are; the run's own seed does not change them.", least=0)


@dataclass
class DataConfig:
    """Where pairs of image and label come from."""

    kind: str = setting("synthetic", "Reader of the pairs.", choices=("synthetic", "folder"))
    size: Any = setting(128, "Rows and columns of the model's input: one number, or [rows, columns].")
    split: SplitConfig = field(default_factory=SplitConfig)
    scenes: int = setting(200, "Number of scenes.", least=2, only="synthetic")
    sites: int = setting(8, "Number of sites.", least=1, most=8, only="synthetic")
    seed: int = setting(0, "Which scenes are drawn.", least=0, only="synthetic")
    images: list[str] = setting(
        [], "One folder, or one for each band set; bands are stacked in this order.", only="folder"
    )
    labels: str = setting("", "The folder of label images.", only="folder")
    classes: list[str] = setting([], "Class names; the index of a name is its label value.", only="folder")
    bands: list[str] = setting([], "Band names, in stacking order; none means band_1, band_2, ...", only="folder")
    # Not dict[int, int]: the command line cannot add a key to a typed mapping.
    remap: Any = setting(None, "Label value in the file -> class index; all values at once.", only="folder")
    ignore_values: list[int] = setting([], "Label values that count nowhere (nodata).", only="folder")
    scene_pattern: str = setting(
        "", "A regular expression; its first group in a file's stem is the scene.", only="folder"
    )
    site_pattern: str = setting("", "Likewise for the site; none means one site.", only="folder")


@dataclass
class AugmentConfig:
    """Random changes of the training pairs, new in each epoch."""

    copies: int = setting(1, "Augmented copies of each training pair in an epoch.", least=1)
    zoom: float = setting(0.05, "Largest change of scale, as a share.", least=0, below=1)
    rotation: float = setting(3.0, "Largest rotation, in degrees.", least=0, most=180)
    shift_rows: float = setting(0.05, "Largest shift up or down, as a share of the rows.", least=0, below=1)
    shift_columns: float = setting(0.05, "Largest shift left or right, as a share of the columns.", least=0, below=1)
    flip_horizontal: bool = setting(True, "Mirror left and right in half of the cases.")
    flip_vertical: bool = setting(False, "Mirror top and bottom in half of the cases.")


@dataclass
class OptimizerConfig:
    """How a gradient becomes a step; the learning rate is the schedule's."""

    name: str = setting("adam", "Optimizer.", choices=("adam", "adamw"))
    beta_1: float = setting(0.9, "Decay of the mean of gradients.", least=0, below=1)
    beta_2: float = setting(0.999, "Decay of the mean of squared gradients.", least=0, below=1)
    epsilon: float = setting(1e-7, "Added to the denominator.", above=0)
    weight_decay: float = setting(0.004, "adamw: decay of the weights, as a share of the learning rate.", least=0)
    clip_norm: float = setting(0.0, "Largest norm of the whole gradient; 0 means no limit.", least=0)


@dataclass
class ScheduleConfig:
    """Learning rate by epoch: a ramp up, a plateau, an exponential decay (paper, section 2.4)."""

    start_rate: float = setting(1e-3, "Rate of the first epoch.", above=0)
    max_rate: float = setting(4e-3, "Rate at the top.", above=0)
    min_rate: float = setting(1e-5, "Rate the decay tends to.", least=0)
    rampup_epochs: int = setting(2, "Epochs of the ramp.", least=0)
    sustain_epochs: int = setting(5, "Epochs at the top.", least=0)
    decay: float = setting(0.65, "Factor from one epoch to the next after that.", above=0, most=1)


@dataclass
class TrainingConfig:
    """The loop."""

    batch: int = setting(4, "Scenes in a step.", least=1)
    epochs: int = setting(15, "Most epochs.", least=1)
    patience: int = setting(10, "Epochs without a better validation loss before training stops.", least=1)
    threads: int = setting(0, "CPU threads; 0 means all this process may use.", least=0)
    precision: str = setting(
        "auto",
        "Type of the maps inside the network; auto is bfloat16 where processor or GPU has it, else float32.",
        choices=PRECISIONS,
    )
    deterministic: bool = setting(True, "Make a repetition bitwise equal.")


@dataclass
class TrackingConfig:
    """Where results are logged."""

    uri: str = setting("", "MLflow tracking URI; empty means SQLite in the outputs folder.")
    experiment: str = setting("segsweep", "MLflow experiment.")


@dataclass
class Config:
    """One experiment."""

    name: str = setting("", "Name of the run; empty means what it is, as in 'resunet cce f6'.")
    seed: int = setting(42, "Seed of weights, order, augmentation and dropout.", least=0)
    outputs: str = setting("outputs", "Folder of runs, stores and the MLflow database.")
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)


@dataclass
class PredictConfig:
    """One use of a trained model on a folder of images."""

    run: str = setting(MISSING, "MLflow run id or run name.")
    input: Any = setting(MISSING, "Folder of images, or [folder,folder] with one for each band set.")
    output: str = setting(MISSING, "Folder to write to.")
    outputs: str = setting("outputs", "Folder of the MLflow database.")
    tracking: TrackingConfig = field(default_factory=TrackingConfig)


def read_config(composed: DictConfig, schema: type[Schema]) -> Schema:
    """Check a composed configuration against its schema.

    Returns:
        The configuration as dataclasses.

    Raises:
        ConfigError: A key is unknown or missing, or a value has the wrong type or breaks a rule.
    """
    typed = OmegaConf.structured(schema)
    refuse_unknown_keys(composed, typed)
    try:
        config = cast(Schema, OmegaConf.to_object(OmegaConf.merge(typed, composed)))
    except OmegaConfBaseException as error:
        raise ConfigError(describe(error)) from error
    check_rules(config)
    if isinstance(config, Config):
        check_frame(config)
        check_loss(config)
        check_schedule(config)
        check_dropout(config)
        check_data(config)
    if isinstance(config, PredictConfig):
        check_places(config)
    return config


def describe(error: OmegaConfBaseException) -> str:
    """Say in one line what OmegaConf found wrong, and where."""
    first, key = str(error).splitlines()[0].rstrip("."), error.full_key or "configuration"
    if "missing mandatory value" in first.lower():
        missing = first.rpartition(": ")[2]
        return f"{missing} is missing; give it as {missing}=..."
    return f"{key}: {first}; see python -m gym.train --help for keys and types."


def all_keys(node: DictConfig, prefix: str = "") -> Iterator[str]:
    """List the dotted keys below a configuration node, groups included."""
    keys: list[Any] = list(node)
    for key in keys:
        dotted = f"{prefix}{key}"
        yield dotted
        if OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key):
            continue
        if OmegaConf.is_dict(node[key]):
            yield from all_keys(node[key], f"{dotted}.")


def refuse_unknown_keys(composed: DictConfig, typed: DictConfig) -> None:
    """Raise `ConfigError` for a key outside the schema, which Hydra lets in with a leading +."""
    known = list(all_keys(typed))
    free = ("data.remap.",)
    for key in all_keys(composed):
        if key not in known and not key.startswith(free):
            raise ConfigError(f"{key}: {unknown_key(key, known)}")


def unknown_key(key: str, known: list[str]) -> str:
    """Word the refusal of a key, with the nearest known one."""
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "see python -m gym.train --help for the keys."
    return f"unknown key; {hint}"


def check_rules(config: Any, prefix: str = "") -> None:
    """Hold every value against the rule beside its key."""
    for item in fields(config):
        value, key = getattr(config, item.name), f"{prefix}{item.name}"
        if is_dataclass(value):
            check_rules(value, f"{key}.")
        elif broken := broken_rule(value, item.metadata["rule"]):
            raise ConfigError(f"{key}={value} must be {broken}.")


def broken_rule(value: Any, rule: dict[str, Any]) -> str | None:
    """Word the rule that ``value`` breaks; None where it keeps it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    if "choices" in rule:
        return None if value in rule["choices"] else f"one of {', '.join(rule['choices'])}"
    if all(_BOUNDS[name][1](value, bound) for name, bound in rule.items()):
        return None
    return " and ".join(f"{_BOUNDS[name][0]} {bound}" for name, bound in rule.items())


def frame_of(size: Any) -> tuple[int, int]:
    """Read ``data.size``: one number for a square, or rows and columns.

    Raises:
        ConfigError: It is neither.
    """
    pair = [size, size] if isinstance(size, int) and not isinstance(size, bool) else size
    if not (isinstance(pair, list | tuple) and len(pair) == 2 and all(type(side) is int for side in pair)):
        raise ConfigError(f"data.size={size} must be one whole number, or two as in data.size=[160,96].")
    return pair[0], pair[1]


def folders_of(value: Any) -> list[str]:
    """Read ``input``: one folder, or a list with one for each band set.

    Raises:
        ConfigError: It is neither.
    """
    folders = value if isinstance(value, list) else [value]
    if not folders or not all(isinstance(folder, str) and folder for folder in folders):
        raise ConfigError(f"input={value} must be a folder, or folders as in input=[rgb,nir].")
    return folders


def check_frame(config: Config) -> None:
    """The frame must halve exactly at each level; 4 levels want a multiple of 16."""
    multiple = max(16, 2**config.model.levels)
    for side in frame_of(config.data.size):
        if side < multiple or side % multiple:
            nearest = max(multiple, round(side / multiple) * multiple)
            raise ConfigError(f"data.size={side} must be a multiple of {multiple}, at least {multiple}; try {nearest}.")


def check_places(config: PredictConfig) -> None:
    """What is written must not fall on what is read."""
    for folder in folders_of(config.input):
        if os.path.realpath(folder) == os.path.realpath(config.output):
            raise ConfigError(f"output={config.output} must be another folder than the input.")


def check_loss(config: Config) -> None:
    """Given class weights must be positive, finite, and wanted."""
    weights, given = config.loss.class_weights, config.loss.weighting == "given"
    if given and not weights:
        raise ConfigError("loss.class_weights=[] must give one weight a class with loss.weighting=given.")
    if weights and not given:
        raise ConfigError(f"loss.class_weights={weights} is used only with loss.weighting=given; add that.")
    if any(not weight > 0 or not math.isfinite(weight) for weight in weights):
        raise ConfigError(f"loss.class_weights={weights} must be finite and above 0.")
    expected = len(config.data.classes) if config.data.kind == "folder" else 4
    if given and len(weights) != expected:
        raise ConfigError(f"loss.class_weights={weights} must have one weight for each of {expected} classes.")


def check_schedule(config: Config) -> None:
    """The top of the schedule must be its top."""
    schedule = config.schedule
    for key in ("start_rate", "min_rate"):
        if getattr(schedule, key) > schedule.max_rate:
            raise ConfigError(
                f"schedule.{key}={getattr(schedule, key)} must be at most schedule.max_rate={schedule.max_rate}."
            )


def check_dropout(config: Config) -> None:
    """The dropout rate must stay a share at every level."""
    model = config.model
    last = model.dropout + model.dropout_change * model.levels
    if not 0 <= last < 1:
        raise ConfigError(
            f"model.dropout_change={model.dropout_change} takes the rate to {last:g} at the deepest level; "
            "it must stay at least 0 and below 1."
        )


def check_data(config: Config) -> None:
    """A folder data set must say its folders and classes; patterns must be regular expressions with a group."""
    data = config.data
    refuse_unused(data)
    if data.kind == "folder":
        for key, example in (("images", "[path/to/images]"), ("labels", "path/to/labels")):
            if not getattr(data, key):
                raise ConfigError(f"data.{key} is missing; data=folder needs it, as in data.{key}={example}.")
        check_classes(data)
    for key in ("scene_pattern", "site_pattern"):
        check_pattern(f"data.{key}", getattr(data, key))


def refuse_unused(data: DataConfig) -> None:
    """A key that the chosen reader does not look at must not be set, so that nobody believes it works."""
    defaults = DataConfig()
    for item in fields(data):
        only, value = item.metadata.get("only"), getattr(data, item.name)
        if only and only != data.kind and value != getattr(defaults, item.name):
            raise ConfigError(f"data.{item.name}={value} is used only by data={only}, not by data={data.kind}.")


def check_classes(data: DataConfig) -> None:
    """Class names must be two or more, distinct, and cover the targets of the remap."""
    if not 2 <= len(data.classes) <= 255:
        raise ConfigError(
            f"data.classes={data.classes} must name 2 to 255 classes, as in data.classes=[water,surf,sand,other]."
        )
    if len(set(data.classes)) < len(data.classes):
        raise ConfigError(f"data.classes={data.classes} must be distinct names.")
    if not isinstance(data.remap, dict | None):
        raise ConfigError(f"data.remap={data.remap} must be a mapping, as in data.remap={{1:0,2:1}}.")
    for value, index in (data.remap or {}).items():
        if type(value) is not int or type(index) is not int or not 0 <= index < len(data.classes):
            raise ConfigError(
                f"data.remap={{{value}:{index}}} must map label values to class indices 0..{len(data.classes) - 1}."
            )


def check_pattern(key: str, pattern: str) -> None:
    """A naming pattern must compile and have a group to take the name from."""
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ConfigError(f"{key}={pattern} must be a regular expression: {error}.") from error
    if pattern and not groups:
        raise ConfigError(f"{key}={pattern} must have a group, as in '^([0-9]{{8}})'.")

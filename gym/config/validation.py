"""Check a composed configuration before anything heavy is imported.

A bad value is refused in a fraction of a second, in one line. The rules that concern one key stand beside the key, in
`gym.config.schema`; the rules that tie keys together are functions here.
"""

import math
import operator
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Any, TypeVar, cast, get_args

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gym.config.data_rules import check_augment, check_data, check_frame, check_split, compile_pattern, refuse_missing
from gym.config.registries import ARCHITECTURES, LOSSES, READERS
from gym.config.schema import (
    BEST,
    FREE_MAPPINGS,
    Config,
    DatasetConfig,
    EvaluateConfig,
    PredictConfig,
    PublishConfig,
    ReportConfig,
    folders_of,
    split_pattern,
)
from gym.core.errors import ConfigError, first_line
from gym.core.registry import Entry, Registry

_BOUNDS = {
    "least": ("at least", operator.ge),
    "most": ("at most", operator.le),
    "above": ("above", operator.gt),
    "below": ("below", operator.lt),
}
Schema = TypeVar("Schema")


def read_config(composed: DictConfig, schema: type[Schema]) -> Schema:
    """Check a composed configuration against its schema.

    Returns:
        The configuration as dataclasses.

    Raises:
        ConfigError: A key is unknown or missing, or a value has the wrong type or breaks a rule.
    """
    typed = OmegaConf.structured(schema)
    for item in fields(cast(Any, schema)):
        if isinstance(item.type, UnionType) and composed.get(item.name) is not None:
            typed[item.name] = OmegaConf.structured(get_args(item.type)[0])  # a part that need not be given
    refuse_unknown_keys(composed, typed)
    try:
        config = cast(Schema, OmegaConf.to_object(OmegaConf.merge(typed, composed)))
    except OmegaConfBaseException as error:
        raise ConfigError(describe(error)) from error
    check_rules(config)
    if isinstance(config, Config | DatasetConfig):
        check_frame(config.data, config.model.levels if isinstance(config, Config) else 4)
        check_data(config.data)
        check_split(config.split, config.augment)
        check_augment(config.augment, config.data)
    if isinstance(config, Config):
        check_loss(config)
        check_schedule(config)
        check_dropout(config)
        check_sweep_name(config.sweep.name)
    if isinstance(config, DatasetConfig) and config.inspect and config.export != "none":
        raise ConfigError(f"inspect=true keeps nothing but the report; leave out inspect, or export={config.export}.")
    if isinstance(config, PredictConfig):
        check_source(config.run)
        check_places(config)
    if isinstance(config, PublishConfig):
        check_publishing(config)
    if isinstance(config, EvaluateConfig):
        check_evaluation(config)
    if isinstance(config, ReportConfig):
        check_report(config)
    return config


def describe(error: OmegaConfBaseException) -> str:
    """Say in one line what OmegaConf found wrong, and where."""
    first, key = first_line(error).rstrip("."), error.full_key or "configuration"
    if "missing mandatory value" in first.lower():
        missing = first.rpartition(": ")[2]
        return f"{missing} is missing; give it as {missing}=..."
    return f"{key}: {first}; see --help for the keys."


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
    free = tuple(f"{key}." for key in FREE_MAPPINGS)
    for key in all_keys(composed):
        if key not in known and not key.startswith(free):
            raise ConfigError(f"{key}: {unknown_key(key, known)}")


def unknown_key(key: str, known: list[str]) -> str:
    """Word the refusal of a key, with the nearest known one."""
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "see --help for the keys."
    return f"unknown key; {hint}"


def check_rules(config: Any, prefix: str = "") -> None:
    """Check every value against the rule of its key, refuse values that nothing reads, and complete the options.

    Raises:
        ConfigError: A value breaks a rule, or names no registered part.
    """
    for item in fields(config):
        value, key = getattr(config, item.name), f"{prefix}{item.name}"
        if is_dataclass(value):
            check_rules(value, f"{key}.")
            continue
        if broken := broken_rule(value, item.metadata.get("rule", {})):
            raise ConfigError(f"{key}={value} must be {broken}.")
        if registry := item.metadata.get("registry"):
            config.options = read_options(config.options, registry.get(value), f"{prefix}options")
        for decider, users in item.metadata.get("only", {}).items():
            chosen = getattr(config, decider)
            values = users.users_of(item.name) if isinstance(users, Registry) else users
            if chosen not in values and value != getattr(type(config)(), item.name):
                wanted = " or ".join(f"{prefix}{decider}={wanted}" for wanted in values)
                raise ConfigError(f"{key}={value} is used only with {wanted}, not with {chosen}; leave it out.")


def read_options(given: Any, entry: Entry, key: str) -> dict[str, Any] | None:
    """Check the options of a registered part against its dataclass.

    Returns:
        All its options, with defaults for those that are not given; None if it has none.

    Raises:
        ConfigError: An option is unknown, has the wrong type or breaks a rule.
    """
    if not isinstance(given, dict | None):
        raise ConfigError(f"{key}={given} must be a mapping, as in {key}={{name:value}}.")
    known = [item.name for item in fields(cast(Any, entry.options))] if entry.options else []
    for name in given or {}:
        if name not in known:
            offers = f"give one of {', '.join(known)}" if known else "leave it out"
            raise ConfigError(f"{key}.{name} is not an option of {entry.name}; {offers}.")
    if not entry.options:
        return None
    try:
        options = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(entry.options), given or {}))
    except OmegaConfBaseException as error:
        raise ConfigError(f"{key}.{describe(error)}") from error
    check_rules(options, f"{key}.")
    return asdict(cast(Any, options))


def broken_rule(value: Any, rule: dict[str, Any]) -> str | None:
    """Word the rule that ``value`` breaks; None where it keeps it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    if "choices" in rule:
        return None if value in rule["choices"] else f"one of {', '.join(rule['choices'])}"
    if all(_BOUNDS[name][1](value, bound) for name, bound in rule.items()):
        return None
    return " and ".join(f"{_BOUNDS[name][0]} {bound}" for name, bound in rule.items())


def check_source(run: str) -> None:
    """A zip must be there, and a sweep have a name."""
    if run.endswith(".zip"):
        refuse_missing("run", run, os.path.isfile(run), "file")  # noqa: PTH113 - no pathlib so early
    if run == BEST:
        raise ConfigError(f"run={run} must name the sweep, as in run={BEST}my_sweep.")


def check_evaluation(config: EvaluateConfig) -> None:
    """Each run must be named, and other data be sound."""
    runs = config.run if isinstance(config.run, list) else [config.run]
    if not runs or not all(isinstance(run, str) and run for run in runs):
        raise ConfigError(f"run={config.run} must be a run, or runs as in run=[one,other].")
    if len(set(runs)) < len(runs):
        raise ConfigError(f"run={config.run} must be distinct runs; name each once.")
    for run in runs:
        check_source(run)
    if config.data is not None:
        check_data(config.data)


def check_report(config: ReportConfig) -> None:
    """A report is on one thing, and goes into a folder."""
    if bool(config.sweep) == bool(config.run):
        found = f"sweep={config.sweep} and run={config.run} are both given" if config.run else "neither is given"
        raise ConfigError(f"give exactly one of sweep=NAME and run=NAME; {found}.")
    refuse_published(config.run)
    check_source(config.run)
    if os.path.isfile(config.output):  # noqa: PTH113 - no pathlib so early
        raise ConfigError(f"output={config.output} is a file; give a folder.")


def refuse_published(run: str) -> None:
    """Raise `ConfigError` for a zip, which is no run."""
    if run.endswith(".zip"):
        raise ConfigError(f"run={run} is a published model; give the run that it was made from.")


def check_publishing(config: PublishConfig) -> None:
    """A run is published, as a zip, under names that MLflow's registry takes."""
    refuse_published(config.run)
    check_source(config.run)
    if config.output and not config.output.endswith(".zip"):
        raise ConfigError(f"output={config.output} must end in .zip, by which it is known; try {config.output}.zip.")
    if config.name and not re.fullmatch(r"\w[\w .-]*", config.name):
        raise ConfigError(
            f"name={config.name} must begin with a letter or digit, and hold those, spaces and _-. only; "
            "try shore_models."
        )
    if not re.fullmatch(r"(?!latest$|v\d+$)[\w-]+", config.alias, re.IGNORECASE | re.ASCII):
        raise ConfigError(
            f"alias={config.alias} must be of letters, digits, _ and -, and not latest, v1, v2, ..., which are "
            "MLflow's own; try champion."
        )


def check_places(config: PredictConfig) -> None:
    """What is read must be there, and what is written must not fall on it."""
    for pattern in config.drop_from_stem:
        compile_pattern("drop_from_stem", pattern)
    for folder in folders_of("input", config.input):
        place, _ = split_pattern(folder)
        refuse_missing("input", folder, os.path.isdir(place), "folder")  # noqa: PTH112 - no pathlib so early
        if os.path.realpath(place) == os.path.realpath(config.output):
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
    if config.loss.weighting == "frequency" and LOSSES.get(config.loss.name).balances_classes:
        raise ConfigError(
            f"loss.weighting=frequency is not for {config.loss.name}, which weighs classes equally already; use none."
        )
    expected = len(READERS.get(config.data.kind).classes or config.data.classes)
    if given and len(weights) != expected:
        raise ConfigError(f"loss.class_weights={weights} must have one weight for each of {expected} classes.")


def check_sweep_name(name: str) -> None:
    """It is the name of a folder."""
    if name in (".", "..") or any(sign in name for sign in "/\\\0"):
        raise ConfigError(f"sweep.name={name} must be the name of one folder, without slashes; try my_sweep.")


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
    deepest = model.levels if ARCHITECTURES.get(model.name).drops_at_bottom else model.levels - 1
    last = model.dropout + model.dropout_change * deepest
    if not 0 <= last < 1:
        raise ConfigError(
            f"model.dropout_change={model.dropout_change} takes the rate to {last:g} at the deepest level; "
            "it must stay at least 0 and below 1."
        )

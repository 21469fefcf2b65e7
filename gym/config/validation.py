"""Validation of a composed configuration, before anything heavy is imported.

A bad value is refused in a fraction of a second and in one line. `gym.config.schema` states the rule of each key; rules
that tie several keys together are functions here and in `gym.config.data_rules`.
"""

import functools
import logging
import math
import operator
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Any, TypeVar, cast, get_args

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gym.config import data_rules, schema
from gym.config.overrides import escape_interpolation, format_value
from gym.config.plugins import check_loaded
from gym.config.registries import ARCHITECTURES, LOSSES, READERS
from gym.config.suggestions import explain_unknown_key
from gym.core.errors import ConfigError, first_line
from gym.core.registry import Entry, Registry

_BOUNDS = {
    "least": ("at least", operator.ge),
    "most": ("at most", operator.le),
    "above": ("above", operator.gt),
    "below": ("below", operator.lt),
}
_HIGH_RATE = 0.1

Schema = TypeVar("Schema")
log = logging.getLogger(__name__)

# For presets, whose values must suit whatever else is chosen: ${if_equal:VALUE,WANTED,THEN,OTHERWISE}.
OmegaConf.register_new_resolver(
    "if_equal", lambda value, wanted, then, otherwise: then if value == wanted else otherwise, replace=True
)


def read_config(composed: DictConfig, expected: type[Schema]) -> Schema:
    """Check a composed configuration against its schema.

    Args:
        composed: The configuration.
        expected: Dataclass that states its keys.

    Returns:
        The configuration as dataclasses.

    Raises:
        ConfigError: A key is unknown or missing, or a value has the wrong type or breaks a rule.
    """
    typed = OmegaConf.structured(expected)
    for item in fields(cast(Any, expected)):
        if isinstance(item.type, UnionType) and composed.get(item.name) is not None:
            typed[item.name] = OmegaConf.structured(get_args(item.type)[0])  # an optional part
    _check_keys(composed, typed)
    try:
        config = cast(Schema, OmegaConf.to_object(OmegaConf.merge(typed, composed)))
    except OmegaConfBaseException as error:
        raise ConfigError(_explain(error)) from error
    check_config(config)
    return config


def retype(config: Schema) -> Schema:
    """Return a copy of a configuration whose values may have been changed in Python, each converted to its type.

    Raises:
        ConfigError: A key is unknown, or a value has the wrong type.
    """
    _check_attributes(config)
    try:
        plain = OmegaConf.create(_to_plain(asdict(cast(Any, config))))
        typed = OmegaConf.merge(OmegaConf.structured(type(config)), plain)
        return cast(Schema, OmegaConf.to_object(typed))
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"{error.full_key}: {first_line(error).rstrip('.')}; use a value of the right type."
        ) from error


def _check_attributes(config: Any, prefix: str = "") -> None:
    known = [item.name for item in fields(config)]
    for name, value in vars(config).items():
        if name not in known:
            raise ConfigError(f"{prefix}{name}: {explain_unknown_key(name, known)}")
        if is_dataclass(value):
            _check_attributes(value, f"{prefix}{name}.")


def _to_plain(value: Any) -> Any:
    """Convert NumPy's numbers, and escape what OmegaConf would take for an interpolation."""
    if isinstance(value, dict):
        return {key: _to_plain(of) for key, of in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_to_plain, value))
    if isinstance(value, str):
        return escape_interpolation(value)
    return value.item() if hasattr(value, "item") else value


def check_config(config: Any) -> None:
    """Check the plugins and values of a configuration.

    Raises:
        ConfigError: A plugin is not loaded, or a value breaks a rule.
    """
    check_loaded(config.plugins)
    check_rules(config)
    if not config.outputs.strip():
        raise ConfigError("outputs is empty; name a folder, as in outputs=outputs.")
    if isinstance(config, schema.Config | schema.DatasetConfig):
        data_rules.check_frame(config.data, config.model.levels if isinstance(config, schema.Config) else 4)
        data_rules.check_data(config.data)
        data_rules.check_split(config.split, config.augment)
        data_rules.check_augment(config.augment, config.data)
    if isinstance(config, schema.Config):
        _check_loss(config.loss, len(READERS.get(config.data.kind).classes or config.data.classes))
        _check_schedule(config.schedule)
        if config.sweep.job < 0:  # otherwise the command that started the sweep has warned
            _warn_of_rate(config.schedule)
        _check_dropout(config.model)
        _check_sweep_name(config.sweep.name)
    if isinstance(config, schema.DatasetConfig) and config.inspect and config.export != "none":
        raise ConfigError(f"inspect=true discards the dataset; leave out inspect=true or export={config.export}.")
    if isinstance(config, schema.PredictConfig):
        _check_prediction(config)
    if isinstance(config, schema.PublishConfig):
        _check_publishing(config)
    if isinstance(config, schema.EvaluateConfig):
        _check_evaluation(config)
    if isinstance(config, schema.ReportConfig):
        _check_report(config)
    if isinstance(config, schema.CleanConfig):
        _check_cleaning(config)


def _explain(error: OmegaConfBaseException) -> str:
    first, key = first_line(error).rstrip("."), error.full_key or "configuration"
    if "missing mandatory value" in first.lower():
        missing = first.rpartition(": ")[2]
        return f"{missing} is missing; set {missing}=..."
    if absent := re.search(r"Environment variable '([^']+)' not found", str(error)):
        return f"{key} reads the environment variable {absent[1]}, which is not set; run: export {absent[1]}=VALUE"
    return f"{key}: {first}; see --help for the keys."


def all_keys(node: DictConfig, prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys below a configuration node, including those of groups."""
    keys: list[Any] = list(node)
    for key in keys:
        dotted = f"{prefix}{key}"
        yield dotted
        if OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key):
            continue
        if OmegaConf.is_dict(node[key]):
            yield from all_keys(node[key], f"{dotted}.")


def _check_keys(composed: DictConfig, typed: DictConfig) -> None:
    # Hydra accepts keys outside the schema if they have a leading +.
    known = list(all_keys(typed))
    free = tuple(f"{key}." for key in schema.FREE_MAPPINGS)
    for key in all_keys(composed):
        if key not in known and not key.startswith(free):
            raise ConfigError(f"{key}: {explain_unknown_key(key, known)}")


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
            default = getattr(type(config)(), item.name)
            if chosen not in values and value != default:
                wanted = " or ".join(f"{prefix}{decider}={wanted}" for wanted in values)
                # A preset may have set it, such as +debug=tiny.
                reset = f", or reset it with {shlex.quote(f'{key}={format_value(default)}')}"
                raise ConfigError(f"{key}={value} is used only with {wanted}, not with {chosen}; leave it out{reset}.")


def read_options(given: Any, entry: Entry, key: str) -> dict[str, Any] | None:
    """Check the options of a registered part against its dataclass.

    Returns:
        All its options, with defaults for those that are not given; None if it has none.

    Raises:
        ConfigError: An option is unknown or missing, has the wrong type or breaks a rule.
    """
    if not isinstance(given, dict | None):
        raise ConfigError(f"{key}={given} must be a mapping, as in {key}={{name:value}}.")
    known = [item.name for item in fields(cast(Any, entry.options))] if entry.options else []
    for name in given or {}:
        if name not in known:
            offers = f"choose one of {', '.join(known)}" if known else "leave it out"
            raise ConfigError(f"{key}.{name} is not an option of {entry.name}; {offers}.")
    if not entry.options:
        return None
    merged = OmegaConf.structured(entry.options)
    try:
        merged.merge_with(given or {})
    except OmegaConfBaseException as error:
        raise ConfigError(f"{key}.{_explain(error)}") from error
    if missing := OmegaConf.missing_keys(merged):
        raise ConfigError(f"{key} must give {', '.join(sorted(missing))}, as in {key}={{{min(missing)}:VALUE}}.")
    try:
        options = OmegaConf.to_object(merged)
    except Exception as error:  # the plugin's own check, in __post_init__
        raise ConfigError(
            f"{key}={given or {}} fails the check of {entry.name} in plugin {entry.plugin} ({type(error).__name__}: "
            f"{first_line(error)}); change the options, or correct the plugin."
        ) from error
    check_rules(options, f"{key}.")
    return asdict(cast(Any, options))


def broken_rule(value: Any, rule: dict[str, Any]) -> str | None:
    """Return the rule that a value breaks, as in "at least 1", or None if it obeys its rule."""
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    if "choices" in rule:
        return None if value in rule["choices"] else f"one of {', '.join(rule['choices'])}"
    if all(_BOUNDS[name][1](value, bound) for name, bound in rule.items()):
        return None
    return " and ".join(f"{_BOUNDS[name][0]} {bound}" for name, bound in rule.items())


def _check_run(run: str) -> None:
    if run.endswith(".zip"):
        data_rules.require_file("run", run)
    if run == schema.BEST:
        raise ConfigError(f"run={run} must name a sweep, as in run={schema.BEST}my_sweep.")


def _check_evaluation(config: schema.EvaluateConfig) -> None:
    runs = config.run if isinstance(config.run, list) else [config.run]
    if not runs or not all(isinstance(run, str) and run for run in runs):
        raise ConfigError(f"run={config.run} must be a run, or a list of runs as in run=[one,other].")
    if len(set(runs)) < len(runs):
        raise ConfigError(f"run={config.run} must not repeat a run; list each run once.")
    for run in runs:
        _check_run(run)
    if config.data is not None:
        data_rules.check_data(config.data)


def _check_report(config: schema.ReportConfig) -> None:
    if bool(config.sweep) == bool(config.run):
        found = f"sweep={config.sweep} and run={config.run} are both set" if config.run else "neither is set"
        raise ConfigError(f"set exactly one of sweep=NAME and run=NAME; {found}.")
    _check_unpublished(config.run)
    if os.path.isfile(config.output):  # noqa: PTH113 - importing pathlib takes longer
        raise ConfigError(f"output={config.output} is a file; choose a folder.")


def _check_cleaning(config: schema.CleanConfig) -> None:
    for kind in config.what:
        if kind not in schema.LEFTOVERS:
            near = get_close_matches(kind, schema.LEFTOVERS, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"choose from {', '.join(schema.LEFTOVERS)}."
            raise ConfigError(f"what={kind} is not a kind of files; {remedy}")
    if config.sweep and config.run:
        raise ConfigError(f"sweep={config.sweep} and run={config.run} are both set; set one of them.")
    if "runs" in config.what and not (config.sweep or config.run):
        raise ConfigError("what=runs would remove every run; name them with sweep=NAME or run=NAME.")


def _check_unpublished(run: str) -> None:
    if run.endswith(".zip"):
        raise ConfigError(f"run={run} is a model archive; name the run that it was published from.")
    _check_run(run)


def _check_publishing(config: schema.PublishConfig) -> None:
    _check_unpublished(config.run)
    if config.output and not config.output.endswith(".zip"):
        raise ConfigError(f"output={config.output} must end in .zip; try {config.output}.zip.")
    if config.name and not re.fullmatch(r"\w[\w .-]*", config.name):
        raise ConfigError(
            f"name={config.name} must start with a letter or digit, followed by letters, digits, spaces, _, - and . "
            "only; try shore_models."
        )
    if not re.fullmatch(r"(?!latest$|v\d+$)[\w-]+", config.alias, re.IGNORECASE | re.ASCII):
        raise ConfigError(
            f"alias={config.alias} must consist of letters, digits, _ and -, and must not be latest, v1, v2, ..., "
            "which MLflow reserves; try champion."
        )


def _check_prediction(config: schema.PredictConfig) -> None:
    _check_run(config.run)
    for pattern in config.drop_from_stem:
        data_rules.compile_pattern("drop_from_stem", pattern)
    for folder in schema.parse_folders("input", config.input):
        data_rules.require_folder("input", folder)
        if os.path.realpath(schema.split_pattern(folder)[0]) == os.path.realpath(config.output):
            raise ConfigError(f"output={config.output} must not be the input folder; choose another folder.")


def _check_loss(loss: schema.LossConfig, classes: int) -> None:
    weights, are_given = loss.class_weights, loss.weighting == "given"
    if are_given and not weights:
        raise ConfigError("loss.class_weights=[] must have one weight per class with loss.weighting=given.")
    if weights and not are_given:
        raise ConfigError(f"loss.class_weights={weights} is used only with loss.weighting=given; add that.")
    if any(not weight > 0 or not math.isfinite(weight) for weight in weights):
        raise ConfigError(f"loss.class_weights={weights} must be finite and above 0.")
    if loss.weighting == "frequency" and LOSSES.get(loss.name).balances_classes:
        raise ConfigError(
            f"loss.weighting=frequency does not apply to {loss.name}, which already weights all classes equally; "
            "use loss.weighting=none."
        )
    if are_given and len(weights) != classes:
        raise ConfigError(f"loss.class_weights={weights} must have one weight for each of {classes} classes.")


def _check_sweep_name(name: str) -> None:
    # The sweep's folder has this name.
    if name in (".", "..") or any(sign in name for sign in "/\\\0"):
        raise ConfigError(f"sweep.name={name} must be a folder name without slashes; try my_sweep.")


def _check_schedule(schedule: schema.ScheduleConfig) -> None:
    for key in ("start_rate", "min_rate"):
        if getattr(schedule, key) > schedule.max_rate:
            raise ConfigError(
                f"schedule.{key}={getattr(schedule, key)} must be at most schedule.max_rate={schedule.max_rate}."
            )


def _warn_of_rate(schedule: schema.ScheduleConfig) -> None:
    usual = schema.ScheduleConfig.max_rate
    if schedule.max_rate > _HIGH_RATE:
        warn_once(
            f"schedule.max_rate={schedule.max_rate:g} is above {_HIGH_RATE:g}, where training with Adam rarely "
            f"converges; the default is {usual:g}"
        )


@functools.cache
def warn_once(message: str) -> None:
    """Log a warning, once in a process however many configurations of a sweep it concerns."""
    log.warning("%s", message)


def _check_dropout(model: schema.ModelConfig) -> None:
    deepest = model.levels if ARCHITECTURES.get(model.name).drops_at_bottom else model.levels - 1
    last = model.dropout + model.dropout_change * deepest
    if not 0 <= last < 1:
        raise ConfigError(
            f"model.dropout_change={model.dropout_change} changes the dropout rate to {last:g} at the deepest level; "
            "it must stay at least 0 and below 1."
        )

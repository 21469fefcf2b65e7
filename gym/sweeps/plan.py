"""Plan the runs of a sweep: compose and check every configuration, open its data, and name it."""

import logging
import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from omegaconf import DictConfig

from gym.config.groups import quote_options, unquote_options
from gym.config.overrides import format_value, to_dict
from gym.config.schema import AugmentConfig, Config, DataConfig, SplitConfig
from gym.config.validation import read_config
from gym.core.errors import ConfigError
from gym.core.files import hash_value
from gym.core.redaction import redact
from gym.core.text import pluralize
from gym.data.build import open_or_build_dataset
from gym.data.dataset import Dataset
from gym.data.samples import split_dataset, training_samples
from gym.data.split import Split
from gym.runs.spec import run_fingerprints, run_name, validation_fingerprint
from gym.sweeps.eta import estimate_work
from gym.sweeps.ledger import QUEUED, Ledger, drop_duplicates

_MOST_RUNS = 10_000  # more take minutes to plan, and gigabytes
_IN_DEFAULT_NAME = ("model", "loss", "filters", "model.name", "loss.name", "model.filters")

log = logging.getLogger(__name__)

Overrides = list[str]
Compose = Callable[[Overrides], DictConfig]


class PlannedRun(NamedTuple):
    """A run before it is queued.

    Attributes:
        name: Readable name.
        fingerprint: Hash of everything the result depends on; empty if the configuration is invalid.
        overrides: Hydra overrides that make up its configuration.
        validation: Hash of the data that its scores are measured on.
        work: Relative amount of computation, from `gym.sweeps.eta.estimate_work`; 0 if unknown.
        unversioned: The fingerprint without the contents of plugins; empty if the configuration is invalid.
    """

    name: str
    fingerprint: str
    overrides: Overrides
    validation: str = ""
    work: float = 0.0
    unversioned: str = ""


def expand_grid(params: dict[str, Any], arguments: Sequence[str]) -> list[Overrides]:
    """Return the overrides of every combination of the swept values.

    Args:
        params: Swept values by key, from the configuration.
        arguments: Overrides from the command line. They replace a parameter with the same key.

    Raises:
        ConfigError: An override is an interval, which only a search can sample from, or there are too many runs.
    """
    texts = [quote_options(f"{key}={value}") for key, value in params.items()]
    overrides = OverridesParser.create().parse_overrides([*texts, *arguments])
    for override in overrides:
        if override.is_sweep_override() and not override.is_discrete_sweep():
            raise ConfigError(
                f"{override.input_line} is an interval, but a grid sweep needs separate values; "
                "list them, or search the interval with hydra/sweeper=optuna."
            )
    if (runs := math.prod(map(_count_values, overrides))) > _MOST_RUNS:
        raise ConfigError(
            f"these values make {runs:,} runs, but a sweep has at most {_MOST_RUNS:,}; give fewer values, or search "
            "them with hydra/sweeper=optuna."
        )
    # Hydra has no public function for this, and its own sweeper cannot resume.
    return [list(combination) for combination in BasicSweeper.split_arguments(overrides, None)[0]]


def _count_values(override: Override) -> int:
    """Count the values that an override sweeps over, without listing them."""
    if not override.is_sweep_override():
        return 1
    value = override.value()
    if isinstance(value, RangeSweep):
        return max(0, math.ceil((float(value.stop or 0) - float(value.start or 0)) / float(value.step)))
    return len(value.list) if isinstance(value, ChoiceSweep) else 1


def read_configs(combinations: Sequence[Overrides], compose: Compose) -> list[Config]:
    """Compose and check the configuration of every run.

    Raises:
        ConfigError: One is invalid.
    """
    log.info("checking %s ...", pluralize(len(combinations), "configuration"))
    return [read_config(compose(overrides), Config) for overrides in combinations]


def plan_runs(configs: Sequence[Config], combinations: Sequence[Overrides], cache: "DatasetCache") -> list[PlannedRun]:
    """Open the data of all runs before the first one starts, and name them.

    Args:
        configs: Their configurations.
        combinations: The overrides that each was composed from.
        cache: Opens the datasets.

    Returns:
        The runs in the given order, without duplicates.

    Raises:
        ConfigError: Scores would not be comparable and ``sweep.mix`` is false.
        DataError: The data cannot be used.
    """
    planned = plan_each(configs, combinations, cache)
    if not configs[0].sweep.mix:
        check_comparable(planned)
    return drop_duplicates(planned)


def plan_each(configs: Sequence[Config], combinations: Sequence[Overrides], cache: "DatasetCache") -> list[PlannedRun]:
    """Open the data of all runs, and name them, without comparing them; equal runs are kept."""
    distinct = differing_overrides(combinations)
    return [plan_sweep_run(*parts, cache) for parts in zip(configs, combinations, distinct, strict=True)]


def plan_sweep_run(config: Config, overrides: Overrides, distinct: Overrides, cache: "DatasetCache") -> PlannedRun:
    """Fingerprint and name one run of a sweep.

    Args:
        config: Its configuration.
        overrides: The overrides that the configuration was composed from.
        distinct: Those of them that distinguish it from the other runs.
        cache: Opens its dataset.

    Raises:
        DataError: The data cannot be used.
    """
    dataset, split = cache.open(config.data, config.split, config.augment, config.outputs)
    name = run_name(config.name, config.model.name, config.loss.name, config.model.filters)
    samples = len(training_samples(split, config.augment, len(dataset)))
    fingerprint, unversioned = run_fingerprints(to_dict(config), dataset, split)
    return PlannedRun(
        name=name_sweep_run(name, distinct, is_custom=bool(config.name)),
        fingerprint=fingerprint,
        overrides=overrides,
        validation=validation_fingerprint(dataset, split),
        work=estimate_work(config.model, config.data.size, samples, config.training.epochs),
        unversioned=unversioned,
    )


def check_comparable(planned: Sequence[PlannedRun]) -> None:
    """Raise `ConfigError` if the runs would be scored on different data."""
    first = planned[0]
    for other in planned:
        if other.validation != first.validation:
            raise ConfigError(
                f"{first.name} and {other.name} differ in their data or validation scenes, so their scores are not "
                "comparable; use the same data and split for all runs, or set sweep.mix=true."
            )


class DatasetCache:
    """Open each dataset and compute each split only once for all runs of a sweep."""

    def __init__(self) -> None:
        self._datasets: dict[str, Dataset] = {}
        self._splits: dict[str, Split] = {}

    def open(self, data: DataConfig, split: SplitConfig, augment: AugmentConfig, outputs: str) -> tuple[Dataset, Split]:
        """Return a dataset, built if necessary, and its split.

        Raises:
            DataError: The data cannot be used.
        """
        key = hash_value([asdict(data), outputs])
        if key not in self._datasets:
            self._datasets[key] = open_or_build_dataset(data, Path(outputs))
        split_key = hash_value([key, asdict(split), asdict(augment)])
        if split_key not in self._splits:
            self._splits[split_key] = split_dataset(self._datasets[key], split, augment.copies)
        return self._datasets[key], self._splits[split_key]


def differing_overrides(combinations: Sequence[Overrides]) -> list[Overrides]:
    """Return for each run the overrides that not all runs share."""
    shared = set(combinations[0]).intersection(*combinations)
    return [[override for override in overrides if override not in shared] for overrides in combinations]


def name_sweep_run(name: str, distinct: Sequence[str], is_custom: bool) -> str:
    """Append to a run's name the overrides that distinguish it from the other runs of its sweep.

    Args:
        name: Name of the run by itself.
        distinct: Overrides that not all runs share.
        is_custom: Whether the user chose the name. A default name already states model, loss and filters.
    """
    implied = () if is_custom else _IN_DEFAULT_NAME
    added = [override.lstrip("+") for override in distinct if override.partition("=")[0].lstrip("+") not in implied]
    return redact(" ".join([name, *added]))


def name_sweep(planned: Sequence[PlannedRun]) -> str:
    """Derive a name from the fingerprints of the runs, so that the same command resumes the same sweep.

    The contents of plugins do not count, so that a sweep whose plugin changed is found and refused.
    """
    return hash_value(sorted(run.unversioned or run.fingerprint for run in planned))[:12]


def queue_run(ledger: Ledger, number: int, run: PlannedRun) -> None:
    """Add a run to the ledger, without passwords: whoever starts the run plans it again and has them."""
    overrides = [redact(override) for override in run.overrides]
    ledger.append(QUEUED, number, name=run.name, fingerprint=run.fingerprint, overrides=overrides, work=run.work)


def format_command(overrides: Overrides) -> str:
    """Return the command that trains a run by itself, without passwords."""
    kept = [override for override in overrides if not override.startswith(("sweep.", "search."))]
    shown = [unquote_options(redact(override)) for override in kept]
    # An experiment may turn on multirun mode.
    mode = ["hydra.mode=RUN"] if any("experiment=" in override for override in shown) else []
    return shlex.join(["python", "-m", "gym.train", *shown, *mode])


def name_outputs(overrides: Sequence[str], outputs: Path) -> Overrides:
    """Replace the outputs folder in overrides that were recorded before the folder was copied or moved."""
    now = [] if str(outputs) == Config.outputs else [f"outputs={format_value(str(outputs))}"]
    places = [place for place, override in enumerate(overrides) if override.startswith("outputs=")]
    kept = [override for override in overrides if not override.startswith("outputs=")]
    first = places[0] if places else len(kept)
    return [*kept[:first], *now, *kept[first:]]

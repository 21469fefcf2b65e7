"""From a command to the runs of a sweep: every combination composed and checked, named, and on one dataset."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from gym.config.overrides import quote_options, show_options
from gym.config.schema import Config
from gym.config.validation import read_config
from gym.core.errors import ConfigError
from gym.core.files import hash_value
from gym.core.text import redact_uri
from gym.data.build import open_or_build_dataset
from gym.data.dataset import Dataset
from gym.data.samples import split_dataset, training_samples
from gym.data.split import Split
from gym.runs.spec import run_fingerprint, run_name, validation_fingerprint
from gym.sweeps.eta import estimate_work
from gym.sweeps.ledger import QUEUED, Job, Ledger, drop_duplicates

_IN_NAME = ("model", "loss", "filters", "model.name", "loss.name", "model.filters")

Overrides = list[str]
Compose = Callable[[Overrides], DictConfig]


class Planned(NamedTuple):
    """One run before it is made."""

    name: str
    fingerprint: str
    overrides: Overrides
    validation: str  # hash of what its scores are measured on
    work: float = 0.0  # as `gym.sweeps.eta.estimate_work` has it


def expand(params: dict[str, Any], arguments: Sequence[str]) -> list[Overrides]:
    """Every combination of what is swept over; an argument takes the place of a parameter of its key.

    Raises:
        ConfigError: An interval is given, which only a search can draw from.
    """
    texts = [quote_options(f"{key}={value}") for key, value in params.items()]
    overrides = OverridesParser.create().parse_overrides([*texts, *arguments])
    for override in overrides:
        if override.is_sweep_override() and not override.is_discrete_sweep():
            raise ConfigError(f"{override.input_line} is no list; a grid wants one, or add hydra/sweeper=optuna.")
    return [list(job) for job in BasicSweeper.split_arguments(overrides, None)[0]]


def plan(jobs: Sequence[Overrides], compose: Compose) -> list[Planned]:
    """Check every run of a sweep before any is made, open its data, and name it.

    Args:
        jobs: The overrides of each.
        compose: Makes the configuration of some overrides, as Hydra does.

    Raises:
        ConfigError: A configuration breaks a rule, or the runs would not be comparable and ``sweep.mix`` is false.
        DataError: The data cannot be used.
    """
    configs = [read_config(compose(job), Config) for job in jobs]
    data, swept = OpenedData(), swept_overrides(jobs)
    planned = [plan_run(*run, data) for run in zip(configs, jobs, swept, strict=True)]
    if not configs[0].sweep.mix:
        refuse_mixture(planned)
    return drop_duplicates(planned)


def plan_run(config: Config, overrides: Overrides, differing: Overrides, data: "OpenedData") -> Planned:
    """Name a run that is yet to be made.

    Args:
        config: Its configuration.
        overrides: What makes it.
        differing: Those of them that set it apart from others.
        data: Where its dataset and split are found.

    Raises:
        DataError: The data cannot be used.
    """
    dataset, split = data.of(config)
    fingerprint, validation = run_fingerprint(config, dataset, split), validation_fingerprint(dataset, split)
    work = estimate_work(config, len(training_samples(split, config.augment, len(dataset))))
    return Planned(name_job(config, differing), fingerprint, overrides, validation, work)


def refuse_mixture(planned: Sequence[Planned]) -> None:
    """Raise `ConfigError` where scores would be measured on different scenes."""
    first = planned[0]
    for other in planned:
        if other.validation != first.validation:
            raise ConfigError(
                f"{first.name} and {other.name} differ in data or in what validates, so their scores cannot be "
                "compared; sweep over one dataset, or set sweep.mix=true."
            )


class OpenedData:
    """Stores and splits by their configuration, each opened once."""

    def __init__(self) -> None:
        self._stores: dict[str, Dataset] = {}
        self._splits: dict[str, Split] = {}

    def of(self, config: Config) -> tuple[Dataset, Split]:
        """The data of a configuration; a dataset that is missing is made."""
        data = hash_value([asdict(config.data), config.outputs])
        if data not in self._stores:
            self._stores[data] = open_or_build_dataset(config.data, Path(config.outputs))
        sides = hash_value([data, asdict(config.split), asdict(config.augment)])
        if sides not in self._splits:
            self._splits[sides] = split_dataset(self._stores[data], config.split, config.augment)
        return self._stores[data], self._splits[sides]


def swept_overrides(jobs: Sequence[Overrides]) -> list[Overrides]:
    """Of each run the overrides that not all have."""
    shared = set(jobs[0]).intersection(*jobs)
    return [[override for override in job if override not in shared] for job in jobs]


def name_job(config: Config, differing: Overrides) -> str:
    """Name a run of a sweep after what it is, and by whatever else sets it apart."""
    said = () if config.name else _IN_NAME  # by the name itself
    apart = [override.lstrip("+") for override in differing if override.partition("=")[0].lstrip("+") not in said]
    name = run_name(config.name, config.model.name, config.loss.name, config.model.filters)
    return " ".join([name, *apart])


def name_sweep(planned: Sequence[Planned]) -> str:
    """A name that the same runs always have."""
    return hash_value(sorted(run.fingerprint for run in planned))[:12]


def queue(ledger: Ledger, number: int, run: Planned) -> None:
    """Enter a run in the ledger; passwords are left out, since who starts it plans it again."""
    shown = [redact_uri(override) for override in run.overrides]
    ledger.append(QUEUED, number, name=run.name, fingerprint=run.fingerprint, overrides=shown, work=run.work)


def longest_first(jobs: Sequence[Job]) -> list[Job]:
    """Runs in the order of their work, the most first; of equal work by number."""
    return sorted(jobs, key=lambda job: (-job.work, job.number))


def command_of(overrides: Overrides) -> str:
    """The command that makes one run by itself; passwords are left out."""
    kept = [override for override in overrides if not override.startswith(("sweep.", "search."))]
    own = [show_options(redact_uri(override)) for override in kept]
    alone = ["hydra.mode=RUN"] if any("experiment=" in override for override in own) else []  # which may be a sweep
    return shlex.join(["python", "-m", "gym.train", *own, *alone])

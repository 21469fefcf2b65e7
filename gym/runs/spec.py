"""What a run is to do: a configuration, the data it is of, and the name it goes by.

What a run is known by: a hash of all that its result depends on.

Two configurations that ask for the same have the same fingerprint, however they are worded; names, places and the
way it is computed are no part of it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gym.config.overrides import to_dict
from gym.config.schema import Config
from gym.core.files import hash_value
from gym.core.text import redact_uri
from gym.data.batches import steps_in_epoch
from gym.data.build import open_or_build_dataset
from gym.data.dataset import Dataset
from gym.data.samples import list_sample_names, split_dataset, training_samples
from gym.data.split import Split

_ELSEWHERE = ("name", "outputs", "tracking", "data", "split", "sweep", "search")  # dataset and sides stand for two
_MACHINE = ("threads", "tuned", "resume")


def run_fingerprint(config: Config, dataset: Dataset, split: Split) -> str:
    """The name of a run: 64 hexadecimal digits."""
    return hash_value([identity(config), dataset.manifest.fingerprint, list_sample_names(dataset, split)])


def validation_fingerprint(dataset: Dataset, split: Split) -> str:
    """Hash of what scores are measured on: two runs are comparable only where it is equal."""
    sides = list_sample_names(dataset, split)
    return hash_value([dataset.manifest.fingerprint, sides["validation"], sides["test"]])


def identity(config: Config) -> dict[str, Any]:
    """The part of a configuration that its result depends on, beside dataset and split."""
    kept = {key: value for key, value in to_dict(config).items() if key not in _ELSEWHERE}
    kept["training"] = {key: value for key, value in kept["training"].items() if key not in _MACHINE}
    return kept | {"standardize": config.data.standardize}


def run_name(config: Config) -> str:
    """Name a run after what it is, as in 'resunet cce f6', where the user gives no name."""
    return config.name or f"{config.model.name} {config.loss.name} f{config.model.filters}"


class RunSpec(NamedTuple):
    """What a run is to do, and where: the configuration with its data, its name and its folder."""

    config: Config
    dataset: Dataset
    split: Split
    name: str
    folder: Path
    fingerprint: str


def plan_run(config: Config, runs: Path) -> RunSpec:
    """Open the data of a configuration, making the dataset where it is missing, and name the run."""
    dataset = open_or_build_dataset(config.data, Path(config.outputs))
    split = split_dataset(dataset, config.split, config.augment)
    fingerprint = run_fingerprint(config, dataset, split)
    return RunSpec(config, dataset, split, run_name(config), runs / fingerprint[:16], fingerprint)


def count_steps(task: RunSpec) -> int:
    """The steps of an epoch."""
    samples = training_samples(task.split, task.config.augment, len(task.dataset))
    return steps_in_epoch(len(samples), task.config.training.batch)


def describe(task: RunSpec) -> dict[str, str]:
    """The tags that say what a run is and on what."""
    method = task.config.split.method
    return {
        "fingerprint": task.fingerprint,
        "data_fingerprint": task.dataset.manifest.fingerprint,
        "data": task.dataset.manifest.source,
        "split": method + (" (leaky)" if method == "paper" else ""),
    }


def without_password(config: Config) -> Config:
    """A copy that may be logged: the URIs without user and password."""
    tracking = replace(config.tracking, uri=redact_uri(config.tracking.uri))
    return replace(config, tracking=tracking, search=replace(config.search, storage=redact_uri(config.search.storage)))

"""What a run is to do: a configuration, the data it is of, and the name it goes by."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from gym.config import Config
from gym.console import public_uri
from gym.data.build import open_or_build_store
from gym.data.pipeline import steps_in_epoch
from gym.data.sides import split_store, training_samples
from gym.data.split import Split
from gym.data.store import Store
from gym.identity import run_fingerprint, run_name


class Task(NamedTuple):
    """What a run is to do, and where: the configuration with its data, its name and its folder."""

    config: Config
    store: Store
    split: Split
    name: str
    folder: Path
    fingerprint: str


def plan_task(config: Config, runs: Path) -> Task:
    """Open the data of a configuration, making the store where it is missing, and name the run."""
    store = open_or_build_store(config.data, Path(config.outputs))
    split = split_store(store, config.split, config.augment)
    fingerprint = run_fingerprint(config, store, split)
    return Task(config, store, split, run_name(config), runs / fingerprint[:16], fingerprint)


def count_steps(task: Task) -> int:
    """The steps of an epoch."""
    samples = training_samples(task.split, task.config.augment, len(task.store))
    return steps_in_epoch(len(samples), task.config.training.batch)


def describe(task: Task) -> dict[str, str]:
    """The tags that say what a run is and on what."""
    method = task.config.split.method
    return {
        "fingerprint": task.fingerprint,
        "data_fingerprint": task.store.manifest.fingerprint,
        "data": task.store.manifest.source,
        "split": method + (" (leaky)" if method == "paper" else ""),
    }


def without_password(config: Config) -> Config:
    """A copy that may be logged: the URIs without user and password."""
    tracking = replace(config.tracking, uri=public_uri(config.tracking.uri))
    return replace(config, tracking=tracking, search=replace(config.search, storage=public_uri(config.search.storage)))

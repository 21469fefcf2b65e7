"""What a run is known by: a hash of all that its result depends on.

Two configurations that ask for the same have the same fingerprint, however they are worded; names, places and the
way it is computed are no part of it.
"""

from dataclasses import asdict
from typing import Any

from gym.config import Config
from gym.data.sides import side_names
from gym.data.split import Split
from gym.data.store import Store
from gym.files import hash_value

_ELSEWHERE = ("name", "outputs", "tracking", "data", "split", "sweep", "search")  # store and sides stand for two
_MACHINE = ("threads", "tuned", "resume")


def run_fingerprint(config: Config, store: Store, split: Split) -> str:
    """The name of a run: 64 hexadecimal digits."""
    return hash_value([identity(config), store.manifest.fingerprint, side_names(store, split)])


def validation_fingerprint(store: Store, split: Split) -> str:
    """Hash of what scores are measured on: two runs are comparable only where it is equal."""
    sides = side_names(store, split)
    return hash_value([store.manifest.fingerprint, sides["validation"], sides["test"]])


def identity(config: Config) -> dict[str, Any]:
    """The part of a configuration that its result depends on, beside store and split."""
    kept = {key: value for key, value in asdict(config).items() if key not in _ELSEWHERE}
    kept["training"] = {key: value for key, value in kept["training"].items() if key not in _MACHINE}
    return kept | {"standardize": config.data.standardize}


def run_name(config: Config) -> str:
    """Name a run after what it is, as in 'resunet cce f6', where the user gives no name."""
    return config.name or f"{config.model.name} {config.loss.name} f{config.model.filters}"

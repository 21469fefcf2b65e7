"""The specification of a run: its configuration, dataset, split, name, folder and fingerprint.

The fingerprint hashes everything that the result of a run depends on. Two configurations that ask for the same training
have the same fingerprint, however they are written. Names, places and the means of computing are left out.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gym.config.overrides import to_dict
from gym.config.plugins import TAG, plugin_hashes
from gym.config.registries import LOSSES
from gym.config.schema import Config
from gym.core.files import hash_value
from gym.core.redaction import redact_values
from gym.data.build import open_or_build_dataset
from gym.data.dataset import Dataset
from gym.data.samples import list_sample_names, split_dataset
from gym.data.split import Split

# Data and split enter the fingerprint as the dataset's own fingerprint and the names on each side.
_NOT_FINGERPRINTED = ("name", "outputs", "tracking", "data", "split", "sweep", "search")
_MACHINE_SETTINGS = ("threads", "tuned", "resume")


class RunSpec(NamedTuple):
    """What a run trains on, what it is called, and where its files go.

    Attributes:
        settings: The configuration as nested dictionaries, without passwords and tokens.
        dataset: The dataset.
        split: The samples on each side.
        name: The name given by the user, or one such as ``resunet cce f6``.
        folder: The run's folder.
        fingerprint: Hash of everything that the result depends on.
        unversioned: The same without the contents of plugins and without ``loss.clip``, as in version 0.1.0.
        requested: The fingerprint with ``training.precision=auto``, if that was asked for and has been resolved.
    """

    settings: dict[str, Any]
    dataset: Dataset
    split: Split
    name: str
    folder: Path
    fingerprint: str
    unversioned: str = ""
    requested: str = ""

    def resolve_precision(self, precision: str) -> "RunSpec":
        """Return the run with a data type in place of ``training.precision=auto``; its fingerprint includes it."""
        settings = self.settings | {"training": self.settings["training"] | {"precision": precision}}
        fingerprint, unversioned = run_fingerprints(settings, self.dataset, self.split)
        return self._replace(
            settings=settings,
            folder=self.folder.with_name(fingerprint[:16]),
            fingerprint=fingerprint,
            unversioned=unversioned,
            requested=self.fingerprint,
        )

    @property
    def tags(self) -> dict[str, str]:
        """MLflow tags that identify the run and its data."""
        method = self.settings["split"]["method"]
        return {
            "fingerprint": self.fingerprint,
            "data_fingerprint": self.dataset.manifest.fingerprint,
            "data": self.dataset.manifest.source,
            "split": method + (" (leaky)" if method == "paper" else ""),
            **{f"{TAG}{name}": digest for name, digest in self.plugins.items()},
        }

    @property
    def plugins(self) -> dict[str, str]:
        """SHA-256 of the plugins, by name."""
        return plugin_hashes(self.settings.get("plugins", []))


def plan_run(config: Config, runs: Path) -> RunSpec:
    """Open the dataset of a configuration, build it first if it is missing, and identify the run.

    Args:
        config: The configuration of one run.
        runs: The folder that holds the folders of runs.

    Raises:
        DataError: The imagery cannot be used.
    """
    dataset = open_or_build_dataset(config.data, Path(config.outputs))
    split = split_dataset(dataset, config.split, config.augment.copies)
    name = run_name(config.name, config.model.name, config.loss.name, config.model.filters)
    settings = to_dict(config)
    fingerprint, unversioned = run_fingerprints(settings, dataset, split)
    return RunSpec(redact_values(settings), dataset, split, name, runs / fingerprint[:16], fingerprint, unversioned)


def run_name(given: str, architecture: str, loss: str, filters: int) -> str:
    """The name given by the user, or one such as ``resunet cce f6``."""
    return given or f"{architecture} {loss} f{filters}"


def run_fingerprints(settings: Mapping[str, Any], dataset: Dataset, split: Split) -> tuple[str, str]:
    """Hash everything that the result of a run depends on, and all but the contents of plugins and ``loss.clip``.

    Args:
        settings: The configuration of the run as nested dictionaries.
        dataset: Its dataset.
        split: Its split.

    Returns:
        The fingerprint, and the one that runs share that differ in the version of a plugin or of this program; 64
        hexadecimal digits each.
    """
    kept, names = fingerprinted_settings(settings), sorted(settings.get("plugins", []))
    data = [dataset.manifest.fingerprint, list_sample_names(dataset, split)]
    unversioned = kept | {"loss": drop_clip(kept["loss"])} | ({"plugins": names} if names else {})
    return hash_value([kept, *data]), hash_value([unversioned, *data])


def fingerprinted_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Select the settings that the result of a run depends on, apart from its dataset and split.

    Plugins are identified by their contents. Passwords and tokens are left out, so that they can be changed.
    """
    kept: dict[str, Any] = redact_values({k: value for k, value in settings.items() if k not in _NOT_FINGERPRINTED})
    kept["loss"] = _fingerprinted_loss(kept["loss"])
    kept["training"] = {key: value for key, value in kept["training"].items() if key not in _MACHINE_SETTINGS}
    if plugins := settings.get("plugins"):
        kept["plugins"] = plugin_hashes(plugins)
    return kept | {"standardize": settings["data"]["standardize"]}


def _fingerprinted_loss(loss: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out ``clip`` where it changes nothing, and where it is what versions before this key did."""
    changes = not loss.get("clip", True) and loss["name"] in LOSSES.users_of("clip")
    return drop_clip(loss) | ({"clip": False} if changes else {})


def drop_clip(loss: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a loss as versions before ``clip`` had them."""
    return {key: value for key, value in loss.items() if key != "clip"}


def validation_fingerprint(dataset: Dataset, split: Split) -> str:
    """Hash the images that scores are measured on. The scores of two runs are comparable only if it is the same."""
    sides = list_sample_names(dataset, split)
    return hash_value([dataset.manifest.fingerprint, sides["validation"], sides["test"]])

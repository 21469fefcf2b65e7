"""Open a trained model from a run or from a model archive.

A model archive is complete and needs no MLflow.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gym.config.composed import load_settings
from gym.config.data_rules import check_frame, check_values
from gym.config.plugins import plugins_in_tags, require_plugins
from gym.config.schema import Config, TrackingConfig
from gym.config.validation import check_rules
from gym.core.errors import ConfigError, RunError, first_line
from gym.core.files import hash_file, read_json
from gym.core.temporary import temporary_folder
from gym.core.typed_json import build, build_fields
from gym.runs.model_archive import RUN_FILE, SUFFIX, unpack_zip

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelSource:
    """A trained model and the files stored with it.

    Attributes:
        name: Name of its run, such as ``resunet cce f6``.
        origin: Where it comes from, for messages: the id of the run, or the zip with its SHA-256.
        folder: Holds ``model/`` for `gym.runs.model_files.load_model`, and whichever of ``config.yaml``,
            ``split.json``, ``card.md``, ``card.html`` and ``card.json`` the run has. Read-only.
        data_fingerprint: Fingerprint of its training data; empty if unknown.
        run: Its run in MLflow; None for a model archive.
        sha256: SHA-256 of the model archive; empty for a run.
        plugins: SHA-256 of the plugins that it was trained with, by name.
    """

    name: str
    origin: str
    folder: Path
    data_fingerprint: str
    run: Any = None
    sha256: str = ""
    plugins: Mapping[str, str] = field(default_factory=dict)

    @property
    def run_id(self) -> str | None:
        """Id of its run in MLflow; None for a model archive."""
        return None if self.run is None else str(self.run.info.run_id)

    @property
    def is_zip(self) -> bool:
        """Whether it is a model archive, which anyone may have published, and not a run."""
        return self.run is None

    @property
    def short_id(self) -> str:
        """The beginning of the run id, or of the archive's SHA-256, to distinguish models of the same name."""
        return (self.run_id or self.sha256)[:8]

    def read_config(self) -> Config:
        """Read the configuration of the training. Its data need not exist on this machine.

        Raises:
            RunError: It is missing or invalid, or another version of this program wrote it.
        """
        try:
            known = load_settings(self.folder / "config.yaml")
            config = cast(Config, OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), known)))
            require_plugins({**dict.fromkeys(config.plugins, ""), **self.plugins}, f"run={self.name}")
            check_rules(config)
            check_frame(config.data, config.model.levels)
            check_values(config.data)
            return config
        except (OSError, ValueError, TypeError, OmegaConfBaseException, ConfigError) as error:
            raise self._unreadable("configuration", error) from error

    def read_split(self) -> dict[str, list[str]]:
        """Read the names of the samples on each side of the split.

        Raises:
            RunError: The split is missing or invalid.
        """
        try:
            sides: dict[str, list[str]] = build(dict[str, list[str]], read_json(self.folder / "split.json"))
        except (OSError, ValueError) as error:
            raise self._unreadable("split", error) from error
        return sides

    def _unreadable(self, part: str, error: Exception) -> RunError:
        return RunError(
            f"the {part} of {self.name} ({self.origin}) cannot be read ({first_line(error)}); train the run again."
        )


@contextmanager
def open_model_source(tracking: TrackingConfig, outputs: Path, address: str) -> Iterator[ModelSource]:
    """Find a trained model, for a block; files unpacked or downloaded for it are removed afterwards.

    Args:
        tracking: The MLflow server and experiment; not used for a model archive.
        outputs: The folder of the MLflow database; not used for a model archive.
        address: The value of ``run=...``: a path ending in ``.zip``, or an address for
            `gym.runs.mlflow_lookup.find_model_run`.

    Raises:
        DataError: There is no space to unpack a model archive.
        RunError: There is no such model, the model archive was altered, or a plugin of the model is not loaded.
    """
    with temporary_folder() as scratch:
        if address.endswith(SUFFIX):
            source = _open_archive(Path(address), scratch)
        else:
            source = _open_run(tracking, outputs, address, scratch)
        require_plugins(source.plugins, f"run={address}")
        yield source


def _open_archive(path: Path, folder: Path) -> ModelSource:
    unpack_zip(path, folder)
    try:
        raw = build_fields({"name": str, "tags": dict[str, str]}, read_json(folder / RUN_FILE))
        name, tags = raw["name"], raw.get("tags", {})
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"run={path} has no readable {RUN_FILE}; pass a zip written by gym.publish.") from error
    digest = hash_file(path)
    fingerprint, plugins = tags.get("data_fingerprint", ""), plugins_in_tags(tags)
    return ModelSource(name, f"{path}, SHA-256 {digest}", folder, fingerprint, sha256=digest, plugins=plugins)


def _open_run(tracking: TrackingConfig, outputs: Path, address: str, scratch: Path) -> ModelSource:
    # MLflow takes seconds to import, and model archives do not need it.
    from gym.runs.mlflow_lookup import fetch_model_files, find_model_run

    run = find_model_run(tracking, outputs, address)
    folder = fetch_model_files(tracking, outputs, run, scratch)
    tags, info = run.data.tags, run.info
    fingerprint, plugins = tags.get("data_fingerprint", ""), plugins_in_tags(tags)
    return ModelSource(info.run_name, info.run_id, folder, fingerprint, run, plugins=plugins)

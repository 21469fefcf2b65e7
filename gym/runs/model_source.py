"""Where a trained model is taken from: a run, by any of its names, or a zip that was published.

A zip holds all it takes, and needs no MLflow.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gym.config.data_rules import check_frame, check_values
from gym.config.schema import Config, TrackingConfig
from gym.config.validation import check_rules
from gym.core.errors import ConfigError, RunError, first_line
from gym.core.files import hash_file
from gym.runs.model_archive import RUN_FILE, SUFFIX, unpack_zip


@dataclass(frozen=True)
class ModelSource:
    """A trained model and what came with it.

    Attributes:
        name: Of its run, as in 'resunet cce f6'.
        origin: Where it comes from, as the user is told: the id of the run, or the zip with its SHA-256.
        folder: Holds ``model/``, as `gym.runs.model_files.load_model` takes it, and of ``config.yaml``, ``split.json``,
            ``card.md``, ``card.html`` and ``card.json`` what the run has. Not to be written to.
        data_fingerprint: Of the data it was trained on; empty where it is not known.
        run: The run in MLflow; None for a zip.
        sha256: Of the zip; empty for a run.
    """

    name: str
    origin: str
    folder: Path
    data_fingerprint: str
    run: Any = None
    sha256: str = ""

    @property
    def run_id(self) -> str | None:
        """Of the run in MLflow; None for a zip."""
        return None if self.run is None else str(self.run.info.run_id)

    @property
    def is_zip(self) -> bool:
        """Whether it was published, by whomever, and is no run of this machine."""
        return self.run is None

    @property
    def short_id(self) -> str:
        """What tells two of one name apart: the first signs of the run's id, or of the zip's SHA-256."""
        return (self.run_id or self.sha256)[:8]

    def read_config(self) -> Config:
        """The configuration that the model was trained with. Its data need not be on this machine.

        Raises:
            RunError: There is none, or it breaks a rule, or another version of this program wrote it.
        """
        try:
            known = OmegaConf.load(self.folder / "config.yaml")
            config = cast(Config, OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), known)))
            check_rules(config)
            check_frame(config.data, config.model.levels)
            check_values(config.data)
            return config
        except (OSError, ValueError, TypeError, YAMLError, OmegaConfBaseException, ConfigError) as error:
            raise RunError(
                f"{self.name} ({self.origin}) has no configuration that can be read ({first_line(error)}); "
                "train the run again."
            ) from error

    def read_split(self) -> dict[str, list[str]]:
        """The names of the pairs that trained, validated and tested the model, by side.

        Raises:
            RunError: They are not known.
        """
        try:
            raw = json.loads((self.folder / "split.json").read_text(encoding="utf-8"))
            return {str(side): [str(name) for name in names] for side, names in raw.items()}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise RunError(
                f"{self.name} ({self.origin}) has no split that can be read ({first_line(error)}); train the run again."
            ) from error


@contextmanager
def open_model_source(tracking: TrackingConfig, outputs: Path, wanted: str) -> Iterator[ModelSource]:
    """Find a trained model, for a block: what was unpacked or fetched for it is removed then.

    Args:
        tracking: Where runs are logged.
        outputs: Folder of the database; neither is looked at for a zip.
        wanted: The value of ``run=...``: a path ending in ``.zip``, or an address for
            `gym.runs.mlflow_lookup.find_model_run`.

    Raises:
        DataError: There is no room to unpack a zip.
        RunError: There is no such model, or a zip is not as it was published.
    """
    with tempfile.TemporaryDirectory() as place:
        if wanted.endswith(SUFFIX):
            yield open_zip(Path(wanted), Path(place))
        else:
            yield open_run(tracking, outputs, wanted, Path(place))


def open_zip(path: Path, place: Path) -> ModelSource:
    """Unpack a published model into a folder; errors as those of `open_model_source`."""
    unpack_zip(path, place)
    try:
        raw = json.loads((place / RUN_FILE).read_text(encoding="utf-8"))
        name, fingerprint = str(raw["name"]), str(dict(raw.get("tags", {})).get("data_fingerprint", ""))
    except (ValueError, LookupError, TypeError) as error:
        raise RunError(f"run={path} has no {RUN_FILE} that can be read; give a zip that gym.publish wrote.") from error
    digest = hash_file(path)
    return ModelSource(name, f"{path}, SHA-256 {digest}", place, fingerprint, sha256=digest)


def open_run(tracking: TrackingConfig, outputs: Path, wanted: str, place: Path) -> ModelSource:
    """Find a run in MLflow and download missing files to ``place``; errors as for `open_model_source`."""
    from gym.runs.mlflow_lookup import (  # MLflow, which no zip needs, takes seconds to import
        fetch_model_files,
        find_model_run,
    )

    run = find_model_run(tracking, outputs, wanted)
    folder = fetch_model_files(tracking, outputs, run, place)
    return ModelSource(run.info.run_name, run.info.run_id, folder, run.data.tags.get("data_fingerprint", ""), run)

"""The folder of a sweep, which holds everything needed to resume it.

outputs/sweeps/<name>/
sweep.json      properties shared by all runs, and the id of the parent run in MLflow
ledger.jsonl    log of all runs
runs/<run>/     checkpoints of a run during training, then its result
multirun.yaml   configuration of the command, as composed by Hydra
"""

import os
import platform
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from gym import __version__
from gym.config.plugins import format_plugins
from gym.core.errors import ConfigError, RunError
from gym.core.files import read_json, translate_disk_errors, write_json, write_text
from gym.core.redaction import redact_values
from gym.core.typed_json import IDENTIFIER, build_fields
from gym.runs.run_folder import PRECISION
from gym.sweeps.ledger import Ledger

# Types of the properties in sweep.json.
_METADATA = {
    **dict.fromkeys(("validation", "made_by", "precision_measured"), str),
    **dict.fromkeys(("attempt", "run_id"), IDENTIFIER),
    "version": int,
    "is_search": bool,
    "clips": list[bool],
    "plugins": dict[str, str],
    "precision": PRECISION,
}
_VERSION = 1  # of the layout; raise it when older and newer versions cannot resume each other's sweeps


class SweepFolder:
    """The folder of one sweep.

    Args:
        outputs: The outputs folder.
        name: Name of the sweep.
    """

    def __init__(self, outputs: Path, name: str) -> None:
        self.name, self.outputs = name, outputs
        self.path = outputs / "sweeps" / name
        self.runs = self.path / "runs"
        self.ledger = Ledger(self.path / "ledger.jsonl")

    def run_folder(self, fingerprint: str) -> Path:
        """Return the folder of the run with this fingerprint; it may not exist yet."""
        return self.runs / fingerprint[:16]

    def read_metadata(self) -> dict[str, Any]:
        """Return the contents of ``sweep.json``; empty for a new sweep.

        Raises:
            RunError: The file is damaged.
        """
        path = self.path / "sweep.json"
        if not path.exists():
            return {}
        try:
            return build_fields(_METADATA, read_json(path))
        except (OSError, ValueError) as error:
            raise RunError(
                f"{path} cannot be read ({error}); choose another name for the sweep with sweep.name=NAME."
            ) from error

    def write_metadata(self, metadata: dict[str, Any]) -> None:
        """Replace the contents of ``sweep.json``.

        Raises:
            DataError: The disk is full or read-only.
        """
        with translate_disk_errors(self.path):
            write_json(self.path / "sweep.json", metadata)

    def initialize(
        self,
        validation: str,
        is_search: bool,
        plugins: Mapping[str, str] | None = None,
        clips: Collection[bool] = (),
    ) -> None:
        """Record what all runs of a new sweep share, or check that an existing sweep matches.

        Args:
            validation: Hash of the data that scores are measured on; empty if the runs may differ in it.
            is_search: Whether Optuna proposes the runs.
            plugins: SHA-256 of the plugins, by name.
            clips: The values of ``loss.clip``, which the name of a sweep does not tell.

        Raises:
            ConfigError: The sweep contains runs of another kind or on other data, or with other plugins.
        """
        known = self.read_metadata()
        version = known.get("version", _VERSION)
        if version != _VERSION:
            raise ConfigError(
                f"sweep.name={self.name} has layout version {version}, but this version of segsweep supports only "
                f"{_VERSION}; resume it with the version that created it, or choose another sweep.name."
            )
        if known.get("is_search", is_search) != is_search:
            kinds = {False: "a grid sweep", True: "a search"}
            raise ConfigError(
                f"sweep.name={self.name} is {kinds[not is_search]}, not {kinds[is_search]}; choose another sweep.name."
            )
        before = known.get("validation", validation)
        if before and validation and before != validation:
            raise ConfigError(
                f"sweep.name={self.name} contains runs on other data or another split; choose another sweep.name."
            )
        self._check_clip(known, clips)
        plugins = plugins or {}
        self._check_plugins(known.get("plugins", {}), plugins)
        if not known or (before and not validation) or known.get("plugins", {}) != plugins:
            wanted = {"version": _VERSION, "validation": validation, "is_search": is_search}
            if not known:
                wanted |= {"made_by": __version__, "clips": sorted(clips)}
            self.write_metadata(known | wanted | ({"plugins": dict(plugins)} if plugins else {}))

    def _check_clip(self, known: Mapping[str, Any], clips: Collection[bool]) -> None:
        before = known.get("clips", [])  # version 0.1.0 clipped, and knew no other way
        if before and clips and set(before) != set(clips):
            values = ",".join(str(clip).lower() for clip in before)
            raise ConfigError(
                f"sweep.name={self.name} contains runs with loss.clip={values}; choose another name with "
                "sweep.name=NAME."
            )

    def _check_plugins(self, before: Mapping[str, str], now: Mapping[str, str]) -> None:
        for name, digest in before.items():
            if name not in now:
                argument = format_plugins([*now, *before])
                raise ConfigError(f"sweep.name={self.name} contains runs with the plugin {name}; add {argument}.")
            if now[name] != digest:
                raise ConfigError(
                    f"plugin {name} changed since sweep {self.name} began (SHA-256 {digest[:12]}, now {now[name][:12]}"
                    "); restore its file to resume the sweep, or choose another sweep.name."
                )

    def write_command(self, config: DictConfig) -> None:
        """Write the configuration that Hydra composed from the command, without passwords.

        Raises:
            DataError: The disk is full or read-only.
        """
        with translate_disk_errors(self.path):
            shown = redact_values(OmegaConf.to_container(config, resolve=False))
            write_text(self.path / "multirun.yaml", OmegaConf.to_yaml(OmegaConf.create(shown)))

    @contextmanager
    def lock_run(self, fingerprint: str) -> Iterator[None]:
        """Lock one run, waiting for any process that already holds it, such as a worker of a killed driver."""
        self.runs.mkdir(parents=True, exist_ok=True)
        with self._run_lock(fingerprint):
            yield

    def is_run_locked(self, fingerprint: str) -> bool:
        """Whether a process holds the lock of a run; a process that is being ended has a second to release it."""
        try:
            with self._run_lock(fingerprint).acquire(timeout=1):
                return False
        except Timeout:
            return True

    def _run_lock(self, fingerprint: str) -> FileLock:
        return FileLock(self.runs / f".{fingerprint[:16]}.job.lock")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the sweep against other drivers.

        Raises:
            DataError: The disk is full or read-only.
            RunError: Another process holds the lock.
        """
        holder = self.path / "holder.txt"
        lock = FileLock(self.path / ".lock")  # the operating system releases it if the process dies
        with translate_disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise RunError(self._describe_holder(holder)) from None
        try:
            self.ledger.warn_about_damage()
            with translate_disk_errors(holder):
                holder.write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def _describe_holder(self, holder: Path) -> str:
        name = "another process"
        with suppress(OSError):  # the holder may have just finished
            text = holder.read_text(encoding="ascii", errors="backslashreplace")
            name = " ".join(text.split())[:100] or name
        return f"sweep {self.name} is already running ({name}); wait for it, or use another name with sweep.name=NAME."

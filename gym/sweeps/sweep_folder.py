"""Where a sweep keeps what it must not lose.

outputs/sweeps/<name>/
sweep.json      what its runs have in common, and the name of its MLflow run
ledger.jsonl    what was started, and what came of it
runs/<run>/     of each run checkpoints while it is made, then its result
multirun.yaml   Hydra's own record of the command
"""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from gym.core.errors import ConfigError, RunError
from gym.core.files import translate_disk_errors, write_json, write_text
from gym.core.text import redact_uri
from gym.sweeps.ledger import Ledger

_VERSION = 1  # of the layout; to be raised when an older program could not go on with a sweep, or this with an older


class SweepFolder:
    """The folder of one sweep.

    Args:
        outputs: The outputs folder.
        name: Of the sweep.
    """

    def __init__(self, outputs: Path, name: str) -> None:
        self.name = name
        self.path = outputs / "sweeps" / name
        self.ledger = Ledger(self.path / "ledger.jsonl")

    @property
    def runs(self) -> Path:
        """The folder of its runs."""
        return self.path / "runs"

    def run(self, fingerprint: str) -> Path:
        """The folder of one run."""
        return self.runs / fingerprint[:16]

    def read(self) -> dict[str, Any]:
        """What its runs have in common; empty where it is new.

        Raises:
            RunError: It is damaged.
        """
        path = self.path / "sweep.json"
        if not path.exists():
            return {}
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read ({error}); give the sweep another name with sweep.name=.") from error
        return dict(known)

    def begin(self, validation: str, is_search: bool) -> None:
        """Note what the runs of a new sweep have in common; see that an old one is of the same kind.

        Args:
            validation: Hash of what their scores are measured on; empty where they may differ.
            is_search: Whether Optuna proposes them.

        Raises:
            ConfigError: The sweep holds other runs.
        """
        known = self.read()
        wanted = {"version": _VERSION, "validation": validation, "is_search": is_search}
        if (found := known.get("version", _VERSION)) != _VERSION:
            raise ConfigError(
                f"sweep.name={self.name} was begun by a program that keeps sweeps in form {found}, this one in form "
                f"{_VERSION}; go on with that program, or give this sweep another name."
            )
        if known.get("is_search", is_search) != is_search:
            raise ConfigError(f"sweep.name={self.name} holds runs of another kind; give this sweep another name.")
        before = known.get("validation", validation)
        if before and validation and before != validation:
            raise ConfigError(
                f"sweep.name={self.name} holds runs on other data or another split; give this sweep another name."
            )
        if not known or (before and not validation):
            self.write(known | wanted)

    def write(self, known: dict[str, Any]) -> None:
        """Write what `read` gives.

        Raises:
            DataError: The disk refuses.
        """
        with translate_disk_errors(self.path):
            write_json(self.path / "sweep.json", known)

    def keep_command(self, config: DictConfig) -> None:
        """Keep what Hydra composed of the command, without passwords.

        Raises:
            DataError: The disk refuses.
        """
        with translate_disk_errors(self.path):
            write_text(self.path / "multirun.yaml", redact_uri(OmegaConf.to_yaml(config)))

    @contextmanager
    def run_held(self, fingerprint: str) -> Iterator[None]:
        """Hold one run for a block, waiting for who holds it: a worker outlives a driver that was killed."""
        self.runs.mkdir(parents=True, exist_ok=True)
        with FileLock(self.runs / f".{fingerprint[:16]}.job.lock"):
            yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the sweep for a block: nobody else may go on with it meanwhile.

        Raises:
            DataError: The disk refuses.
            RunError: Another process holds it.
        """
        holder = self.path / "holder.txt"
        lock = FileLock(self.path / ".lock")
        with translate_disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise RunError(self._under_way(holder)) from None
        try:
            with translate_disk_errors(holder):
                holder.write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def _under_way(self, holder: Path) -> str:
        by = "another process"
        with suppress(OSError):  # who holds it may let go just now
            by = holder.read_text(encoding="utf-8").strip() or by
        return f"sweep {self.name} is under way ({by}); wait for it, or give sweep.name=... ."

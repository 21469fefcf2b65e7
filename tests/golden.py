"""A run, a sweep and a model archive that are shared by all tests of a session.

The first test that requests one creates it in its own process, and other workers of pytest-xdist wait for a lock. The
fixtures are in ``tests/conftest.py``. They are read only: a test that changes files works on a copy, from
`copy_outputs`.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from filelock import FileLock

from gym.training import checkpoint
from tests.app.commands import Done, run_here
from tests.blank import save_blank_pictures
from tests.databases import copy_database
from tests.tiers import guard

# A one-level network and 24 scenes of three sites, 6 of them on the test side. Two epochs take a second.
SETTINGS = (
    *("data.size=32", "data.scenes=24", "data.sites=3", "split.test=0.25", "augment=none", "training.epochs=2"),
    *("model=unet", "filters=2", "model.levels=1", "model.kernel=3", "training.precision=float32"),
)
RUN, SWEEP, ARCHIVE = "unet cce f2", "golden", "model.zip"
_COMMANDS = "commands.json"


class Golden(NamedTuple):
    """Shared outputs, and the commands that created them.

    Attributes:
        outputs: The outputs folder.
        commands: Exit code and output of each command, in order.
    """

    outputs: Path
    commands: list[Done]


def create_once(factory: pytest.TempPathFactory, name: str, create: Callable[[Path], list[Done]]) -> Golden:
    """Return a folder of the session, which ``create`` fills when it is requested for the first time."""
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    outputs = folder / name
    with FileLock(folder / f"{name}.lock"):
        if not (outputs / _COMMANDS).exists():
            shutil.rmtree(outputs, ignore_errors=True)
            outputs.mkdir()
            with guard.opened():
                commands = create(outputs)
            (outputs / _COMMANDS).write_text(json.dumps(commands))
    return Golden(outputs, [Done(*done) for done in json.loads((outputs / _COMMANDS).read_text())])


def copy_outputs(outputs: Path, target: Path) -> Path:
    """Copy an outputs folder, so that a test may change it."""
    return Path(shutil.copytree(outputs, target, dirs_exist_ok=True))


def run_successfully(name: str, *arguments: str) -> Done:
    """Run a command in this process and assert that it succeeds."""
    done = run_here(name, *arguments)
    assert done.code == 0, done.out + done.err
    return done


def train_golden_run(outputs: Path) -> list[Done]:
    """Train the golden run."""
    copy_database(f"sqlite:///{outputs}/mlflow.db")
    return [run_successfully("train", *SETTINGS, f"outputs={outputs}")]


def interrupt_and_resume_golden_sweep(outputs: Path) -> list[Done]:
    """Interrupt a sweep over two seeds after its first epoch, as Ctrl-C does, and repeat the same command."""
    copy_database(f"sqlite:///{outputs}/mlflow.db")
    save = checkpoint.save_last

    def save_and_interrupt(*arguments: Any) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    command = ("-m", *SETTINGS, "seed=42,1", f"sweep.name={SWEEP}", f"outputs={outputs}")
    with pytest.MonkeyPatch.context() as patch:
        save_blank_pictures(patch)  # pictures are drawn only for the golden run
        with patch.context() as context:
            context.setattr(checkpoint, "save_last", save_and_interrupt)
            interrupted = run_here("train", *command)
        return [interrupted, run_successfully("train", *command)]


def publish_golden_run(run: Golden, outputs: Path) -> list[Done]:
    """Publish the golden run from a copy of its outputs, because publishing changes MLflow's registry."""
    copy_outputs(run.outputs, outputs)
    return [run_successfully("publish", f"run={RUN}", f"output={outputs / ARCHIVE}", f"outputs={outputs}")]

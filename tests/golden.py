"""One run, one sweep and one archive that a session makes once, for every test that only reads them.

The first test that asks for one makes it, in this process; with pytest-xdist the other processes wait for it at a lock.
The fixtures are in ``tests/conftest.py``. A test that changes what it reads works on a copy: see `copy_outputs`.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from filelock import FileLock
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

from gym.training import checkpoint
from tests.app.commands import Done, run_here
from tests.blank import draw_nothing
from tests.databases import copy_database
from tests.tiers import guard

# A network of one level on 24 scenes of three sites, 6 of them to test on: two epochs take a second.
SETTINGS = (
    *("data.size=32", "data.scenes=24", "data.sites=3", "split.test=0.25", "augment=none", "training.epochs=2"),
    *("model=unet", "filters=2", "model.levels=1", "model.kernel=3", "training.precision=float32"),
)
RUN, SWEEP, ARCHIVE = "unet cce f2", "golden", "model.zip"
_MADE = "made.json"


class Golden(NamedTuple):
    """What was made, and by which commands.

    Attributes:
        outputs: The folder of the runs.
        commands: What each command said, in order.
    """

    outputs: Path
    commands: list[Done]


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], list[Done]]) -> Golden:
    """Return a folder of the session that ``make`` fills the first time that any process asks for it."""
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    outputs = folder / name
    with FileLock(folder / f"{name}.lock"):
        if not (outputs / _MADE).exists():
            shutil.rmtree(outputs, ignore_errors=True)
            outputs.mkdir()
            with guard.opened():
                made = make(outputs)
            (outputs / _MADE).write_text(json.dumps(made))
    return Golden(outputs, [Done(*done) for done in json.loads((outputs / _MADE).read_text())])


def copy_outputs(outputs: Path, target: Path) -> Path:
    """Copy a folder of runs to where a test may change it.

    MLflow's database holds absolute paths, which are changed too, and MLflow remembers the folder of each run for as
    long as the process lives, so that it would write to the original.
    """
    shutil.copytree(outputs, target, dirs_exist_ok=True)
    places = {"experiments": "artifact_location", "runs": "artifact_uri"}
    with sqlite3.connect(target / "mlflow.db") as database:
        for table, column in places.items():
            change = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"  # noqa: S608 - both are named above
            database.execute(change, (str(outputs), str(target)))
    database.close()
    _artifact_repos_cache.clear()
    return target


def run_well(name: str, *arguments: str) -> Done:
    """Run a command in this process and assert that it succeeds."""
    done = run_here(name, *arguments)
    assert done.code == 0, done.out + done.err
    return done


def train_golden_run(outputs: Path) -> list[Done]:
    """Train one run."""
    copy_database(f"sqlite:///{outputs}/mlflow.db")
    return [run_well("train", *SETTINGS, f"outputs={outputs}")]


def stop_and_finish_golden_sweep(outputs: Path) -> list[Done]:
    """Sweep over two seeds; stop after an epoch of the first run as Ctrl-C does, and give the same command again."""
    copy_database(f"sqlite:///{outputs}/mlflow.db")
    save = checkpoint.save_last

    def save_and_stop(*arguments: Any) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    command = ("-m", *SETTINGS, "seed=42,1", f"sweep.name={SWEEP}", f"outputs={outputs}")
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)  # the golden run draws its pictures
        with patch.context() as stop:
            stop.setattr(checkpoint, "save_last", save_and_stop)
            stopped = run_here("train", *command)
        return [stopped, run_well("train", *command)]


def publish_golden_run(run: Golden, outputs: Path) -> list[Done]:
    """Publish the run from a copy of its outputs, because publishing writes into MLflow's registry."""
    copy_outputs(run.outputs, outputs)
    return [run_well("publish", f"run={RUN}", f"output={outputs / ARCHIVE}", f"outputs={outputs}")]

"""What the runs of a sweep must have in common, and who may go on with it."""

import subprocess
import sys

import pytest
from filelock import FileLock
from omegaconf import OmegaConf

from gym.core.errors import ConfigError, DataError, RunError
from gym.sweeps.sweep_folder import SweepFolder
from tests.conftest import ROOT


@pytest.fixture
def folder(tmp_path):
    """A sweep that has not begun."""
    return SweepFolder(tmp_path, "mine")


def test_a_sweep_holds_to_its_data_and_kind(folder):
    """What it began with stays, whatever is asked later."""
    assert folder.read() == {}
    folder.begin("here", is_search=False)
    folder.begin("here", is_search=False)
    with pytest.raises(ConfigError, match=r"^sweep\.name=mine holds runs on other data or another split; give this"):
        folder.begin("there", is_search=False)
    with pytest.raises(ConfigError, match=r"^sweep\.name=mine holds runs of another kind; give this sweep another"):
        folder.begin("here", is_search=True)

    assert folder.read() == {"version": 1, "validation": "here", "is_search": False}


def test_a_mixed_sweep_takes_any_data(folder):
    """A sweep becomes one when runs on several datasets are let in, and keeps the rest of what it knows."""
    folder.begin("here", is_search=False)
    folder.write(folder.read() | {"run_id": "7"})
    folder.begin("", is_search=False)
    assert folder.read() == {"version": 1, "validation": "", "is_search": False, "run_id": "7"}
    folder.begin("there", is_search=False)

    assert folder.read()["validation"] == ""


def test_a_sweep_of_another_program_is_refused(folder):
    """With both forms, and the way out."""
    folder.write({"version": 9, "validation": "here", "is_search": False})

    with pytest.raises(
        ConfigError, match=r"^sweep\.name=mine was begun by a program that keeps sweeps in form 9, this"
    ):
        folder.begin("here", is_search=False)


def test_a_disk_that_refuses_is_named(tmp_path):
    """Whatever is written first."""
    (tmp_path / "sweeps").touch()
    folder = SweepFolder(tmp_path, "mine")
    for write in (folder.held().__enter__, lambda: folder.write({}), lambda: folder.ledger.append("queued", 0)):
        with pytest.raises(
            DataError, match=r"mine.* cannot be written \(.*\); check its permissions and free space, or set outputs="
        ):
            write()


def test_the_command_is_kept_without_passwords(folder):
    """As Hydra composed it."""
    folder.keep_command(OmegaConf.create({"tracking": {"uri": "postgresql://me:secret@host/db"}, "seed": 7}))

    kept = OmegaConf.load(folder.path / "multirun.yaml")
    assert kept == {"tracking": {"uri": "postgresql://***@host/db"}, "seed": 7}


def test_a_damaged_note_is_refused(folder):
    """With the file and the way out."""
    folder.begin("here", is_search=False)
    (folder.path / "sweep.json").write_text("{")

    with pytest.raises(RunError, match=r"sweep\.json cannot be read \(.*\); give the sweep another name"):
        folder.begin("here", is_search=False)


@pytest.mark.parametrize(("holder", "named"), [("process 1 on here\n", "process 1 on here"), ("", "another process")])
def test_a_sweep_under_way_is_refused_with_who_holds_it(folder, holder, named):
    """As far as that is known: who holds it may be about to write it, or to let go."""
    folder.path.mkdir(parents=True)
    (folder.path / "holder.txt").write_text(holder)
    with FileLock(folder.path / ".lock"):
        with pytest.raises(RunError, match=rf"^sweep mine is under way \({named}\); wait for it, or give sweep\.name="):
            folder.held().__enter__()
        (folder.path / "holder.txt").unlink()
        with pytest.raises(RunError, match=r"\(another process\)"):
            folder.held().__enter__()


def test_a_sweep_is_let_go_by_an_error_and_by_death(folder):
    """The next may have it at once."""
    with pytest.raises(ZeroDivisionError), folder.held():
        raise ZeroDivisionError
    assert not (folder.path / "holder.txt").exists()
    code = (
        "import sys, time; from pathlib import Path; from gym.sweeps.sweep_folder import SweepFolder\n"
        "with SweepFolder(Path(sys.argv[1]), 'mine').held(): print('held', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, folder.path.parent.parent]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=rf"process {other.pid} on "):
            folder.held().__enter__()
        other.kill()

    with folder.held():
        pass

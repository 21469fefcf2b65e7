"""The folder of a sweep guards what its runs must share, and lets only one driver work on it."""

import subprocess
import sys

import pytest
from filelock import FileLock
from omegaconf import OmegaConf

from gym import __version__
from gym.core.errors import ConfigError, DataError, RunError
from gym.sweeps.sweep_folder import SweepFolder
from tests.conftest import ROOT


@pytest.fixture
def folder(tmp_path):
    """The folder of a sweep that has not started."""
    return SweepFolder(tmp_path, "mine")


def test_a_sweep_keeps_its_data_and_kind(folder):
    """Runs on other data, or a search under the name of a grid sweep, are rejected."""
    assert folder.read_metadata() == {}
    folder.initialize("here", is_search=False)
    folder.initialize("here", is_search=False)
    with pytest.raises(ConfigError, match=r"^sweep\.name=mine contains runs on other data or another split; choose"):
        folder.initialize("there", is_search=False)
    with pytest.raises(
        ConfigError, match=r"^sweep\.name=mine is a grid sweep, not a search; choose another sweep\.name\.$"
    ):
        folder.initialize("here", is_search=True)

    assert folder.read_metadata() == {
        "version": 1,
        "validation": "here",
        "is_search": False,
        "made_by": __version__,
        "clips": [],
    }


def test_a_mixed_sweep_accepts_any_data(folder):
    """Once runs on several datasets were allowed, the check is off; other metadata is kept."""
    folder.initialize("here", is_search=False)
    folder.write_metadata(folder.read_metadata() | {"run_id": "7"})
    folder.initialize("", is_search=False)
    assert folder.read_metadata() == {
        "version": 1,
        "validation": "",
        "is_search": False,
        "run_id": "7",
        "made_by": __version__,
        "clips": [],
    }
    folder.initialize("there", is_search=False)

    assert folder.read_metadata()["validation"] == ""


def test_a_sweep_of_another_version_is_rejected(folder):
    """The error names both layout versions and the remedy."""
    folder.write_metadata({"version": 9, "validation": "here", "is_search": False})

    with pytest.raises(
        ConfigError,
        match=r"^sweep\.name=mine has layout version 9, but .* supports only 1; resume it with the version that cr",
    ):
        folder.initialize("here", is_search=False)


def test_a_write_error_names_the_path(tmp_path):
    """The first write fails with the same error, whichever file it is."""
    (tmp_path / "sweeps").touch()
    folder = SweepFolder(tmp_path, "mine")
    for write in (
        folder.lock().__enter__,
        lambda: folder.write_metadata({}),
        lambda: folder.ledger.append("queued", 0),
    ):
        with pytest.raises(
            DataError, match=r"mine.* cannot be written \(.*\); check its permissions and free space, or set outputs="
        ):
            write()


def test_the_command_is_stored_without_passwords(folder):
    """The composed configuration is otherwise stored unchanged."""
    folder.write_command(OmegaConf.create({"tracking": {"uri": "postgresql://me:secret@host/db"}, "seed": 7}))

    kept = OmegaConf.load(folder.path / "multirun.yaml")
    assert kept == {"tracking": {"uri": "postgresql://***@host/db"}, "seed": 7}


def test_damaged_metadata_is_rejected(folder):
    """The error names the file and the remedy."""
    folder.initialize("here", is_search=False)
    (folder.path / "sweep.json").write_text("{")

    with pytest.raises(RunError, match=r"sweep\.json cannot be read \(.*\); choose another name for the sweep with"):
        folder.initialize("here", is_search=False)


@pytest.mark.parametrize(("holder", "named"), [("process 1 on here\n", "process 1 on here"), ("", "another process")])
def test_a_locked_sweep_is_rejected_with_its_holder(folder, holder, named):
    """The holder is unknown while it writes or removes its name."""
    folder.path.mkdir(parents=True)
    (folder.path / "holder.txt").write_text(holder)
    with FileLock(folder.path / ".lock"):
        with pytest.raises(RunError, match=rf"^sweep mine is already running \({named}\); wait for it, or use another"):
            folder.lock().__enter__()
        (folder.path / "holder.txt").unlink()
        with pytest.raises(RunError, match=r"\(another process\)"):
            folder.lock().__enter__()


@pytest.mark.process
def test_the_lock_is_released_by_errors_and_by_sigkill(folder):
    """The next driver gets it immediately."""
    with pytest.raises(ZeroDivisionError), folder.lock():
        raise ZeroDivisionError
    assert not (folder.path / "holder.txt").exists()
    code = (
        "import sys, time; from pathlib import Path; from gym.sweeps.sweep_folder import SweepFolder\n"
        "with SweepFolder(Path(sys.argv[1]), 'mine').lock(): print('locked', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, folder.path.parent.parent]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(RunError, match=rf"process {other.pid} on "):
            folder.lock().__enter__()
        other.kill()

    with folder.lock():
        pass


@pytest.mark.parametrize(("first", "then"), [([False], [True]), ([True], [False]), ([False, True], [False])])
def test_a_sweep_does_not_mix_losses_with_and_without_clipping(tmp_path, first, then):
    """Its derived name is the same for both, so that sweeps of version 0.1.0 are found."""
    folder = SweepFolder(tmp_path, "mine")
    folder.initialize("here", is_search=False, clips=first)
    folder.initialize("here", is_search=False, clips=first)

    with pytest.raises(
        ConfigError, match=r"^sweep\.name=mine contains runs with loss\.clip=.*; choose another name with"
    ):
        folder.initialize("here", is_search=False, clips=then)

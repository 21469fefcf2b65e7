"""Imports are quiet and fast, show their output on failure, and leave no trace."""

import gc
import importlib
import json
import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gym.core.startup import hide_modules, quiet_imports
from tests.conftest import ROOT


def test_output_during_quiet_imports_is_suppressed(capfd):
    """Output of C libraries is suppressed too; standard error works again afterwards."""
    with quiet_imports():
        os.write(2, b"no GPU here\n")
    os.write(2, b"after\n")

    assert capfd.readouterr().err == "after\n"


def test_suppressed_output_is_shown_if_the_block_fails(capfd):
    """It may explain the failure."""

    def start():
        with quiet_imports():
            os.write(2, b"the reason\n")
            raise ImportError("broken")

    with pytest.raises(ImportError, match="broken"):
        start()
    assert capfd.readouterr().err == "the reason\n"


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_collection_is_restored_after_quiet_imports(collects):
    """It is off within the block and back in its previous state afterwards, also after a failure."""
    try:
        if not collects:
            gc.disable()
        with quiet_imports():
            assert not gc.isenabled()
        assert gc.isenabled() == collects
        with pytest.raises(ImportError), quiet_imports():
            raise ImportError
        assert gc.isenabled() == collects
    finally:
        gc.enable()


def test_only_the_first_block_freezes_objects():
    """Later blocks do not freeze the garbage that runs leave."""
    gc.unfreeze()
    with quiet_imports():
        pass
    frozen = gc.get_freeze_count()
    with quiet_imports():
        of_a_run = [[] for _ in range(1000)]

    assert frozen > 10_000
    assert gc.get_freeze_count() == frozen
    assert len(of_a_run) == 1000  # alive until here


@pytest.mark.process
def test_tensorflow_is_imported_without_its_optional_dependencies():
    """They can still be imported later, as the random forest baseline does."""
    code = (
        "import sys; from gym.core.startup import quiet_tensorflow_imports\n"
        "with quiet_tensorflow_imports():\n    import gym.app.train\n"
        "brought = {'jax', 'matplotlib', 'pandas', 'sklearn'} & set(sys.modules); assert not brought, brought\n"
        "assert {'keras', 'tensorflow'} <= set(sys.modules)\n"
        "import sklearn.ensemble; import jax; import pandas; import gym.app.finish_run"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_a_module_that_is_already_imported_is_not_hidden(monkeypatch):
    """Only modules not yet imported are hidden, and only within the block."""
    monkeypatch.delitem(sys.modules, "antigravity", raising=False)
    with hide_modules(["json", "antigravity"]):
        assert importlib.import_module("json") is json
        with pytest.raises(ImportError):
            importlib.import_module("antigravity")

    assert "antigravity" not in sys.modules


@pytest.fixture
def homeless(monkeypatch, tmp_path):
    """A user id without an entry in the password database and without HOME; its temporary folder."""

    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("HOME")
    yield tmp_path
    os.environ.pop("HOME", None)


def test_a_user_without_a_home_gets_one(homeless):
    """It is the same in every process of this user, and only this user can read it."""
    for _ in range(2):
        os.environ.pop("HOME", None)
        with quiet_imports():
            assert Path.home() == homeless / f"home-{os.getuid()}"
    assert Path.home().stat().st_mode & 0o777 == 0o700


def test_a_home_that_others_can_write_to_is_not_trusted(homeless):
    """Another user may have made it."""
    prepared = homeless / f"home-{os.getuid()}"
    prepared.mkdir()
    prepared.chmod(0o777)
    with quiet_imports():
        assert Path.home() != prepared
        assert Path.home().stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("home", ["/root-of-nobody", "relative"])
def test_a_home_that_is_set_is_kept(monkeypatch, home):
    """Even if it does not exist."""
    monkeypatch.setenv("HOME", home)
    with quiet_imports():
        assert os.environ["HOME"] == home


RETRACED = """
from gym.core.startup import quiet_tensorflow_imports
with quiet_tensorflow_imports():
    import tensorflow as tf
for size in range(12):
    tf.function(lambda values: values + 1)(tf.zeros(size))
"""


@pytest.mark.process
def test_tensorflow_does_not_warn_of_retracing():
    """Images of many shapes are as they should be."""
    done = subprocess.run([sys.executable, "-c", RETRACED], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_imports_need_no_folder_for_temporary_files(monkeypatch, capfd):
    """A container may have none; what was written to standard error is lost then."""

    def refuse():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with quiet_imports():
        os.write(2, b"noise")
    os.write(2, b"shown")

    assert capfd.readouterr().err == "shown"

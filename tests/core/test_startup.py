"""The quiet start: silent where all is well, telling where it is not, and without a trace behind it."""

import gc
import importlib
import json
import os
import subprocess
import sys

import pytest

from gym.core.startup import not_to_be_found, quiet_start
from tests.conftest import ROOT


def test_what_libraries_say_is_held_back(capfd):
    """Also what C libraries write; afterwards standard error is as before."""
    with quiet_start():
        os.write(2, b"no GPU here\n")
    os.write(2, b"after\n")

    assert capfd.readouterr().err == "after\n"


def test_it_is_shown_where_the_start_fails(capfd):
    """It may say why."""

    def start():
        with quiet_start():
            os.write(2, b"the reason\n")
            raise ImportError("broken")

    with pytest.raises(ImportError, match="broken"):
        start()
    assert capfd.readouterr().err == "the reason\n"


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_is_collected_afterwards_where_it_was_before(collects):
    """And not meanwhile; also after a failure."""
    try:
        if not collects:
            gc.disable()
        with quiet_start():
            assert not gc.isenabled()
        assert gc.isenabled() == collects
        with pytest.raises(ImportError), quiet_start():
            raise ImportError
        assert gc.isenabled() == collects
    finally:
        gc.enable()


def test_what_is_imported_is_never_searched_again():
    """What comes after the first block is: else each run would leave its garbage."""
    gc.unfreeze()
    with quiet_start():
        pass
    frozen = gc.get_freeze_count()
    with quiet_start():
        of_a_run = [[] for _ in range(1000)]

    assert frozen > 10_000
    assert gc.get_freeze_count() == frozen
    assert len(of_a_run) == 1000  # alive until here


def test_tensorflow_starts_without_what_it_would_bring_along():
    """It comes when it is asked for, as the random forest does."""
    code = (
        "import sys; from gym.core.startup import tensorflow_start\n"
        "with tensorflow_start():\n    import gym.app.train\n"
        "brought = {'jax', 'matplotlib', 'pandas', 'sklearn'} & set(sys.modules); assert not brought, brought\n"
        "assert {'keras', 'tensorflow'} <= set(sys.modules)\n"
        "import sklearn.ensemble; import jax; import pandas; import gym.app.finish_run"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_what_is_imported_already_is_found(monkeypatch):
    """Only what is not there yet is hidden, and afterwards it is not."""
    monkeypatch.delitem(sys.modules, "antigravity", raising=False)
    with not_to_be_found(["json", "antigravity"]):
        assert importlib.import_module("json") is json
        with pytest.raises(ImportError):
            importlib.import_module("antigravity")

    assert "antigravity" not in sys.modules

"""The folder of a run is locked by one process, kept while an attempt resumes, and emptied for a new one."""

import json
import logging
import subprocess
import sys

import pytest
from filelock import FileLock

from gym.core.errors import RunError
from gym.runs.run_folder import end_attempt, hold_run_folder, read_attempt
from tests.conftest import ROOT

CONDITIONS = {"precision": "float32", "threads": 2}


@pytest.fixture
def folder(tmp_path):
    """The folder of a run that has not started; its parent does not exist either."""
    return tmp_path / "runs" / "0123456789abcdef"


def begin(folder, resume=True, **conditions):
    """Start or resume an attempt and return its name."""
    with hold_run_folder(folder, CONDITIONS | conditions, resume) as attempt:
        (folder / "last.npz").touch()
        return attempt.name


def test_an_attempt_resumes_until_it_is_ended(folder):
    """It keeps its name and files after interruptions; the next attempt starts in an empty folder."""
    first = begin(folder)
    (folder / "result.json").touch()
    again = begin(folder)
    assert again == first
    assert (folder / "result.json").exists()

    end_attempt(folder)
    assert (folder / "result.json").exists()
    assert read_attempt(folder) is None
    assert begin(folder) != first
    assert not (folder / "result.json").exists()


def test_an_error_does_not_end_an_attempt(folder):
    """Only `end_attempt` ends it."""
    with pytest.raises(ZeroDivisionError), hold_run_folder(folder, CONDITIONS, resume=True) as failed:
        raise ZeroDivisionError

    assert begin(folder) == failed.name


def test_without_resume_an_unfinished_attempt_is_abandoned(folder):
    """The new attempt knows the name of the abandoned one."""
    first = begin(folder)
    (folder / "best.npz").touch()
    with hold_run_folder(folder, CONDITIONS, resume=False) as second:
        assert not (folder / "best.npz").exists()

    assert second.name != first
    assert second.abandoned == first
    assert begin(folder) == second.name


@pytest.mark.parametrize("content", ["", "{", "[]", '"attempt"', '{"precision": "float32"}', "\x00\x00"])
def test_a_damaged_attempt_is_ignored(folder, content):
    """The run starts a new attempt."""
    first = begin(folder)
    (folder / "attempt.json").write_text(content)
    assert read_attempt(folder) is None
    assert begin(folder) != first


def test_an_attempt_that_is_not_utf_8_is_ignored(folder):
    """Its bytes cannot be decoded."""
    begin(folder)
    (folder / "attempt.json").write_bytes(b"\xff\xfe")

    assert read_attempt(folder) is None


def test_the_initial_conditions_of_an_attempt_are_kept(folder, caplog):
    """Resuming under other conditions logs a warning and keeps the first ones on record."""
    attempt = begin(folder)
    assert json.loads((folder / "attempt.json").read_text()) == {"attempt": attempt, **CONDITIONS}
    with caplog.at_level(logging.WARNING):
        begin(folder)
        assert caplog.text == ""
        assert begin(folder, threads=4) == attempt
    assert "this run started with threads=2 and resumes with 4" in caplog.text

    assert read_attempt(folder) == {"attempt": attempt, **CONDITIONS}


@pytest.mark.process
def test_a_folder_in_use_is_refused_and_not_changed(folder):
    """The error comes at once, and the folder is free as soon as the other process has died."""
    first = begin(folder)
    code = (
        "import sys, time; from pathlib import Path; from gym.runs.run_folder import hold_run_folder\n"
        "with hold_run_folder(Path(sys.argv[1]), {}, True): print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(
            RunError, match=r"0123456789abcdef is in use by another process that trains the same run; wait for it"
        ):
            begin(folder, resume=False)
        other.kill()

    assert (folder / "last.npz").exists()
    assert begin(folder) == first


def test_an_error_releases_the_folder(folder):
    """The lock can be acquired afterwards."""
    with pytest.raises(ZeroDivisionError), hold_run_folder(folder, CONDITIONS, resume=True):
        raise ZeroDivisionError

    with FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0):
        pass


def test_ending_an_attempt_that_never_started_does_nothing(folder):
    """A run may be pruned before its folder exists."""
    end_attempt(folder)

    assert not folder.exists()

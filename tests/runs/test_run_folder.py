"""A run's folder: held by one process, kept while its attempt goes on, emptied when a new one begins."""

import json
import logging
import subprocess
import sys

import pytest
from filelock import FileLock

from gym.core.errors import RunError
from gym.runs.run_folder import end_attempt, hold_run_folder, read_attempt
from tests.conftest import ROOT

BEGINS = {"precision": "float32", "threads": 2}


@pytest.fixture
def folder(tmp_path):
    """The folder of a run that has not begun, in one that is not there yet."""
    return tmp_path / "runs" / "0123456789abcdef"


def begin(folder, resume=True, **begins_with):
    """Begin an attempt, or go on with it; gives its name."""
    with hold_run_folder(folder, BEGINS | begins_with, resume) as attempt:
        (folder / "last.npz").touch()
        return attempt.name


def test_an_attempt_goes_on_until_it_is_ended(folder):
    """One name however often it is cut off, with the files it has; then another, in an empty folder."""
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


def test_an_error_ends_no_attempt(folder):
    """Only who says so does."""
    with pytest.raises(ZeroDivisionError), hold_run_folder(folder, BEGINS, resume=True) as failed:
        raise ZeroDivisionError

    assert begin(folder) == failed.name


def test_an_attempt_that_is_not_to_go_on_is_dropped(folder):
    """With ``resume`` false each start is a new attempt, which knows of the one before."""
    first = begin(folder)
    (folder / "best.npz").touch()
    with hold_run_folder(folder, BEGINS, resume=False) as second:
        assert not (folder / "best.npz").exists()

    assert second.name != first
    assert second.abandoned == first
    assert begin(folder) == second.name


@pytest.mark.parametrize("content", ["", "{", "[]", '"attempt"', '{"precision": "float32"}', "\x00\x00"])
def test_a_damaged_attempt_is_none(folder, content):
    """Whatever a disk made of it: the run begins anew."""
    first = begin(folder)
    (folder / "attempt.json").write_text(content)
    assert read_attempt(folder) is None
    assert begin(folder) != first


def test_what_is_no_text_is_no_attempt(folder):
    """Bytes that are no UTF-8."""
    begin(folder)
    (folder / "attempt.json").write_bytes(b"\xff\xfe")

    assert read_attempt(folder) is None


def test_what_an_attempt_began_with_is_kept(folder, caplog):
    """One that goes on under other conditions says so, and still counts as begun under the first."""
    attempt = begin(folder)
    assert json.loads((folder / "attempt.json").read_text()) == {"attempt": attempt, **BEGINS}
    with caplog.at_level(logging.WARNING):
        begin(folder)
        assert caplog.text == ""
        assert begin(folder, threads=4) == attempt
    assert "this run began with threads=2 and goes on with 4" in caplog.text

    assert read_attempt(folder) == {"attempt": attempt, **BEGINS}


@pytest.mark.process
def test_a_folder_in_use_is_refused_and_left_as_it_is(folder):
    """Another process that holds it is no matter of waiting; it is free as soon as that process has died."""
    first = begin(folder)
    code = (
        "import sys, time; from pathlib import Path; from gym.runs.run_folder import hold_run_folder\n"
        "with hold_run_folder(Path(sys.argv[1]), {}, True): print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=r"0123456789abcdef is in use: another process trains this very run; wait"):
            begin(folder, resume=False)
        other.kill()

    assert (folder / "last.npz").exists()
    assert begin(folder) == first


def test_a_folder_is_let_go_whatever_happens(folder):
    """Also by an error."""
    with pytest.raises(ZeroDivisionError), hold_run_folder(folder, BEGINS, resume=True):
        raise ZeroDivisionError

    with FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0):
        pass


def test_ending_what_never_began_is_nothing(folder):
    """A run may be given up before its folder is made."""
    end_attempt(folder)

    assert not folder.exists()

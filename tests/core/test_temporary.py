"""Temporary files of killed processes are removed by the next start, those of living ones never."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.core.errors import DiskError
from gym.core.files import atomic_file, write_text
from gym.core.temporary import is_leftover, remove_leftovers, temporary_folder, temporary_sibling

_PLACES = ("", "stores", "runs/a", "sweeps/a/runs/b", "reports/a", "evaluations/a/b", "published", "exports/a")


def name_of_dead(path: Path) -> Path:
    """Name a temporary file as a process that has ended would have named it."""
    return path.with_name(re.sub(rf"-{os.getpid()}-\d+-", "-99999999-1-", temporary_sibling(path).name))


@pytest.mark.parametrize("place", _PLACES)
@pytest.mark.parametrize("suffix", ["", ".npz", ".db", ".db-journal"])
def test_leftovers_are_removed_wherever_files_are_written(tmp_path, place, suffix):
    """Files and folders of ended processes go, whatever their suffix; everything else stays."""
    folder = tmp_path / place
    folder.mkdir(parents=True, exist_ok=True)
    dead, alive = (name(folder / f"x{suffix}") for name in (name_of_dead, temporary_sibling))
    for path in (dead, alive, folder / f"x{suffix}", folder / ".lock", folder / ".x-1.json"):
        path.touch()
    name_of_dead(folder / "tree").mkdir()
    (name_of_dead(folder / "tree") / "inside").parent.mkdir()

    remove_leftovers(tmp_path)

    expected = {alive.name, f"x{suffix}", ".lock", ".x-1.json"}
    assert {path.name for path in folder.iterdir() if path.is_file()} == expected
    assert not [path for path in folder.iterdir() if path.is_dir() and path.name.startswith(".tree")]


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=150))
def test_any_file_name_has_a_temporary_one(tmp_path_factory, name):
    """It fits into a file system's limits and is recognized."""
    path = temporary_sibling(Path("folder") / f"x{name}")

    assert len(os.fsencode(path.name)) <= 255 or len(os.fsencode(name)) > 200
    assert not is_leftover(path)
    assert is_leftover(name_of_dead(Path("folder") / f"x{name}"))


@pytest.mark.parametrize(
    ("name", "age", "expected"),
    [
        (f".a-{'0' * 8}-1-1-{'0' * 8}.npz", 8, True),
        (f".a-{'0' * 8}-1-1-{'0' * 8}.npz", 6, False),
        (f".mlflow-{'0' * 32}.db", 2, True),
        (f".mlflow-{'0' * 32}.db", 0.5, False),
        (".mlflow.db.0123.partial", 2, True),
        (".inspected-abcd_f12", 2, True),
        (".card.lock", 400, False),
        ("a.npz", 400, False),
    ],
)
def test_files_of_other_machines_and_versions_are_judged_by_their_age(tmp_path, name, age, expected):
    """Their processes cannot be seen. The age is in days."""
    path = tmp_path / name
    path.touch()
    os.utime(path, (path.stat().st_mtime - age * 86400,) * 2)

    assert is_leftover(path) is expected


def test_a_process_that_reused_an_id_owns_nothing(tmp_path):
    """The id is that of this process, but its start is not."""
    mine = temporary_sibling(tmp_path / "x")
    earlier = re.sub(rf"-{os.getpid()}-\d+-", f"-{os.getpid()}-1-", mine.name)

    assert not is_leftover(mine)
    assert is_leftover(tmp_path / earlier)


@pytest.mark.process
def test_what_a_killed_process_left_is_removed(tmp_path):
    """The process is killed in the middle of an atomic write and with a temporary folder."""
    code = (
        "import os, sys; from pathlib import Path; from gym.core.files import atomic_file\n"
        "from gym.core.temporary import temporary_folder\n"
        "outputs = Path(sys.argv[1])\n"
        "with temporary_folder(), temporary_folder(outputs), atomic_file(outputs / 'mlflow.db') as x:\n"
        "    x.touch(); print('ready', flush=True); sys.stdin.read()"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", code, outputs],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    assert process.stdout.readline() == b"ready\n"
    remove_leftovers(outputs, scratch)
    assert (len(list(outputs.iterdir())), len(list(scratch.iterdir()))) == (2, 1)

    process.kill()
    process.communicate()
    remove_leftovers(outputs, scratch)

    assert (list(outputs.iterdir()), list(scratch.iterdir())) == ([], [])


def test_a_read_only_folder_does_not_stop_the_cleaning(tmp_path, monkeypatch):
    """The command that follows may only read."""
    name_of_dead(tmp_path / "x").touch()

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    remove_leftovers(tmp_path, tmp_path / "missing")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_temporary_folder_is_private_and_removed(tmp_path, monkeypatch):
    """It is removed after an error too; in ``outputs`` colleagues may look at it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary_folder() as folder:
        assert (folder.parent, folder.stat().st_mode & 0o77) == (tmp_path, 0)
    with pytest.raises(ZeroDivisionError), temporary_folder():
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_for_temporary_files_the_remedy_is_named(monkeypatch):
    """The disk may be full everywhere that Python looks."""

    def refuse():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", refuse)
    with pytest.raises(DiskError, match=r"^none of the folders for temporary files .* set TMPDIR=FOLDER"):
        temporary_folder().__enter__()


def test_a_long_stem_is_shortened(tmp_path):
    """A name may be as long as the file system allows."""
    path = tmp_path / f"{'x' * 250}.txt"
    write_text(path, "long")
    with atomic_file(path) as temporary:
        temporary.write_text("longer")

    assert path.read_text() == "longer"

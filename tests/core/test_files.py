"""Atomic writes either happen completely or leave the old contents; hashes depend on contents only."""

import csv
import hashlib
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.core.errors import DataError
from gym.core.files import (
    atomic_file,
    atomic_folder,
    hash_file,
    hash_value,
    read_json,
    translate_disk_errors,
    write_cells,
    write_json,
    write_text,
)


def fail_after(written, why):
    """Raise once something has been written."""
    raise RuntimeError(why)


def test_a_failed_write_keeps_the_old_file_and_removes_the_temporary_one(tmp_path):
    """A reader during or after a failed write sees the previous contents."""
    path = tmp_path / "kept.txt"
    write_text(path, "old")

    with pytest.raises(RuntimeError, match="power cut"), atomic_file(path) as temporary:
        fail_after(temporary.write_text("half"), "power cut")

    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["kept.txt"]


def test_a_disk_error_names_the_target_the_reason_and_the_remedy():
    """The listed exceptions become a one-line `DataError`; any other passes through."""
    full, lost = OSError("full\nin detail"), KeyError("lost")
    message = r"^there cannot be written \(full\); check its permissions and free space, or set outputs=\.\.\.$"
    with pytest.raises(DataError, match=message), translate_disk_errors("there"):
        raise full
    message, caught = (
        r"^it cannot be written \('lost'\); check its permissions and free space, or give another\.$",
        (OSError, KeyError),
    )
    with pytest.raises(DataError, match=message), translate_disk_errors("it", "give another.", caught):
        raise lost
    with pytest.raises(KeyError, match="lost"), translate_disk_errors("there"):
        raise lost


def test_an_atomic_file_keeps_its_suffix_and_creates_parent_folders(tmp_path):
    """Writers that choose the format by suffix see the right one."""
    with atomic_file(tmp_path / "a" / "b" / "picture.png") as temporary:
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"x")

    assert (tmp_path / "a" / "b" / "picture.png").read_bytes() == b"x"


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    """A failure keeps the old folder; a success leaves none of its files."""
    folder = tmp_path / "dataset"
    with atomic_folder(folder) as temporary:
        (temporary / "first").write_text("1")

    with pytest.raises(RuntimeError, match="stop"), atomic_folder(folder) as temporary:
        fail_after((temporary / "second").write_text("2"), "stop")
    assert [item.name for item in tmp_path.rglob("*")] == ["dataset", "first"]

    with atomic_folder(folder) as temporary:
        (temporary / "third").write_text("3")
    assert [item.name for item in folder.iterdir()] == ["third"]


@pytest.mark.parametrize(("mask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_written_files_have_the_permissions_of_the_umask(tmp_path, mask, file_mode, folder_mode):
    """Colleagues can read what the user's umask lets them read."""
    before = os.umask(mask)
    try:
        write_text(tmp_path / "new" / "file.txt", "x")
        with atomic_folder(tmp_path / "folder") as temporary:
            write_json(temporary / "inside.json", 1)
    finally:
        os.umask(before)

    modes = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {
        "new": folder_mode,
        "new/file.txt": file_mode,
        "folder": folder_mode,
        "folder/inside.json": file_mode,
    }


def test_json_is_written_with_sorted_keys(tmp_path):
    """Equal values give equal files, as readable UTF-8."""
    write_json(tmp_path / "x.json", {"b": 1, "a": "é"})

    assert (tmp_path / "x.json").read_text(encoding="utf-8") == '{\n  "a": "é",\n  "b": 1\n}\n'


def test_a_file_hash_is_the_sha256_of_its_bytes(tmp_path):
    """The hash is the standard one, also for files larger than one block."""
    content = bytes(range(256)) * 5000
    (tmp_path / "x").write_bytes(content)

    assert hash_file(tmp_path / "x") == hashlib.sha256(content).hexdigest()


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())))
def test_a_value_hash_ignores_the_order_of_keys(value):
    """The same mapping in another order has the same hash; a different mapping has a different one."""
    backwards = dict(reversed(list(value.items())))

    assert hash_value(value) == hash_value(backwards)
    assert hash_value(value) != hash_value({**value, "\0more": 1})


@given(text=st.text(max_size=6), first=st.sampled_from("=+-@\t\r"))
def test_text_in_a_csv_cell_is_never_a_formula(tmp_path_factory, text, first):
    """It begins with an apostrophe, unless it is a number."""
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    cell = first + text.replace("\x00", "").encode(errors="ignore").decode()

    write_cells(path, [[cell, "plain", -0.5]])

    with path.open(newline="", encoding="utf-8") as stream:
        (row,) = csv.reader(stream)
    assert row[0] in (cell, f"'{cell}")
    assert row[0] == f"'{cell}" or math.isfinite(float(cell))
    assert row[1:] == ["plain", "-0.5"]


@pytest.mark.parametrize("number", ["-0.5", "+1", "-1e-05", "-.5", "-inf", "-Infinity", -3, -0.25, None, 7])
def test_numbers_in_a_csv_stay_numbers(tmp_path, number):
    """None becomes an empty cell."""
    write_cells(tmp_path / "a.csv", [[number, "a"]])

    assert (tmp_path / "a.csv").read_text() == f"{'' if number is None else number},a\n"


@pytest.mark.parametrize("stem", ["a" * 220, "ü" * 120, "a" * 251])
def test_a_long_name_can_be_written_atomically(tmp_path, stem):
    """The temporary file has a shorter name, because names of files have at most 255 bytes."""
    write_text(tmp_path / f"{stem}.txt", "text")

    assert [path.name for path in tmp_path.iterdir()] == [f"{stem}.txt"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"\xef\xbb\xbf{}", b'"\\ud800"', 5000 * b"[", 65 * b"[" + 65 * b"]", 5000 * b"9"]
)
def test_json_that_cannot_be_used_is_refused(tmp_path, content):
    """Nesting, huge numbers and half of a surrogate pair raise the same error as any damage."""
    (tmp_path / "a.json").write_bytes(content)

    with pytest.raises(ValueError, match=r"."):
        read_json(tmp_path / "a.json")

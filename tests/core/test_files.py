"""Writes are whole or absent; hashes name contents."""

import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.core.errors import DataError
from gym.core.files import (
    hash_file,
    hash_value,
    naming_disk_errors,
    replacing,
    replacing_folder,
    write_json,
    write_text,
)


def fail_after(written, why):
    """Fail once something was written."""
    raise RuntimeError(why)


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    """Whoever reads during or after a failed write sees what was there before."""
    path = tmp_path / "kept.txt"
    write_text(path, "old")

    with pytest.raises(RuntimeError, match="power cut"), replacing(path) as beside:
        fail_after(beside.write_text("half"), "power cut")

    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["kept.txt"]


def test_what_the_disk_refuses_names_the_place_and_the_remedy():
    """In the first line of the reason; what else a writer raises it is told, and anything else goes through."""
    full, lost = OSError("full\nin detail"), KeyError("lost")
    message = r"^there cannot be written \(full\); free space there, or set outputs=\.\.\.$"
    with pytest.raises(DataError, match=message), naming_disk_errors("there"):
        raise full
    message, caught = r"^it cannot be written \('lost'\); free space there, or give another\.$", (OSError, KeyError)
    with pytest.raises(DataError, match=message), naming_disk_errors("it", "give another.", caught):
        raise lost
    with pytest.raises(KeyError, match="lost"), naming_disk_errors("there"):
        raise lost


def test_the_path_to_write_keeps_the_suffix_and_folders_are_made(tmp_path):
    """Writers that choose a format by the suffix find it, in folders that did not exist."""
    with replacing(tmp_path / "a" / "b" / "picture.png") as beside:
        assert beside.suffix == ".png"
        beside.write_bytes(b"x")

    assert (tmp_path / "a" / "b" / "picture.png").read_bytes() == b"x"


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    """A folder is replaced as a whole or not at all."""
    folder = tmp_path / "dataset"
    with replacing_folder(folder) as beside:
        (beside / "first").write_text("1")

    with pytest.raises(RuntimeError, match="stop"), replacing_folder(folder) as beside:
        fail_after((beside / "second").write_text("2"), "stop")
    assert [item.name for item in tmp_path.rglob("*")] == ["dataset", "first"]

    with replacing_folder(folder) as beside:
        (beside / "third").write_text("3")
    assert [item.name for item in folder.iterdir()] == ["third"]


@pytest.mark.parametrize(("mask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_what_is_written_has_ordinary_permissions(tmp_path, mask, file_mode, folder_mode):
    """Those that the user's mask leaves, as for any file: colleagues can read what they may read."""
    before = os.umask(mask)
    try:
        write_text(tmp_path / "new" / "file.txt", "x")
        with replacing_folder(tmp_path / "folder") as beside:
            write_json(beside / "inside.json", 1)
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
    """Two writes of one value give one text."""
    write_json(tmp_path / "x.json", {"b": 1, "a": "é"})

    assert (tmp_path / "x.json").read_text(encoding="utf-8") == '{\n  "a": "é",\n  "b": 1\n}\n'


def test_a_file_hash_is_sha256_of_its_bytes(tmp_path):
    """The hash is the one of every other tool, also beyond one block of reading."""
    content = bytes(range(256)) * 5000
    (tmp_path / "x").write_bytes(content)

    assert hash_file(tmp_path / "x") == hashlib.sha256(content).hexdigest()


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())))
def test_a_value_hash_ignores_the_order_of_keys(value):
    """The same mapping, filled in another order, has the same hash; another mapping has another."""
    backwards = dict(reversed(list(value.items())))

    assert hash_value(value) == hash_value(backwards)
    assert hash_value(value) != hash_value({**value, "\0more": 1})

"""Files are hashed once, and again whenever they may have changed."""

import hashlib
import json
import os

import pytest

from gym.core import files
from gym.core.errors import DataError
from gym.core.files import Hashes


@pytest.fixture
def read(monkeypatch):
    """The files that were read to the end, in order."""
    read_files, hash_file = [], files.hash_file

    def counted(path):
        read_files.append(path.name)
        return hash_file(path)

    monkeypatch.setattr(files, "hash_file", counted)
    return read_files


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    return path


def test_a_hash_is_the_sha256_of_the_bytes(tmp_path, file):
    """As anybody else works it out."""
    assert Hashes(tmp_path / "h.json").of(file) == hashlib.sha256(b"one").hexdigest()


def test_a_file_is_read_once(tmp_path, file, read):
    """Also over two runs, if the first remembers."""
    first = Hashes(tmp_path / "h.json")
    assert first.of(file) == first.of(file)
    first.remember()
    assert Hashes(tmp_path / "h.json").of(file) == first.of(file)
    assert read == ["a.bin"]


def test_what_is_not_remembered_is_read_again(tmp_path, file, read):
    """Nothing is written before it is asked for, and nothing if there is nothing new."""
    Hashes(tmp_path / "h.json").of(file)
    assert not (tmp_path / "h.json").exists()
    Hashes(tmp_path / "h.json").remember()
    assert not (tmp_path / "h.json").exists()
    Hashes(tmp_path / "h.json").of(file)
    assert read == ["a.bin"] * 2


@pytest.mark.parametrize("content", [b"two", b"longer"])
def test_a_changed_file_is_hashed_again(tmp_path, file, content):
    """Whether its size changed or its time alone."""
    hashes = Hashes(tmp_path / "h.json")
    hashes.of(file)
    hashes.remember()
    file.write_bytes(content)
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))

    for later in (hashes, Hashes(tmp_path / "h.json")):
        assert later.of(file) == hashlib.sha256(content).hexdigest()


def test_an_older_file_put_in_its_place_is_hashed_again(tmp_path, file):
    """A copy restored from a backup has an earlier time, and is another all the same."""
    hashes = Hashes(tmp_path / "h.json")
    hashes.of(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(0, 1_000_000_000))

    assert hashes.of(file) == hashlib.sha256(b"two").hexdigest()


def test_a_file_replaced_with_its_time_kept_is_hashed_again(tmp_path, file):
    """As copies that keep times do, of equal size."""
    hashes = Hashes(tmp_path / "h.json")
    hashes.of(file)
    before = file.stat()
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # a disk counts time in steps of some milliseconds
        file.write_bytes(b"two")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert hashes.of(file) == hashlib.sha256(b"two").hexdigest()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        '{"a": 1}',
        '{"a": [1]}',
        '{"a": [1, 2, "x"]}',
        '{"a": [1, 2, 3, 4, 5]}',
        '{"a": ["x", 1, 1, ""]}',
        b"\xff",
    ],
)
def test_a_damaged_memory_is_begun_anew(tmp_path, file, content):
    """It only saves time, so it must never stand in the way."""
    place = tmp_path / "h.json"
    place.write_bytes(content if isinstance(content, bytes) else content.encode())

    hashes = Hashes(place)
    assert hashes.of(file) == hashlib.sha256(b"one").hexdigest()
    hashes.remember()
    assert list(json.loads(place.read_text())) == [str(file)]


def test_what_cannot_be_read_is_named(tmp_path):
    """A file that is gone, and a folder in the place of one."""
    hashes = Hashes(tmp_path / "h.json")
    with pytest.raises(
        DataError, match=r"gone\.bin cannot be read \(No such file or directory\); mend its permissions"
    ):
        hashes.of(tmp_path / "gone.bin")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        hashes.of(tmp_path)

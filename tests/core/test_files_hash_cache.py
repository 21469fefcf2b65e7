"""A file is hashed once, and again whenever it may have changed."""

import hashlib
import json
import os

import pytest

from gym.core import files
from gym.core.errors import DataError
from gym.core.files import HashCache


@pytest.fixture
def read_files(monkeypatch):
    """The names of the files that were hashed, in order."""
    names, hash_file = [], files.hash_file

    def record(path):
        names.append(path.name)
        return hash_file(path)

    monkeypatch.setattr(files, "hash_file", record)
    return names


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    return path


def test_the_cached_hash_is_the_sha256_of_the_bytes(tmp_path, file):
    """It equals the hash that any other tool computes."""
    assert HashCache(tmp_path / "h.json").sha256(file) == hashlib.sha256(b"one").hexdigest()


def test_an_unchanged_file_is_hashed_once(tmp_path, file, read_files):
    """A saved cache also serves the next run."""
    first = HashCache(tmp_path / "h.json")
    assert first.sha256(file) == first.sha256(file)
    first.save()
    assert HashCache(tmp_path / "h.json").sha256(file) == first.sha256(file)
    assert read_files == ["a.bin"]


def test_a_cache_that_was_not_saved_is_not_used(tmp_path, file, read_files):
    """Nothing is written before `save`, nor by `save` if nothing changed."""
    HashCache(tmp_path / "h.json").sha256(file)
    assert not (tmp_path / "h.json").exists()
    HashCache(tmp_path / "h.json").save()
    assert not (tmp_path / "h.json").exists()
    HashCache(tmp_path / "h.json").sha256(file)
    assert read_files == ["a.bin"] * 2


@pytest.mark.parametrize("content", [b"two", b"longer"])
def test_a_changed_file_is_hashed_again(tmp_path, file, content):
    """A changed size or a changed modification time is enough."""
    hashes = HashCache(tmp_path / "h.json")
    hashes.sha256(file)
    hashes.save()
    file.write_bytes(content)
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))

    for later in (hashes, HashCache(tmp_path / "h.json")):
        assert later.sha256(file) == hashlib.sha256(content).hexdigest()


def test_a_file_replaced_by_an_older_one_is_hashed_again(tmp_path, file):
    """A copy restored from a backup has an earlier modification time."""
    hashes = HashCache(tmp_path / "h.json")
    hashes.sha256(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(0, 1_000_000_000))

    assert hashes.sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_a_replaced_file_with_the_same_modification_time_is_hashed_again(tmp_path, file):
    """Its size may be equal too; the status change time differs."""
    hashes = HashCache(tmp_path / "h.json")
    hashes.sha256(file)
    before = file.stat()
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # a disk counts time in steps of some milliseconds
        file.write_bytes(b"two")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert hashes.sha256(file) == hashlib.sha256(b"two").hexdigest()


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
def test_a_damaged_cache_is_treated_as_empty(tmp_path, file, content):
    """The cache only saves time, so it must never cause an error."""
    place = tmp_path / "h.json"
    place.write_bytes(content if isinstance(content, bytes) else content.encode())

    hashes = HashCache(place)
    assert hashes.sha256(file) == hashlib.sha256(b"one").hexdigest()
    hashes.save()
    assert list(json.loads(place.read_text())) == [str(file)]


def test_an_unreadable_file_is_named(tmp_path):
    """A missing file and a folder are both reported by name."""
    hashes = HashCache(tmp_path / "h.json")
    with pytest.raises(
        DataError, match=r"gone\.bin cannot be read \(No such file or directory\); check its permissions"
    ):
        hashes.sha256(tmp_path / "gone.bin")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        hashes.sha256(tmp_path)

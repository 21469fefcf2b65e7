"""A store is whole or absent, and read back as it was written."""

import json

import numpy as np
import pytest

from gym.data.store import Store, write_store
from gym.errors import DataError
from tests.conftest import make_pairs

NAMES = {"classes": ["low", "middle", "high"], "bands": ["a", "b", "c"]}


def write(folder, pairs, **more):
    return write_store(folder, pairs, **{"fingerprint": "f", "source": "test", "left_out": {}, **NAMES, **more})


def test_what_is_written_is_read(tmp_path):
    """Images and labels to the bit, with names, scenes, sites and counts."""
    pairs = make_pairs()
    store = write(tmp_path / "s", pairs)

    assert len(store) == 6
    assert store.shape == (16, 32, 3)
    for position, pair in enumerate(pairs):
        np.testing.assert_array_equal(store.read_image(position), pair.image)
        np.testing.assert_array_equal(store.read_label(position), pair.label)
        record = store.manifest.pairs[position]
        assert (record.name, record.scene, record.site) == (pair.name, pair.scene, pair.site)
        np.testing.assert_array_equal(store.counts[position], np.bincount(pair.label.ravel(), minlength=3))


def test_a_build_that_fails_leaves_nothing(tmp_path):
    """A store that exists can be read; half a store is never seen."""

    def breaking():
        yield make_pairs()[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "s", breaking())

    assert list(tmp_path.iterdir()) == []


def test_types_are_unified(tmp_path):
    """Imagery of two depths is stored in the wider one, values unchanged."""
    pairs = make_pairs(2)
    pairs[1] = type(pairs[1])(**{**vars(pairs[1]), "image": pairs[1].image.astype(np.float32)})
    store = write(tmp_path / "s", pairs)

    assert store.manifest.dtype == "<f4"
    assert store.read_image(0).dtype == np.float32
    np.testing.assert_array_equal(store.read_image(0), pairs[0].image)


def test_no_usable_pair_is_refused_with_reasons(tmp_path):
    """What was left out is said, so that it can be mended."""
    with pytest.raises(DataError, match=r"not one of 1 pairs of test can be used; the first: too dark"):
        write(tmp_path / "s", [], left_out={"x.png": "too dark"})


@pytest.mark.parametrize("damage", ["{", '{"pairs": []}', "[]"])
def test_a_damaged_manifest_is_refused(tmp_path, damage):
    """With the folder to remove."""
    store = write(tmp_path / "s", make_pairs())
    (store.folder / "manifest.json").write_text(damage)

    with pytest.raises(DataError, match=r"is no readable store .*; remove it and it will be made anew"):
        Store(store.folder)


@pytest.mark.parametrize("version", [0, 2, 99, "1", None])
def test_a_store_of_another_version_is_refused(tmp_path, version):
    """What its files mean is not known; both versions are said."""
    store = write(tmp_path / "s", make_pairs())
    raw = json.loads((store.folder / "manifest.json").read_text())
    (store.folder / "manifest.json").write_text(json.dumps({**raw, "schema_version": version}))

    with pytest.raises(
        DataError, match=rf"is no readable store \(version {version}, not 1\); remove it and it will be made anew\.$"
    ):
        Store(store.folder)


def test_the_manifest_is_json_a_person_can_read(tmp_path):
    """Classes, bands, frame and hashes, indented."""
    store = write(tmp_path / "s", make_pairs(), left_out={"bad.png": "truncated"})
    raw = json.loads((store.folder / "manifest.json").read_text())

    assert raw["classes"] == ["low", "middle", "high"]
    assert raw["left_out"] == {"bad.png": "truncated"}
    assert len(raw["pairs"][0]["image_sha256"]) == 64

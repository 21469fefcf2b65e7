"""The result of a run round-trips through its folder, and damaged files are reported."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.core.errors import RunError
from gym.data.units import Units
from gym.runs.result import RunResult, read_result, write_result

VALUES = {
    "run_id": "f00d",
    "name": "unet cce f2",
    "fingerprint": "3f" * 32,
    "settings": {"model.filters": 2, "data.images": ["a", "b"], "data.remap": None, "name": "küste"},
    "scores": {"iou": 0.1 + 0.2, "kld": 0.125, "stopping_epoch": 15.0},
    "weights_sha256": "a0" * 32,
    "classes": ["water", "sand"],
    "images": ["20240101 tile 1", "20240101 tile 2", "20240103"],
    "scenes": ["20240101", "20240101", "20240103"],
    "unit_kind": "place",
    "unit_names": ["cape", "cape", "bay"],
}
UNITS = {"unit_kind": "scene", "unit_names": []}  # of results of earlier versions
MATRICES = np.array([[[1, 2], [3, 2**40]], [[0, 0], [0, 0]], [[5, 6], [7, 8]]], np.int64)
RESULT = RunResult(**VALUES, matrices=MATRICES)


def values_of(result):
    """Everything but the matrices."""
    return {name: value for name, value in vars(result).items() if name != "matrices"}


def test_a_result_round_trips(tmp_path):
    """Numbers are exact, and the folder is created."""
    write_result(tmp_path / "runs" / "3f", RESULT)
    read = read_result(tmp_path / "runs" / "3f")

    assert values_of(read) == VALUES
    np.testing.assert_array_equal(read.matrices, MATRICES)
    assert read.matrices.dtype == np.int64
    assert sorted(path.name for path in (tmp_path / "runs" / "3f").iterdir()) == ["matrices.npy", "result.json"]


def test_a_result_written_before_images_had_scenes_is_read(tmp_path):
    """Each name is that of an image and of its scene."""
    write_result(tmp_path, RESULT)
    older = {name: value for name, value in VALUES.items() if name not in ("images", *UNITS)}
    older |= {"scenes": VALUES["images"]}
    (tmp_path / "result.json").write_text(json.dumps(older), encoding="utf-8")

    read = read_result(tmp_path)

    assert values_of(read) == VALUES | {"scenes": VALUES["images"]} | UNITS
    assert read.units == Units("scene", VALUES["images"])
    np.testing.assert_array_equal(read.matrices, MATRICES)


def test_a_result_written_before_images_had_units_is_read(tmp_path):
    """Each scene is a unit, whatever the split."""
    write_result(tmp_path, RESULT)
    older = {name: value for name, value in VALUES.items() if name not in UNITS}
    (tmp_path / "result.json").write_text(json.dumps(older), encoding="utf-8")

    read = read_result(tmp_path)

    assert values_of(read) == VALUES | UNITS
    assert read.units == Units("scene", VALUES["scenes"])
    assert RESULT.units == Units("place", ["cape", "cape", "bay"])


def test_a_later_result_replaces_an_earlier_one(tmp_path):
    """Scores and matrices are replaced together."""
    write_result(tmp_path, RESULT)
    write_result(tmp_path, replace(RESULT, name="later", matrices=MATRICES + 1))
    read = read_result(tmp_path)

    assert read.name == "later"
    np.testing.assert_array_equal(read.matrices, MATRICES + 1)


@pytest.mark.parametrize("refused", ["matrices.npy", "result.json"])
def test_an_interrupted_write_leaves_no_mixture(tmp_path, monkeypatch, refused):
    """Matrices of one result are never combined with scores of another."""
    write_result(tmp_path, RESULT)
    replace_path = type(tmp_path).replace

    def replace_unless_refused(self, target):
        if target.name == refused:
            raise OSError(28, "No space left on device")
        return replace_path(self, target)

    monkeypatch.setattr(type(tmp_path), "replace", replace_unless_refused)
    with pytest.raises(OSError, match="No space left"):
        write_result(tmp_path, replace(RESULT, name="later", matrices=MATRICES + 1))

    with pytest.raises(RunError, match="contains no readable result"):
        read_result(tmp_path)


def test_a_missing_result_is_reported(tmp_path):
    """The error gives the folder, the reason and the remedy in one line."""
    with pytest.raises(RunError, match=r"3f contains no readable result \(.*No such file.*\); train the run again\.$"):
        read_result(tmp_path / "3f")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", "{}", '{"scores": {}}', '"text"', "\udcff"])
def test_a_damaged_result_is_reported(tmp_path, text):
    """It may be truncated, of another type, or incomplete."""
    write_result(tmp_path, RESULT)
    (tmp_path / "result.json").write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(RunError, match="contains no readable result"):
        read_result(tmp_path)


def test_a_result_of_another_version_is_reported(tmp_path):
    """The error names the unknown key."""
    write_result(tmp_path, RESULT)
    (tmp_path / "result.json").write_text(json.dumps({**VALUES, "mood": "good"}), encoding="utf-8")

    with pytest.raises(RunError, match=r"contains no readable result .*mood"):
        read_result(tmp_path)


@settings(deadline=None)  # the disk may be slow
@given(cut=st.integers(0, 223))
def test_truncated_matrices_are_reported(tmp_path_factory, cut):
    """The file may end at any byte."""
    folder = tmp_path_factory.mktemp("result")
    write_result(folder, RESULT)
    content = (folder / "matrices.npy").read_bytes()
    assert len(content) == 224
    (folder / "matrices.npy").write_bytes(content[:cut])

    with pytest.raises(RunError, match=r"contains no readable result \(.*\); train the run again\.$"):
        read_result(folder)


@pytest.mark.filterwarnings("ignore:Reading `.npy`")
@pytest.mark.parametrize("byte", [0, 6, 8, 12, 20, 21, 30, 61])
@pytest.mark.parametrize("value", [0, 35, 40, 255])
def test_matrices_with_a_damaged_header_are_reported(tmp_path, byte, value):
    """The parser may raise any error."""
    write_result(tmp_path, RESULT)
    content = bytearray((tmp_path / "matrices.npy").read_bytes())
    content[byte] = value
    (tmp_path / "matrices.npy").write_bytes(content)

    with pytest.raises(RunError, match="contains no readable result"):
        read_result(tmp_path)


def test_a_full_disk_keeps_the_earlier_result(tmp_path, monkeypatch):
    """The earlier result is not touched before the new matrices are written."""
    write_result(tmp_path, RESULT)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        write_result(tmp_path, replace(RESULT, name="later"))

    assert values_of(read_result(tmp_path)) == VALUES


@pytest.mark.parametrize("matrices", [MATRICES[:2], MATRICES[:, :1], MATRICES[0], MATRICES.astype(float)])
def test_matrices_of_the_wrong_shape_or_type_are_reported(tmp_path, matrices):
    """There must be one integer matrix per image, with as many rows and columns as classes."""
    write_result(tmp_path, RESULT)
    np.save(tmp_path / "matrices.npy", matrices)

    with pytest.raises(RunError, match=r"contains no readable result \(matrices are .*, not int64 \(3, 2, 2\)\)"):
        read_result(tmp_path)


def test_a_wrong_number_of_scenes_is_reported(tmp_path):
    """There must be one scene per image."""
    write_result(tmp_path, replace(RESULT, scenes=["20240101"]))

    with pytest.raises(RunError, match=r"contains no readable result \(1 scenes for 3 images\)"):
        read_result(tmp_path)


def test_a_wrong_number_of_units_is_reported(tmp_path):
    """There must be one unit per image, or none at all."""
    write_result(tmp_path, replace(RESULT, unit_names=["cape"]))

    with pytest.raises(RunError, match=r"contains no readable result \(1 units for 3 images\)"):
        read_result(tmp_path)

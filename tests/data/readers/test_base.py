"""Tests of what all readers share: band names, the number of bands, and equal sizes."""

import numpy as np
import pytest

from gym.core.errors import DataError
from gym.data.readers.base import check_same_size, most_common_count, name_bands, probe_bands
from tests.data.imagery import (
    draw_image,
    draw_label,
    make_reader,
    npz_bytes,
    save_image,
    write_doodler,
    write_folder,
)


@pytest.mark.parametrize("writer", [write_folder, write_doodler])
def test_the_most_common_number_of_bands_is_used(tmp_path, writer):
    """One damaged and one grey image of five do not change it; the grey one is rejected when it is read."""
    if writer is write_folder:
        source = write_folder(tmp_path / "s", ("a", "b", "c", "d", "e"))
        save_image(tmp_path / "s" / "images" / "a.png", draw_image(0, 1))
        (tmp_path / "s" / "images" / "b.png").write_bytes(b"broken")
    else:
        source = write_doodler(tmp_path / "s")
        for name in ("d", "e"):
            (tmp_path / "s" / f"{name}.npz").write_bytes(npz_bytes(image=draw_image(1), label=draw_label(1)))
        (tmp_path / "s" / "a.npz").write_bytes(npz_bytes(image=draw_image(0, 1), label=draw_label(0)))
        (tmp_path / "s" / "b.npz").write_bytes(b"broken")

    assert make_reader(source.config, tmp_path).bands == ["red", "green", "blue"]


@pytest.mark.parametrize(
    ("writer", "what"),
    [
        (write_folder, r"no scene can be read; the first: .*a\.png cannot be read as an image"),
        (write_doodler, r"no scene can be read; the first: .*a\.npz cannot be read"),
    ],
)
def test_a_dataset_without_readable_scenes_is_rejected(tmp_path, writer, what):
    """The error states the first reason."""
    source = writer(tmp_path / "s")
    for path in (tmp_path / "s").rglob("*.np[zg]" if writer is write_doodler else "images/*"):
        path.write_bytes(b"broken")

    with pytest.raises(DataError, match=what):
        _ = make_reader(source.config, tmp_path).bands


@pytest.mark.parametrize(
    ("count", "probed"),
    [
        (1, [0]),
        (3, [0, 1, 2]),
        (9, list(range(9))),
        (10, [0, 1, 2, 3, 4, 6, 7, 8, 9]),
        (801, list(range(0, 801, 100))),
    ],
)
def test_at_most_nine_scenes_are_probed(count, probed):
    """They are evenly spaced from the first to the last."""
    asked = []

    def count_of(name):
        asked.append(int(name))
        return 2

    assert probe_bands([str(number) for number in range(count)], count_of, []) == ["band_1", "band_2"]
    assert asked == probed


def test_the_number_of_band_names_must_match():
    """Without names, three bands are colours and others are numbered."""
    assert name_bands([], 3) == ["red", "green", "blue"]
    assert name_bands([], 2) == ["band_1", "band_2"]
    assert name_bands(("r", "g"), 2) == ["r", "g"]
    with pytest.raises(DataError, match=r"data\.bands=\['r', 'g'\] must name the 4 bands of the imagery, in stacking"):
        name_bands(["r", "g"], 4)


@pytest.mark.parametrize(("counts", "expected"), [([3, 4, 3], 3), ([4, 3], 4), ([3, 4], 4), ([1], 1)])
def test_of_equally_common_numbers_of_bands_the_larger_is_used(counts, expected):
    """The order does not matter."""
    assert most_common_count(counts) == expected


def test_label_and_image_must_have_the_same_size():
    """A label rotated by 90 degrees has another size, too."""
    check_same_size(np.zeros((2, 3)), np.zeros((2, 3, 5)), "x")
    with pytest.raises(DataError, match=r"^x has 3x2 pixels, but its image has 2x3; give both the same size\.$"):
        check_same_size(np.zeros((3, 2)), np.zeros((2, 3, 5)), "x")

"""Tests of matching files by stem."""

from types import SimpleNamespace

import pytest

from gym.core.errors import DataError
from gym.data.readers.folder import (
    cut_stem,
    find_files,
    index_by_stem,
    list_skipped,
    match_folders,
    match_stems,
)

SUFFIXES = (".png", ".tif")


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_files_are_matched_by_stem_in_any_sort_order(tmp_path):
    """Files without a partner are left out and named."""
    images = touch(tmp_path / "images", "b.png", "a.tif", "lonely.png", ".hidden.png", "notes.txt")
    nir = touch(tmp_path / "nir", "a.png", "b.png")
    labels = touch(tmp_path / "labels", "a.png", "b.tif", "z.png")

    matches = match_folders([images, nir, labels], SUFFIXES)

    assert list(matches.files.items()) == [
        ("a", [images / "a.tif", nir / "a.png", labels / "a.png"]),
        ("b", [images / "b.png", nir / "b.png", labels / "b.tif"]),
    ]
    assert matches.left_out == {
        str(images / "lonely.png"): f"no file with this stem in {nir}, {labels}",
        str(labels / "z.png"): f"no file with this stem in {images}, {nir}",
    }


def test_numbers_without_leading_zeros_do_not_shift_the_pairs(tmp_path):
    """The original program matched by sort order, where one missing label shifts all later pairs."""
    images = touch(tmp_path / "i", *(f"{number}.png" for number in range(1, 13)))
    labels = touch(tmp_path / "l", *(f"{number}.png" for number in range(1, 13) if number != 4))

    matches = match_folders([images, labels], SUFFIXES)

    assert all(image.stem == label.stem == stem for stem, (image, label) in matches.files.items())
    assert len(matches.files) == 11
    assert list(matches.left_out) == [str(images / "4.png")]


@pytest.mark.parametrize("name", ["été à la plage", "a.b.c", "海岸", "x (1)", "-1"])
def test_a_stem_may_be_any_name(tmp_path, name):
    """Spaces, accents, dots and any script are allowed."""
    images, labels = touch(tmp_path / "i", f"{name}.png"), touch(tmp_path / "l", f"{name}.PNG")

    assert list(match_folders([images, labels], SUFFIXES).files) == [name]


def test_differences_between_stems_are_removed(tmp_path):
    """Patterns are applied one after the other, and the rest names the pair."""
    images = touch(tmp_path / "i", "shore_image_v2.png", "dune.png")
    labels = touch(tmp_path / "l", "shore_label.png", "dune_label.png")

    matches = match_folders([images, labels], SUFFIXES, ["_v[0-9]+$", "_(image|label)$"])

    assert list(matches.files) == ["dune", "shore"]
    assert matches.files["shore"] == [images / "shore_image_v2.png", labels / "shore_label.png"]
    assert matches.left_out == {}


@pytest.mark.parametrize(
    ("stem", "drops", "cut"),
    [
        ("shore_label", [], "shore_label"),
        ("shore_label", ["_label$"], "shore"),
        ("label_shore", ["_label$"], "label_shore"),
        ("x1y22", ["[0-9]+"], "xy"),
        ("ab_1_nir", ["_nir$", "_[0-9]$"], "ab"),
        ("ab_1_nir", ["_[0-9]$", "_nir$"], "ab_1"),
    ],
)
def test_patterns_are_removed_in_order(stem, drops, cut):
    """Each applies to the result of the one before."""
    assert cut_stem(stem, drops) == cut


def test_two_files_with_one_stem_are_rejected(tmp_path):
    """They may differ in their ending or in what was removed."""
    folder = touch(tmp_path / "i", "a.png", "a.tif", "b_1.png", "b_2.png")
    with pytest.raises(
        DataError, match=r"a\.png and .*a\.tif have the same stem, a; keep one of them, correct data\.drop_fro"
    ):
        find_files(folder, SUFFIXES)
    (folder / "a.tif").unlink()
    with pytest.raises(DataError, match=r"b_1\.png and .*b_2\.png have the same stem, b; keep one of them"):
        find_files(folder, SUFFIXES, ["_[0-9]$"])
    with pytest.raises(DataError, match=r"^one and two have the same stem, x; keep one of them"):
        index_by_stem([("x", "one"), ("x", "two")], [])


def test_a_missing_or_empty_folder_is_rejected(tmp_path):
    """The error says what is expected."""
    with pytest.raises(DataError, match="nowhere is not a folder; give the folder that holds the image files"):
        find_files(tmp_path / "nowhere", SUFFIXES)
    with pytest.raises(DataError, match=r"contains no image files; give a folder of files ending in \.png, \.tif"):
        find_files(touch(tmp_path / "i", "a.txt"), SUFFIXES)


def test_a_folder_without_read_permission_is_rejected(tmp_path, monkeypatch):
    """The error suggests to check its permissions."""

    def refused(self):
        raise PermissionError(13, "Permission denied", str(self))

    folder = touch(tmp_path / "i", "a.png")
    monkeypatch.setattr(type(folder), "iterdir", refused)

    with pytest.raises(DataError, match=r"i cannot be listed \(Permission denied\); check its permissions\.$"):
        find_files(folder, SUFFIXES)


def test_other_files_are_listed_with_a_reason(tmp_path):
    """Hidden files, sidecar files and the given folders are not listed."""
    images = touch(tmp_path / "i", "a.png", "b.TIF", "c.jp2", "notes", ".hidden.jp2", "Thumbs.DB", "a.png.aux.xml")
    labels = touch(images / "labels", "a.png", "d.PGW")
    (images / "more.png").mkdir()
    (images / ".cache").mkdir()

    assert list_skipped([images, images, labels], SUFFIXES) == {
        str(images / "c.jp2"): "is not a PNG, JPEG or TIFF",
        str(images / "more.png"): "is a folder; its files are not read",
        str(images / "notes"): "is not a PNG, JPEG or TIFF",
    }
    assert list(find_files(images, SUFFIXES)) == ["a", "b"]


def test_images_and_labels_may_share_a_folder(tmp_path):
    """Patterns select each kind, and files that match none are listed."""
    shots = touch(tmp_path / "shots", "a_image.tif", "a_label.png", "b_image.tif", "b_label.png", "map.png", "a.tfw")
    images, labels = shots / "*_image.tif", shots / "*_label.png"
    matches = match_folders([images, labels], SUFFIXES, ["_(image|label)$"])

    assert matches.files == {stem: [shots / f"{stem}_image.tif", shots / f"{stem}_label.png"] for stem in "ab"}
    assert matches.left_out == {}
    assert list_skipped([images, labels], SUFFIXES) == {str(shots / "map.png"): "matches no given pattern"}
    with pytest.raises(DataError, match=r"\*_ir\.png contains no image files; give a folder of files ending in"):
        find_files(shots / "*_ir.png", SUFFIXES)


def test_folders_without_a_common_stem_are_rejected(tmp_path):
    """The error gives examples and says how to remove the difference."""
    images, labels = touch(tmp_path / "i", "a_image.png"), touch(tmp_path / "l", "a_label.png")

    with pytest.raises(
        DataError,
        match=r"no stem occurs in all 2 folders \(for example, .*a_image\.png and .*a_label\.png\); name the files "
        r"alike, or remove what differs with data\.drop_from_stem\.$",
    ):
        match_folders([images, labels], SUFFIXES)


def test_a_listing_may_appear_twice():
    """An archive and the TIFFs next to it share a name but not their files."""
    npz, tif = SimpleNamespace(stem="a"), SimpleNamespace(stem="a")

    matches = match_stems([("here", {"a": npz, "b": npz}), ("here", {"a": tif})])

    assert matches.files == {"a": [npz, tif]}
    assert matches.left_out == {str(npz): "no file with this stem in here"}


def test_a_folder_given_twice_is_stacked_twice(tmp_path):
    """No band set is dropped."""
    images, labels = touch(tmp_path / "i", "a.png"), touch(tmp_path / "l", "a.png")

    matches = match_folders([images, images, labels], SUFFIXES)

    assert matches.files == {"a": [images / "a.png", images / "a.png", labels / "a.png"]}

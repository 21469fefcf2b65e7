"""Files are matched by stem; what has no partner is named."""

from types import SimpleNamespace

import pytest

from gym.core.errors import DataError
from gym.data.readers.folder import (
    PairFiles,
    cut_stem,
    find_files,
    index_by_stem,
    list_skipped,
    match_folders,
    match_stems,
    pair_by_stem,
)

SUFFIXES = (".png", ".tif")


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_pairs_have_one_stem_whatever_the_sort_order(tmp_path):
    """Two listings that sort differently still pair right; files without a partner are left out by name."""
    images = touch(tmp_path / "images", "b.png", "a.tif", "lonely.png", ".hidden.png", "notes.txt")
    nir = touch(tmp_path / "nir", "a.png", "b.png")
    labels = touch(tmp_path / "labels", "a.png", "b.tif", "z.png")

    pairing = pair_by_stem([images, nir], labels, SUFFIXES)

    assert [pair.name for pair in pairing.pairs] == ["a", "b"]
    assert pairing.pairs[0].images == [images / "a.tif", nir / "a.png"]
    assert pairing.pairs[1].label == labels / "b.tif"
    assert pairing.left_out == {
        str(images / "lonely.png"): f"no file of this stem in {nir}, {labels}",
        str(labels / "z.png"): f"no file of this stem in {images}, {nir}",
    }


def test_numbers_without_leading_zeros_do_not_shift_the_pairs(tmp_path):
    """The original paired by sort order, in which one missing label shifts every later pair by one."""
    images = touch(tmp_path / "i", *(f"{number}.png" for number in range(1, 13)))
    labels = touch(tmp_path / "l", *(f"{number}.png" for number in range(1, 13) if number != 4))

    pairing = pair_by_stem([images], labels, SUFFIXES)

    assert all(pair.images[0].stem == pair.label.stem == pair.name for pair in pairing.pairs)
    assert len(pairing.pairs) == 11
    assert list(pairing.left_out) == [str(images / "4.png")]


@pytest.mark.parametrize("name", ["été à la plage", "a.b.c", "海岸", "x (1)", "-1"])
def test_a_stem_is_any_name(tmp_path, name):
    """Spaces, accents, dots and other scripts."""
    images, labels = touch(tmp_path / "i", f"{name}.png"), touch(tmp_path / "l", f"{name}.PNG")

    assert list(match_folders([images, labels], SUFFIXES).files) == [name]


def test_what_differs_between_stems_is_cut_out(tmp_path):
    """In each folder, by patterns one after the other; a pair is named by what is left."""
    images = touch(tmp_path / "i", "shore_image_v2.png", "dune.png")
    labels = touch(tmp_path / "l", "shore_label.png", "dune_label.png")

    pairing = pair_by_stem([images], labels, SUFFIXES, ["_v[0-9]+$", "_(image|label)$"])

    assert [pair.name for pair in pairing.pairs] == ["dune", "shore"]
    assert pairing.pairs[1].images == [images / "shore_image_v2.png"]
    assert pairing.left_out == {}


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
def test_patterns_are_cut_out_in_turn(stem, drops, cut):
    """Wherever they match, each in what the one before has left."""
    assert cut_stem(stem, drops) == cut


def test_two_files_of_one_stem_are_refused(tmp_path):
    """Which of the two is meant is not guessed, be it by their endings or by what was cut out."""
    folder = touch(tmp_path / "i", "a.png", "a.tif", "b_1.png", "b_2.png")
    with pytest.raises(DataError, match=r"a\.png and .*a\.tif have one stem, a; keep one of them, mend data\.drop_fro"):
        find_files(folder, SUFFIXES)
    (folder / "a.tif").unlink()
    with pytest.raises(DataError, match=r"b_1\.png and .*b_2\.png have one stem, b; keep one of them"):
        find_files(folder, SUFFIXES, ["_[0-9]$"])
    with pytest.raises(DataError, match=r"^one and two have one stem, x; keep one of them"):
        index_by_stem([("x", "one"), ("x", "two")], [])


def test_a_missing_or_empty_folder_is_refused(tmp_path):
    """With what it should have been."""
    with pytest.raises(DataError, match="nowhere is no folder; give the folder that holds the image files"):
        find_files(tmp_path / "nowhere", SUFFIXES)
    with pytest.raises(DataError, match=r"holds no image files; it must hold files ending in \.png, \.tif"):
        find_files(touch(tmp_path / "i", "a.txt"), SUFFIXES)


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path, monkeypatch):
    """As one of another user: whose it is, and what to do."""

    def refused(self):
        raise PermissionError(13, "Permission denied", str(self))

    folder = touch(tmp_path / "i", "a.png")
    monkeypatch.setattr(type(folder), "iterdir", refused)

    with pytest.raises(DataError, match=r"i cannot be listed \(Permission denied\); mend its permissions\.$"):
        find_files(folder, SUFFIXES)


def test_what_is_no_image_is_said(tmp_path):
    """Other kinds of files and folders, but nothing hidden, nothing that lies beside images, and no given folder."""
    images = touch(tmp_path / "i", "a.png", "b.TIF", "c.jp2", "notes", ".hidden.jp2", "Thumbs.DB", "a.png.aux.xml")
    labels = touch(images / "labels", "a.png", "d.PGW")
    (images / "more.png").mkdir()
    (images / ".cache").mkdir()

    assert list_skipped([images, images, labels], SUFFIXES) == {
        str(images / "c.jp2"): "is no PNG, JPEG or TIFF",
        str(images / "more.png"): "is a folder; its files are not looked at",
        str(images / "notes"): "is no PNG, JPEG or TIFF",
    }
    assert list(find_files(images, SUFFIXES)) == ["a", "b"]


def test_images_and_labels_may_lie_in_one_folder(tmp_path):
    """Each kind by a pattern of names; what neither takes is said."""
    shots = touch(tmp_path / "shots", "a_image.tif", "a_label.png", "b_image.tif", "b_label.png", "map.png", "a.tfw")
    images, labels = shots / "*_image.tif", shots / "*_label.png"
    pairing = pair_by_stem([images], labels, SUFFIXES, ["_(image|label)$"])

    assert pairing.pairs == [
        PairFiles(stem, [shots / f"{stem}_image.tif"], shots / f"{stem}_label.png") for stem in "ab"
    ]
    assert pairing.left_out == {}
    assert list_skipped([images, labels], SUFFIXES) == {str(shots / "map.png"): "has a name of no given pattern"}
    with pytest.raises(DataError, match=r"\*_ir\.png holds no image files; it must hold files ending in"):
        find_files(shots / "*_ir.png", SUFFIXES)


def test_no_common_stem_is_refused_with_examples(tmp_path):
    """The example shows how the names differ, and the message how to cut that out."""
    images, labels = touch(tmp_path / "i", "a_image.png"), touch(tmp_path / "l", "a_label.png")

    with pytest.raises(
        DataError,
        match=r"not one stem is in all of 2 folders \(as in .*a_image\.png and .*a_label\.png\); name files alike, or "
        r"cut out what differs with data\.drop_from_stem\.$",
    ):
        match_folders([images, labels], SUFFIXES)


def test_one_place_may_come_twice():
    """With other files, as an archive and the TIFFs beside it; each listing keeps its own."""
    npz, tif = SimpleNamespace(stem="a"), SimpleNamespace(stem="a")

    matches = match_stems([("here", {"a": npz, "b": npz}), ("here", {"a": tif})])

    assert matches.files == {"a": [npz, tif]}
    assert matches.left_out == {str(npz): "no file of this stem in here"}


def test_a_folder_given_twice_is_stacked_twice(tmp_path):
    """No band set vanishes."""
    images, labels = touch(tmp_path / "i", "a.png"), touch(tmp_path / "l", "a.png")

    pairs = pair_by_stem([images, images], labels, SUFFIXES).pairs

    assert pairs[0].images == [images / "a.png", images / "a.png"]

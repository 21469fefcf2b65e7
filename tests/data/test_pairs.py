"""Files are matched by stem; what has no partner is named."""

import pytest

from gym.data.pairs import files_by_stem, match_by_stem, name_by_pattern, pair_by_stem
from gym.errors import DataError

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


def test_names_with_spaces_and_accents_pair(tmp_path):
    """A stem is any name."""
    images, labels = touch(tmp_path / "i", "été à la plage.png"), touch(tmp_path / "l", "été à la plage.png")

    assert list(match_by_stem([images, labels], SUFFIXES).files) == ["été à la plage"]


def test_two_files_of_one_stem_are_refused(tmp_path):
    """Which of the two is meant is not guessed."""
    with pytest.raises(DataError, match=r"a\.png and a\.tif in .* have one stem; keep one of them"):
        files_by_stem(touch(tmp_path / "i", "a.png", "a.tif"), SUFFIXES)


def test_a_missing_or_empty_folder_is_refused(tmp_path):
    """With what it should have been."""
    with pytest.raises(DataError, match="nowhere is no folder; give the folder that holds the image files"):
        files_by_stem(tmp_path / "nowhere", SUFFIXES)
    with pytest.raises(DataError, match=r"holds no image files; it must hold files ending in \.png, \.tif"):
        files_by_stem(touch(tmp_path / "i", "a.txt"), SUFFIXES)


def test_no_common_stem_is_refused_with_examples(tmp_path):
    """The example shows how the names differ."""
    images, labels = touch(tmp_path / "i", "a_image.png"), touch(tmp_path / "l", "a_label.png")

    with pytest.raises(
        DataError, match=r"not one stem is in all of 2 folders \(as in .*a_image\.png and .*a_label\.png\)"
    ):
        match_by_stem([images, labels], SUFFIXES)


def test_a_pattern_names_the_scene():
    """The first group; the default where there is no pattern."""
    assert name_by_pattern("20190813T18_T10SEG-1", "^([0-9]{8})", "x") == "20190813"
    assert name_by_pattern("20190813", "", "x") == "x"
    with pytest.raises(DataError, match=r"shore does not match the pattern \^\(\[0-9\]\+\); mend data\.scene_pattern"):
        name_by_pattern("shore", "^([0-9]+)", "x")

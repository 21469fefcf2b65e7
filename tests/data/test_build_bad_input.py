"""Tests of bad input to a dataset: it is left out with a reason, or rejected."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gym.core.errors import DataError
from gym.data.build import check_left_out, open_or_build_dataset
from tests.data.imagery import (
    GRID,
    NAMES,
    draw_image,
    draw_label,
    make_config,
    make_doodler_npz,
    npz_bytes,
    save_image,
    save_tiff,
    save_zip,
    write_band_sets,
    write_doodler,
    write_folder,
    write_geotiffs,
    write_gym,
    write_zip,
    write_zip_with_band_set,
)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def replace_image(suffix: str, change: Callable[[Path], None]) -> Callable[[Path], None]:
    """Replace the image of scene b by another file."""

    def replaced(root: Path) -> None:
        (root / "images" / "b.png").unlink()
        path = root / "images" / f"b{suffix}"
        (save_tiff if suffix == ".tif" else save_image)(path, draw_image(7, size=(64, 96)))
        change(path)

    return replaced


def write_zip_with_escape(root: Path) -> None:
    entries = {f"npz/{name}.npz": make_doodler_npz(draw_image(1), draw_label(1)) for name in ("a", "c")}
    save_zip(root / "release.zip", entries | {"../../b.npz": make_doodler_npz(draw_image(2), draw_label(2))})


def write_zip_with_damage(root: Path) -> None:
    entries = {f"npz/{name}.npz": make_doodler_npz(draw_image(1), draw_label(1)) for name in ("a", "c")}
    save_zip(root / "release.zip", entries | {"npz/b.npz": b"PK\x03\x04 no npz"})


def replace_npz(**arrays) -> Callable[[Path], None]:
    """Replace the npz of scene b by one with the given arrays."""
    return lambda root: (root / "b.npz").write_bytes(npz_bytes(**arrays))


UNREADABLE = r"cannot be read as an image \(.+\); replace or remove it\.$"
OTHER_SIZE = r"has 20x41 pixels, but its image has 20x40; give both the same size\.$"

BAD_INPUT = {
    "label of another size": (
        write_folder,
        lambda root: save_image(root / "labels" / "b.png", draw_label(1, size=(20, 41))),
        rf"b\.png {OTHER_SIZE}",
    ),
    "label rotated by 90 degrees": (
        write_folder,
        lambda root: save_image(root / "labels" / "b.png", draw_label(1, size=(40, 20))),
        r"b\.png has 40x20 pixels, but its image has 20x40",
    ),
    "coloured label": (
        write_folder,
        lambda root: save_image(root / "labels" / "b.png", draw_image(1)),
        r"b\.png has 3 bands; a label must be a single band of class numbers\.$",
    ),
    "unknown label value": (
        write_folder,
        lambda root: save_image(root / "labels" / "b.png", np.full((20, 40), 7, np.uint8)),
        r"b: label value 7 \(800 pixels\) is not one of the classes 0\.\.2",
    ),
    "interpolated label": (
        write_geotiffs,
        lambda root: save_tiff(root / "labels" / "b.tif", np.full((20, 40), 0.5, np.float32), **GRID),
        r"b: label value 0\.5 \(800 pixels\) is not a whole number",
    ),
    "truncated PNG": (write_folder, lambda root: truncate(root / "images" / "b.png"), UNREADABLE),
    "truncated TIFF": (write_folder, replace_image(".tif", truncate), UNREADABLE),
    "truncated JPEG": (write_folder, replace_image(".jpg", truncate), UNREADABLE),
    "truncated label": (write_folder, lambda root: truncate(root / "labels" / "b.png"), UNREADABLE),
    "empty file": (write_folder, lambda root: (root / "images" / "b.png").write_bytes(b""), UNREADABLE),
    "text": (write_folder, replace_image(".tif", lambda path: path.write_text("no image")), UNREADABLE),
    "folder named like an image": (
        write_folder,
        replace_image(".tif", lambda path: (path.unlink(), path.mkdir())),
        r"no file with this stem in .*images",
    ),
    "label without an image": (
        write_folder,
        lambda root: (root / "images" / "b.png").unlink(),
        r"^no file with this stem in .*images$",
    ),
    "no data": (
        write_folder,
        lambda root: save_image(root / "images" / "b.png", np.zeros((20, 40, 3), np.uint8)),
        r"^b has no data in the frame",
    ),
    "nodata everywhere": (
        write_geotiffs,
        lambda root: save_tiff(root / "images" / "b.tif", np.full((20, 40, 5), -1, np.int16), nodata=-1, **GRID),
        r"^b has no data in the frame",
    ),
    "one band of three": (
        write_folder,
        lambda root: save_image(root / "images" / "b.png", draw_image(1, 1)),
        r"^b has 1 band where 3 are expected \(red, green, blue\); give the same bands in the same order\.$",
    ),
    "band set of another size": (
        write_band_sets,
        lambda root: save_image(root / "nir" / "b_nir.png", draw_image(1, 1, size=(20, 41))),
        r"b_nir\.png has 20x41 pixels, but .*b\.png has 20x40; give all band sets of a scene the same size\.$",
    ),
    "label on another grid": (
        write_geotiffs,
        lambda root: save_tiff(root / "labels" / "b.tif", draw_label(1), **GRID | {"crs": "EPSG:32611"}),
        r"b\.tif and .*b\.tif are on different grids; warp one onto the grid of the other\.$",
    ),
    "truncated npz": (
        write_doodler,
        lambda root: truncate(root / "b.npz"),
        r"b\.npz cannot be read \(.+\); replace or rem",
    ),
    "empty npz": (write_doodler, lambda root: (root / "b.npz").write_bytes(b""), r"^is empty \(0 bytes\); replace it"),
    "npz with objects": (
        write_doodler,
        replace_npz(image=draw_image(1), label=np.array([{"a": 1}], object)),
        r"label of .*b\.npz holds Python objects, which are never loaded",
    ),
    "npz of the other tool": (
        write_doodler,
        replace_npz(arr_0=draw_image(1), arr_1=draw_label(1)),
        r"b\.npz lacks label: it holds arr_0, arr_1; Doodler files hold label and image",
    ),
    "npz with a label of another size": (
        write_doodler,
        replace_npz(image=draw_image(1), label=draw_label(1, size=(20, 41))),
        rf"label of .*b\.npz {OTHER_SIZE}",
    ),
    "npz with an unknown class": (
        write_doodler,
        replace_npz(image=draw_image(1), label=draw_label(1), classes=np.array(["water", "sand", "lava"])),
        r"b: label name lava \(\d+ pixels\) is not one of the classes water, sand, other; map it",
    ),
    "npz with two classes per pixel": (
        write_gym,
        replace_npz(arr_0=draw_image(1, 4), arr_1=np.ones((20, 40, 3), np.uint8)),
        r"arr_1 of .*b\.npz assigns several classes to 800 pixels",
    ),
    "zip entry that points outside": (
        write_zip,
        write_zip_with_escape,
        r"^has a name that points outside the zip; create the zip again\.$",
    ),
    "zip entry that is not an npz": (
        write_zip,
        write_zip_with_damage,
        r"b\.npz cannot be read \(.+\); replace or remove it",
    ),
    "archive without its band set": (
        write_zip_with_band_set,
        lambda root: (root / "nir" / "b.tif").unlink(),
        r"^no file with this stem in .*nir$",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_a_bad_pair_is_left_out_with_a_reason(tmp_path, caplog, case):
    """The others are used; manifest and log state the reason, and data.strict turns it into an error."""
    writer, damage, reason = BAD_INPUT[case]
    source = writer(tmp_path / "s")
    damage(tmp_path / "s")

    made = open_or_build_dataset(source.config, tmp_path)

    assert [record.name for record in made.manifest.pairs] == ["a", "c"]
    ((name, explanation),) = made.manifest.left_out.items()
    assert re.search(reason, explanation)
    assert name == "b" or re.search(r"\bb(_nir)?\.(png|tif|npz)$", name)
    assert f"left out {name}: {explanation.removeprefix(name).removeprefix(':').lstrip()}" in caplog.text
    with pytest.raises(
        DataError,
        match=rf"^data\.strict=true, but 1 of the inputs cannot be used \(first: {re.escape(name)}: "
        r".*\); correct them, "
        r"or set data\.strict=false\.$",
    ):
        open_or_build_dataset(replace(source.config, strict=True), tmp_path)


@pytest.mark.parametrize("folder", ["images", "labels"])
def test_a_file_without_read_permission_is_left_out(tmp_path, folder):
    """The reason suggests to check its permissions."""
    source = write_folder(tmp_path / "s")
    path = tmp_path / "s" / folder / "b.png"
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything, as root may")

    made = open_or_build_dataset(source.config, tmp_path)

    assert [record.name for record in made.manifest.pairs] == ["a", "c"]
    assert re.search(r"b\.png cannot be read \(Permission denied\); check its permissions", made.manifest.left_out["b"])


def test_a_corrected_pair_is_included_again(tmp_path):
    """Its file could not be read before."""
    source = write_folder(tmp_path / "s")
    whole = (tmp_path / "s" / "images" / "b.png").read_bytes()
    truncate(tmp_path / "s" / "images" / "b.png")
    assert len(open_or_build_dataset(source.config, tmp_path)) == 2
    (tmp_path / "s" / "images" / "b.png").write_bytes(whole)

    assert len(open_or_build_dataset(source.config, tmp_path)) == 3


def test_a_dataset_without_usable_scenes_is_rejected(tmp_path):
    """The error states the source and the first reason, and no folder is left."""
    source = write_folder(tmp_path / "s")
    for name in NAMES:
        save_image(tmp_path / "s" / "labels" / f"{name}.png", np.full((20, 40), 9, np.uint8))

    with pytest.raises(
        DataError,
        match=r"^none of the scenes of .*images with .*labels can be used \(3 left out\); the first: a: label value 9 "
        r"\(800 pixels\)",
    ):
        open_or_build_dataset(source.config, tmp_path)
    assert [path.suffix for path in (tmp_path / "stores").iterdir() if path.is_dir()] == []


def test_two_files_with_one_stem_are_rejected(tmp_path):
    """It is ambiguous which one is meant."""
    source = write_folder(tmp_path / "s")
    save_tiff(tmp_path / "s" / "images" / "b.tif", draw_image(1))

    with pytest.raises(DataError, match=r"b\.png and .*b\.tif have the same stem, b; keep one of them"):
        open_or_build_dataset(source.config, tmp_path)


def test_one_folder_for_images_and_labels_is_rejected(tmp_path):
    """An image is no label, so that each scene is left out with a reason."""
    source = write_folder(tmp_path / "s")
    source.config.labels = source.config.images[0]

    with pytest.raises(
        DataError,
        match=r"can be used \(3 left out\); the first: .*a\.png has 3 bands; "
        r"a label must be a single band of class numbers\.$",
    ):
        open_or_build_dataset(source.config, tmp_path)


def test_missing_or_empty_sources_are_rejected(tmp_path):
    """A folder may be missing or empty, or an archive missing."""
    with pytest.raises(DataError, match=r"nowhere is not a folder; give the folder that holds the image files"):
        open_or_build_dataset(make_config("folder", images=[str(tmp_path / "nowhere")], labels=str(tmp_path)), tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty contains no image files"):
        open_or_build_dataset(make_config("folder", images=[str(tmp_path / "empty")], labels=str(tmp_path)), tmp_path)
    with pytest.raises(DataError, match=r"nowhere\.zip does not exist; give a folder of \.npz files"):
        open_or_build_dataset(make_config("doodler", archives=[str(tmp_path / "nowhere.zip")]), tmp_path)


def test_the_number_of_band_names_must_match(tmp_path):
    """Three bands need three names."""
    source = write_folder(tmp_path / "s")
    source.config.bands = ["r", "g"]
    with pytest.raises(DataError, match=r"data\.bands=\['r', 'g'\] must name the 3 bands of the imagery"):
        open_or_build_dataset(source.config, tmp_path)


def test_at_most_five_reasons_are_logged(caplog):
    """The rest is counted, and nothing is logged if nothing is left out."""
    check_left_out({}, strict=True)
    check_left_out({str(number): f"broken by {number + 1}" for number in range(5)}, strict=False)
    assert len(caplog.records) == 5
    check_left_out({str(number): f"broken by {number + 1}" for number in range(7)}, strict=False)
    assert "... for 2 more reasons; the report of gym.make_dataset lists all of them" in caplog.text
    with pytest.raises(
        DataError,
        match=r"^data\.strict=true, but 7 of the inputs cannot be used \(first: 0: broken by 1\); correct "
        r"them, "
        r"or set data\.strict=false\.$",
    ):
        check_left_out({str(number): f"broken by {number + 1}" for number in range(7)}, strict=True)

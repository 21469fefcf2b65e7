"""Stores are found where they were made, made anew when anything they depend on changes, and whole or absent."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gym.config.schema import DataConfig
from gym.core.errors import DataError
from gym.core.files import write_json
from gym.data import build, dataset
from gym.data.build import log_left_out, open_or_build_dataset, plan_dataset
from gym.data.labels import IGNORE
from gym.data.readers.raster import read_image, read_label
from tests.conftest import ROOT
from tests.data.imagery import (
    GRID,
    INSIDE,
    NAMES,
    WRITERS,
    configured,
    doodled,
    draw_image,
    draw_label,
    npz_bytes,
    save_picture,
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

SYNTHETIC = DataConfig(kind="synthetic", size=32, scenes=3, workers=1)


def fingerprint(config: DataConfig, outputs: Path) -> str:
    return plan_dataset(config, outputs / "stores", outputs / "downloads").fingerprint()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dataset_is_made_once(tmp_path):
    """The second call finds the first one's files."""
    first = open_or_build_dataset(SYNTHETIC, tmp_path)
    made = (first.folder / "manifest.json").stat().st_mtime_ns
    second = open_or_build_dataset(SYNTHETIC, tmp_path)

    assert second.folder == first.folder
    assert (second.folder / "manifest.json").stat().st_mtime_ns == made
    assert first.bands == ["red", "green", "blue", "nir", "swir"]
    assert first.manifest.fingerprint.startswith(first.folder.name.removeprefix("synthetic-"))


def test_the_configuration_of_the_command_line_makes_a_dataset(configure, tmp_path):
    """Four bands from two folders, padding around the scene, classes from the remap, groups from the patterns."""
    for name in ("duck_20200101-0", "duck_20200101-1", "cape_20210101-0"):
        save_picture(tmp_path / "rgb" / f"{name}.png", draw_image(1))
        save_picture(tmp_path / "nir" / f"{name}.png", draw_image(2, 1))
        save_picture(tmp_path / "labels" / f"{name}.png", draw_label(3) + 1)
    config = configure(
        "data=folder",
        f"data.images=[{tmp_path}/rgb,{tmp_path}/nir]",
        f"data.labels={tmp_path}/labels",
        "data.classes=[water,sand,other]",
        "data.remap={1:0,2:sand,3:2}",
        "data.size=[32,48]",
        "data.bands=[r,g,b,n]",
        "data.scene_pattern='_([0-9]{8})'",
        "data.site_pattern='^([a-z]+)'",
        "data.date_pattern='([0-9]{4})'",
    ).data
    made = open_or_build_dataset(config, tmp_path)

    assert made.shape == (32, 48, 4)
    assert made.bands == ["r", "g", "b", "n"]
    assert [(record.scene, record.site, record.groups["date"]) for record in made.manifest.pairs] == [
        ("20210101", "cape", "2021"),
        ("20200101", "duck", "2020"),
        ("20200101", "duck", "2020"),
    ]
    label = made.read_label(0)
    np.testing.assert_array_equal(label[INSIDE], draw_label(3))
    assert (label[:6] == IGNORE).all()
    np.testing.assert_array_equal(made.read_image(0)[INSIDE], np.concatenate([draw_image(1), draw_image(2, 1)], axis=2))


def test_more_than_three_bands_and_sixteen_bits_stay_as_they_are(tmp_path):
    """The original fails on four bands and wraps what is over 255."""
    source = write_band_sets(tmp_path / "s")
    made = open_or_build_dataset(source.config, tmp_path)

    assert made.manifest.dtype == "<u2"
    assert source.images["a"].max() > 20_000
    np.testing.assert_array_equal(made.read_image(0)[INSIDE], source.images["a"])


def test_ignored_values_count_nowhere(tmp_path):
    """A listed label value, beside the counts of all values as they stood in the files."""
    source = write_folder(tmp_path / "s")
    source.config.ignore_values = [2]
    made = open_or_build_dataset(source.config, tmp_path)

    np.testing.assert_array_equal(made.read_label(0)[INSIDE] == IGNORE, source.labels["a"] == 2)
    for value, classes in made.manifest.label_counts.items():
        (pixels,) = classes.values()
        assert pixels == sum(int((label == int(value)).sum()) for label in source.labels.values())
    assert list(made.manifest.label_counts["2"]) == [""]
    assert made.counts[:, 2].tolist() == [0, 0, 0]


def test_a_table_says_what_pairs_belong_to(tmp_path):
    """Its columns are groups; a scene without a row is left out."""
    source = write_folder(tmp_path / "s")
    (tmp_path / "table.csv").write_text("name,scene,tide\na.png,one,low\nc,one,high\n")
    source.config.table = str(tmp_path / "table.csv")
    made = open_or_build_dataset(source.config, tmp_path)

    assert [record.groups for record in made.manifest.pairs] == [
        {"scene": "one", "site": "all", "tide": "low"},
        {"scene": "one", "site": "all", "tide": "high"},
    ]
    assert made.manifest.left_out == {"b": "b has no row in data.table; add one."}


def test_names_of_other_scripts_make_a_dataset(tmp_path):
    """Spaces, accents and dots, in names and in the folder, from the files to the manifest and back."""
    names = ("a.b.c", "été à la plage", "海 岸")
    source = write_folder(tmp_path / "données 1", names)
    made = open_or_build_dataset(source.config, tmp_path / "résultats à voir")

    assert [record.name for record in made.manifest.pairs] == sorted(names)
    for position, name in enumerate(sorted(names)):
        np.testing.assert_array_equal(made.read_image(position)[INSIDE], source.images[name])


def test_two_builders_of_one_dataset_do_not_meet(tmp_path):
    """The second waits, and then finds the first one's dataset instead of replacing it."""
    config = replace(SYNTHETIC, scenes=12, size=64)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: open_or_build_dataset(config, tmp_path), range(2))

    assert first.folder == second.folder
    assert [path.name for path in (tmp_path / "stores").iterdir() if path.is_dir()] == [first.folder.name]


def test_a_dataset_does_not_depend_on_how_many_processes_make_it(tmp_path):
    """One or two, every file is the same to the byte."""
    source = write_geotiffs(tmp_path / "s")
    one, two = (
        open_or_build_dataset(replace(source.config, workers=workers), tmp_path / str(workers)) for workers in (1, 2)
    )

    assert contents(one.folder) == contents(two.folder)


def test_an_index_over_bands_that_only_the_files_tell_is_refused_at_once(tmp_path, monkeypatch):
    """With what it uses and what there is, before any scene is prepared; names that fit make a dataset."""
    source = write_geotiffs(tmp_path / "s")
    wanted = replace(source.config, indices=["MNDWI", "x=band_1/band_5"])
    monkeypatch.setattr(build, "prepare_scene", lambda *given: pytest.fail("a scene was prepared"))
    with pytest.raises(
        DataError,
        match=r"^index MNDWI uses green, swir, and the bands are band_1, band_2, band_3, band_4, band_5; "
        r"name them in order with data\.bands\.$",
    ):
        open_or_build_dataset(wanted, tmp_path)
    monkeypatch.undo()

    made = open_or_build_dataset(replace(wanted, indices=["x=BAND_1/band_5"]), tmp_path)
    assert made.bands[-2:] == ["band_5", "x"]


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def replace_image(suffix: str, change: Callable[[Path], None]) -> Callable[[Path], None]:
    """Put another file in the place of scene b's image."""

    def replaced(root: Path) -> None:
        (root / "images" / "b.png").unlink()
        path = root / "images" / f"b{suffix}"
        (save_tiff if suffix == ".tif" else save_picture)(path, draw_image(7, size=(64, 96)))
        change(path)

    return replaced


def zip_with_escape(root: Path) -> None:
    entries = {f"npz/{name}.npz": doodled(draw_image(1), draw_label(1)) for name in ("a", "c")}
    save_zip(root / "release.zip", entries | {"../../b.npz": doodled(draw_image(2), draw_label(2))})


def zip_with_damage(root: Path) -> None:
    entries = {f"npz/{name}.npz": doodled(draw_image(1), draw_label(1)) for name in ("a", "c")}
    save_zip(root / "release.zip", entries | {"npz/b.npz": b"PK\x03\x04 no npz"})


def npz_of(**arrays) -> Callable[[Path], None]:
    """Put an npz of any arrays in the place of scene b's."""
    return lambda root: (root / "b.npz").write_bytes(npz_bytes(**arrays))


NOT_READ = r"cannot be read as an image \(.+\); replace or remove it\.$"
OTHER_SIZE = r"is 20x41 and its image 20x40 pixels; sizes must agree\.$"

BAD_INPUT = {
    "label of another size": (
        write_folder,
        lambda root: save_picture(root / "labels" / "b.png", draw_label(1, size=(20, 41))),
        rf"b\.png {OTHER_SIZE}",
    ),
    "label turned by a quarter": (
        write_folder,
        lambda root: save_picture(root / "labels" / "b.png", draw_label(1, size=(40, 20))),
        r"b\.png is 40x20 and its image 20x40 pixels",
    ),
    "label in colours": (
        write_folder,
        lambda root: save_picture(root / "labels" / "b.png", draw_image(1)),
        r"b\.png has 3 bands; a label image must have one, holding class numbers\.$",
    ),
    "label value that is no class": (
        write_folder,
        lambda root: save_picture(root / "labels" / "b.png", np.full((20, 40), 7, np.uint8)),
        r"b: label value 7 \(800 pixels\) is not one of the classes 0\.\.2",
    ),
    "interpolated label": (
        write_geotiffs,
        lambda root: save_tiff(root / "labels" / "b.tif", np.full((20, 40), 0.5, np.float32), **GRID),
        r"b: label value 0\.5 \(800 pixels\) is not a whole number",
    ),
    "truncated PNG": (write_folder, lambda root: halve(root / "images" / "b.png"), NOT_READ),
    "truncated TIFF": (write_folder, replace_image(".tif", halve), NOT_READ),
    "truncated JPEG": (write_folder, replace_image(".jpg", halve), NOT_READ),
    "truncated label": (write_folder, lambda root: halve(root / "labels" / "b.png"), NOT_READ),
    "empty file": (write_folder, lambda root: (root / "images" / "b.png").write_bytes(b""), NOT_READ),
    "text": (write_folder, replace_image(".tif", lambda path: path.write_text("no image")), NOT_READ),
    "folder named like an image": (
        write_folder,
        replace_image(".tif", lambda path: (path.unlink(), path.mkdir())),
        r"no file of this stem in .*images",
    ),
    "no image for a label": (
        write_folder,
        lambda root: (root / "images" / "b.png").unlink(),
        r"^no file of this stem in .*images$",
    ),
    "no data at all": (
        write_folder,
        lambda root: save_picture(root / "images" / "b.png", np.zeros((20, 40, 3), np.uint8)),
        r"^b has no data in the frame",
    ),
    "nodata everywhere": (
        write_geotiffs,
        lambda root: save_tiff(root / "images" / "b.tif", np.full((20, 40, 5), -1, np.int16), nodata=-1, **GRID),
        r"^b has no data in the frame",
    ),
    "one band of three": (
        write_folder,
        lambda root: save_picture(root / "images" / "b.png", draw_image(1, 1)),
        r"^b has 1 band where 3 are expected \(red, green, blue\); give the same bands in the same order\.$",
    ),
    "band set of another size": (
        write_band_sets,
        lambda root: save_picture(root / "nir" / "b_nir.png", draw_image(1, 1, size=(20, 41))),
        r"b_nir\.png is 20x41 and .*b\.png is 20x40 pixels; band sets of one scene must have one size\.$",
    ),
    "label on another grid": (
        write_geotiffs,
        lambda root: save_tiff(root / "labels" / "b.tif", draw_label(1), **GRID | {"crs": "EPSG:32611"}),
        r"b\.tif and .*b\.tif do not lie on one grid; files of one scene must: warp one onto the other\.$",
    ),
    "truncated npz": (
        write_doodler,
        lambda root: halve(root / "b.npz"),
        r"b\.npz cannot be read \(.+\); replace or rem",
    ),
    "empty npz": (write_doodler, lambda root: (root / "b.npz").write_bytes(b""), r"^is empty \(0 bytes\); replace it"),
    "npz of objects": (
        write_doodler,
        npz_of(image=draw_image(1), label=np.array([{"a": 1}], object)),
        r"label of .*b\.npz holds Python objects, which are never loaded",
    ),
    "npz of the other tool": (
        write_doodler,
        npz_of(arr_0=draw_image(1), arr_1=draw_label(1)),
        r"b\.npz lacks label: it holds arr_0, arr_1; a file of Doodler holds label and image",
    ),
    "npz label of another size": (
        write_doodler,
        npz_of(image=draw_image(1), label=draw_label(1, size=(20, 41))),
        rf"label of .*b\.npz {OTHER_SIZE}",
    ),
    "npz of an unknown class": (
        write_doodler,
        npz_of(image=draw_image(1), label=draw_label(1), classes=np.array(["water", "sand", "lava"])),
        r"b: label name lava \(\d+ pixels\) is not one of the classes water, sand, other; map it",
    ),
    "npz of two classes a pixel": (
        write_gym,
        npz_of(arr_0=draw_image(1, 4), arr_1=np.ones((20, 40, 3), np.uint8)),
        r"arr_1 of .*b\.npz gives 800 pixels two classes or more",
    ),
    "zip entry that leads out": (write_zip, zip_with_escape, r"^has a name that leads out of the zip; pack it anew\.$"),
    "zip entry that is no npz": (write_zip, zip_with_damage, r"b\.npz cannot be read \(.+\); replace or remove it"),
    "band set beside an archive missing": (
        write_zip_with_band_set,
        lambda root: (root / "nir" / "b.tif").unlink(),
        r"^no file of this stem in .*nir$",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_a_bad_pair_is_left_out_with_its_reason(tmp_path, caplog, case):
    """The others are used as if it were not there; manifest and log say why; ``strict`` makes an error of it."""
    writer, damage, reason = BAD_INPUT[case]
    source = writer(tmp_path / "s")
    damage(tmp_path / "s")

    made = open_or_build_dataset(source.config, tmp_path)

    assert [record.name for record in made.manifest.pairs] == ["a", "c"]
    ((name, said),) = made.manifest.left_out.items()
    assert re.search(reason, said)
    assert name == "b" or re.search(r"\bb(_nir)?\.(png|tif|npz)$", name)
    assert f"left out {name}: {said.removeprefix(name).removeprefix(':').lstrip()}" in caplog.text
    with pytest.raises(
        DataError, match=rf"^1 left out, the first {re.escape(name)}: .*; mend it, or set data\.strict=f"
    ):
        open_or_build_dataset(replace(source.config, strict=True), tmp_path)


@pytest.mark.parametrize("folder", ["images", "labels"])
def test_a_file_that_may_not_be_read_is_left_out(tmp_path, folder):
    """With whose fault it is."""
    source = write_folder(tmp_path / "s")
    path = tmp_path / "s" / folder / "b.png"
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything, as root may")

    made = open_or_build_dataset(source.config, tmp_path)

    assert [record.name for record in made.manifest.pairs] == ["a", "c"]
    assert re.search(r"b\.png cannot be read \(Permission denied\); check its permissions", made.manifest.left_out["b"])


def test_a_bad_pair_that_is_mended_comes_back(tmp_path):
    """Also where its files were not readable at all before."""
    source = write_folder(tmp_path / "s")
    whole = (tmp_path / "s" / "images" / "b.png").read_bytes()
    halve(tmp_path / "s" / "images" / "b.png")
    assert len(open_or_build_dataset(source.config, tmp_path)) == 2
    (tmp_path / "s" / "images" / "b.png").write_bytes(whole)

    assert len(open_or_build_dataset(source.config, tmp_path)) == 3


def test_not_one_usable_scene_is_refused(tmp_path):
    """With the source and the first reason, and nothing is kept."""
    source = write_folder(tmp_path / "s")
    for name in NAMES:
        save_picture(tmp_path / "s" / "labels" / f"{name}.png", np.full((20, 40), 9, np.uint8))

    with pytest.raises(
        DataError,
        match=r"^not one of 3 scenes of .*images with .*labels can be used; the first: a: label value 9 \(800 pixels\)",
    ):
        open_or_build_dataset(source.config, tmp_path)
    assert [path.suffix for path in (tmp_path / "stores").iterdir() if path.is_dir()] == []


def test_two_files_of_one_stem_are_refused(tmp_path):
    """Which of the two is meant is not guessed."""
    source = write_folder(tmp_path / "s")
    save_tiff(tmp_path / "s" / "images" / "b.tif", draw_image(1))

    with pytest.raises(DataError, match=r"b\.png and .*b\.tif have one stem, b; keep one of them"):
        open_or_build_dataset(source.config, tmp_path)


def test_one_folder_for_images_and_labels_is_refused_scene_by_scene(tmp_path):
    """A picture is no label, so the mistake shows."""
    source = write_folder(tmp_path / "s")
    source.config.labels = source.config.images[0]

    with pytest.raises(DataError, match=r"can be used; the first: .*a\.png has 3 bands; a label image must have one"):
        open_or_build_dataset(source.config, tmp_path)


def test_places_that_are_not_there_are_refused(tmp_path):
    """A folder, an empty one, and an archive."""
    with pytest.raises(DataError, match=r"nowhere is no folder; give the folder that holds the image files"):
        open_or_build_dataset(configured("folder", images=[str(tmp_path / "nowhere")], labels=str(tmp_path)), tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no image files"):
        open_or_build_dataset(configured("folder", images=[str(tmp_path / "empty")], labels=str(tmp_path)), tmp_path)
    with pytest.raises(DataError, match=r"nowhere\.zip is missing; give a folder of \.npz files"):
        open_or_build_dataset(configured("doodler", archives=[str(tmp_path / "nowhere.zip")]), tmp_path)


def test_band_names_must_fit_the_bands(tmp_path):
    """Three bands want three names."""
    source = write_folder(tmp_path / "s")
    source.config.bands = ["r", "g"]
    with pytest.raises(DataError, match=r"data\.bands=\['r', 'g'\] must name the 3 bands of the imagery"):
        open_or_build_dataset(source.config, tmp_path)


def test_what_is_left_out_is_named_up_to_five(caplog):
    """And counted beyond; nothing left out is nothing said."""
    log_left_out({}, strict=True)
    log_left_out({str(number): "broken" for number in range(5)}, strict=False)
    assert len(caplog.records) == 5
    log_left_out({str(number): "broken" for number in range(7)}, strict=False)
    assert "... and 2 more left out; the report of gym.make_dataset names all" in caplog.text
    with pytest.raises(DataError, match=r"^7 left out, the first 0: broken; mend it, or set data\.strict=false\.$"):
        log_left_out({str(number): "broken" for number in range(7)}, strict=True)


@pytest.mark.parametrize("call", [0, 1, 4, "manifest"])
def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch, call):
    """At whichever file it fills: one line that says so, no half dataset, and a later build succeeds."""
    saved = []

    def save(path, values, save=np.save):
        saved.append(path)
        if len(saved) - 1 == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(path, values)

    def write(path, value):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(dataset, "write_json", write if call == "manifest" else write_json)
        full.setattr(np, "save", save)
        with pytest.raises(
            DataError,
            match=r"synthetic-[0-9a-f]{16} cannot be written \(\[Errno 28\] No space left on device\); check its "
            r"permissions and free space, or set outputs=\.\.\.$",
        ):
            open_or_build_dataset(SYNTHETIC, tmp_path)

    assert [path for path in (tmp_path / "stores").iterdir() if path.is_dir()] == []
    assert len(open_or_build_dataset(SYNTHETIC, tmp_path)) == 3


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB, where one may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True)
    if not made or made.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.process
def test_a_disk_that_is_really_full_leaves_nothing_behind(small_disk):
    """A dataset of 20 scenes does not fit; half of one is no dataset, and two scenes fit afterwards."""
    with pytest.raises(
        DataError, match=r"cannot be written \(.+\); check its permissions and free space, or set outputs=\.\.\.$"
    ):
        open_or_build_dataset(replace(SYNTHETIC, scenes=20, size=64), small_disk)

    assert [path for path in (small_disk / "stores").iterdir() if path.is_dir()] == []
    assert len(open_or_build_dataset(replace(SYNTHETIC, scenes=2), small_disk)) == 2


def test_outputs_that_cannot_be_written_are_named(tmp_path):
    """A file where the folder should be, and folders where the hashes and the lock should."""
    source = write_folder(tmp_path / "s")
    (tmp_path / "file").touch()
    with pytest.raises(
        DataError, match=r"file/stores cannot be written \(.+\); check its permissions and free space, or set outputs"
    ):
        open_or_build_dataset(source.config, tmp_path / "file")
    (tmp_path / "a" / "stores" / "hashes.json").mkdir(parents=True)
    with pytest.raises(DataError, match=r"a/stores cannot be written \(.+\); check its permissions and free space"):
        open_or_build_dataset(source.config, tmp_path / "a")
    digits = fingerprint(source.config, tmp_path / "b")[:16]
    (tmp_path / "b" / "stores" / f"folder-{digits}.lock").mkdir()
    with pytest.raises(
        DataError, match=rf"b/stores/folder-{digits} cannot be written \(.+\); check its permissions and free space"
    ):
        open_or_build_dataset(source.config, tmp_path / "b")


def test_what_a_killed_build_left_is_removed(tmp_path):
    """At the next build of that dataset; what others are building stays."""
    name = f"synthetic-{fingerprint(SYNTHETIC, tmp_path)[:16]}"
    unfinished, foreign = (tmp_path / "stores" / f".{kept}-{'0' * 32}" for kept in (name, "synthetic-other"))
    for folder in (unfinished, foreign):
        (folder / "images").mkdir(parents=True)
        (folder / "images" / "00000-000.npy").touch()

    assert len(open_or_build_dataset(SYNTHETIC, tmp_path)) == 3
    assert not unfinished.exists()
    assert foreign.exists()


def test_a_folder_without_a_manifest_is_made_anew(tmp_path):
    """It is no dataset, whatever else is in it."""
    folder = open_or_build_dataset(SYNTHETIC, tmp_path).folder
    before = contents(folder)
    (folder / "manifest.json").unlink()
    (folder / "images-00000-000.npy").touch()

    assert contents(open_or_build_dataset(SYNTHETIC, tmp_path).folder) == before


KILLED = """
import sys, time
from pathlib import Path
from gym.config.schema import DataConfig
from gym.data import build

write_part = build.write_part

def slowly(*arguments):
    time.sleep(0.1)
    return write_part(*arguments)

build.write_part = slowly
build.open_or_build_dataset(DataConfig(kind="synthetic", size=32, scenes=30, workers=1), Path(sys.argv[1]))
"""


@pytest.mark.process
def test_a_build_that_is_killed_can_be_repeated(tmp_path):
    """SIGKILL in the middle: no dataset is seen, no lock is held, and the next build makes what it would have made."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "killed")], cwd=ROOT)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "killed").glob("stores/.synthetic-*/images-*.npy"))) < 3:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    stores = tmp_path / "killed" / "stores"
    assert list(stores.glob("synthetic-*/")) == []
    assert len(list(stores.glob(".synthetic-*/"))) == 1

    config = replace(SYNTHETIC, scenes=30)
    again = open_or_build_dataset(config, tmp_path / "killed")

    assert list(stores.glob(".synthetic-*/")) == []
    assert contents(again.folder) == contents(open_or_build_dataset(config, tmp_path / "whole").folder)


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind != "synthetic"])
def test_a_dataset_is_found_after_its_sources_have_moved(tmp_path, kind):
    """Where files lie, and when they were written, does not matter, also not for those that are left out."""
    source = WRITERS[kind](tmp_path / "first")
    lonely = tmp_path / "first" / ("lonely.npz" if source.config.archives else "images/lonely.png")
    lonely.parent.mkdir(exist_ok=True)
    lonely.write_bytes(b"broken")
    before = fingerprint(source.config, tmp_path)
    (tmp_path / "first").rename(tmp_path / "second")
    moved = replace(
        source.config,
        **{
            key: [place.replace("/first", "/second") for place in getattr(source.config, key)]
            for key in ("images", "archives")
        },
        labels=source.config.labels.replace("/first", "/second"),
    )
    for path in (tmp_path / "second").rglob("*"):
        os.utime(path)

    assert fingerprint(moved, tmp_path / "elsewhere") == before


@pytest.mark.parametrize("change", [{"workers": 2}, {"strict": True}, {"standardize": "dataset"}])
def test_what_does_not_shape_a_dataset_is_no_part_of_its_name(tmp_path, change):
    """How it is read, and what becomes of it in the network; the split is no part of a data configuration at all."""
    source = write_folder(tmp_path / "s")

    assert fingerprint(replace(source.config, **change), tmp_path) == fingerprint(source.config, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 64},
        {"size": [48, 32]},
        {"framing": "resize"},
        {"framing": "tile", "overlap": 0.5},
        {"scaling": "dtype"},
        {"scaling": "percentile", "percentiles": [1.0, 99.0]},
        {"scaling": "reflectance", "reflectance": [1e-3, 0.0]},
        {"bands": ["r", "g", "b"]},
        {"indices": ["x=red-green"]},
        {"classes": ["land", "sand", "other"]},
        {"classes": ["water", "sand", "other", "more"]},
        {"remap": {0: 0, 1: 1, 2: 2}},
        {"remap": {0: 0, 1: 1, 2: 1}},
        {"remap": {"0": 0, "1": 1, "2": 2}},
        {"ignore_values": [2]},
        {"ignore_values": ["2"]},
        {"scene_pattern": "(.)"},
        {"site_pattern": "(.)"},
        {"date_pattern": "(.)"},
    ],
)
def test_what_shapes_a_dataset_is_part_of_its_name(tmp_path, change):
    """Every key of the data that changes a pixel, a class or a group; no two such changes make one dataset."""
    source = write_folder(tmp_path / "s")
    names = {
        fingerprint(replace(source.config, **keys), tmp_path)
        for keys in ({}, change, {"size": 80}, {"remap": {0: 2, 1: 1, 2: 0}})
    }

    assert len(names) == 4


def test_a_number_and_its_name_are_not_one_key(tmp_path):
    """Ignoring or mapping the value 2 is not ignoring or mapping what a file calls 2."""
    source = write_folder(tmp_path / "s")
    names = {
        fingerprint(replace(source.config, **change), tmp_path)
        for change in (
            {"ignore_values": [2]},
            {"ignore_values": ["2"]},
            {"remap": {0: 0, 1: 1, 2: 2}},
            {"remap": {0: 0, 1: 1, "2": 2}},
        )
    }

    assert len(names) == 4


@pytest.mark.parametrize("change", [{"seed": 1}, {"sites": 7}, {"scenes": 4}, {"size": 48}])
def test_another_synthetic_configuration_is_another_dataset(tmp_path, change):
    """Every key that shapes the scenes is part of the dataset's name."""
    assert fingerprint(replace(SYNTHETIC, **change), tmp_path) != fingerprint(SYNTHETIC, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: save_picture(root / "images" / "b.png", draw_image(9)),
        lambda root: save_picture(root / "labels" / "b.png", draw_label(9)),
        lambda root: (root / "images" / "a.png").rename(root / "images" / "d.png"),
        lambda root: [(root / kind / "c.png").rename(root / kind / "d.png") for kind in ("images", "labels")],
        lambda root: (root / "labels" / "c.png").unlink(),
        lambda root: save_picture(root / "images" / "d.png", draw_image(9)),
        lambda root: [
            (root / kind / f"{old}.png").rename(root / kind / f"{new}.png")
            for kind in ("images", "labels")
            for old, new in (("a", "x"), ("b", "a"), ("x", "b"))
        ],
        lambda root: (root / "table.csv").write_text("name,site\na,y\nb,x\nc,x\n"),
        lambda root: (root / "table.csv").write_text("name,site,tide\na,x,low\nb,x,low\nc,x,low\n"),
        lambda root: (root / "aliases.json").write_text('{"surf": "sand"}'),
    ],
    ids=[
        "image",
        "label",
        "image renamed",
        "scene renamed",
        "removed",
        "added",
        "swapped",
        "table",
        "column",
        "aliases",
    ],
)
def test_a_changed_file_makes_another_dataset(tmp_path, change):
    """A file corrected in place, renamed, removed or added, and two scenes that change names."""
    source = write_folder(tmp_path / "s")
    (tmp_path / "s" / "table.csv").write_text("name,site\na,x\nb,x\nc,x\nd,x\n")
    (tmp_path / "s" / "aliases.json").write_text('{"surf": "water"}')
    source.config.table = str(tmp_path / "s" / "table.csv")
    source.config.aliases = str(tmp_path / "s" / "aliases.json")
    before = fingerprint(source.config, tmp_path)
    change(tmp_path / "s")

    assert fingerprint(source.config, tmp_path) != before


def test_the_order_of_band_sets_makes_another_dataset(tmp_path):
    """Near infra-red before red is another image."""
    source = write_band_sets(tmp_path / "s")
    turned = replace(source.config, images=source.config.images[::-1])

    assert fingerprint(turned, tmp_path) != fingerprint(source.config, tmp_path)


def test_a_corrected_label_is_seen(tmp_path):
    """The new dataset holds it, and the old one stays for the runs that used it."""
    source = write_folder(tmp_path / "s")
    first = open_or_build_dataset(source.config, tmp_path)
    save_picture(tmp_path / "s" / "labels" / "a.png", np.full((20, 40), 1, np.uint8))

    second = open_or_build_dataset(source.config, tmp_path)

    assert second.folder != first.folder
    assert second.counts[0].tolist() == [0, 800, 0]
    assert first.folder.is_dir()


def test_another_version_of_the_layout_is_another_dataset(tmp_path, monkeypatch):
    """A program that writes other files never opens the ones of before."""
    before = fingerprint(SYNTHETIC, tmp_path)
    monkeypatch.setattr(build, "SCHEMA_VERSION", 99)

    assert fingerprint(SYNTHETIC, tmp_path) != before


def test_the_published_jpeg_folders_make_a_dataset(configure, real_data, tmp_path):
    """Two band sets and labels under the names they had then, the ringing at class borders left out."""
    original = real_data / "ocean_beach_s2" / "original_jpeg"
    (tmp_path / "nir").mkdir()
    for path in sorted((original / "nir").iterdir())[:6]:
        (tmp_path / "nir" / path.name.replace("T10SEG-", "T10SEG_ir-")).symlink_to(path)
    config = configure(
        "data=folder",
        f"data.images=[{original}/images,{tmp_path}/nir]",
        f"data.labels={original}/labels",
        "data.classes=[water,surf,wet,dry]",
        "data.remap={1:water,2:surf,3:wet,4:dry}",
        "data.ignore_values=[0,5]",
        "data.drop_from_stem=[_ir]",
        "data.scene_pattern='^([0-9]{8})'",
        "data.size=[160,96]",
        "data.workers=1",
    ).data

    made = open_or_build_dataset(config, tmp_path)

    assert len(made) == 6
    assert len({record.scene for record in made.manifest.pairs}) == 3
    assert len(made.manifest.left_out) == 2 * (80 - 6)
    for position, record in enumerate(made.manifest.pairs):
        rgb = read_image(original / "images" / f"{record.name}.jpg").values
        nir = read_image(original / "nir" / f"{record.name}.jpg").values
        label = read_label(original / "labels" / f"{record.name}.jpg").values
        rows, columns = rgb.shape[:2]
        inside = np.s_[(160 - rows) // 2 :, (96 - columns) // 2 :]
        image, classes = made.read_image(position)[inside], made.read_label(position)[inside]
        np.testing.assert_array_equal(image[:rows, :columns], np.concatenate([rgb, nir], axis=2))
        expected = np.where((label == 0) | (label == 5) | ~(rgb.any(axis=2) | nir.any(axis=2)), IGNORE, label - 1)
        np.testing.assert_array_equal(classes[:rows, :columns], expected)
    assert set(made.manifest.label_counts) == {"0", "1", "2", "3", "4", "5"}


def test_real_doodler_files_are_remapped_by_name(configure, real_data, tmp_path):
    """Land, development and other are one class; the same number means another class in another file."""
    config = configure(
        "data=doodler",
        f"data.archives=[{real_data}/doodler]",
        "data.classes=[water,surf,sand,ground]",
        "data.remap={dev:ground,land:ground,other:ground}",
        "data.size=512",
        "data.workers=1",
    ).data

    made = open_or_build_dataset(config, tmp_path)

    assert len(made) == 4
    assert set(made.manifest.label_counts) == {"water", "surf", "sand", "dev", "land", "other"}
    by_name = {record.name: position for position, record in enumerate(made.manifest.pairs)}
    meaning = {"water": 0, "surf": 1, "sand": 2, "dev": 3, "land": 3, "other": 3}
    for name in (name for name in by_name if not name.startswith("results2021-10-11")):
        with np.load(real_data / "doodler" / f"{name}.npz") as arrays:
            label, names = arrays["label"].argmax(axis=2), arrays["classes"]
            has_data = arrays["image"].any(axis=2)
        expected = np.where(has_data, np.array([meaning[str(one)] for one in names])[label], IGNORE)
        rows, columns = label.shape
        inside = made.read_label(by_name[name])[(512 - rows) // 2 :, (512 - columns) // 2 :]
        np.testing.assert_array_equal(inside[:rows, :columns], expected)
    shrunk = made.manifest.pairs[by_name["results2021-10-11-12-10__LC08_014035_20150215_lr_db_db"]]
    assert shrunk.placement == ((768, 768), (0, 0, 768, 768), (512, 512), (0, 0))


@pytest.fixture
def chip(real_data, tmp_path):
    """One GeoTIFF of 13 bands of signed 16 bits: the options to read it, its image, and its label as classes."""
    folder = real_data / "geotiff"
    image = read_image(folder / "Spain_7370579_S2Hand.tif")
    label = read_label(folder / "Spain_7370579_LabelHand.tif").values
    for kind, file in (("images", "Spain_7370579_S2Hand.tif"), ("labels", "Spain_7370579_LabelHand.tif")):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "Spain_7370579.tif").symlink_to(folder / file)
    options = [
        "data=folder",
        f"data.images=[{tmp_path}/images]",
        f"data.labels={tmp_path}/labels",
        "data.classes=[dry,water]",
        "data.ignore_values=[-1]",
        "data.workers=1",
    ]
    return options, image, np.where(label == -1, IGNORE, label)


def test_a_real_chip_of_thirteen_bands_keeps_every_value(configure, chip, tmp_path):
    """Signed 16 bits, the grid, and no class where the label says -1."""
    options, image, label = chip
    made = open_or_build_dataset(configure(*options, "data.size=512").data, tmp_path)

    assert made.manifest.dtype == "<i2"
    np.testing.assert_array_equal(made.read_image(0), image.values)
    np.testing.assert_array_equal(made.read_label(0), label)
    assert made.manifest.label_counts == {"-1": {"": 99}, "0": {"dry": 192010}, "1": {"water": 70035}}
    assert made.counts.tolist() == [[192010, 70035]]
    record = made.manifest.pairs[0]
    assert record.grid == {"crs": "EPSG:4326", "transform": list(image.grid.transform)[:6]}
    assert record.nodata == "0.0"


def test_tiles_of_a_real_chip_hold_the_right_pixels(configure, chip, tmp_path):
    """Four of 256 in the quarters, or nine that overlap by half; each where its placement says, on the scene's grid."""
    options, image, label = chip
    for overlap, corners in ((0.0, (0, 256)), (0.5, (0, 128, 256))):
        config = configure(*options, "data.size=256", "data.framing=tile", f"data.overlap={overlap}").data
        made = open_or_build_dataset(config, tmp_path)

        windows = [(top, left) for top in corners for left in corners]
        assert len(made) == len(windows)
        for position, (top, left) in enumerate(windows):
            record = made.manifest.pairs[position]
            assert record.name == f"Spain_7370579 tile {position + 1}"
            assert record.scene == "Spain_7370579"
            assert record.placement == ((512, 512), (top, left, 256, 256), (256, 256), (0, 0))
            assert record.grid["transform"] == list(image.grid.transform)[:6]
            inside = np.s_[top : top + 256, left : left + 256]
            np.testing.assert_array_equal(made.read_image(position), image.values[inside])
            np.testing.assert_array_equal(made.read_label(position), label[inside])


@pytest.mark.usefixtures("ended_workers")
def test_a_worker_that_is_ended_while_scenes_are_prepared_names_the_key_of_the_data(tmp_path):
    """``workers`` alone is the key of what counts, where a model is judged."""
    with pytest.raises(DataError, match=r"^a worker process died.*; set data\.workers=1 to use a single process\.$"):
        open_or_build_dataset(replace(SYNTHETIC, workers=2), tmp_path)

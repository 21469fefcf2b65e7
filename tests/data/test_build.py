"""Tests of building datasets: once, and atomically."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gym.config.schema import DataConfig
from gym.core.errors import DataError
from gym.core.files import write_json
from gym.data import build, dataset
from gym.data.build import open_or_build_dataset, plan_dataset
from gym.data.labels import IGNORE
from tests.conftest import ROOT
from tests.data.imagery import (
    INSIDE,
    draw_image,
    draw_label,
    save_image,
    write_band_sets,
    write_folder,
    write_geotiffs,
)

SYNTHETIC = DataConfig(kind="synthetic", size=32, scenes=3, workers=1)


def fingerprint(config: DataConfig, outputs: Path) -> str:
    return plan_dataset(config, outputs / "stores", outputs / "downloads").fingerprint()


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of each file in a folder, by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dataset_is_built_once(tmp_path):
    """The second call opens the files of the first."""
    first = open_or_build_dataset(SYNTHETIC, tmp_path)
    made = (first.folder / "manifest.json").stat().st_mtime_ns
    second = open_or_build_dataset(SYNTHETIC, tmp_path)

    assert second.folder == first.folder
    assert (second.folder / "manifest.json").stat().st_mtime_ns == made
    assert first.bands == ["red", "green", "blue", "nir", "swir"]
    assert first.manifest.fingerprint.startswith(first.folder.name.removeprefix("synthetic-"))


def test_a_dataset_is_built_from_command_line_overrides(configure, tmp_path):
    """Bands come from two folders, classes from the remap and groups from patterns; padding surrounds the scene."""
    for name in ("duck_20200101-0", "duck_20200101-1", "cape_20210101-0"):
        save_image(tmp_path / "rgb" / f"{name}.png", draw_image(1))
        save_image(tmp_path / "nir" / f"{name}.png", draw_image(2, 1))
        save_image(tmp_path / "labels" / f"{name}.png", draw_label(3) + 1)
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


def test_four_bands_of_16_bits_are_unchanged(tmp_path):
    """The original program fails on four bands and wraps values above 255."""
    source = write_band_sets(tmp_path / "s")
    made = open_or_build_dataset(source.config, tmp_path)

    assert made.manifest.dtype == "<u2"
    assert source.images["a"].max() > 20_000
    np.testing.assert_array_equal(made.read_image(0)[INSIDE], source.images["a"])


def test_ignored_values_are_excluded_from_the_counts_of_classes(tmp_path):
    """The label counts by value in the files still include them."""
    source = write_folder(tmp_path / "s")
    source.config.ignore_values = [2]
    made = open_or_build_dataset(source.config, tmp_path)

    np.testing.assert_array_equal(made.read_label(0)[INSIDE] == IGNORE, source.labels["a"] == 2)
    for value, classes in made.manifest.label_counts.items():
        (pixels,) = classes.values()
        assert pixels == sum(int((label == int(value)).sum()) for label in source.labels.values())
    assert list(made.manifest.label_counts["2"]) == [""]
    assert made.counts[:, 2].tolist() == [0, 0, 0]


def test_a_table_assigns_groups(tmp_path):
    """Its columns are groups, and a scene without a row is left out."""
    source = write_folder(tmp_path / "s")
    (tmp_path / "table.csv").write_text("name,scene,tide\na.png,one,low\nc,one,high\n")
    source.config.table = str(tmp_path / "table.csv")
    made = open_or_build_dataset(source.config, tmp_path)

    assert [record.groups for record in made.manifest.pairs] == [
        {"scene": "one", "site": "all", "tide": "low"},
        {"scene": "one", "site": "all", "tide": "high"},
    ]
    assert made.manifest.left_out == {"b": "b has no row in data.table; add one."}


def test_names_in_any_script_are_supported(tmp_path):
    """Spaces, accents and dots survive in names and in folders."""
    names = ("a.b.c", "été à la plage", "海 岸")
    source = write_folder(tmp_path / "données 1", names)
    made = open_or_build_dataset(source.config, tmp_path / "résultats à voir")

    assert [record.name for record in made.manifest.pairs] == sorted(names)
    for position, name in enumerate(sorted(names)):
        np.testing.assert_array_equal(made.read_image(position)[INSIDE], source.images[name])


def test_concurrent_builds_of_one_dataset_share_the_result(tmp_path):
    """The second waits, and then opens what the first has built."""
    config = replace(SYNTHETIC, scenes=12, size=64)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: open_or_build_dataset(config, tmp_path), range(2))

    assert first.folder == second.folder
    assert [path.name for path in (tmp_path / "stores").iterdir() if path.is_dir()] == [first.folder.name]


@pytest.mark.process
def test_a_dataset_is_independent_of_the_number_of_workers(tmp_path):
    """One worker and two write identical files."""
    source = write_geotiffs(tmp_path / "s")
    one, two = (
        open_or_build_dataset(replace(source.config, workers=workers), tmp_path / str(workers)) for workers in (1, 2)
    )

    assert contents(one.folder) == contents(two.folder)


def test_an_index_over_missing_bands_is_rejected_before_scenes_are_prepared(tmp_path, monkeypatch):
    """The error states the bands the index needs and those of the files; matching names are accepted."""
    source = write_geotiffs(tmp_path / "s")
    wanted = replace(source.config, indices=["MNDWI", "x=band_1/band_5"])
    monkeypatch.setattr(build, "prepare_scene", lambda *given: pytest.fail("a scene was prepared"))
    with pytest.raises(
        DataError,
        match=r"^data\.indices: MNDWI needs green, swir, but the bands are band_1, band_2, band_3, band_4, band_5; "
        r"name them in order with data\.bands\.$",
    ):
        open_or_build_dataset(wanted, tmp_path)
    monkeypatch.undo()

    made = open_or_build_dataset(replace(wanted, indices=["x=BAND_1/band_5"]), tmp_path)
    assert made.bands[-2:] == ["band_5", "x"]


@pytest.mark.parametrize("call", [0, 1, 4, "manifest"])
def test_a_full_disk_leaves_no_partial_dataset(tmp_path, monkeypatch, call):
    """At any file, the error is one line, and a later build succeeds."""
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
    """A file system of 256 KiB, if one can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True)
    if not made or made.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.process
def test_a_disk_that_is_really_full_leaves_no_partial_dataset(small_disk):
    """Twenty scenes do not fit; two do afterwards."""
    with pytest.raises(
        DataError, match=r"cannot be written \(.+\); check its permissions and free space, or set outputs=\.\.\.$"
    ):
        open_or_build_dataset(replace(SYNTHETIC, scenes=20, size=64), small_disk)

    assert [path for path in (small_disk / "stores").iterdir() if path.is_dir()] == []
    assert len(open_or_build_dataset(replace(SYNTHETIC, scenes=2), small_disk)) == 2


def test_unwritable_outputs_are_named(tmp_path):
    """A file replaces the folder, or a folder replaces the hash cache or the lock."""
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


def test_leftovers_of_a_killed_build_are_removed(tmp_path):
    """The next build of that dataset removes them, but not those of other datasets."""
    name = f"synthetic-{fingerprint(SYNTHETIC, tmp_path)[:16]}"
    unfinished, foreign = (tmp_path / "stores" / f".{kept}-{'0' * 32}" for kept in (name, "synthetic-other"))
    for folder in (unfinished, foreign):
        (folder / "images").mkdir(parents=True)
        (folder / "images" / "00000-000.npy").touch()

    assert len(open_or_build_dataset(SYNTHETIC, tmp_path)) == 3
    assert not unfinished.exists()
    assert foreign.exists()


def test_a_folder_without_a_manifest_is_rebuilt(tmp_path):
    """Other files in it do not matter."""
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
def test_a_killed_build_can_be_repeated(tmp_path):
    """After SIGKILL there is no dataset and no held lock, and the next build gives the usual result."""
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


@pytest.mark.usefixtures("killed_workers")
def test_a_dead_worker_names_the_key_to_change(tmp_path):
    """The key is data.workers, not the workers of an evaluation."""
    with pytest.raises(DataError, match=r"^a worker process died.*; set data\.workers=1 to use a single process\.$"):
        open_or_build_dataset(replace(SYNTHETIC, workers=2), tmp_path)

"""The contract of readers: every reader names, reads and hashes its scenes in the same way."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from gym.core.errors import DataError
from gym.data.build import open_or_build_dataset
from gym.data.labels import IGNORE
from gym.data.readers.archives import NpzFile
from gym.data.readers.base import RawScene, Reader
from gym.data.readers.raster import read_bands
from tests.data.imagery import (
    GRID,
    INSIDE,
    NAMES,
    SIZE,
    WRITERS,
    Source,
    draw_image,
    draw_label,
    make_config,
    make_doodler_npz,
    make_reader,
    npz_bytes,
    save_image,
    save_tiff,
    save_zip,
    write_doodler,
    write_folder,
    write_geotiffs,
    write_gym,
    write_zip,
    write_zip_with_band_set,
)

on_disk = pytest.mark.parametrize("source", [kind for kind in WRITERS if kind != "synthetic"], indirect=True)


@pytest.fixture(params=WRITERS)
def source(request, tmp_path) -> Source:
    """A dataset of each kind in a folder of its own."""
    return WRITERS[request.param](tmp_path / "source")


@pytest.fixture
def reader(source, tmp_path) -> Reader:
    """Its reader, which keeps caches and downloads in another folder."""
    return make_reader(source.config, tmp_path / "elsewhere")


def assert_same(first: RawScene, second: RawScene) -> None:
    """All parts of two scenes are equal, including their types."""
    for ours, theirs in ((first.image, second.image), (first.label, second.label)):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(first.labelled, second.labelled)
    assert first[3:] == second[3:]


def copied(scene: RawScene) -> RawScene:
    """A scene that shares no memory with the reader."""
    return scene._replace(image=scene.image.copy(), label=scene.label.copy())


def test_names_are_distinct_and_stable(source, reader, tmp_path):
    """Another reader of the same source returns the same names in the same order, and nothing is left out."""
    assert reader.names == list(source.images)
    assert len(set(reader.names)) == 3
    assert make_reader(source.config, tmp_path).names == reader.names
    assert reader.left_out == reader.skipped == {}
    assert reader.description


def test_a_scene_equals_what_was_written(source, reader):
    """Every pixel has the value and type of the file, and every band has a name."""
    for name in reader.names:
        scene = reader.read(name)
        assert scene.image.shape == (*scene.label.shape, len(reader.bands))
        assert scene.image.dtype == source.images[name].dtype
        np.testing.assert_array_equal(scene.image, source.images[name])
        np.testing.assert_array_equal(scene.label, source.labels[name])
        assert scene.labelled is None or scene.labelled.shape == scene.label.shape
        np.testing.assert_array_equal(
            np.ones(scene.label.shape, bool) if scene.labelled is None else scene.labelled,
            source.labels[name] != IGNORE,
        )
    assert len(set(reader.bands)) == len(reader.bands)


def test_sources_are_hashes_of_contents(source, reader, tmp_path):
    """Each scene has at least one source with a SHA-256, which another reader reproduces."""
    again = make_reader(source.config, tmp_path)
    for name in reader.names:
        hashes = reader.sources(name)
        assert hashes
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes.values())
        assert again.sources(name) == hashes


@on_disk
def test_a_changed_file_changes_its_hash_only(source, reader, tmp_path):
    """All files named as sources are hashed, each by itself."""
    name = reader.names[1]
    before = reader.sources(name)
    for changed in before:
        path = Path(changed.partition("!")[0])
        path.write_bytes(path.read_bytes() + b"\0")
        after = make_reader(source.config, tmp_path).sources(name)
        assert [place for place in before if after[place] != before[place]] == [changed]
        before = after


def test_reading_a_scene_twice_returns_equal_arrays(reader):
    """Neither overwriting the first arrays nor the order of reading matters."""
    first = {}
    for name in reader.names:
        scene = reader.read(name)
        first[name] = copied(scene)
        scene.image.fill(1)
        scene.label.fill(1)

    for name in reversed(reader.names):
        assert_same(reader.read(name), first[name])


def test_a_reader_can_be_pickled(reader):
    """A copy behaves the same, whether or not the reader was used before."""
    fresh = pickle.loads(pickle.dumps(reader))  # noqa: S301 - its own bytes
    used_bands = list(reader.bands)
    used = pickle.loads(pickle.dumps(reader))  # noqa: S301

    for other in (fresh, used):
        assert (other.names, list(other.bands), other.description) == (reader.names, used_bands, reader.description)
        for name in reader.names:
            assert other.sources(name) == reader.sources(name)
            assert_same(other.read(name), reader.read(name))


@on_disk
def test_nothing_is_written_next_to_the_sources(source, reader, tmp_path):
    """No statistics of GDAL, caches or unpacked archives appear, and modification times do not change."""
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "source").rglob("*")}
    for name in reader.names:
        reader.read(name)
        reader.sources(name)
    assert reader.bands
    open_or_build_dataset(source.config, tmp_path / "outputs")

    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "source").rglob("*")} == before


def test_a_dataset_holds_what_the_reader_returns(source, reader, tmp_path):
    """Images are framed, labels are remapped, and pixels around the scene are ignored."""
    dataset = open_or_build_dataset(source.config, tmp_path / "outputs")

    assert [record.name for record in dataset.manifest.pairs] == reader.names
    assert dataset.bands == list(reader.bands)
    for position, name in enumerate(reader.names):
        image, label = dataset.read_image(position), dataset.read_label(position)
        inside = INSIDE if source.images[name].shape[:2] == SIZE else np.s_[:, :]
        expected = source.labels[name] - (1 if source.config.remap else 0)
        np.testing.assert_array_equal(image[inside], source.images[name])
        np.testing.assert_array_equal(label[inside], expected)
        assert image.any(axis=2).sum() == source.images[name].any(axis=2).sum()
        assert (label != IGNORE).sum() == (expected != IGNORE).sum()
        assert dataset.manifest.pairs[position].sources == reader.sources(name)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("synthetic", ["red", "green", "blue", "nir", "swir"]),
        ("folder", ["red", "green", "blue"]),
        ("band sets", ["red", "green", "blue", "nir"]),
        ("GeoTIFF", [f"band_{number}" for number in range(1, 6)]),
        ("Segmentation Gym", [f"band_{number}" for number in range(1, 5)]),
    ],
    indirect=["source"],
)
def test_bands_are_named(reader, expected):
    """Names are given, or red, green and blue for three bands, or numbers."""
    assert list(reader.bands) == expected


@pytest.mark.parametrize("source", ["GeoTIFF", "zip with band set"], indirect=True)
def test_the_grid_comes_from_any_file_that_has_one(reader):
    """It may be a band set next to an archive."""
    grid = reader.read("b").grid

    assert grid.crs.to_string() == GRID["crs"]
    assert grid.transform == GRID["transform"]


@pytest.mark.parametrize("source", ["Doodler", "zip"], indirect=True)
def test_class_names_come_from_the_file(reader):
    """They have the order of the label's layers."""
    assert reader.read("a").names == ("water", "sand", "other")


def test_the_nodata_value_of_a_file_is_returned(tmp_path):
    """The pixel itself is 0 in every band."""
    source = write_geotiffs(tmp_path)
    source.images["a"][3, 4] = -9999
    save_tiff(tmp_path / "images" / "a.tif", source.images["a"], nodata=-9999, **GRID)

    scene = make_reader(source.config, tmp_path).read("a")

    assert scene.nodata == -9999
    assert scene.image[3, 4].tolist() == [0] * 5


def test_declared_nodata_in_a_further_band_set_clears_the_pixel(tmp_path):
    """Half a spectrum would be an outlier, whereas an undeclared 0 is a measurement."""
    source = write_zip_with_band_set(tmp_path)
    nir = draw_image(5, 1)
    nir[2, 3], nir[2, 4] = 0, 255
    save_tiff(tmp_path / "nir" / "a.tif", nir, nodata=255)

    image = make_reader(source.config, tmp_path).read("a").image

    assert image[2, 4].tolist() == [0] * 4
    assert image[2, 3].tolist() == [*source.images["a"][2, 3, :3], 0]
    assert image.any(axis=2).sum() == 20 * 40 - 1


def test_black_in_the_archive_may_have_data_in_a_further_band_set(tmp_path):
    """Only declared nodata clears a pixel, as with image files."""
    source = write_zip_with_band_set(tmp_path)
    black = source.images["a"][..., :3].copy()
    black[2, 3] = 0
    save_zip(tmp_path / "release.zip", {"a.npz": make_doodler_npz(black, source.labels["a"])})

    image = make_reader(source.config, tmp_path).read("a").image

    assert image[2, 3].tolist() == [0, 0, 0, source.images["a"][2, 3, 3]]


def test_further_band_sets_are_read_as_in_prediction(tmp_path):
    """Dark pixels and nodata are treated as `read_bands` treats the same bands in files."""
    source = write_zip_with_band_set(tmp_path)
    rgb, nir = source.images["a"][..., :3].copy(), draw_image(5, 1)
    rgb[2, 3:6], nir[2, 3:7] = 0, [[0], [9], [255], [255]]
    save_zip(tmp_path / "release.zip", {"a.npz": make_doodler_npz(rgb, source.labels["a"])})
    save_tiff(tmp_path / "nir" / "a.tif", nir, nodata=255, **GRID)
    save_image(tmp_path / "rgb.png", rgb)

    scene = make_reader(source.config, tmp_path).read("a")

    expected = read_bands([tmp_path / "rgb.png", tmp_path / "nir" / "a.tif"])
    np.testing.assert_array_equal(scene.image, expected.values)
    assert (scene.grid, scene.nodata) == (expected.grid, 255)
    assert scene.image[2, 3:7].tolist() == [[1] * 4, [0, 0, 0, 9], [0] * 4, [0] * 4]


def test_a_further_band_set_must_have_the_size_of_the_archive(tmp_path):
    """The error states the file and both sizes."""
    source = write_zip_with_band_set(tmp_path)
    save_tiff(tmp_path / "nir" / "a.tif", draw_image(5, 1, size=(20, 41)))

    with pytest.raises(DataError, match=r"a\.tif has 20x41 pixels, but .*zip!.*a\.npz has 20x40; give all band sets"):
        make_reader(source.config, tmp_path).read("a")


def test_archive_and_band_set_may_share_a_folder(tmp_path):
    """Npz files are the archive, and TIFFs the band set."""
    source = write_doodler(tmp_path / "all")
    for seed, name in enumerate(NAMES):
        save_tiff(tmp_path / "all" / f"{name}.tif", draw_image(seed, 1))
    source.config.images = [str(tmp_path / "all")]

    reader = make_reader(source.config, tmp_path)

    assert reader.names == list(NAMES)
    assert reader.skipped == {}
    assert reader.read("a").image.shape == (20, 40, 4)


def test_scenes_without_a_partner_are_left_out(tmp_path):
    """An npz lacks its band set and a band set its npz; the reason names the folder without a match."""
    source = write_zip_with_band_set(tmp_path)
    (tmp_path / "nir" / "c.tif").rename(tmp_path / "nir" / "z.tif")

    reader = make_reader(source.config, tmp_path)

    assert reader.names == ["a", "b"]
    archive = tmp_path / "release.zip"
    assert reader.left_out == {
        f"{archive}!release/npz/c.npz": f"no file with this stem in {tmp_path / 'nir'}",
        str(tmp_path / "nir" / "z.tif"): f"no file with this stem in {archive}",
    }


def test_augmented_copies_are_skipped_or_cause_a_warning(tmp_path, caplog):
    """They are skipped if there are other files, and otherwise used although they leak."""
    source = write_gym(tmp_path / "npz")
    for name in NAMES:
        for copy in range(2):
            (tmp_path / "npz" / f"{name}_aug_nd_data_{copy:09d}.npz").write_bytes(
                npz_bytes(arr_0=draw_image(copy, 4), arr_1=draw_label(copy))
            )
    with_originals = make_reader(source.config, tmp_path)
    assert with_originals.names == list(NAMES)
    assert with_originals.left_out == {}
    assert len(with_originals.skipped) == 6
    assert set(with_originals.skipped.values()) == {"is an augmented copy; only unaugmented files are used."}
    assert not caplog.records

    for name in NAMES:
        (tmp_path / "npz" / f"{name}.npz").unlink()
    assert len(make_reader(source.config, tmp_path).names) == 6
    assert "copies of one scene end up on both sides of a split" in caplog.text


def test_files_of_other_kinds_are_skipped(tmp_path):
    """Folders of images and labels are inspected, and duplicates and working files in archives."""
    source = write_folder(tmp_path / "s")
    (tmp_path / "s" / "images" / "d.jp2").touch()
    (tmp_path / "s" / "labels" / "old").mkdir()
    reader = make_reader(source.config, tmp_path)
    assert reader.left_out == {}
    assert reader.skipped == {
        str(tmp_path / "s" / "images" / "d.jp2"): "is not a PNG, JPEG or TIFF",
        str(tmp_path / "s" / "labels" / "old"): "is a folder; its files are not read",
    }

    source = write_zip_with_band_set(tmp_path)
    (tmp_path / "nir" / "d.jp2").touch()
    content = make_doodler_npz(source.images["a"][..., :3], source.labels["a"])
    save_zip(tmp_path / "release.zip", dict.fromkeys(("a.npz", "x/a.npz", "a_labelgen.npz"), content))
    reader = make_reader(source.config, tmp_path)
    assert set(reader.left_out) == {str(tmp_path / "nir" / f"{name}.tif") for name in "bc"}
    assert set(reader.skipped) == {
        *(str(tmp_path / "release.zip") + place for place in ("!x/a.npz", "!a_labelgen.npz")),
        str(tmp_path / "nir" / "d.jp2"),
    }


def test_labels_in_jpeg_are_used_with_one_warning(tmp_path, caplog):
    """It names the first file and a remedy; JPEG images cause none."""
    source = write_folder(tmp_path / "s", suffix=".jpg")
    make_reader(source.config, tmp_path)
    assert not caplog.records

    for name in ("b", "c"):
        (tmp_path / "s" / "labels" / f"{name}.png").unlink()
        save_image(tmp_path / "s" / "labels" / f"{name}.jpg", np.full(SIZE, 1, np.uint8))
    reader = make_reader(source.config, tmp_path)

    assert (reader.read("b").label == 1).all()
    (record,) = caplog.records
    assert re.search(
        r"^2 labels in JPEG format, such as .*b\.jpg; JPEG compression alters class numbers: save "
        r"labels as PNG or TIFF$",
        record.message,
    )


def test_a_url_is_downloaded_once(tmp_path):
    """The second reader works without the server."""
    source = write_zip(tmp_path / "web")
    config = make_config("doodler", archives=[(tmp_path / "web" / "release.zip").as_uri()])

    first = make_reader(config, tmp_path)
    (tmp_path / "web" / "release.zip").unlink()
    second = make_reader(config, tmp_path)

    assert first.names == second.names == list(NAMES)
    np.testing.assert_array_equal(second.read("b").image, source.images["b"])
    assert isinstance(second._files["b"][0], NpzFile)
    assert [path.suffix for path in (tmp_path / "downloads").iterdir()] == [".zip"]

"""One contract for every reader: what it names, reads and hashes, whatever its files look like."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from gym.core.errors import DataError
from gym.data.build import open_or_build_dataset
from gym.data.labels import IGNORE
from gym.data.readers.archives import NpzFile
from gym.data.readers.base import RawScene, Reader, check_same_size, most_common_count, name_bands, probe_bands
from gym.data.readers.raster import read_bands
from tests.data.imagery import (
    GRID,
    INSIDE,
    NAMES,
    SIZE,
    WRITERS,
    Source,
    configured,
    doodled,
    draw_image,
    draw_label,
    make_reader,
    npz_bytes,
    save_picture,
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
    """A dataset of each kind, alone in its folder."""
    return WRITERS[request.param](tmp_path / "source")


@pytest.fixture
def reader(source, tmp_path) -> Reader:
    """Its reader, which keeps what it must keep in another folder."""
    return make_reader(source.config, tmp_path / "elsewhere")


def assert_same(first: RawScene, second: RawScene) -> None:
    """Every part of two scenes is equal, types included."""
    for ours, theirs in ((first.image, second.image), (first.label, second.label)):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(first.labelled, second.labelled)
    assert first[3:] == second[3:]


def copied(scene: RawScene) -> RawScene:
    """A scene that shares no memory with what a reader may keep."""
    return scene._replace(image=scene.image.copy(), label=scene.label.copy())


def test_names_are_distinct_and_stable(source, reader, tmp_path):
    """Each scene has its own name, in the same order whoever asks; nothing is left out and the source is said."""
    assert reader.names == list(source.images)
    assert len(set(reader.names)) == 3
    assert make_reader(source.config, tmp_path).names == reader.names
    assert reader.left_out == reader.skipped == {}
    assert reader.description


def test_a_scene_is_what_was_written(source, reader):
    """Each pixel of image and label, in the type of the file, with one name for each band."""
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
    """At least one file or recipe a scene, each with 64 hexadecimal digits that any reader finds again."""
    again = make_reader(source.config, tmp_path)
    for name in reader.names:
        hashes = reader.sources(name)
        assert hashes
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes.values())
        assert again.sources(name) == hashes


@on_disk
def test_a_changed_file_has_another_hash(source, reader, tmp_path):
    """Each file that a scene names among its sources is followed, and no other hash of that scene moves with it."""
    name = reader.names[1]
    before = reader.sources(name)
    for changed in before:
        path = Path(changed.partition("!")[0])
        path.write_bytes(path.read_bytes() + b"\0")
        after = make_reader(source.config, tmp_path).sources(name)
        assert [place for place in before if after[place] != before[place]] == [changed]
        before = after


def test_a_scene_reads_the_same_twice(reader):
    """Also after somebody wrote into the arrays of the first reading, and in the other order."""
    first = {}
    for name in reader.names:
        scene = reader.read(name)
        first[name] = copied(scene)
        scene.image.fill(1)
        scene.label.fill(1)

    for name in reversed(reader.names):
        assert_same(reader.read(name), first[name])


def test_a_reader_travels_to_another_process(reader):
    """Pickled it names, reads and hashes the same, whether or not it had been used before."""
    fresh = pickle.loads(pickle.dumps(reader))  # noqa: S301 - its own bytes
    used_bands = list(reader.bands)
    used = pickle.loads(pickle.dumps(reader))  # noqa: S301

    for other in (fresh, used):
        assert (other.names, list(other.bands), other.description) == (reader.names, used_bands, reader.description)
        for name in reader.names:
            assert other.sources(name) == reader.sources(name)
            assert_same(other.read(name), reader.read(name))


@on_disk
def test_nothing_is_written_beside_the_sources(source, reader, tmp_path):
    """Neither GDAL's statistics nor caches nor unpacked archives: the folder stays as it was, times included."""
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "source").rglob("*")}
    for name in reader.names:
        reader.read(name)
        reader.sources(name)
    assert reader.bands
    open_or_build_dataset(source.config, tmp_path / "outputs")

    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "source").rglob("*")} == before


def test_a_dataset_holds_what_the_reader_gives(source, reader, tmp_path):
    """In the frame, with the classes the configuration makes of the labels and no class around the scene."""
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
def test_bands_have_names(reader, expected):
    """The given ones, or red, green and blue for three, or numbers."""
    assert list(reader.bands) == expected


@pytest.mark.parametrize("source", ["GeoTIFF", "zip with band set"], indirect=True)
def test_a_grid_comes_from_whichever_file_has_one(reader):
    """Reference system and transform, also where only a band set beside an archive has them."""
    grid = reader.read("b").grid

    assert grid.crs.to_string() == GRID["crs"]
    assert grid.transform == GRID["transform"]


@pytest.mark.parametrize("source", ["Doodler", "zip"], indirect=True)
def test_names_of_classes_come_from_the_file(reader):
    """In the order of the label's layers."""
    assert reader.read("a").names == ("water", "sand", "other")


def test_the_nodata_value_of_a_file_is_told(tmp_path):
    """It is 0 in every band of the array, and the value itself goes along."""
    source = write_geotiffs(tmp_path)
    source.images["a"][3, 4] = -9999
    save_tiff(tmp_path / "images" / "a.tif", source.images["a"], nodata=-9999, **GRID)

    scene = make_reader(source.config, tmp_path).read("a")

    assert scene.nodata == -9999
    assert scene.image[3, 4].tolist() == [0] * 5


def test_bands_beside_an_archive_without_data_take_the_whole_pixel(tmp_path):
    """Where their file declares it, for half a spectrum would be an outlier; a dark 0 is a measurement."""
    source = write_zip_with_band_set(tmp_path)
    nir = draw_image(5, 1)
    nir[2, 3], nir[2, 4] = 0, 255
    save_tiff(tmp_path / "nir" / "a.tif", nir, nodata=255)

    image = make_reader(source.config, tmp_path).read("a").image

    assert image[2, 4].tolist() == [0] * 4
    assert image[2, 3].tolist() == [*source.images["a"][2, 3, :3], 0]
    assert image.any(axis=2).sum() == 20 * 40 - 1


def test_what_is_black_in_the_archive_may_have_data_beside_it(tmp_path):
    """As where the same bands come in files: only what a file declares takes a pixel out."""
    source = write_zip_with_band_set(tmp_path)
    black = source.images["a"][..., :3].copy()
    black[2, 3] = 0
    save_zip(tmp_path / "release.zip", {"a.npz": doodled(black, source.labels["a"])})

    image = make_reader(source.config, tmp_path).read("a").image

    assert image[2, 3].tolist() == [0, 0, 0, source.images["a"][2, 3, 3]]


def test_bands_beside_an_archive_are_read_as_in_prediction(tmp_path):
    """Stacked as `read_bands` stacks the same bands in files, dark pixels and nodata included."""
    source = write_zip_with_band_set(tmp_path)
    rgb, nir = source.images["a"][..., :3].copy(), draw_image(5, 1)
    rgb[2, 3:6], nir[2, 3:7] = 0, [[0], [9], [255], [255]]
    save_zip(tmp_path / "release.zip", {"a.npz": doodled(rgb, source.labels["a"])})
    save_tiff(tmp_path / "nir" / "a.tif", nir, nodata=255, **GRID)
    save_picture(tmp_path / "rgb.png", rgb)

    scene = make_reader(source.config, tmp_path).read("a")

    expected = read_bands([tmp_path / "rgb.png", tmp_path / "nir" / "a.tif"])
    np.testing.assert_array_equal(scene.image, expected.values)
    assert (scene.grid, scene.nodata) == (expected.grid, 255)
    assert scene.image[2, 3:7].tolist() == [[1] * 4, [0, 0, 0, 9], [0] * 4, [0] * 4]


def test_bands_beside_an_archive_must_have_its_size(tmp_path):
    """The message has the file and both sizes."""
    source = write_zip_with_band_set(tmp_path)
    save_tiff(tmp_path / "nir" / "a.tif", draw_image(5, 1, size=(20, 41)))

    with pytest.raises(DataError, match=r"a\.tif is 20x41 and .*zip!.*a\.npz is 20x40 pixels; band sets of one"):
        make_reader(source.config, tmp_path).read("a")


def test_archive_and_band_set_may_share_a_folder(tmp_path):
    """The npz files are the archive, the TIFFs the band set."""
    source = write_doodler(tmp_path / "all")
    for seed, name in enumerate(NAMES):
        save_tiff(tmp_path / "all" / f"{name}.tif", draw_image(seed, 1))
    source.config.images = [str(tmp_path / "all")]

    reader = make_reader(source.config, tmp_path)

    assert reader.names == list(NAMES)
    assert reader.skipped == {}
    assert reader.read("a").image.shape == (20, 40, 4)


def test_what_stands_only_in_the_archive_is_left_out(tmp_path):
    """By its place in the zip, with the folder that lacks it; likewise a band set that no npz goes with."""
    source = write_zip_with_band_set(tmp_path)
    (tmp_path / "nir" / "c.tif").rename(tmp_path / "nir" / "z.tif")

    reader = make_reader(source.config, tmp_path)

    assert reader.names == ["a", "b"]
    archive = tmp_path / "release.zip"
    assert reader.left_out == {
        f"{archive}!release/npz/c.npz": f"no file of this stem in {tmp_path / 'nir'}",
        str(tmp_path / "nir" / "z.tif"): f"no file of this stem in {archive}",
    }


def test_augmented_copies_are_left_out_or_warned_of(tmp_path, caplog):
    """Beside the unaugmented files they are passed over; alone they are used, and the leak is announced."""
    source = write_gym(tmp_path / "npz")
    for name in NAMES:
        for copy in range(2):
            (tmp_path / "npz" / f"{name}_aug_nd_data_{copy:09d}.npz").write_bytes(
                npz_bytes(arr_0=draw_image(copy, 4), arr_1=draw_label(copy))
            )
    beside = make_reader(source.config, tmp_path)
    assert beside.names == list(NAMES)
    assert beside.left_out == {}
    assert len(beside.skipped) == 6
    assert set(beside.skipped.values()) == {"is an augmented copy; the unaugmented files are used."}
    assert not caplog.records

    for name in NAMES:
        (tmp_path / "npz" / f"{name}.npz").unlink()
    assert len(make_reader(source.config, tmp_path).names) == 6
    assert "copies of one scene will stand on both sides of the split" in caplog.text


@pytest.mark.parametrize("writer", [write_folder, write_doodler])
def test_most_images_say_how_many_bands_there_are(tmp_path, writer):
    """One damaged and one grey image of five do not change it; the grey one is refused when its turn comes."""
    if writer is write_folder:
        source = write_folder(tmp_path / "s", ("a", "b", "c", "d", "e"))
        save_picture(tmp_path / "s" / "images" / "a.png", draw_image(0, 1))
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
        (write_folder, r"not one scene can be read: .*a\.png cannot be read as an image"),
        (write_doodler, r"not one scene can be read: .*a\.npz cannot be read"),
    ],
)
def test_a_data_set_of_which_nothing_can_be_read_is_refused(tmp_path, writer, what):
    """With the first reason."""
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
    """From the first to the last, evenly spread."""
    asked = []

    def count_of(name):
        asked.append(int(name))
        return 2

    assert probe_bands([str(number) for number in range(count)], count_of, []) == ["band_1", "band_2"]
    assert asked == probed


def test_files_of_other_kinds_are_passed_over(tmp_path):
    """In each folder of images or labels, also beside an archive; repeats and working files of archives likewise."""
    source = write_folder(tmp_path / "s")
    (tmp_path / "s" / "images" / "d.jp2").touch()
    (tmp_path / "s" / "labels" / "old").mkdir()
    reader = make_reader(source.config, tmp_path)
    assert reader.left_out == {}
    assert reader.skipped == {
        str(tmp_path / "s" / "images" / "d.jp2"): "is no PNG, JPEG or TIFF",
        str(tmp_path / "s" / "labels" / "old"): "is a folder; its files are not looked at",
    }

    source = write_zip_with_band_set(tmp_path)
    (tmp_path / "nir" / "d.jp2").touch()
    content = doodled(source.images["a"][..., :3], source.labels["a"])
    save_zip(tmp_path / "release.zip", dict.fromkeys(("a.npz", "x/a.npz", "a_labelgen.npz"), content))
    reader = make_reader(source.config, tmp_path)
    assert set(reader.left_out) == {str(tmp_path / "nir" / f"{name}.tif") for name in "bc"}
    assert set(reader.skipped) == {
        *(str(tmp_path / "release.zip") + place for place in ("!x/a.npz", "!a_labelgen.npz")),
        str(tmp_path / "nir" / "d.jp2"),
    }


def test_labels_in_jpeg_are_used_with_one_warning(tmp_path, caplog):
    """It names the first and the remedy; images in JPEG are as good as any."""
    source = write_folder(tmp_path / "s", suffix=".jpg")
    make_reader(source.config, tmp_path)
    assert not caplog.records

    for name in ("b", "c"):
        (tmp_path / "s" / "labels" / f"{name}.png").unlink()
        save_picture(tmp_path / "s" / "labels" / f"{name}.jpg", np.full(SIZE, 1, np.uint8))
    reader = make_reader(source.config, tmp_path)

    assert (reader.read("b").label == 1).all()
    (record,) = caplog.records
    assert re.search(
        r"^labels that are JPEGs: 2, as .*b\.jpg; JPEG changes class numbers; save them as", record.message
    )


def test_band_names_must_fit_the_bands():
    """As many as there are, in any number; without any, three are colours."""
    assert name_bands([], 3) == ["red", "green", "blue"]
    assert name_bands([], 2) == ["band_1", "band_2"]
    assert name_bands(("r", "g"), 2) == ["r", "g"]
    with pytest.raises(DataError, match=r"data\.bands=\['r', 'g'\] must name the 4 bands of the imagery, in stacking"):
        name_bands(["r", "g"], 4)


@pytest.mark.parametrize(("counts", "expected"), [([3, 4, 3], 3), ([4, 3], 4), ([3, 4], 4), ([1], 1)])
def test_the_most_common_number_of_bands(counts, expected):
    """The larger of two equally common ones, whatever the order."""
    assert most_common_count(counts) == expected


def test_sizes_must_agree():
    """Rows and columns; a label turned by a quarter is of another size too."""
    check_same_size(np.zeros((2, 3)), np.zeros((2, 3, 5)), "x")
    with pytest.raises(DataError, match=r"^x is 3x2 and its image 2x3 pixels; sizes must agree\.$"):
        check_same_size(np.zeros((3, 2)), np.zeros((2, 3, 5)), "x")


def test_a_url_is_fetched_into_the_downloads(tmp_path):
    """And read from there, the second time without the server."""
    source = write_zip(tmp_path / "web")
    config = configured("doodler", archives=[(tmp_path / "web" / "release.zip").as_uri()])

    first = make_reader(config, tmp_path)
    (tmp_path / "web" / "release.zip").unlink()
    second = make_reader(config, tmp_path)

    assert first.names == second.names == list(NAMES)
    np.testing.assert_array_equal(second.read("b").image, source.images["b"])
    assert isinstance(second._files["b"][0], NpzFile)
    assert [path.suffix for path in (tmp_path / "downloads").iterdir()] == [".zip"]

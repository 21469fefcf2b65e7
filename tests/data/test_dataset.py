"""Tests of datasets on disk: they are complete and round-trip exactly."""

import hashlib
import json
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.crs import CRS

from gym.config.spectral_index import parse_index
from gym.core.errors import DataError
from gym.data.dataset import BandStatistics, Dataset, combine_statistics, hash_pixels, measure_bands, write_part
from gym.data.framing import Placement
from gym.data.labels import IGNORE
from gym.data.near_duplicates import perceptual_hash
from gym.data.preparation import Pair, Preparation
from gym.data.readers.base import RawScene
from gym.data.readers.raster import Grid
from gym.data.scaling import Scaling
from tests.conftest import make_scenes, make_tiny_dataset
from tests.data.imagery import GRID


def test_images_labels_and_records_round_trip(tmp_path):
    """Images and labels are exact, with names, scenes, sites and counts."""
    scenes = make_scenes()
    dataset = make_tiny_dataset(tmp_path / "s", scenes)

    assert len(dataset) == 6
    assert dataset.shape == (16, 32, 3)
    assert (dataset.frame, dataset.bands) == ((16, 32), ["a", "b", "c"])
    for position, (name, scene) in enumerate(scenes.items()):
        np.testing.assert_array_equal(dataset.read_image(position), scene.image)
        np.testing.assert_array_equal(dataset.read_label(position), scene.label)
        record = dataset.manifest.pairs[position]
        assert (record.name, record.scene, record.site) == (name, f"scene{position // 2}", f"site{position % 2}")
        np.testing.assert_array_equal(dataset.counts[position], np.bincount(scene.label.ravel(), minlength=3))


def test_padding_is_read_but_not_stored(tmp_path):
    """Files hold only the unpadded pair; reading surrounds it with nodata and IGNORE."""
    scenes = make_scenes(2, rows=8, columns=24)
    dataset = make_tiny_dataset(tmp_path / "s", scenes)

    assert dataset.unpadded_image(0).shape == (8, 24, 3)
    assert np.load(dataset.images_path).size == 2 * 8 * 24 * 3
    image, label = dataset.read_image(0), dataset.read_label(0)
    np.testing.assert_array_equal(image[4:12, 4:28], scenes["pair0"].image)
    np.testing.assert_array_equal(label[4:12, 4:28], scenes["pair0"].label)
    assert image.any(axis=2).sum() == (label != IGNORE).sum() == 8 * 24
    assert dataset.counts.sum() == 2 * 8 * 24


def test_absent_classes_are_listed(tmp_path):
    """They keep the order of the classes, and a single pixel makes a class present."""
    scenes = make_scenes(2)
    for scene in scenes.values():
        scene.label.fill(1)
    assert make_tiny_dataset(tmp_path / "s", scenes).absent_classes == ["low", "high"]
    scenes["pair1"].label[0, 0] = 2
    assert make_tiny_dataset(tmp_path / "t", scenes).absent_classes == ["low"]


def test_a_manifest_round_trips(tmp_path):
    """Preparation, placements, grids and statistics keep their types and values."""
    scenes = make_scenes(2, rows=40, columns=64)
    grid = Grid(CRS.from_string(GRID["crs"]), GRID["transform"])
    scenes = {name: scene._replace(grid=grid, nodata=-1.0) for name, scene in scenes.items()}
    dataset = make_tiny_dataset(
        tmp_path / "s",
        scenes,
        (16, 32),
        framing="tile",
        overlap=0.5,
        scaling=Scaling("reflectance", factor=0.5, offset=1.0),
        source_bands=("red", "green", "nir"),
        indices=(parse_index("NDWI"), parse_index("bright=red+green")),
    )

    prepared = dataset.manifest.preparation
    assert prepared == Preparation(
        (16, 32),
        "tile",
        0.5,
        Scaling("reflectance", factor=0.5, offset=1.0),
        ("red", "green", "nir"),
        (parse_index("NDWI"), parse_index("bright=red+green")),
    )
    assert Dataset(dataset.folder).manifest == dataset.manifest
    record = dataset.manifest.pairs[1]
    assert isinstance(record.placement, Placement)
    assert record.placement.scene == (40, 64)
    assert record.grid == {"crs": "EPSG:32610", "transform": [10.0, 0.0, 500_000.0, 0.0, -10.0, 4_000_000.0]}
    assert record.nodata == "-1.0"


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_stored_in_row_major_order(tmp_path, order):
    """The input pipeline decodes raw bytes and knows no other order."""
    image = np.asarray(np.arange(24, dtype=np.uint16).reshape(2, 4, 3), order=order)
    label = np.asarray([[0, 1, 2, 0], [2, 1, 0, 1]], np.uint8, order=order)
    metadata = {"groups": {}, "sources": {}, "grid": {}, "nodata": ""}

    record = write_part(tmp_path, "x", Pair("x", image, label, None), 3, metadata)

    assert (tmp_path / "images-x.npy").read_bytes()[-image.nbytes :] == image.tobytes("C")
    assert (tmp_path / "labels-x.npy").read_bytes()[-label.nbytes :] == label.tobytes("C")
    assert record.counts == [3, 3, 2]
    assert record.likeness == perceptual_hash(image)


def test_the_hash_of_an_image_depends_on_its_pixels_only(tmp_path):
    """Equal pixels have equal hashes whatever their labels; one changed pixel changes the hash."""
    scenes = make_scenes(3)
    scenes["pair1"] = scenes["pair1"]._replace(image=scenes["pair0"].image.copy())
    scenes["pair2"] = scenes["pair2"]._replace(image=scenes["pair0"].image.copy())
    scenes["pair2"].image[5, 5, 1] += 1
    first, second, third = (record.image_sha256 for record in make_tiny_dataset(tmp_path / "s", scenes).manifest.pairs)

    assert first == second != third
    assert re.fullmatch("[0-9a-f]{64}", first)


@pytest.mark.parametrize(
    ("types", "stored"),
    [
        (("uint16", "float32"), "<f4"),
        (("uint8", "uint16"), "<u2"),
        (("uint8", "int16"), "<i2"),
        (("uint16", "int16"), "<i4"),
        (("uint8", "uint8"), "|u1"),
        (("float64", "uint16"), "<f4"),
    ],
)
def test_types_are_unified(tmp_path, types, stored):
    """Images of two types are stored in the type that holds both, with equal values."""
    scenes = {
        name: scene._replace(image=scene.image.clip(1, 255).astype(dtype))
        for (name, scene), dtype in zip(make_scenes(2).items(), types, strict=True)
    }
    dataset = make_tiny_dataset(tmp_path / "s", scenes)

    assert dataset.manifest.dtype == stored
    for position, scene in enumerate(scenes.values()):
        assert dataset.unpadded_image(position).dtype.str == stored
        np.testing.assert_array_equal(dataset.read_image(position), scene.image)


@pytest.mark.parametrize("damage", ["{", '{"pairs": []}', "[]", '{"schema_version": 4}', "\xff"])
def test_a_damaged_manifest_is_rejected(tmp_path, damage):
    """The error names the folder to delete."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(2))
    (dataset.folder / "manifest.json").write_text(damage, encoding="latin-1")

    with pytest.raises(DataError, match=r"s is not a readable dataset .*; delete it, and it will be built again\.$"):
        Dataset(dataset.folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw["pairs"][0].pop("placement"),
        lambda raw: raw["pairs"][0].update(colour="red"),
        lambda raw: raw["pairs"][0]["statistics"].pop("sums"),
        lambda raw: raw["preparation"].pop("framing"),
        lambda raw: raw["preparation"].update(indices=[{"colour": "red"}]),
        lambda raw: raw.update(pairs=3),
        lambda raw: raw.pop("classes"),
    ],
)
def test_a_manifest_with_other_keys_is_rejected(tmp_path, change):
    """A key may be missing, unknown or of the wrong type, at any depth."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(2))
    raw = json.loads((dataset.folder / "manifest.json").read_text())
    change(raw)
    (dataset.folder / "manifest.json").write_text(json.dumps(raw))

    with pytest.raises(DataError, match="is not a readable dataset"):
        Dataset(dataset.folder)


@pytest.mark.parametrize("version", [0, 1, 3, 99, "4", None])
def test_a_dataset_of_another_version_is_rejected(tmp_path, version):
    """The error states both versions."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(2))
    raw = json.loads((dataset.folder / "manifest.json").read_text())
    (dataset.folder / "manifest.json").write_text(json.dumps({**raw, "schema_version": version}))

    with pytest.raises(
        DataError,
        match=rf"is not a readable dataset \(version {version} instead of 4\); delete it, and it will be "
        r"built again\.$",
    ):
        Dataset(dataset.folder)


def test_a_folder_without_a_manifest_is_rejected(tmp_path):
    """The manifest is written last, so the dataset was never finished."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(2))
    (dataset.folder / "manifest.json").unlink()

    with pytest.raises(DataError, match=r"s is not a readable dataset \(.*No such file.*\)"):
        Dataset(dataset.folder)


def test_the_manifest_is_readable_json(tmp_path):
    """It lists classes, label counts, inputs left out and hashes, with indentation."""
    scenes = make_scenes(2)
    scenes["bad"] = RawScene(np.zeros((16, 32, 3), np.uint8), np.zeros((16, 32), np.uint8), None)
    scenes["pair0"].label[0, 0] = IGNORE
    text = (make_tiny_dataset(tmp_path / "s", scenes).folder / "manifest.json").read_text()
    raw = json.loads(text)

    assert raw["classes"] == ["low", "middle", "high"]
    assert raw["left_out"] == {
        "bad": "bad has no data in the frame: every pixel is 0 or nodata in all bands; remove it."
    }
    assert len(raw["pairs"][0]["image_sha256"]) == 64
    assert [pair["start"] for pair in raw["pairs"]] == [0, 16 * 32]
    assert sum(sum(classes.values()) for classes in raw["label_counts"].values()) == 2 * 16 * 32
    assert raw["label_counts"]["255"] == {"": 1}
    assert set(raw["label_counts"]["1"]) == {"middle"}
    assert text.count("\n") > 50


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.uint16, (3, 4, 2), elements=st.integers(0, 5)))
def test_statistics_cover_the_pixels_with_data(image):
    """They agree with loops over the list of these pixels."""
    assume(image.any())
    measured = measure_bands(image)
    pixels = [pixel for row in image.tolist() for pixel in row if any(pixel)]

    assert measured.pixels == len(pixels)
    assert measured.sums == [sum(pixel[band] for pixel in pixels) for band in range(2)]
    assert measured.squares == [sum(pixel[band] ** 2 for pixel in pixels) for band in range(2)]
    assert measured.least == [min(pixel[band] for pixel in pixels) for band in range(2)]
    assert measured.largest == [max(pixel[band] for pixel in pixels) for band in range(2)]


def test_combined_statistics_weigh_each_pixel_equally():
    """A large pair weighs more than a small one, and 65535 squared does not overflow."""
    images = [np.full((1, 3, 1), 65535, np.uint16), np.array([[[1], [0]]], np.uint16)]
    mean, deviation = combine_statistics([measure_bands(image) for image in images])

    np.testing.assert_allclose(mean, [(3 * 65535 + 1) / 4])
    np.testing.assert_allclose(deviation, [np.std([65535, 65535, 65535, 1])])


def test_the_deviation_of_a_flat_band_is_zero():
    """Rounding may make the mean of squares smaller than the square of the mean."""
    flat = BandStatistics(3, [3e8 + 0.3], [3e16], [1e8], [1e8])

    assert combine_statistics([flat])[1] == [0.0]


def test_the_hash_covers_the_stored_image(tmp_path):
    """An image read as uint8 and as uint16 is stored as uint16 twice, with one hash, so that duplicates are found."""
    scenes = make_scenes(2)
    bytes_only = scenes["pair0"].image.astype(np.uint8)
    scenes["pair0"] = scenes["pair0"]._replace(image=bytes_only)
    scenes["pair1"] = scenes["pair0"]._replace(image=bytes_only.astype(np.uint16))

    first, second = make_tiny_dataset(tmp_path / "s", scenes).manifest.pairs

    assert first.image_sha256 == second.image_sha256


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["|u1", "<u2", "<i4", "<f4"])
def test_the_hash_covers_shape_and_values_in_row_major_order(dtype, order):
    """The order in memory does not matter."""
    image = np.arange(24).reshape(2, 4, 3).astype(dtype)
    expected = hashlib.sha256(b"(2, 4, 3)" + image.tobytes()).hexdigest()

    assert hash_pixels(np.asarray(image, order=order)) == expected


def test_images_with_equal_bytes_and_other_shapes_differ():
    """The shape is part of the hash."""
    assert hash_pixels(np.zeros((2, 3, 1), np.uint8)) != hash_pixels(np.zeros((3, 2, 1), np.uint8))


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_a_dataset_with_incomplete_arrays_is_rejected(tmp_path, kind):
    """A file may be cut short, of the wrong length, or missing."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(2))
    path = dataset.folder / f"{kind}.npy"
    whole = path.read_bytes()

    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"is not a readable dataset \(.*\); delete it, and it will be built again\."):
        Dataset(dataset.folder)
    np.save(path, np.zeros(7, np.uint8))
    with pytest.raises(
        DataError,
        match=r"is not a readable dataset \(the sizes of its arrays differ from the manifest\); "
        r"delete it, and it will be built again\.$",
    ):
        Dataset(dataset.folder)
    path.unlink()
    with pytest.raises(DataError, match=r"is not a readable dataset \(.*No such file"):
        Dataset(dataset.folder)


def test_a_finished_dataset_is_three_files(tmp_path):
    """The parts are removed after they are joined."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(3))

    assert sorted(path.name for path in dataset.folder.iterdir()) == ["images.npy", "labels.npy", "manifest.json"]

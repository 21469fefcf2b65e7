"""A dataset is whole or absent, and read back as it was written."""

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


def test_what_is_written_is_read(tmp_path):
    """Images and labels to the bit, with names, scenes, sites and counts."""
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
    """A file is as large as the scene is shown; around it is no data and no class."""
    scenes = make_scenes(2, rows=8, columns=24)
    dataset = make_tiny_dataset(tmp_path / "s", scenes)

    assert dataset.unpadded_image(0).shape == (8, 24, 3)
    assert np.load(dataset.images_path).size == 2 * 8 * 24 * 3
    image, label = dataset.read_image(0), dataset.read_label(0)
    np.testing.assert_array_equal(image[4:12, 4:28], scenes["pair0"].image)
    np.testing.assert_array_equal(label[4:12, 4:28], scenes["pair0"].label)
    assert image.any(axis=2).sum() == (label != IGNORE).sum() == 8 * 24
    assert dataset.counts.sum() == 2 * 8 * 24


def test_classes_without_a_pixel_are_named(tmp_path):
    """In the order of the classes; a single pixel of one is enough."""
    scenes = make_scenes(2)
    for scene in scenes.values():
        scene.label.fill(1)
    assert make_tiny_dataset(tmp_path / "s", scenes).absent_classes == ["low", "high"]
    scenes["pair1"].label[0, 0] = 2
    assert make_tiny_dataset(tmp_path / "t", scenes).absent_classes == ["low"]


def test_a_manifest_comes_back_as_it_was_made(tmp_path):
    """Preparation, placements, grids and statistics too, whatever they are; a second reading is equal to the first."""
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
def test_arrays_lie_row_by_row_in_their_files(tmp_path, order):
    """However they lay in memory: the pipeline decodes bytes and knows no other order."""
    image = np.asarray(np.arange(24, dtype=np.uint16).reshape(2, 4, 3), order=order)
    label = np.asarray([[0, 1, 2, 0], [2, 1, 0, 1]], np.uint8, order=order)
    known = {"groups": {}, "sources": {}, "grid": {}, "nodata": ""}

    record = write_part(tmp_path, "x", Pair("x", image, label, None), 3, known)

    assert (tmp_path / "images-x.npy").read_bytes()[-image.nbytes :] == image.tobytes("C")
    assert (tmp_path / "labels-x.npy").read_bytes()[-label.nbytes :] == label.tobytes("C")
    assert record.counts == [3, 3, 2]
    assert record.likeness == perceptual_hash(image)


def test_the_hash_of_an_image_is_of_its_pixels(tmp_path):
    """Two scenes of the same pixels have the same, whatever their labels; one changed pixel makes another."""
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
    """Imagery of two depths is stored in the type that holds both, values unchanged."""
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
def test_a_damaged_manifest_is_refused(tmp_path, damage):
    """With the folder to remove."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(2))
    (dataset.folder / "manifest.json").write_text(damage, encoding="latin-1")

    with pytest.raises(DataError, match=r"s is no readable dataset .*; remove it and it will be made anew\.$"):
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
def test_a_manifest_of_other_parts_is_refused(tmp_path, change):
    """A part too few, too many or of another kind, at any depth."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(2))
    raw = json.loads((dataset.folder / "manifest.json").read_text())
    change(raw)
    (dataset.folder / "manifest.json").write_text(json.dumps(raw))

    with pytest.raises(DataError, match="is no readable dataset"):
        Dataset(dataset.folder)


@pytest.mark.parametrize("version", [0, 1, 3, 99, "4", None])
def test_a_dataset_of_another_version_is_refused(tmp_path, version):
    """What its files mean is not known; both versions are said."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(2))
    raw = json.loads((dataset.folder / "manifest.json").read_text())
    (dataset.folder / "manifest.json").write_text(json.dumps({**raw, "schema_version": version}))

    with pytest.raises(
        DataError, match=rf"is no readable dataset \(version {version}, not 4\); remove it and it will be made anew\.$"
    ):
        Dataset(dataset.folder)


def test_a_folder_without_a_manifest_is_no_dataset(tmp_path):
    """The manifest is written last, so what lacks it was never finished."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(2))
    (dataset.folder / "manifest.json").unlink()

    with pytest.raises(DataError, match=r"s is no readable dataset \(.*No such file.*\)"):
        Dataset(dataset.folder)


def test_the_manifest_is_json_a_person_can_read(tmp_path):
    """Classes, label counts before any remap, what was left out, hashes, indented."""
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
    assert sum(sum(became.values()) for became in raw["label_counts"].values()) == 2 * 16 * 32
    assert raw["label_counts"]["255"] == {"": 1}
    assert set(raw["label_counts"]["1"]) == {"middle"}
    assert text.count("\n") > 50


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.uint16, (3, 4, 2), elements=st.integers(0, 5)))
def test_statistics_are_of_the_pixels_with_data(image):
    """As NumPy works them out over a list of those pixels."""
    assume(image.any())
    measured = measure_bands(image)
    pixels = [pixel for row in image.tolist() for pixel in row if any(pixel)]

    assert measured.pixels == len(pixels)
    assert measured.sums == [sum(pixel[band] for pixel in pixels) for band in range(2)]
    assert measured.squares == [sum(pixel[band] ** 2 for pixel in pixels) for band in range(2)]
    assert measured.least == [min(pixel[band] for pixel in pixels) for band in range(2)]
    assert measured.largest == [max(pixel[band] for pixel in pixels) for band in range(2)]


def test_statistics_of_many_pairs_count_each_pixel_once():
    """A large pair weighs more than a small one; 65535 squared does not overflow."""
    images = [np.full((1, 3, 1), 65535, np.uint16), np.array([[[1], [0]]], np.uint16)]
    mean, deviation = combine_statistics([measure_bands(image) for image in images])

    np.testing.assert_allclose(mean, [(3 * 65535 + 1) / 4])
    np.testing.assert_allclose(deviation, [np.std([65535, 65535, 65535, 1])])


def test_rounding_makes_no_deviation_imaginary():
    """A flat band of large numbers has none, though mean square less squared mean may come out below 0."""
    flat = BandStatistics(3, [3e8 + 0.3], [3e16], [1e8], [1e8])

    assert combine_statistics([flat])[1] == [0.0]


def test_the_hash_is_of_what_is_stored(tmp_path):
    """One image as uint8 and as uint16 is stored as uint16 twice, and both records say so: a copy is a copy."""
    scenes = make_scenes(2)
    bytes_only = scenes["pair0"].image.astype(np.uint8)
    scenes["pair0"] = scenes["pair0"]._replace(image=bytes_only)
    scenes["pair1"] = scenes["pair0"]._replace(image=bytes_only.astype(np.uint16))

    first, second = make_tiny_dataset(tmp_path / "s", scenes).manifest.pairs

    assert first.image_sha256 == second.image_sha256


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["|u1", "<u2", "<i4", "<f4"])
def test_the_hash_is_of_size_and_values_row_by_row(dtype, order):
    """However they lie in memory."""
    image = np.arange(24).reshape(2, 4, 3).astype(dtype)
    expected = hashlib.sha256(b"(2, 4, 3)" + image.tobytes()).hexdigest()

    assert hash_pixels(np.asarray(image, order=order)) == expected


def test_images_of_equal_bytes_and_other_sizes_are_not_one():
    """The size is part of the hash."""
    assert hash_pixels(np.zeros((2, 3, 1), np.uint8)) != hash_pixels(np.zeros((3, 2, 1), np.uint8))


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_a_dataset_whose_arrays_are_not_whole_is_refused(tmp_path, kind):
    """Cut short, longer than said, or gone: never read as something else."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(2))
    path = dataset.folder / f"{kind}.npy"
    whole = path.read_bytes()

    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"is no readable dataset \(.*\); remove it and it will be made anew\."):
        Dataset(dataset.folder)
    np.save(path, np.zeros(7, np.uint8))
    with pytest.raises(DataError, match=r"is no readable dataset \(its arrays do not hold what its manifest says\)"):
        Dataset(dataset.folder)
    path.unlink()
    with pytest.raises(DataError, match=r"is no readable dataset \(.*No such file"):
        Dataset(dataset.folder)


def test_a_finished_dataset_is_three_files(tmp_path):
    """Its parts are joined and gone."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(3))

    assert sorted(path.name for path in dataset.folder.iterdir()) == ["images.npy", "labels.npy", "manifest.json"]

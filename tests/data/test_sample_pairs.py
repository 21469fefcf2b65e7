"""Tests of sample pairs: prediction prepares the written files as training did."""

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.crs import CRS

from gym.config.schema import DataConfig
from gym.config.spectral_index import parse_index
from gym.data.build import open_or_build_dataset
from gym.data.class_colours import class_colours
from gym.data.labels import IGNORE
from gym.data.readers.raster import Grid, read_image, read_label
from gym.data.sample_pairs import choose_pairs, write_sample_pairs
from gym.data.scaling import Scaling
from tests.conftest import TINY_CLASSES, make_scenes, make_tiny_dataset

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

GRID = Grid(CRS.from_epsg(32610), Affine(10, 0, 500_000, 0, -20, 4_000_000))


def names_of(dataset):
    """Names of all pairs of a dataset."""
    return [record.name for record in dataset.manifest.pairs]


def test_the_files_hold_the_pairs_of_the_dataset(tiny_dataset, tmp_path):
    """Values, classes, types, band names, nodata and class colours agree."""
    assert write_sample_pairs(tiny_dataset, names_of(tiny_dataset), 2, tmp_path) == 2

    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")) == [
        *("images/1_pair0.tif", "images/2_pair1.tif", "labels/1_pair0.png", "labels/2_pair1.png")
    ]
    with rasterio.open(tmp_path / "images" / "1_pair0.tif") as image:
        assert (image.descriptions, image.nodata, set(image.dtypes)) == (("a", "b", "c"), 0, {"uint16"})
    np.testing.assert_array_equal(
        read_image(tmp_path / "images" / "1_pair0.tif").values, tiny_dataset.unpadded_image(0)
    )
    np.testing.assert_array_equal(
        read_label(tmp_path / "labels" / "1_pair0.png").values, tiny_dataset.unpadded_label(0)
    )
    with rasterio.open(tmp_path / "labels" / "1_pair0.png") as label:
        palette = [label.colormap(1)[value][:3] for value in range(3)]
    assert (tiny_dataset.unpadded_label(0) == IGNORE).any()
    np.testing.assert_array_equal(palette, np.rint(255 * class_colours(TINY_CLASSES)))


WITH_INDEX = {"source_bands": ("green", "nir", "c"), "indices": (parse_index("ndwi"),), "framing": "tile"}


@pytest.mark.parametrize("nodata_at", [slice(0, 4), slice(0, 0)], ids=["with nodata", "without"])
@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({}, 0),
        ({"framing": "tile", "overlap": 0.3}, 0),
        ({"framing": "resize"}, 0),
        ({"scaling": Scaling("dtype")}, 0),
        ({"scaling": Scaling("reflectance", factor=2e-4, offset=-0.1)}, 1e-6),
        (WITH_INDEX, 0),
        (WITH_INDEX | {"scaling": Scaling("reflectance")}, 1e-6),
    ],
    ids=["plain", "tiles", "resized", "shares", "reflectance", "an index", "an index of reflectance"],
)
def test_prediction_prepares_a_sample_as_training_did(tmp_path, options, tolerance, nodata_at):
    """For every preparation, preparing the written file reproduces the stored image."""
    scenes = make_scenes(2, rows=24, columns=56)
    scenes["pair1"].image[nodata_at] = 0
    dataset = make_tiny_dataset(tmp_path / "dataset", scenes, **options)
    count = len(dataset)

    assert write_sample_pairs(dataset, names_of(dataset), count, tmp_path) == count

    order = choose_pairs(dataset.manifest.pairs, names_of(dataset), count)
    for path, position in zip(sorted((tmp_path / "images").iterdir(), key=number_of), order, strict=True):
        prepared = dataset.manifest.preparation.prepare_image(read_image(path).values)
        (placement,) = dataset.manifest.preparation.place_image(prepared)
        assert placement.size == dataset.manifest.pairs[position].placement.size
        np.testing.assert_allclose(
            prepared, dataset.unpadded_image(position), rtol=1e-5 if tolerance else 0, atol=tolerance
        )


def test_a_second_stretch_of_a_sample_changes_it_slightly(tmp_path):
    """The difference is less than 0.01 in a scene of 512 pixels that was not shrunk."""
    dataset = make_tiny_dataset(tmp_path / "dataset", make_scenes(2), scaling=Scaling("percentile", 2, 98))

    write_sample_pairs(dataset, ["pair0"], 1, tmp_path)

    prepared = dataset.manifest.preparation.prepare_image(read_image(tmp_path / "images" / "1_pair0.tif").values)
    np.testing.assert_allclose(prepared, dataset.unpadded_image(0), atol=0.01)


def number_of(path):
    """The number at the beginning of a file name."""
    return int(path.name.partition("_")[0])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("bands", [1, 3, 4, 5])
def test_any_type_and_number_of_bands_is_kept(tmp_path, dtype, bands):
    """The last of four 8-bit bands is not mistaken for transparency."""
    names = tuple("abcde"[:bands])
    scenes = make_scenes(2, bands=bands)
    for name, scene in scenes.items():
        image = (scene.image % 120).astype(dtype)
        image[..., -1] = 255 if dtype == "uint8" else 99
        scenes[name] = scene._replace(image=image)
    dataset = make_tiny_dataset(tmp_path / "dataset", scenes, source_bands=names)

    write_sample_pairs(dataset, names_of(dataset), 1, tmp_path)

    values = read_image(tmp_path / "images" / "1_pair0.tif").values
    assert values.dtype == dtype
    np.testing.assert_array_equal(values, dataset.unpadded_image(0))


def test_a_sample_has_the_georeference_of_its_window(tmp_path):
    """The second tile starts 24 pixels to the right, and a shrunk scene has larger pixels."""
    scenes = {name: scene._replace(grid=GRID) for name, scene in make_scenes(2, rows=16, columns=56).items()}
    tiled = make_tiny_dataset(tmp_path / "tiled", scenes, framing="tile")
    shrunk = make_tiny_dataset(tmp_path / "shrunk", scenes)

    write_sample_pairs(tiled, ["pair0 tile 2"], 1, tmp_path / "a")
    write_sample_pairs(shrunk, ["pair0"], 1, tmp_path / "b")

    for kind in ("images", "labels"):
        with rasterio.open(tmp_path / "a" / kind / "1_pair0_tile_2.tif") as tile:
            assert tile.transform == Affine(10, 0, 500_240, 0, -20, 4_000_000)
            assert (tile.shape, tile.crs) == ((16, 32), GRID.crs)
        with rasterio.open(tmp_path / "b" / kind / "1_pair0.tif") as whole:
            assert (whole.shape, whole.crs) == ((9, 32), GRID.crs)
            assert whole.transform.almost_equals(Affine(10 * 56 / 32, 0, 500_000, 0, -20 * 16 / 9, 4_000_000))
            assert np.allclose(whole.bounds, (500_000, 4_000_000 - 16 * 20, 500_000 + 560, 4_000_000))


def test_a_grid_without_a_reference_system_keeps_its_transform(tmp_path):
    """The image has a transform and no reference system."""
    scenes = {name: scene._replace(grid=GRID._replace(crs=None)) for name, scene in make_scenes(2).items()}

    write_sample_pairs(make_tiny_dataset(tmp_path / "dataset", scenes), ["pair0"], 1, tmp_path)

    with rasterio.open(tmp_path / "images" / "1_pair0.tif") as image:
        assert (image.crs, image.transform) == (None, GRID.transform)


@pytest.mark.parametrize("grid", [None, GRID], ids=["PNG", "GeoTIFF"])
def test_samples_can_be_trained_on(tmp_path, grid):
    """Read as a folder dataset, they become the same pairs."""
    scenes = {name: scene._replace(grid=grid) for name, scene in make_scenes(2).items()}
    scenes["pair0"].label[:4, :4] = IGNORE
    dataset = make_tiny_dataset(tmp_path / "dataset", scenes)
    write_sample_pairs(dataset, names_of(dataset), 2, tmp_path)

    config = DataConfig(
        kind="folder",
        size=[16, 32],
        images=str(tmp_path / "images"),
        labels=str(tmp_path / "labels"),
        classes=list(TINY_CLASSES),
        ignore_values=[IGNORE],
        workers=1,
    )
    again = open_or_build_dataset(config, tmp_path / "outputs")

    assert names_of(again) == ["1_pair0", "2_pair1"]
    for position in (0, 1):
        np.testing.assert_array_equal(again.read_image(position), dataset.read_image(position))
        np.testing.assert_array_equal(again.read_label(position), dataset.read_label(position))


def test_sites_take_turns(tiny_dataset):
    """Even pairs are of one site and odd pairs of another; only named pairs are chosen, and copies name their pair."""
    records = tiny_dataset.manifest.pairs

    assert choose_pairs(records, names_of(tiny_dataset), 4) == [0, 1, 2, 3]
    assert choose_pairs(records, ["pair0", "pair2", "pair4", "pair5"], 3) == [0, 5, 2]
    assert choose_pairs(records, ["pair4 copy 2", "pair4 copy 3", "pair1", "gone"], 9) == [1, 4]
    assert choose_pairs(records, ["gone"], 9) == []


def test_names_become_file_names(tmp_path):
    """Special characters become underscores, letters of any script stay, long names are cut; numbers keep all apart."""
    scenes = dict(zip(["a/b: été", "a_b_été", "x" * 200], make_scenes(3).values(), strict=True))
    dataset = make_tiny_dataset(tmp_path / "dataset", scenes)

    write_sample_pairs(dataset, names_of(dataset), 3, tmp_path)

    stems = sorted(path.stem for path in (tmp_path / "images").iterdir())
    assert stems == ["1_a_b_été", "2_a_b_été", f"3_{'x' * 80}"]

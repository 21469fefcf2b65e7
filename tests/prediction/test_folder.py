"""A folder of images becomes a folder of labels, and a bad file costs nothing but itself."""

import csv

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.crs import CRS

from gym.data.labels import IGNORE
from gym.data.raster import read_image, read_label
from gym.errors import DataError
from gym.prediction.folder import segment_folder
from gym.reporting.imagery import class_colours
from tests.prediction.test_segment import bright, saved

GRID = Affine(10, 0, 500_000, 0, -10, 4_000_000)


@pytest.fixture(scope="module")
def model():
    """Three bands, class 1 where the first is above 100."""
    return saved(bright)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


def scene(seed=0, rows=12, columns=20, bands=3):
    return np.random.default_rng(seed).integers(1, 255, (rows, columns, bands), dtype=np.uint8)


def save_png(path, values):
    Image.fromarray(values).save(path)


def save_tiff(path, values, transform=GRID, crs="EPSG:32610", **options):
    rows, columns, count = values.shape
    layout = {"height": rows, "width": columns, "count": count, "dtype": values.dtype, "transform": transform}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, **layout, **options) as written:
        written.write(np.moveaxis(values, -1, 0))


def read_rows(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_picture_gets_its_label_and_its_overlay(model, images, tmp_path):
    """Two PNGs, and nothing is left behind beside the outputs or beside the images."""
    for seed, name in enumerate(["a", "b.2020"]):
        save_png(images / f"{name}.png", scene(seed))

    report = segment_folder(model, [images], tmp_path / "new" / "labels")

    assert report == (["a", "b.2020"], {})
    outputs = ["a.png", "a_overlay.png", "b.2020.png", "b.2020_overlay.png", "class_areas.csv"]
    assert listing(tmp_path / "new" / "labels") == outputs
    assert listing(images) == ["a.png", "b.2020.png"]
    for seed, name in enumerate(["a", "b.2020"]):
        label = read_label(tmp_path / "new" / "labels" / f"{name}.png")
        np.testing.assert_array_equal(label, scene(seed)[..., 0] > 100)


def test_a_label_has_the_class_colours_for_a_palette(model, images, tmp_path):
    """What a viewer shows is the class colour, and black and see-through where there is no data."""
    values = scene()
    values[0] = 0
    save_png(images / "a.png", values)
    segment_folder(model, [images], tmp_path / "out")

    with Image.open(tmp_path / "out" / "a.png") as label:
        assert label.mode == "P"
        indices = np.asarray(label)
        shown = np.asarray(label.convert("RGBA"))

    np.testing.assert_array_equal(indices == IGNORE, np.arange(12)[:, None].repeat(20, axis=1) == 0)
    for index, colour in enumerate(class_colours(2)):
        np.testing.assert_array_equal(
            shown[indices == index], [[*np.rint(255 * colour), 255]] * (indices == index).sum()
        )
    np.testing.assert_array_equal(shown[0], [[0, 0, 0, 0]] * 20)


@pytest.mark.parametrize("shape", [(12, 20), (40, 30), (1, 7)])
def test_an_overlay_is_a_picture_of_the_images_size(model, images, tmp_path, shape):
    """Three bands of 8 bits at the size as read, with nodata black."""
    values = scene(rows=shape[0], columns=shape[1])
    values[:, 0] = 0
    save_png(images / "a.png", values)
    segment_folder(model, [images], tmp_path / "out")

    with Image.open(tmp_path / "out" / "a_overlay.png") as picture:
        assert picture.mode == "RGB"
        pixels = np.asarray(picture)

    assert pixels.shape == (*shape, 3)
    assert not pixels[:, 0].any()
    assert pixels[:, 1:].any(axis=-1).all()


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        (CRS.from_epsg(32610), GRID),
        (CRS.from_epsg(4326), Affine(1e-4, 0, -122.5, 0, -1e-4, 37.75)),
        (CRS.from_epsg(2225), Affine(3, 4, 6_000_000, 4, -3, 2_000_000)),
    ],
)
def test_a_geotiff_gives_a_geotiff_on_its_grid(model, images, tmp_path, crs, transform):
    """Reference system, transform and size are the image's; 255 is said to be nodata."""
    values = scene(rows=40, columns=30)
    values[:5] = 0
    save_tiff(images / "a.tif", values, transform, crs)

    report = segment_folder(model, [images], tmp_path / "out")

    assert report.done == ["a"]
    assert listing(tmp_path / "out") == ["a.tif", "a_overlay.png", "class_areas.csv"]
    with rasterio.open(tmp_path / "out" / "a.tif") as label:
        assert (label.crs, label.transform, label.shape) == (crs, transform, (40, 30))
        assert (label.count, label.dtypes, label.nodata) == (1, ("uint8",), 255)
        np.testing.assert_array_equal(label.read(1) == IGNORE, np.arange(40)[:, None].repeat(30, axis=1) < 5)
        assert label.colormap(1)[1] == (*(int(part) for part in np.rint(255 * class_colours(2)[1])), 255)


def test_a_tiff_without_a_grid_gives_a_picture(model, images, tmp_path):
    """There is no place on Earth to write down."""
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        save_tiff(images / "a.tif", scene(), transform=None, crs=None)

    segment_folder(model, [images], tmp_path / "out")

    assert listing(tmp_path / "out") == ["a.png", "a_overlay.png", "class_areas.csv"]


def test_class_areas_by_hand(model, images, tmp_path):
    """Pixels of 10 m: of 4 x 5 pixels one row is nodata, 6 are bright and 9 dark; a picture has no square metres."""
    values = np.full((4, 5, 3), 50, np.uint8)
    values[0] = 0
    values[1] = 200
    values[2, 0] = 200
    save_tiff(images / "map.tif", values)
    save_png(images / "picture.png", values[1:])

    segment_folder(model, [images], tmp_path / "out")

    assert read_rows(tmp_path / "out" / "class_areas.csv") == [
        ["image", "class", "pixels", "share", "square_metres"],
        ["map", "low", "9", "0.600000", "900.0"],
        ["map", "high", "6", "0.400000", "600.0"],
        ["picture", "low", "9", "0.600000", ""],
        ["picture", "high", "6", "0.400000", ""],
    ]


def test_an_image_without_data_covers_nothing(model, images, tmp_path):
    """Zero pixels, a share of 0 and no area: not a division by zero."""
    save_tiff(images / "a.tif", np.zeros((4, 5, 3), np.uint8))

    segment_folder(model, [images], tmp_path / "out")

    assert read_rows(tmp_path / "out" / "class_areas.csv")[1:] == [
        ["a", "low", "0", "0.000000", "0.0"],
        ["a", "high", "0", "0.000000", "0.0"],
    ]


def test_band_sets_are_stacked_from_two_folders(tmp_path):
    """Red and green from pictures, the last band from a GeoTIFF, whose grid the label gets."""
    model = saved(lambda stacked: bright(stacked[..., 3:]), bands=4)
    (tmp_path / "rgb").mkdir()
    (tmp_path / "nir").mkdir()
    save_png(tmp_path / "rgb" / "a.png", scene(0))
    save_png(tmp_path / "rgb" / "alone.png", scene(1))
    nir = scene(2, bands=1)
    save_tiff(tmp_path / "nir" / "a.tif", nir)

    report = segment_folder(model, [tmp_path / "rgb", tmp_path / "nir"], tmp_path / "out")

    assert report.done == ["a"]
    assert report.failed == {
        str(tmp_path / "rgb" / "alone.png"): f"no file of this stem in {tmp_path / 'nir'}",
    }
    with rasterio.open(tmp_path / "out" / "a.tif") as label:
        assert label.transform == GRID
        np.testing.assert_array_equal(label.read(1), nir[..., 0] > 100)


def test_a_file_that_cannot_be_used_is_listed_and_the_others_are_done(model, images, tmp_path):
    """A broken file, one with another band count, and one between them that is right."""
    (images / "broken.png").write_bytes(b"no picture")
    save_png(images / "fine.png", scene())
    save_png(images / "grey.png", scene()[..., 0])

    report = segment_folder(model, [images], tmp_path / "out")

    assert report.done == ["fine"]
    assert set(report.failed) == {str(images / "broken.png"), str(images / "grey.png")}
    assert "broken.png cannot be read as an image" in report.failed[str(images / "broken.png")]
    assert "has 1 bands and the model takes 3 (red, green, blue)" in report.failed[str(images / "grey.png")]
    assert listing(tmp_path / "out") == ["class_areas.csv", "fine.png", "fine_overlay.png"]
    assert {row[0] for row in read_rows(tmp_path / "out" / "class_areas.csv")[1:]} == {"fine"}


def test_when_every_file_fails_the_table_is_empty(model, images, tmp_path):
    """The report says why; the table has its head only."""
    (images / "broken.tif").write_bytes(b"")

    report = segment_folder(model, [images], tmp_path / "out")

    assert report.done == []
    assert list(report.failed) == [str(images / "broken.tif")]
    assert read_rows(tmp_path / "out" / "class_areas.csv") == [["image", "class", "pixels", "share", "square_metres"]]


def test_a_second_run_writes_the_same_bytes(model, images, tmp_path):
    """Outputs are a function of model and images, and old ones are replaced."""
    save_png(images / "a.png", scene())
    save_tiff(images / "b.tif", scene(1))
    out = tmp_path / "out"

    segment_folder(model, [images], out)
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / "a.png").write_bytes(b"stale")
    segment_folder(model, [images], out)

    assert {path.name: path.read_bytes() for path in out.iterdir()} == first


def test_a_label_raster_can_be_read_as_one(model, images, tmp_path):
    """A written label is a label image again, and as an image it is the class colours."""
    save_tiff(images / "a.tif", np.full((2, 2, 3), 200, np.uint8))
    segment_folder(model, [images], tmp_path / "out")

    np.testing.assert_array_equal(read_label(tmp_path / "out" / "a.tif"), 1)
    colour = np.rint(255 * class_colours(2)[1])
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "a.tif").values, np.broadcast_to(colour, (2, 2, 3)))


def test_a_folder_that_cannot_be_used_is_refused(model, images, tmp_path):
    """Missing, or without an image."""
    with pytest.raises(DataError, match=r"missing is no folder; give the folder that holds the image files"):
        segment_folder(model, [tmp_path / "missing"], tmp_path / "out")
    with pytest.raises(DataError, match=r"images holds no image files; it must hold files ending in \.png"):
        segment_folder(model, [images], tmp_path / "out")
    assert not (tmp_path / "out").exists()

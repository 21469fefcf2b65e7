"""Tests of segmenting a folder of images."""

import csv
import os

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.crs import CRS
from rasterio.errors import RasterioIOError

from gym.config.spectral_index import parse_index
from gym.core.errors import DataError
from gym.data.class_colours import class_colours, overlay, render_rgb
from gym.data.labels import IGNORE
from gym.data.readers.raster import read_image, read_label
from gym.prediction import predict_folder
from gym.prediction.predict_folder import segment_folder
from tests.prediction.test_segment import bright, make_model

GRID = Affine(10, 0, 500_000, 0, -10, 4_000_000)


@pytest.fixture(scope="module")
def model():
    """Three bands; class 1 where the first is above 100."""
    return make_model(bright)


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


def list_files(folder):
    return sorted(contents(folder))


def contents(folder):
    """The bytes of each file in a folder, by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_image_gets_a_label_and_an_overlay(model, images, tmp_path):
    """Two PNGs are written, and no temporary file is left."""
    for seed, name in enumerate(["a", "b.2020"]):
        save_png(images / f"{name}.png", scene(seed))

    report = segment_folder(model, [images], tmp_path / "new" / "labels")

    assert report == (["a", "b.2020"], {})
    outputs = ["a.png", "b.2020.png", "class_areas.csv", "overlays/a.png", "overlays/b.2020.png"]
    assert list_files(tmp_path / "new" / "labels") == outputs
    assert list_files(images) == ["a.png", "b.2020.png"]
    for seed, name in enumerate(["a", "b.2020"]):
        label = read_label(tmp_path / "new" / "labels" / f"{name}.png").values
        np.testing.assert_array_equal(label, scene(seed)[..., 0] > 100)


def test_a_label_has_the_class_colours_as_its_palette(model, images, tmp_path):
    """Viewers show the class colours, and transparent black where there is no data."""
    values = scene()
    values[0] = 0
    save_png(images / "a.png", values)
    segment_folder(model, [images], tmp_path / "out")

    with Image.open(tmp_path / "out" / "a.png") as label:
        assert label.mode == "P"
        indices = np.asarray(label)
        shown = np.asarray(label.convert("RGBA"))

    np.testing.assert_array_equal(indices == IGNORE, np.arange(12)[:, None].repeat(20, axis=1) == 0)
    for index, colour in enumerate(class_colours(["low", "high"])):
        np.testing.assert_array_equal(
            shown[indices == index], [[*np.rint(255 * colour), 255]] * (indices == index).sum()
        )
    np.testing.assert_array_equal(shown[0], [[0, 0, 0, 0]] * 20)


@pytest.mark.parametrize("shape", [(12, 20), (40, 30), (1, 7)])
def test_an_overlay_has_the_size_of_its_image(model, images, tmp_path, shape):
    """It has three 8-bit bands, and nodata is black."""
    values = scene(rows=shape[0], columns=shape[1])
    values[:, 0] = 0
    save_png(images / "a.png", values)
    segment_folder(model, [images], tmp_path / "out")

    with Image.open(tmp_path / "out" / "overlays" / "a.png") as picture:
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
def test_a_geotiff_yields_a_geotiff_on_its_grid(model, images, tmp_path, crs, transform):
    """Reference system, transform and size are those of the image, and the nodata value is 255."""
    values = scene(rows=40, columns=30)
    values[:5] = 0
    save_tiff(images / "a.tif", values, transform, crs)

    report = segment_folder(model, [images], tmp_path / "out")

    assert report.done == ["a"]
    assert list_files(tmp_path / "out") == ["a.tif", "class_areas.csv", "overlays/a.png"]
    with rasterio.open(tmp_path / "out" / "a.tif") as label:
        assert (label.crs, label.transform, label.shape) == (crs, transform, (40, 30))
        assert (label.count, label.dtypes, label.nodata) == (1, ("uint8",), 255)
        np.testing.assert_array_equal(label.read(1) == IGNORE, np.arange(40)[:, None].repeat(30, axis=1) < 5)
        assert label.colormap(1)[1] == (*(int(part) for part in np.rint(255 * class_colours(["low", "high"])[1])), 255)


def test_a_tiff_without_a_grid_yields_a_png(model, images, tmp_path):
    """There is no georeference to write."""
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        save_tiff(images / "a.tif", scene(), transform=None, crs=None)

    segment_folder(model, [images], tmp_path / "out")

    assert list_files(tmp_path / "out") == ["a.png", "class_areas.csv", "overlays/a.png"]


def test_a_tiff_without_a_transform_yields_a_png(model, images, tmp_path):
    """A reference system alone does not locate pixels, so their area is unknown."""
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        save_tiff(images / "a.tif", scene(), transform=None)

    segment_folder(model, [images], tmp_path / "out")

    assert list_files(tmp_path / "out") == ["a.png", "class_areas.csv", "overlays/a.png"]
    assert [row[-1] for row in read_rows(tmp_path / "out" / "class_areas.csv")[1:]] == ["", ""]


@pytest.mark.parametrize(
    "crs",
    [CRS.from_wkt('LOCAL_CS["site grid",UNIT["metre",1]]'), CRS.from_epsg(3857), None],
    ids=["local", "Web Mercator", "none"],
)
def test_areas_are_empty_on_a_grid_that_does_not_preserve_them(model, images, tmp_path, crs):
    """The label is on its grid, and the next image is segmented."""
    save_tiff(images / "a.tif", scene(), crs=crs)
    save_png(images / "b.png", scene(1))

    report = segment_folder(model, [images], tmp_path / "out")

    assert report == (["a", "b"], {})
    with rasterio.open(tmp_path / "out" / "a.tif") as label:
        assert (label.crs, label.transform) == (crs, GRID)
    rows = read_rows(tmp_path / "out" / "class_areas.csv")[1:]
    assert [row[-1] for row in rows] == ["", "", "", ""]
    assert sum(int(row[2]) for row in rows[:2]) == 12 * 20


def test_names_of_images_and_overlays_never_collide(model, images, tmp_path):
    """An image may be named after the overlay of another, or after their folder."""
    names = ["a", "a_overlay", "overlays"]
    for seed, name in enumerate(names):
        save_png(images / f"{name}.png", scene(seed))

    report = segment_folder(model, [images], tmp_path / "out")

    assert report == (names, {})
    for seed, name in enumerate(names):
        np.testing.assert_array_equal(read_label(tmp_path / "out" / f"{name}.png").values, scene(seed)[..., 0] > 100)
        with Image.open(tmp_path / "out" / "overlays" / f"{name}.png") as picture:
            assert picture.mode == "RGB"


def test_written_files_have_the_usual_permissions(model, images, tmp_path):
    """Files and folders follow the umask of the user."""
    save_png(images / "a.png", scene())
    save_tiff(images / "b.tif", scene(1))
    before = os.umask(0o022)
    try:
        segment_folder(model, [images], tmp_path / "out")
    finally:
        os.umask(before)

    modes = {path: path.stat().st_mode & 0o777 for path in (tmp_path / "out", *(tmp_path / "out").rglob("*"))}
    assert len(modes) == 7
    assert modes == {path: 0o755 if path.is_dir() else 0o644 for path in modes}


def test_class_areas_are_written_as_csv(model, images, tmp_path):
    """With pixels of 10 m, one row of 4 x 5 is nodata, 6 are bright and 9 dark; a PNG has no square metres."""
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


def test_an_image_without_data_is_reported(model, images, tmp_path):
    """There is nothing to segment; the other images are done, and the CSV has no row of it."""
    save_tiff(images / "empty.tif", np.zeros((4, 5, 3), np.uint8))
    save_png(images / "fine.png", scene())

    report = segment_folder(model, [images], tmp_path / "out")

    assert report == (
        ["fine"],
        {str(images / "empty.tif"): "has no data: every pixel is 0 or nodata in all bands; remove it."},
    )
    assert list_files(tmp_path / "out") == ["class_areas.csv", "fine.png", "overlays/fine.png"]
    assert {row[0] for row in read_rows(tmp_path / "out" / "class_areas.csv")[1:]} == {"fine"}


def test_a_larger_image_is_labelled_tile_by_tile(images, tmp_path):
    """The label is exact at the size and on the grid of the image, and so is its nodata."""
    values = scene(rows=75, columns=110)
    values[20:30, 40:90] = 0
    save_tiff(images / "a.tif", values)
    tiled = make_model(bright, framing="tile", overlap=0.3)

    report = segment_folder(tiled, [images], tmp_path / "out")

    assert report == (["a"], {})
    with rasterio.open(tmp_path / "out" / "a.tif") as label:
        assert label.transform == GRID
        np.testing.assert_array_equal(label.read(1), np.where(values.any(axis=2), values[..., 0] > 100, IGNORE))
    with Image.open(tmp_path / "out" / "overlays" / "a.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (75, 110, 3)
    np.testing.assert_array_equal(pixels.any(axis=2), values.any(axis=2))


def test_an_overlay_shows_the_bands_as_read(images, tmp_path):
    """With an index, the model has more bands than the image; red, green and blue are found by name."""
    model = make_model(
        lambda maps: bright(100 + maps[..., 4:]),
        bands=4,
        source_bands=("nir", "blue", "green", "red"),
        indices=(parse_index("NDVI"),),
    )
    values = scene(bands=4)
    save_tiff(images / "a.tif", values)

    segment_folder(model, [images], tmp_path / "out")

    label = read_label(tmp_path / "out" / "a.tif").values
    np.testing.assert_array_equal(label, values[..., 0] > values[..., 3])
    expected = overlay(render_rgb(values, ["nir", "blue", "green", "red"]), label, ["low", "high"])
    with Image.open(tmp_path / "out" / "overlays" / "a.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.rint(255 * expected))


def test_band_sets_are_stacked_from_two_folders(tmp_path):
    """Red and green are PNGs, and the last band is a GeoTIFF whose grid the label gets."""
    model = make_model(lambda stacked: bright(stacked[..., 3:]), bands=4)
    (tmp_path / "rgb").mkdir()
    (tmp_path / "nir").mkdir()
    save_png(tmp_path / "rgb" / "a.png", scene(0))
    save_png(tmp_path / "rgb" / "alone.png", scene(1))
    nir = scene(2, bands=1)
    save_tiff(tmp_path / "nir" / "a.tif", nir)

    report = segment_folder(model, [tmp_path / "rgb", tmp_path / "nir"], tmp_path / "out")

    assert report.done == ["a"]
    assert report.failed == {
        str(tmp_path / "rgb" / "alone.png"): f"no file with this stem in {tmp_path / 'nir'}",
    }
    with rasterio.open(tmp_path / "out" / "a.tif") as label:
        assert label.transform == GRID
        np.testing.assert_array_equal(label.read(1), nir[..., 0] > 100)


def test_differences_between_stems_are_removed(tmp_path):
    """The patterns are those used in training."""
    model = make_model(lambda stacked: bright(stacked[..., 3:]), bands=4)
    for kind, values in (("rgb", scene(0)), ("nir", scene(1)[..., 0])):
        (tmp_path / kind).mkdir()
        save_png(tmp_path / kind / f"a_{kind}.png", values)

    report = segment_folder(model, [tmp_path / "rgb", tmp_path / "nir"], tmp_path / "out", ["_(rgb|nir)$"])

    assert report == (["a"], {})
    np.testing.assert_array_equal(read_label(tmp_path / "out" / "a.png").values, scene(1)[..., 0] > 100)


def test_a_bad_file_is_reported_and_the_others_are_segmented(model, images, tmp_path):
    """One file is broken, another has a wrong number of bands, and one between them is good."""
    (images / "broken.png").write_bytes(b"no picture")
    save_png(images / "fine.png", scene())
    save_png(images / "grey.png", scene()[..., 0])

    report = segment_folder(model, [images], tmp_path / "out")

    assert report.done == ["fine"]
    assert set(report.failed) == {str(images / "broken.png"), str(images / "grey.png")}
    assert "broken.png cannot be read as an image" in report.failed[str(images / "broken.png")]
    assert "has 1 band where 3 are expected (red, green, blue)" in report.failed[str(images / "grey.png")]
    assert list_files(tmp_path / "out") == ["class_areas.csv", "fine.png", "overlays/fine.png"]
    assert {row[0] for row in read_rows(tmp_path / "out" / "class_areas.csv")[1:]} == {"fine"}


def test_if_every_file_fails_the_csv_has_only_a_header(model, images, tmp_path):
    """The result contains the reasons."""
    (images / "broken.tif").write_bytes(b"")

    report = segment_folder(model, [images], tmp_path / "out")

    assert report.done == []
    assert list(report.failed) == [str(images / "broken.tif")]
    assert read_rows(tmp_path / "out" / "class_areas.csv") == [["image", "class", "pixels", "share", "square_metres"]]


def test_a_second_run_writes_the_same_bytes(model, images, tmp_path):
    """Outputs depend on model and images only, and existing ones are replaced."""
    save_png(images / "a.png", scene())
    save_tiff(images / "b.tif", scene(1))
    out = tmp_path / "out"

    segment_folder(model, [images], out)
    first = contents(out)
    assert len(first) == 5
    (out / "a.png").write_bytes(b"stale")
    (out / "overlays" / "a.png").write_bytes(b"stale")
    segment_folder(model, [images], out)

    assert contents(out) == first


def test_a_written_label_can_be_read_back(model, images, tmp_path):
    """As a label, it is unlabelled where there is no data; as an image, it has the class colours."""
    values = np.full((2, 2, 3), 200, np.uint8)
    values[0, 1] = 0
    save_tiff(images / "a.tif", values)
    segment_folder(model, [images], tmp_path / "out")

    label = read_label(tmp_path / "out" / "a.tif")
    np.testing.assert_array_equal(label.values, [[1, IGNORE], [1, 1]])
    np.testing.assert_array_equal(label.valid, [[True, False], [True, True]])
    assert label.grid.transform == GRID
    shown = np.broadcast_to(np.rint(255 * class_colours(["low", "high"])[1]), (2, 2, 3)).copy()
    shown[0, 1] = 0
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "a.tif").values, shown)


def test_a_missing_or_empty_folder_is_rejected(model, images, tmp_path):
    """The error says what is expected."""
    with pytest.raises(DataError, match=r"missing is not a folder; give the folder that holds the image files"):
        segment_folder(model, [tmp_path / "missing"], tmp_path / "out")
    with pytest.raises(DataError, match=r"images contains no image files; give a folder of files ending in \.png"):
        segment_folder(model, [images], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["the only one", "the second", "by another name", "through a link"])
def test_an_output_that_is_an_input_is_rejected(model, images, tmp_path, kind):
    """A label would replace its image; nothing is read or written."""
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(images)
    save_png(images / "a.png", scene())
    save_png(tmp_path / "other" / "a.png", scene(1))
    before = contents(tmp_path)
    inputs = [tmp_path / "other", images] if kind == "the second" else [images]
    output = {"by another name": tmp_path / "other" / ".." / "images", "through a link": tmp_path / "link"}.get(
        kind, images
    )

    with pytest.raises(
        DataError, match=r"^output=.+ is an input folder, whose images would be overwritten; give another folder\.$"
    ):
        segment_folder(model, inputs, output)

    assert contents(tmp_path) == before


def test_an_output_that_is_a_file_is_rejected(model, images, tmp_path):
    """The file is not changed."""
    save_png(images / "a.png", scene())
    (tmp_path / "out").write_bytes(b"mine")

    with pytest.raises(DataError, match=r"^output=.+out is a file; give a folder\.$"):
        segment_folder(model, [images], tmp_path / "out")

    assert list_files(tmp_path) == ["images/a.png", "out"]
    assert (tmp_path / "out").read_bytes() == b"mine"


def test_an_unwritable_output_is_rejected(model, images, tmp_path):
    """The parent or the folder of overlays is a file; the error is one line."""
    save_png(images / "a.png", scene())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "overlays").write_bytes(b"mine")

    for output in (images / "a.png" / "out", tmp_path / "out"):
        with pytest.raises(
            DataError,
            match=r"^output=.+out cannot be written \(.+\); "
            r"check its permissions and free space, or give another folder\.$",
        ):
            segment_folder(model, [images], output)


@pytest.mark.parametrize("writer", ["write_raster", "write_cells"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RasterioIOError("Write failed\nat once")])
def test_a_full_disk_raises_an_error_of_one_line(model, images, tmp_path, monkeypatch, writer, error):
    """Either GDAL or Python may raise it."""
    save_png(images / "a.png", scene())

    def refused(*_):
        raise error

    monkeypatch.setattr(predict_folder, writer, refused)

    with pytest.raises(DataError, match=r"^output=.+out cannot be written \((\[Errno 28\] No space|Write failed\);)"):
        segment_folder(model, [images], tmp_path / "out")


def test_long_names_and_formulas_do_not_abort_the_folder(model, images, tmp_path):
    """A stem may have 251 bytes, and a name that begins like a formula is text in the table."""
    names = ["=1+1", "a" * 220, "b" * 251, "ü" * 125]
    for name in names:
        save_png(images / f"{name}.png", scene())

    report = segment_folder(model, [images], tmp_path / "out")

    assert report == (names, {})
    with (tmp_path / "out" / "class_areas.csv").open(newline="", encoding="utf-8") as stream:
        assert {row["image"] for row in csv.DictReader(stream)} == {"'=1+1", *names[1:]}

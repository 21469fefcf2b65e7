"""Images of every format, depth and band count; nodata is 0 in every band."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.crs import CRS

from gym.data.raster import Grid, count_bands, read_bands, read_image, read_label, refuse_other_place, shape_of
from gym.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

GRID = Affine(5, 0, 10, 0, -5, 90)
UTM = CRS.from_epsg(32610)


def write_tiff(path, bands, **options):
    count, rows, columns = bands.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=rows, width=columns, count=count, dtype=bands.dtype, **options
    ) as written:
        written.write(bands)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_a_tiff_keeps_its_bands_and_its_type(tmp_path, dtype):
    """Sixteen-bit imagery is not squeezed into eight."""
    bands = (np.arange(2 * 3 * 7).reshape(7, 2, 3) * 500 % 30000).astype(dtype)
    write_tiff(tmp_path / "x.tif", bands)

    values = read_image(tmp_path / "x.tif").values

    assert values.dtype == dtype
    np.testing.assert_array_equal(values, np.moveaxis(bands, 0, -1))


def test_a_geotiff_keeps_its_grid(tmp_path):
    """Reference system and transform come along; a picture has none."""
    write_tiff(tmp_path / "x.tif", np.ones((1, 2, 2), "uint8"), crs="EPSG:32610", transform=GRID)
    Image.fromarray(np.ones((2, 2), np.uint8)).save(tmp_path / "x.png")

    grid = read_image(tmp_path / "x.tif").grid

    assert grid == Grid(UTM, GRID)
    assert read_image(tmp_path / "x.png").grid is None


def test_half_a_grid_is_none(tmp_path):
    """A reference system without a transform says nothing of where a pixel lies, nor one the other way round."""
    write_tiff(tmp_path / "system.tif", np.ones((1, 2, 2), "uint8"), crs="EPSG:32610")
    write_tiff(tmp_path / "transform.tif", np.ones((1, 2, 2), "uint8"), transform=GRID)

    assert read_image(tmp_path / "system.tif").grid is None
    assert read_image(tmp_path / "transform.tif").grid is None


def test_nodata_and_nan_become_zero(tmp_path):
    """Whatever the file's way of saying so."""
    write_tiff(tmp_path / "int.tif", np.array([[[-9999, 5]], [[-9999, 6]]], "int16"), nodata=-9999)
    write_tiff(tmp_path / "float.tif", np.array([[[np.nan, 5]], [[np.inf, 6]]], "float32"))

    for name, nodata in (("int.tif", -9999), ("float.tif", None)):
        raster = read_image(tmp_path / name)
        np.testing.assert_array_equal(raster.values, [[[0, 0], [5, 6]]])
        np.testing.assert_array_equal(raster.valid, [[False, True]])
        assert raster.nodata == nodata


def test_a_pixel_without_data_in_one_band_has_none_in_any(tmp_path):
    """Half a spectrum would be an outlier, not a measurement."""
    write_tiff(tmp_path / "x.tif", np.array([[[np.nan, 5]], [[-20, 6]]], "float32"))

    np.testing.assert_array_equal(read_image(tmp_path / "x.tif").values, [[[0, 0], [5, 6]]])


def test_a_file_that_declares_no_nodata_has_data_everywhere(tmp_path):
    """What is 0 may be a shadow; the reader does not guess."""
    write_tiff(tmp_path / "x.tif", np.array([[[0, 5]], [[0, 6]]], "uint16"))

    raster = read_image(tmp_path / "x.tif")

    assert raster.valid is None
    assert raster.nodata is None


def test_transparent_pixels_have_no_data_and_alpha_is_no_band(tmp_path):
    """RGBA is read as RGB."""
    rgba = np.array([[[9, 8, 7, 255], [9, 8, 7, 0]]], np.uint8)
    Image.fromarray(rgba).save(tmp_path / "x.png")

    np.testing.assert_array_equal(read_image(tmp_path / "x.png").values, [[[9, 8, 7], [0, 0, 0]]])


def test_a_fourth_tiff_band_that_is_imagery_is_a_band(tmp_path):
    """Four-band TIFFs are often marked as RGBA: near infra-red stays, a real alpha goes."""
    bands = np.array([[[9, 8]], [[7, 6]], [[5, 4]], [[0, 90]]], np.uint8)
    write_tiff(tmp_path / "nir.tif", bands, photometric="RGB", alpha="YES")
    bands[3] = [[0, 255]]
    write_tiff(tmp_path / "alpha.tif", bands, photometric="RGB", alpha="YES")

    np.testing.assert_array_equal(read_image(tmp_path / "nir.tif").values, [[[9, 7, 5, 0], [8, 6, 4, 90]]])
    np.testing.assert_array_equal(read_image(tmp_path / "alpha.tif").values, [[[0, 0, 0], [8, 6, 4]]])


def test_the_real_four_band_pairs_have_four_bands(real_data):
    """Red, green, blue and near infra-red, though the files say RGBA."""
    path = min((real_data / "ocean_beach_s2" / "images").iterdir())

    assert read_image(path).values.shape[2] == 4


def test_a_palette_is_colour_in_an_image_and_class_in_a_label(tmp_path):
    """Indices are labels, colours are imagery."""
    picture = Image.fromarray(np.array([[0, 2]], np.uint8), mode=None).convert("P")
    picture.putpalette([10, 20, 30, 0, 0, 0, 40, 50, 60])
    picture.putdata([0, 2])
    picture.save(tmp_path / "x.png")

    np.testing.assert_array_equal(read_image(tmp_path / "x.png").values, [[[10, 20, 30], [40, 50, 60]]])
    label = read_label(tmp_path / "x.png")
    np.testing.assert_array_equal(label.values, [[0, 2]])
    assert label.labelled is None


def test_sixteen_bit_png_is_read_whole(tmp_path):
    """Values above 255 survive."""
    Image.fromarray(np.array([[300, 60000]], np.uint16)).save(tmp_path / "x.png")

    np.testing.assert_array_equal(read_image(tmp_path / "x.png").values[..., 0], [[300, 60000]])


def test_band_sets_are_stacked_in_order(tmp_path):
    """RGB from one folder, NIR from another, in the wider type; the grid of whichever has one."""
    Image.fromarray(np.full((2, 3, 3), 7, np.uint8)).save(tmp_path / "rgb.png")
    write_tiff(tmp_path / "nir.tif", np.full((1, 2, 3), 900, "uint16"), crs="EPSG:4326", transform=GRID)

    raster = read_bands([tmp_path / "rgb.png", tmp_path / "nir.tif"])
    turned = read_bands([tmp_path / "nir.tif", tmp_path / "rgb.png"])

    np.testing.assert_array_equal(raster.values[0, 0], [7, 7, 7, 900])
    np.testing.assert_array_equal(turned.values[0, 0], [900, 7, 7, 7])
    assert raster.values.dtype == np.uint16
    assert raster.grid.crs == turned.grid.crs == CRS.from_epsg(4326)


def test_where_one_band_set_has_no_data_none_has(tmp_path):
    """If its file says so; a band set that is 0 without saying so is dark there."""
    write_tiff(tmp_path / "a.tif", np.array([[[9, 5, 0]]], "uint8"), nodata=9)
    write_tiff(tmp_path / "b.tif", np.array([[[1, 0, 3]]], "uint8"))

    raster = read_bands([tmp_path / "b.tif", tmp_path / "a.tif"])

    np.testing.assert_array_equal(raster.values, [[[0, 0], [0, 5], [3, 0]]])
    np.testing.assert_array_equal(raster.valid, [[False, True, True]])


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32611", GRID),
        ("EPSG:32610", Affine(5, 0, 13, 0, -5, 90)),
        ("EPSG:32610", Affine(10, 0, 10, 0, -5, 90)),
        ("EPSG:32610", Affine(5, 0, 10, 0, 5, 90)),
    ],
)
def test_band_sets_on_two_grids_are_refused(tmp_path, crs, transform):
    """Another zone, another place, another pixel size, upside down: they would be stacked wrong."""
    write_tiff(tmp_path / "a.tif", np.ones((1, 2, 2), "uint8"), crs="EPSG:32610", transform=GRID)
    write_tiff(tmp_path / "b.tif", np.ones((1, 2, 2), "uint8"), crs=crs, transform=transform)

    with pytest.raises(
        DataError, match=r"b\.tif and .*a\.tif do not lie on one grid; files of one scene must: warp one onto the other"
    ):
        read_bands([tmp_path / "a.tif", tmp_path / "b.tif"])


def test_grids_may_differ_by_less_than_half_a_pixel():
    """Rounding is no other place, as long as it does not add up over the columns; what has no grid lies nowhere."""
    ours = Grid(UTM, GRID)
    refuse_other_place(ours, Grid(UTM, Affine(5, 0, 12, 0, -5, 88)), (2, 3), "x")
    refuse_other_place(ours, Grid(UTM, Affine(5.01, 0, 10, 0, -5, 90)), (2, 249), "x")
    refuse_other_place(ours, None, (2, 3), "x")
    refuse_other_place(None, ours, (2, 3), "x")
    for transform in (Affine(5, 0, 10, 0, -5, 87), Affine(5.01, 0, 10, 0, -5, 90), Affine(5, 0, 10, 0, -5.011, 90)):
        with pytest.raises(DataError, match=r"^x do not lie on one grid"):
            refuse_other_place(ours, Grid(UTM, transform), (240, 251), "x")


def test_band_sets_of_two_sizes_are_refused(tmp_path):
    """The message has both files and both sizes."""
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.zeros((2, 4), np.uint8)).save(tmp_path / "b.png")

    with pytest.raises(
        DataError, match=r"b\.png is 2x4 and .*a\.png is 2x3 pixels; band sets of one scene must have one"
    ):
        read_bands([tmp_path / "a.png", tmp_path / "b.png"])


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_damaged_files_are_named(tmp_path, suffix):
    """Truncated, empty, or no image at all."""
    whole = tmp_path / f"whole.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(whole)
    for name, content in {
        "half": whole.read_bytes()[: whole.stat().st_size // 2],
        "empty": b"",
        "text": b"not an image",
    }.items():
        path = tmp_path / f"{name}.{suffix}"
        path.write_bytes(content)
        with pytest.raises(
            DataError, match=rf"{name}\.{suffix} cannot be read as an image \(.+\); replace or remove it"
        ):
            read_image(path)


def test_a_label_with_three_bands_is_refused(tmp_path):
    """A coloured picture of labels is no label image."""
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / "x.png")

    with pytest.raises(DataError, match=r"x\.png has 3 bands; a label image must have one"):
        read_label(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("dtype", "nodata", "values"),
    [("uint8", 255, [0, 255, 2]), ("int16", -1, [0, -1, 2]), ("float32", np.nan, [0, np.nan, 2])],
)
def test_the_nodata_value_of_a_label_says_nothing(tmp_path, dtype, nodata, values):
    """Its pixels are unlabelled, also where it is NaN, which equals nothing; class 0 is none."""
    write_tiff(tmp_path / "x.tif", np.array([[values]], dtype), nodata=nodata)

    label = read_label(tmp_path / "x.tif")

    np.testing.assert_array_equal(label.labelled, [[True, False, True]])
    np.testing.assert_array_equal(label.values, np.array([values], dtype))


def test_a_label_has_a_grid_too(tmp_path):
    """So that it can be held against its image's."""
    write_tiff(tmp_path / "x.tif", np.ones((1, 2, 2), "uint8"), crs="EPSG:32610", transform=GRID)

    assert read_label(tmp_path / "x.tif").grid == Grid(UTM, GRID)


def test_bands_are_counted_as_they_are_read(tmp_path):
    """A palette is three, an alpha band none; a size is worded rows first."""
    Image.fromarray(np.zeros((2, 3), np.uint8)).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(np.zeros((2, 3, 4), np.uint8)).save(tmp_path / "alpha.png")

    assert count_bands(tmp_path / "palette.png") == count_bands(tmp_path / "alpha.png") == 3
    assert shape_of(np.zeros((153, 72, 4))) == "153x72"


def test_the_real_geotiff_is_read(real_data):
    """Thirteen bands of 16 bits with a grid, and its label with -1 for nodata."""
    image = read_image(real_data / "geotiff" / "Spain_7370579_S2Hand.tif")
    label = read_label(real_data / "geotiff" / "Spain_7370579_LabelHand.tif")

    assert image.values.shape == (512, 512, 13)
    assert image.grid.crs == CRS.from_epsg(4326)
    assert label.values.shape == (512, 512)
    assert set(np.unique(label.values)) <= {-1, 0, 1}
    assert label.grid is not None
    refuse_other_place(label.grid, image.grid, (512, 512), "image and label")

"""Tests of reading rasters of any format, bit depth and number of bands; nodata is 0 in every band."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.crs import CRS

from gym.core.errors import DataError
from gym.data.readers.raster import (
    STEP,
    Grid,
    check_same_grid,
    choose_grid,
    format_size,
    read_bands,
    read_image,
    read_label,
)

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
    """16-bit imagery is not reduced to 8 bits."""
    bands = (np.arange(2 * 3 * 7).reshape(7, 2, 3) * 500 % 30000).astype(dtype)
    write_tiff(tmp_path / "x.tif", bands)

    values = read_image(tmp_path / "x.tif").values

    assert values.dtype == dtype
    np.testing.assert_array_equal(values, np.moveaxis(bands, 0, -1))


def test_a_geotiff_keeps_its_grid(tmp_path):
    """The reference system and the transform are read; a PNG has none."""
    write_tiff(tmp_path / "x.tif", np.ones((1, 2, 2), "uint8"), crs="EPSG:32610", transform=GRID)
    Image.fromarray(np.ones((2, 2), np.uint8)).save(tmp_path / "x.png")

    grid = read_image(tmp_path / "x.tif").grid

    assert grid == Grid(UTM, GRID)
    assert read_image(tmp_path / "x.png").grid is None


def test_a_grid_needs_a_transform_but_no_reference_system(tmp_path):
    """A transform is enough to compare the position of two files."""
    write_tiff(tmp_path / "system.tif", np.ones((1, 2, 2), "uint8"), crs="EPSG:32610")
    write_tiff(tmp_path / "transform.tif", np.ones((1, 2, 2), "uint8"), transform=GRID)

    assert read_image(tmp_path / "system.tif").grid is None
    assert read_image(tmp_path / "transform.tif").grid == Grid(None, GRID)


def test_nodata_and_nan_become_zero(tmp_path):
    """Every way of marking nodata is supported."""
    write_tiff(tmp_path / "int.tif", np.array([[[-9999, 5]], [[-9999, 6]]], "int16"), nodata=-9999)
    write_tiff(tmp_path / "float.tif", np.array([[[np.nan, 5]], [[np.inf, 6]]], "float32"))

    for name, nodata in (("int.tif", -9999), ("float.tif", None)):
        raster = read_image(tmp_path / name)
        np.testing.assert_array_equal(raster.values, [[[0, 0], [5, 6]]])
        np.testing.assert_array_equal(raster.valid, [[False, True]])
        assert raster.nodata == nodata


def test_a_pixel_without_data_in_one_band_has_none_in_any(tmp_path):
    """Half a spectrum would be an outlier rather than a measurement."""
    write_tiff(tmp_path / "x.tif", np.array([[[np.nan, 5]], [[-20, 6]]], "float32"))

    np.testing.assert_array_equal(read_image(tmp_path / "x.tif").values, [[[0, 0], [5, 6]]])


def test_single_zeros_are_data_if_the_nodata_value_is_zero(tmp_path):
    """Dark water in exported RGB images has single zeros; only 0 in every band is nodata."""
    write_tiff(tmp_path / "x.tif", np.array([[[0, 0, 5]], [[0, 6, 0]], [[0, 7, 8]]], "uint8"), nodata=0)

    raster = read_image(tmp_path / "x.tif")

    np.testing.assert_array_equal(raster.values, [[[0, 0, 0], [0, 6, 7], [5, 0, 8]]])
    np.testing.assert_array_equal(raster.valid, [[False, True, True]])


def test_any_other_nodata_value_in_one_band_clears_the_pixel(tmp_path):
    """A fourth band that is marked as alpha but holds imagery does not change that."""
    bands = np.array([[[255, 0, 5]], [[1, 6, 255]], [[2, 7, 8]], [[3, 4, 9]]], "uint8")
    for name, options in {"x": {}, "marked": {"photometric": "RGB", "alpha": "YES"}}.items():
        write_tiff(tmp_path / f"{name}.tif", bands, nodata=255, **options)

        np.testing.assert_array_equal(
            read_image(tmp_path / f"{name}.tif").values, [[[0, 0, 0, 0], [0, 6, 7, 4], [0, 0, 0, 0]]]
        )


def test_alpha_and_nodata_value_are_both_evaluated(tmp_path):
    """GDAL evaluates only the nodata value if a file has both."""
    bands = np.array([[[7, 8, 9]], [[1, 6, 5]], [[2, 3, 8]], [[255, 0, 255]]], "uint8")
    write_tiff(tmp_path / "x.tif", bands, photometric="RGB", alpha="YES", nodata=7)

    np.testing.assert_array_equal(read_image(tmp_path / "x.tif").values, [[[0, 0, 0], [0, 0, 0], [9, 5, 8]]])


def test_internal_masks_and_transparent_colours_are_evaluated(tmp_path):
    """A mask applies to all bands, and a transparent colour to three values at once."""
    write_tiff(tmp_path / "x.tif", np.array([[[9, 8]], [[7, 6]]], "uint8"))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"), rasterio.open(tmp_path / "x.tif", "r+") as written:
        written.write_mask(np.array([[False, True]]))
    rgb = np.array([[[1, 2, 3], [0, 2, 3]]], np.uint8)
    Image.fromarray(rgb).save(tmp_path / "x.png", transparency=(1, 2, 3))

    np.testing.assert_array_equal(read_image(tmp_path / "x.tif").values, [[[0, 0], [8, 6]]])
    np.testing.assert_array_equal(read_image(tmp_path / "x.png").values, [[[0, 0, 0], [0, 2, 3]]])


@pytest.mark.parametrize("name", ["x.tif", "x.png"])
def test_sidecar_files_are_ignored(tmp_path, name):
    """The hash of the image would not reveal changes of a mask, statistics or a world file."""
    Image.fromarray(np.array([[5, 6]], np.uint8)).save(tmp_path / name)
    before = read_image(tmp_path / name)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="NO"), rasterio.open(tmp_path / name, "r+") as written:
        written.write_mask(np.array([[False, True]]))
    (tmp_path / f"{name}.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><NoDataValue>6</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    for suffix in (".tfw", ".pgw", ".wld"):
        (tmp_path / "x").with_suffix(suffix).write_text("5\n0\n0\n-5\n10\n90\n")
    with rasterio.open(tmp_path / name) as dataset:
        assert dataset.read_masks(1).tolist() == [[0, 255]]

    after = read_image(tmp_path / name)

    np.testing.assert_array_equal(after.values, before.values)
    assert after[1:] == before[1:] == (None, None, None, False)


@pytest.mark.parametrize(("dtype", "step"), [("uint8", 1), ("int16", 1), ("uint16", 1), ("float32", STEP)])
def test_a_dark_pixel_with_data_is_lifted(tmp_path, dtype, step):
    """If the file declares nodata, 0 in every band becomes the smallest step, and nothing else changes."""
    write_tiff(tmp_path / "x.tif", np.array([[[9, 0, 0]], [[5, 0, 6]]], dtype), nodata=9)

    raster = read_bands([tmp_path / "x.tif"])

    assert raster.values.dtype == dtype
    np.testing.assert_array_equal(raster.values, np.array([[[0, 0], [step, step], [0, 6]]], dtype))


def test_a_nan_does_not_declare_nodata(tmp_path):
    """Its pixel has no data, and pixels that are 0 in every band stay nodata."""
    write_tiff(tmp_path / "x.tif", np.array([[[np.nan, 0, 5]]], "float32"))

    raster = read_bands([tmp_path / "x.tif"])

    np.testing.assert_array_equal(raster.values, [[[0], [0], [5]]])
    assert not raster.is_declared


def test_dark_pixels_are_lifted_only_after_stacking(tmp_path):
    """A 0 in one band set is a measurement; if all bands are 0 and a file declares nodata, the pixel is lifted."""
    write_tiff(tmp_path / "a.tif", np.array([[[9, 0, 0]]], "uint8"), nodata=9)
    write_tiff(tmp_path / "b.tif", np.array([[[7, 7, 0]]], "uint8"))

    for names in (["a", "b"], ["b", "a"]):
        raster = read_bands([tmp_path / f"{name}.tif" for name in names])
        np.testing.assert_array_equal(raster.values.any(axis=2), [[False, True, True]])
        np.testing.assert_array_equal(raster.values[0, 1], [0, 7] if names[0] == "a" else [7, 0])
        np.testing.assert_array_equal(raster.values[0, 2], [1, 1])
    assert not read_bands([tmp_path / "b.tif"] * 2).values[0, 2].any()


def test_a_file_without_declared_nodata_is_unchanged(tmp_path):
    """A 0 may be a shadow, and the reader does not guess."""
    write_tiff(tmp_path / "x.tif", np.array([[[0, 5]], [[0, 6]]], "uint16"))

    raster = read_image(tmp_path / "x.tif")

    assert raster.valid is None
    assert raster.nodata is None


def test_transparent_pixels_have_no_data_and_alpha_is_not_a_band(tmp_path):
    """RGBA is read as RGB."""
    rgba = np.array([[[9, 8, 7, 255], [9, 8, 7, 0]]], np.uint8)
    Image.fromarray(rgba).save(tmp_path / "x.png")

    np.testing.assert_array_equal(read_image(tmp_path / "x.png").values, [[[9, 8, 7], [0, 0, 0]]])


def test_a_fourth_band_marked_as_alpha_may_be_imagery(tmp_path):
    """Near infra-red is kept, whereas true alpha is removed."""
    bands = np.array([[[9, 8]], [[7, 6]], [[5, 4]], [[0, 90]]], np.uint8)
    write_tiff(tmp_path / "nir.tif", bands, photometric="RGB", alpha="YES")
    bands[3] = [[0, 255]]
    write_tiff(tmp_path / "alpha.tif", bands, photometric="RGB", alpha="YES")

    np.testing.assert_array_equal(read_image(tmp_path / "nir.tif").values, [[[9, 7, 5, 0], [8, 6, 4, 90]]])
    np.testing.assert_array_equal(read_image(tmp_path / "alpha.tif").values, [[[0, 0, 0], [8, 6, 4]]])


def test_real_four_band_images_have_four_bands(real_data):
    """They are red, green, blue and near infra-red, although the files declare RGBA."""
    path = min((real_data / "ocean_beach_s2" / "images").iterdir())

    assert read_image(path).values.shape[2] == 4


def test_a_palette_is_colour_in_an_image_and_indices_in_a_label(tmp_path):
    """Labels are indices, whereas imagery is colour."""
    picture = Image.fromarray(np.array([[0, 2]], np.uint8), mode=None).convert("P")
    picture.putpalette([10, 20, 30, 0, 0, 0, 40, 50, 60])
    picture.putdata([0, 2])
    picture.save(tmp_path / "x.png")

    np.testing.assert_array_equal(read_image(tmp_path / "x.png").values, [[[10, 20, 30], [40, 50, 60]]])
    label = read_label(tmp_path / "x.png")
    np.testing.assert_array_equal(label.values, [[0, 2]])
    assert label.valid is None


def test_transparent_entries_of_a_palette_are_nodata(tmp_path):
    """There may be several; an opaque black entry has data."""
    picture = Image.fromarray(np.zeros((1, 4), np.uint8)).convert("P")
    picture.putpalette([10, 20, 30, 0, 0, 0, 40, 50, 60, 7, 8, 9])
    picture.putdata([0, 1, 2, 3])
    picture.save(tmp_path / "two.png", transparency=bytes([0, 255, 0, 255]))
    picture.save(tmp_path / "one.png", transparency=3)

    for name, clear in (("two", [0, 2]), ("one", [3])):
        expected = np.array([[[10, 20, 30], [1, 1, 1], [40, 50, 60], [7, 8, 9]]])
        expected[0, clear] = 0
        np.testing.assert_array_equal(read_bands([tmp_path / f"{name}.png"]).values, expected)


def test_a_palette_may_have_16_bits(tmp_path):
    """There are more than 256 colours."""
    layout = {"height": 1, "width": 3, "count": 1, "dtype": "uint16", "photometric": "palette"}
    with rasterio.open(tmp_path / "x.tif", "w", driver="GTiff", **layout) as written:
        written.write_colormap(1, {300: (1, 2, 3), 65535: (7, 8, 9)})
        written.write(np.array([[[300, 5, 65535]]], np.uint16))

    np.testing.assert_array_equal(read_image(tmp_path / "x.tif").values, [[[1, 2, 3], [0, 0, 0], [7, 8, 9]]])


@pytest.mark.parametrize("read", [read_image, read_label])
def test_complex_numbers_are_rejected(tmp_path, read):
    """Radar imagery has them."""
    write_tiff(tmp_path / "x.tif", np.ones((1, 2, 2), np.complex64))

    with pytest.raises(
        DataError, match=r"x\.tif holds complex numbers; save real ones instead, such as their amplitude"
    ):
        read(tmp_path / "x.tif")


def test_a_16_bit_png_keeps_its_values(tmp_path):
    """Values above 255 are kept."""
    Image.fromarray(np.array([[300, 60000]], np.uint16)).save(tmp_path / "x.png")

    np.testing.assert_array_equal(read_image(tmp_path / "x.png").values[..., 0], [[300, 60000]])


def test_band_sets_are_stacked_in_order(tmp_path):
    """RGB and NIR come from two folders, and the grid from the file that has one."""
    Image.fromarray(np.full((2, 3, 3), 7, np.uint8)).save(tmp_path / "rgb.png")
    write_tiff(tmp_path / "nir.tif", np.full((1, 2, 3), 90, "uint8"), crs="EPSG:4326", transform=GRID)

    raster = read_bands([tmp_path / "rgb.png", tmp_path / "nir.tif"])
    turned = read_bands([tmp_path / "nir.tif", tmp_path / "rgb.png"])

    np.testing.assert_array_equal(raster.values[0, 0], [7, 7, 7, 90])
    np.testing.assert_array_equal(turned.values[0, 0], [90, 7, 7, 7])
    assert raster.values.dtype == np.uint8
    assert raster.grid.crs == turned.grid.crs == CRS.from_epsg(4326)


def test_band_sets_of_different_types_are_rejected(tmp_path):
    """8-bit values would be scaled by the largest 16-bit value."""
    write_tiff(tmp_path / "rgb.tif", np.ones((3, 2, 2), "uint8"))
    write_tiff(tmp_path / "nir.tif", np.ones((1, 2, 2), "uint16"))

    with pytest.raises(
        DataError,
        match=r"nir\.tif holds uint16, but .*rgb\.tif holds uint8; convert all band sets of a scene to the same type, "
        r"because they are scaled together\.$",
    ):
        read_bands([tmp_path / "rgb.tif", tmp_path / "nir.tif"])


def test_a_grid_with_a_reference_system_is_preferred():
    """Otherwise, the first grid is used."""
    placed, unnamed = Grid(UTM, GRID), Grid(None, GRID)

    assert choose_grid(None, unnamed, placed) == placed
    assert choose_grid(None, unnamed, None) == unnamed
    assert choose_grid(None, None) is None


def test_declared_nodata_in_one_band_set_clears_all(tmp_path):
    """A band set that is 0 without declared nodata is merely dark."""
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
def test_band_sets_on_different_grids_are_rejected(tmp_path, crs, transform):
    """Another zone, position, pixel size or orientation would misalign them."""
    write_tiff(tmp_path / "a.tif", np.ones((1, 2, 2), "uint8"), crs="EPSG:32610", transform=GRID)
    write_tiff(tmp_path / "b.tif", np.ones((1, 2, 2), "uint8"), crs=crs, transform=transform)

    with pytest.raises(
        DataError, match=r"b\.tif and .*a\.tif are on different grids; warp one onto the grid of the other"
    ):
        read_bands([tmp_path / "a.tif", tmp_path / "b.tif"])


def test_grids_may_differ_by_less_than_half_a_pixel():
    """Rounding is tolerated if it does not add up over the columns, and a raster without a grid always fits."""
    ours = Grid(UTM, GRID)
    check_same_grid(ours, Grid(UTM, Affine(5, 0, 12, 0, -5, 88)), (2, 3), "x")
    check_same_grid(ours, Grid(UTM, Affine(5.01, 0, 10, 0, -5, 90)), (2, 249), "x")
    check_same_grid(ours, None, (2, 3), "x")
    check_same_grid(None, ours, (2, 3), "x")
    check_same_grid(ours, Grid(None, GRID), (2, 3), "x")
    for transform in (Affine(5, 0, 10, 0, -5, 87), Affine(5.01, 0, 10, 0, -5, 90), Affine(5, 0, 10, 0, -5.011, 90)):
        for crs in (UTM, None):
            with pytest.raises(DataError, match=r"^x are on different grids"):
                check_same_grid(ours, Grid(crs, transform), (240, 251), "x")


def test_band_sets_of_different_sizes_are_rejected(tmp_path):
    """The error states both files and both sizes."""
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.zeros((2, 4), np.uint8)).save(tmp_path / "b.png")

    with pytest.raises(
        DataError, match=r"b\.png has 2x4 pixels, but .*a\.png has 2x3; give all band sets of a scene the same size"
    ):
        read_bands([tmp_path / "a.png", tmp_path / "b.png"])


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_damaged_files_are_rejected_by_name(tmp_path, suffix):
    """They are truncated, empty, or not images."""
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


def test_a_label_with_three_bands_is_rejected(tmp_path):
    """A colour picture of a label is not a label."""
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / "x.png")

    with pytest.raises(DataError, match=r"x\.png has 3 bands; a label must be a single band"):
        read_label(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("dtype", "nodata", "values"),
    [("uint8", 255, [0, 255, 2]), ("int16", -1, [0, -1, 2]), ("float32", np.nan, [0, np.nan, 2])],
)
def test_the_nodata_value_of_a_label_marks_unlabelled_pixels(tmp_path, dtype, nodata, values):
    """It may be NaN, which equals nothing, and does not become class 0."""
    write_tiff(tmp_path / "x.tif", np.array([[values]], dtype), nodata=nodata)

    label = read_label(tmp_path / "x.tif")

    np.testing.assert_array_equal(label.valid, [[True, False, True]])
    np.testing.assert_array_equal(label.values, np.array([values], dtype))


def test_a_label_has_a_grid(tmp_path):
    """It is compared with the grid of its image."""
    write_tiff(tmp_path / "x.tif", np.ones((1, 2, 2), "uint8"), crs="EPSG:32610", transform=GRID)

    assert read_label(tmp_path / "x.tif").grid == Grid(UTM, GRID)


def test_a_size_is_formatted_rows_first():
    """The order is that of array shapes."""
    assert format_size(np.zeros((153, 72, 4))) == "153x72"


def test_the_real_geotiff_is_read(real_data):
    """It has thirteen 16-bit bands and a grid, and its label has -1 for nodata."""
    image = read_image(real_data / "geotiff" / "Spain_7370579_S2Hand.tif")
    label = read_label(real_data / "geotiff" / "Spain_7370579_LabelHand.tif")

    assert image.values.shape == (512, 512, 13)
    assert image.grid.crs == CRS.from_epsg(4326)
    assert label.values.shape == (512, 512)
    assert set(np.unique(label.values)) <= {-1, 0, 1}
    assert label.grid is not None
    check_same_grid(label.grid, image.grid, (512, 512), "image and label")

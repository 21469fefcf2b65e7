"""Read image and label files: PNG, JPEG and TIFF, any number of bands, any depth, through GDAL.

Arrays are ``(rows, columns, bands)`` in the file's own type. A pixel without data (the file's nodata value, NaN, full
transparency) is 0 in every band, which is what `gym.models.blocks.Standardize` takes for nodata.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from gym.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")

logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # what it would say comes as an exception too

# Without these GDAL gives zeros for what a truncated PNG or JPEG lacks, and writes files beside the imagery.
_STRICT = {"GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE", "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO", "GDAL_PAM_ENABLED": "NO"}


class Grid(NamedTuple):
    """Where a raster lies on Earth: coordinate reference system, and affine transform from pixels to it."""

    crs: Any
    transform: Any


class Raster(NamedTuple):
    """An image.

    Attributes:
        values: ``(rows, columns, bands)`` in the file's own type, 0 in every band where the file says there is no data.
        grid: Where it lies, if the file is georeferenced.
        nodata: The value that marks nodata in the file, if it names one.
        valid: ``(rows, columns)`` bool, False where the file says there is no data; None where it says so nowhere.
    """

    values: np.ndarray
    grid: Grid | None
    nodata: float | None = None
    valid: np.ndarray | None = None


class LabelRaster(NamedTuple):
    """Label values, where the file says anything (None: everywhere), and its grid."""

    values: np.ndarray
    labelled: np.ndarray | None
    grid: Grid | None


@contextmanager
def opened(path: Path) -> Iterator[rasterio.DatasetReader]:
    """Open a raster to read; what GDAL finds wrong becomes a `DataError` that names the file."""
    with warnings.catch_warnings(), rasterio.Env(**_STRICT):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with rasterio.open(path) as dataset:
                yield dataset
        except (RasterioError, OSError) as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise DataError(f"{path} cannot be read as an image ({reason}); replace or remove it.") from error


def read_image(path: Path) -> Raster:
    """Read an image with all its bands.

    A palette becomes red, green and blue; an alpha band becomes nodata where it is 0. In a TIFF the fourth of four
    bands is often marked as alpha though it is imagery (near infra-red, say): it is taken for alpha only if it holds
    nothing but fully transparent and fully opaque.

    Raises:
        DataError: The file is no image, is damaged, or is empty.
    """
    with opened(path) as dataset:
        values = np.moveaxis(dataset.read(), 0, -1)
        alpha = _alpha_band(dataset, values)
        valid = _read_valid(dataset, alpha)
        palette = dataset.colormap(1) if dataset.colorinterp[0] == ColorInterp.palette else None
        grid, nodata = _grid_of(dataset), dataset.nodata
    if alpha is not None:
        values = np.delete(values, alpha, axis=2)
    if np.issubdtype(values.dtype, np.floating):
        finite = np.isfinite(values).all(axis=2)
        valid = finite if valid is None else valid & finite
    if palette is not None:
        values = _apply_palette(values[..., 0], palette)
    return Raster(_without(values, valid), grid, nodata, valid)


def read_bands(paths: list[Path]) -> Raster:
    """Stack the bands of several files of one scene, in the order given.

    Raises:
        DataError: A file cannot be read, or two differ in size or lie elsewhere.
    """
    rasters = [read_image(path) for path in paths]
    for path, raster in zip(paths, rasters, strict=True):
        if raster.values.shape[:2] != rasters[0].values.shape[:2]:
            raise DataError(
                f"{path} is {shape_of(raster.values)} and {paths[0]} is {shape_of(rasters[0].values)} pixels; "
                "band sets of one scene must have one size."
            )
        refuse_other_place(raster.grid, rasters[0].grid, raster.values.shape, f"{path} and {paths[0]}")
    if len(rasters) == 1:
        return rasters[0]
    grid = next((raster.grid for raster in rasters if raster.grid), None)
    values = [raster.values for raster in rasters]
    return stack_bands(values, [raster.valid for raster in rasters])._replace(grid=grid, nodata=rasters[0].nodata)


def stack_bands(values: list[np.ndarray], valid: list[np.ndarray | None]) -> Raster:
    """Stack band sets of one size; where one of them has no data, none has."""
    declared = [one for one in valid if one is not None]
    everywhere = np.logical_and.reduce(declared) if declared else None
    return Raster(_without(np.concatenate(values, axis=2), everywhere), None, None, everywhere)


def read_label(path: Path) -> LabelRaster:
    """Read a label raster; a palette's indices are the labels, and the file's nodata value says nothing.

    Raises:
        DataError: The file cannot be read or has more than one band.
    """
    with opened(path) as dataset:
        if dataset.count != 1:
            raise DataError(f"{path} has {dataset.count} bands; a label image must have one, holding class numbers.")
        values, nodata = dataset.read(1), dataset.nodata
        labelled = None if nodata is None else (values != nodata) & ~np.isnan(values)  # nodata may itself be NaN
        return LabelRaster(values, labelled, _grid_of(dataset))


def count_bands(path: Path) -> int:
    """The number of bands `read_image` gives of a file; errors as there."""
    return int(read_image(path).values.shape[2])


def refuse_other_place(grid: Grid | None, other: Grid | None, size: tuple[int, ...], what: str) -> None:
    """Raise `DataError` where a corner of two rasters of ``size`` is half a pixel off, or they differ in system."""
    if grid is None or other is None:
        return
    rows, columns = size[:2]
    corners = np.array([[0, columns, 0, columns], [0, 0, rows, rows], [1, 1, 1, 1]])
    shifts = np.subtract(grid.transform, other.transform)[:6].reshape(2, 3) @ corners
    pixel = np.hypot(grid.transform.a, grid.transform.d)
    if grid.crs != other.crs or np.abs(shifts).max() > 0.5 * pixel:
        raise DataError(f"{what} do not lie on one grid; files of one scene must: warp one onto the other.")


def shape_of(values: np.ndarray) -> str:
    """Word a size, as in '153x72'."""
    return f"{values.shape[0]}x{values.shape[1]}"


def _grid_of(dataset: rasterio.DatasetReader) -> Grid | None:
    is_placed = dataset.crs is not None and not dataset.transform.is_identity
    return Grid(dataset.crs, dataset.transform) if is_placed else None


def _read_valid(dataset: rasterio.DatasetReader, alpha: int | None) -> np.ndarray | None:
    """Where every band has data by what the file declares, ``(rows, columns)``; None where it declares nothing."""
    is_misread = alpha is None and ColorInterp.alpha in dataset.colorinterp
    if is_misread or all(flags == [MaskFlags.all_valid] for flags in dataset.mask_flag_enums):
        return None
    bands = [band for band in range(dataset.count) if band != alpha]
    return (dataset.read_masks([band + 1 for band in bands]) > 0).all(axis=0)


def _without(values: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    return values if valid is None or valid.all() else np.where(valid[..., np.newaxis], values, 0).astype(values.dtype)


def _alpha_band(dataset: rasterio.DatasetReader, values: np.ndarray) -> int | None:
    if ColorInterp.alpha not in dataset.colorinterp:
        return None
    position = int(dataset.colorinterp.index(ColorInterp.alpha))
    opaque = np.iinfo(values.dtype).max if np.issubdtype(values.dtype, np.integer) else 1
    is_binary = bool(np.isin(values[..., position], (0, opaque)).all())
    return position if is_binary or dataset.driver != "GTiff" else None


def _apply_palette(indices: np.ndarray, palette: dict[int, tuple[int, int, int, int]]) -> np.ndarray:
    table = np.zeros((256, 3), np.uint8)
    for index, (red, green, blue, _) in palette.items():
        table[index] = red, green, blue
    return table[indices]

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
from rasterio.enums import ColorInterp
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
    """An image, and its grid where the file is georeferenced."""

    values: np.ndarray
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
        is_misread = alpha is None and ColorInterp.alpha in dataset.colorinterp
        valid = np.ones(values.shape, bool) if is_misread else np.moveaxis(dataset.read_masks(), 0, -1) > 0
        palette = dataset.colormap(1) if dataset.colorinterp[0] == ColorInterp.palette else None
        is_placed = dataset.crs is not None and not dataset.transform.is_identity
        grid = Grid(dataset.crs, dataset.transform) if is_placed else None
    if alpha is not None:
        values, valid = np.delete(values, alpha, axis=2), np.delete(valid, alpha, axis=2)
    if np.issubdtype(values.dtype, np.floating):
        valid &= np.isfinite(values)
    values = np.where(valid.all(axis=2, keepdims=True), values, 0).astype(values.dtype)
    return Raster(values if palette is None else _apply_palette(values[..., 0], palette), grid)


def read_bands(paths: list[Path]) -> Raster:
    """Stack the bands of several files of one scene, in the order given.

    Raises:
        DataError: A file cannot be read, or two differ in size.
    """
    rasters = [read_image(path) for path in paths]
    for path, raster in zip(paths, rasters, strict=True):
        if raster.values.shape[:2] != rasters[0].values.shape[:2]:
            raise DataError(
                f"{path} is {shape_of(raster.values)} and {paths[0]} is {shape_of(rasters[0].values)} pixels; "
                "band sets of one scene must have one size."
            )
    grid = next((raster.grid for raster in rasters if raster.grid), None)
    return Raster(np.concatenate([raster.values for raster in rasters], axis=2), grid)


def read_label(path: Path) -> np.ndarray:
    """Read a label raster ``(rows, columns)``; a palette's indices are the labels.

    Raises:
        DataError: The file cannot be read or has more than one band.
    """
    with opened(path) as dataset:
        if dataset.count != 1:
            raise DataError(f"{path} has {dataset.count} bands; a label image must have one, holding class numbers.")
        return dataset.read(1)


def shape_of(values: np.ndarray) -> str:
    """Word a size, as in '153x72'."""
    return f"{values.shape[0]}x{values.shape[1]}"


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

"""Read image and label files: PNG, JPEG and TIFF, any number of bands, any depth, through GDAL.

Arrays are ``(rows, columns, bands)`` in the file's own type. A pixel without data is 0 in every band, which is what
`gym.models.blocks.Standardize` takes for nodata. It has none where

- the file's nodata value is 0 and every band is 0: dark water in exported red, green and blue has single zeros;
- any other nodata value, or NaN or infinity, is in any band: half a spectrum would be an outlier, not a measurement;
- a mask within the file, full transparency, or a transparent entry of a palette says so.

Files beside an image (masks, statistics, world files) are never looked at: its hash would not tell that they changed.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NodataShadowWarning, NotGeoreferencedWarning, RasterioError

from gym.core.errors import DataError, first_line

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
STEP = 1e-6  # the smallest step of floating-point bands; that of integers is 1

logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # what it would say comes as an exception too

# Without these GDAL gives zeros for what a truncated PNG or JPEG lacks, and reads and writes files beside the imagery.
_STRICT = {
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
}


class Grid(NamedTuple):
    """Where a raster lies: coordinate reference system, None where the file names none, and affine transform to it."""

    crs: Any
    transform: Any


class Raster(NamedTuple):
    """An image.

    Attributes:
        values: ``(rows, columns, bands)`` in the file's own type, 0 in every band where the file says there is no data.
        grid: Where it lies, if the file is georeferenced.
        nodata: The value that marks nodata in the file, if it names one.
        valid: ``(rows, columns)`` bool, False where there is no data; None where there is data everywhere, or nobody
            knows.
        is_declared: Whether the file itself tells pixels without data from dark ones, by a nodata value or a mask.
    """

    values: np.ndarray
    grid: Grid | None
    nodata: float | None = None
    valid: np.ndarray | None = None
    is_declared: bool = False


class LabelRaster(NamedTuple):
    """Label values, where the file says anything (None: everywhere), and its grid."""

    values: np.ndarray
    labelled: np.ndarray | None
    grid: Grid | None


@contextmanager
def open_raster(path: Path) -> Iterator[rasterio.DatasetReader]:
    """Open a raster to read; what GDAL finds wrong becomes a `DataError` that names the file."""
    with warnings.catch_warnings(), rasterio.Env(**_STRICT):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        warnings.simplefilter("ignore", NodataShadowWarning)  # alpha is looked at besides
        try:
            with rasterio.open(path) as dataset:
                yield dataset
        except (RasterioError, OSError) as error:
            reason = first_line(error.__cause__ or error)
            raise DataError(f"{path} cannot be read as an image ({reason}); replace or remove it.") from error


def read_image(path: Path) -> Raster:
    """Read an image with all its bands.

    A palette becomes red, green and blue; an alpha band becomes nodata where it is 0. In a TIFF the fourth of four
    bands is often marked as alpha though it is imagery (near infra-red, say): it is taken for alpha only if it holds
    nothing but fully transparent and fully opaque. A dark pixel may be 0 in every band too: `stack_bands` settles that.

    Raises:
        DataError: The file is no image, is damaged or empty, or holds complex numbers.
    """
    with open_raster(path) as dataset:
        _refuse_complex(dataset, path)
        values = np.moveaxis(dataset.read(), 0, -1)
        alpha = _alpha_band(dataset, values)
        valid = _read_valid(dataset, values, alpha)
        palette = dataset.colormap(1) if dataset.colorinterp[0] == ColorInterp.palette else None
        grid, nodata = _grid_of(dataset), dataset.nodata
    if alpha is not None:
        values = np.delete(values, alpha, axis=2)
    if palette is not None:
        values, is_opaque = _apply_palette(values[..., 0], palette)
        valid = _both(valid, is_opaque)
    is_declared = valid is not None
    if np.issubdtype(values.dtype, np.floating):
        finite = np.isfinite(values).all(axis=2)
        valid = _both(valid, None if finite.all() else finite)
    return Raster(_without(values, valid), grid, nodata, valid, is_declared)


def read_bands(paths: Sequence[Path]) -> Raster:
    """Read and stack the bands of several files of one scene, in the order given; errors as of the two."""
    return stack_bands([(path, read_image(path)) for path in paths])


def stack_bands(sources: Sequence[tuple[object, Raster]]) -> Raster:
    """Stack band sets of one scene, each given with where it comes from.

    Where one of them has no data, none has. Where one of them declares data, and yet all bands are 0, each becomes the
    smallest step above it: 1, or 1e-6 of floating-point bands.

    Raises:
        DataError: Two differ in size or type, or lie elsewhere.
    """
    (first_from, first), rasters = sources[0], [raster for _, raster in sources]
    for source, raster in sources[1:]:
        if raster.values.shape[:2] != first.values.shape[:2]:
            raise DataError(
                f"{source} is {format_size(raster.values)} and {first_from} is {format_size(first.values)} pixels; "
                "band sets of one scene must have one size."
            )
        check_same_grid(raster.grid, first.grid, raster.values.shape, f"{source} and {first_from}")
        if not np.can_cast(raster.values.dtype, first.values.dtype, "equiv"):
            raise DataError(
                f"{source} holds {raster.values.dtype} and {first_from} {first.values.dtype}; band sets of one scene "
                "must have one type, or scaling would go wrong: convert them to one."
            )
    valid = reduce(_both, (raster.valid for raster in rasters))
    is_declared = any(raster.is_declared for raster in rasters)
    values = first.values
    if len(rasters) > 1:
        values = _without(np.concatenate([raster.values for raster in rasters], axis=2), valid)
    nodata = next((raster.nodata for raster in rasters if raster.nodata is not None), None)
    grid = choose_grid(*(raster.grid for raster in rasters))
    return Raster(_lifted(values, valid) if is_declared else values, grid, nodata, valid, is_declared)


def read_label(path: Path) -> LabelRaster:
    """Read a label raster; a palette's indices are the labels, and the file's nodata value says nothing.

    Raises:
        DataError: The file cannot be read, has more than one band, or holds complex numbers.
    """
    with open_raster(path) as dataset:
        _refuse_complex(dataset, path)
        if dataset.count != 1:
            raise DataError(f"{path} has {dataset.count} bands; a label image must have one, holding class numbers.")
        values, nodata = dataset.read(1), dataset.nodata
        labelled = None if nodata is None else (values != nodata) & ~np.isnan(values)  # nodata may itself be NaN
        return LabelRaster(values, labelled, _grid_of(dataset))


def choose_grid(*grids: Grid | None) -> Grid | None:
    """The first grid that has a reference system, else the first at all."""
    known = [grid for grid in grids if grid is not None]
    return next((grid for grid in known if grid.crs is not None), known[0] if known else None)


def check_same_grid(grid: Grid | None, other: Grid | None, size: tuple[int, ...], what: str) -> None:
    """Raise `DataError` where a corner of two rasters of ``size`` is half a pixel off, or their systems differ.

    A grid without a reference system is taken to be in that of the other.
    """
    if grid is None or other is None:
        return
    rows, columns = size[:2]
    corners = np.array([[0, columns, 0, columns], [0, 0, rows, rows], [1, 1, 1, 1]])
    shifts = np.subtract(grid.transform, other.transform)[:6].reshape(2, 3) @ corners
    pixel = np.hypot(grid.transform.a, grid.transform.d)
    is_other_system = None not in (grid.crs, other.crs) and grid.crs != other.crs
    if is_other_system or np.abs(shifts).max() > 0.5 * pixel:
        raise DataError(f"{what} do not lie on one grid; files of one scene must: warp one onto the other.")


def format_size(values: np.ndarray) -> str:
    """Word a size, as in '153x72'."""
    return f"{values.shape[0]}x{values.shape[1]}"


def _grid_of(dataset: rasterio.DatasetReader) -> Grid | None:
    return None if dataset.transform.is_identity else Grid(dataset.crs, dataset.transform)


def _refuse_complex(dataset: rasterio.DatasetReader, path: Path) -> None:
    if any("complex" in dtype for dtype in dataset.dtypes):
        raise DataError(f"{path} holds complex numbers, where real ones must be; save their amplitude, say, instead.")


def _read_valid(dataset: rasterio.DatasetReader, values: np.ndarray, alpha: int | None) -> np.ndarray | None:
    """Where there is data by what the file declares, ``(rows, columns)``; None where it declares nothing."""
    bands = [band for band in range(dataset.count) if band != alpha]
    flags = dataset.mask_flag_enums[bands[0]]
    is_misread = alpha is None and MaskFlags.alpha in flags
    valid = None
    if flags != [MaskFlags.all_valid] and not is_misread:
        masks = dataset.read_masks([band + 1 for band in bands]) > 0
        is_zero = flags == [MaskFlags.nodata] and dataset.nodata == 0
        valid = masks.any(axis=0) if is_zero else masks.all(axis=0)
    return _both(valid, None if alpha is None else values[..., alpha] > 0)


def _both(valid: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    if valid is None or other is None:
        return other if valid is None else valid
    return valid & other


def _without(values: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    return values if valid is None or valid.all() else np.where(valid[..., np.newaxis], values, 0).astype(values.dtype)


def _lifted(values: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    """Give pixels with data that are 0 in every band the smallest step."""
    # Band by band is four times as fast as np.any over the last axis, which is short.
    dark = reduce(np.logical_and, (values[..., band] == 0 for band in range(values.shape[2])))
    dark = dark if valid is None else dark & valid
    if not dark.any():
        return values
    step = 1 if np.issubdtype(values.dtype, np.integer) else STEP
    return np.where(dark[..., np.newaxis], step, values).astype(values.dtype)


def _alpha_band(dataset: rasterio.DatasetReader, values: np.ndarray) -> int | None:
    if ColorInterp.alpha not in dataset.colorinterp or dataset.count == 1:
        return None
    position = int(dataset.colorinterp.index(ColorInterp.alpha))
    opaque = np.iinfo(values.dtype).max if np.issubdtype(values.dtype, np.integer) else 1
    is_binary = bool(np.isin(values[..., position], (0, opaque)).all())
    return position if is_binary or dataset.driver != "GTiff" else None


def _apply_palette(
    indices: np.ndarray, palette: dict[int, tuple[int, int, int, int]]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Red, green and blue of each pixel, and where it is not transparent; None where no entry of the palette is."""
    table = np.zeros((np.iinfo(indices.dtype).max + 1, 4), np.uint8)
    table[:, 3] = 255
    table[list(palette)] = list(palette.values())
    is_opaque = table[:, 3] > 0
    return table[:, :3][indices], None if is_opaque.all() else is_opaque[indices]

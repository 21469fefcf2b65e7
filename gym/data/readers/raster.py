"""Read image and label files through GDAL: PNG, JPEG and TIFF with any number of bands and any bit depth.

Arrays are ``(rows, columns, bands)`` in the file's type. A pixel without data is 0 in every band, which
`gym.models.blocks.Standardize` recognizes. A pixel has no data if

- the nodata value is 0 and every band is 0, because dark water in exported RGB images has single zeros;
- any band has another nodata value, NaN or infinity, because half a spectrum is an outlier rather than a measurement;
- an internal mask, full transparency or a transparent palette entry marks it.

Files next to an image (masks, statistics, world files) are never read, because the hash of the image would not reveal
that they changed.
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
_ANY_SIZE = 256 << 20  # bytes of pixels that any file may have
_MAX_EXPANSION = 1500  # more than DEFLATE and LZW compress an image of one value
STEP = 1e-6  # smallest step of floating-point bands; that of integers is 1

logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # it also raises everything that it logs

# By default, GDAL fills the missing part of a truncated PNG or JPEG with zeros, and reads and writes sidecar files.
_STRICT = {
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
}


class Grid(NamedTuple):
    """Georeference of a raster: its coordinate reference system, or None if unknown, and its affine transform."""

    crs: Any
    transform: Any


class Raster(NamedTuple):
    """An image or a label.

    Attributes:
        values: ``(rows, columns, bands)`` in the file's type, 0 in every band where there is no data; of a label
            ``(rows, columns)``, as in the file.
        grid: Georeference, if the file has one.
        nodata: Nodata value of the file, if it has one.
        valid: ``(rows, columns)`` bool, False where there is no data; None if unknown or if there is data everywhere.
            Of a label, False where it is unlabelled.
        is_declared: Whether the file distinguishes nodata from dark pixels, by a nodata value or a mask.
    """

    values: np.ndarray
    grid: Grid | None
    nodata: float | None = None
    valid: np.ndarray | None = None
    is_declared: bool = False


@contextmanager
def open_raster(path: Path) -> Iterator[rasterio.DatasetReader]:
    """Open a raster for reading; GDAL's errors become a `DataError` that names the file."""
    with warnings.catch_warnings(), rasterio.Env(**_STRICT):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        warnings.simplefilter("ignore", NodataShadowWarning)  # both nodata and alpha are evaluated
        try:
            with rasterio.open(path) as dataset:
                _check_size(dataset, path)
                yield dataset
        except (RasterioError, OSError) as error:
            reason = first_line(error.__cause__ or error)
            raise DataError(f"{path} cannot be read as an image ({reason}); replace or remove it.") from error


def read_image(path: Path) -> Raster:
    """Read an image with all its bands.

    A palette becomes red, green and blue, and an alpha band becomes nodata where it is 0. TIFFs often mark the fourth
    of four bands as alpha although it is imagery such as near infra-red, so it counts as alpha only if all of it is
    either fully transparent or fully opaque. A dark pixel may still be 0 in every band; see `stack_bands`.

    Raises:
        DataError: The file is not an image, is damaged or empty, or holds complex numbers.
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
        valid = _intersect(valid, is_opaque)
    is_declared = valid is not None
    if np.issubdtype(values.dtype, np.floating):
        finite = np.isfinite(values).all(axis=2)
        valid = _intersect(valid, None if finite.all() else finite)
    return Raster(_clear_nodata(values, valid), grid, nodata, valid, is_declared)


def read_bands(paths: Sequence[Path]) -> Raster:
    """Read and stack the bands of several files of one scene; errors as for `read_image` and `stack_bands`."""
    return stack_bands([(path, read_image(path)) for path in paths])


def stack_bands(sources: Sequence[tuple[object, Raster]]) -> Raster:
    """Stack the band sets of one scene.

    A pixel without data in one band set has no data at all. A pixel with data that is 0 in every band is set to the
    smallest step, 1 or 1e-6, if a file distinguishes nodata from dark pixels.

    Args:
        sources: Name of each band set, for errors, and its raster.

    Raises:
        DataError: Two band sets differ in size, type or grid.
    """
    (first_source, first), rasters = sources[0], [raster for _, raster in sources]
    for source, raster in sources[1:]:
        if raster.values.shape[:2] != first.values.shape[:2]:
            raise DataError(
                f"{source} has {format_size(raster.values)} pixels, but {first_source} has "
                f"{format_size(first.values)}; give all band sets of a scene the same size."
            )
        check_same_grid(raster.grid, first.grid, raster.values.shape, f"{source} and {first_source}")
        if not np.can_cast(raster.values.dtype, first.values.dtype, "equiv"):
            raise DataError(
                f"{source} holds {raster.values.dtype}, but {first_source} holds {first.values.dtype}; convert all "
                "band sets of a scene to the same type, because they are scaled together."
            )
    valid = reduce(_intersect, (raster.valid for raster in rasters))
    is_declared = any(raster.is_declared for raster in rasters)
    values = first.values
    if len(rasters) > 1:
        values = _clear_nodata(np.concatenate([raster.values for raster in rasters], axis=2), valid)
    nodata = next((raster.nodata for raster in rasters if raster.nodata is not None), None)
    grid = choose_grid(*(raster.grid for raster in rasters))
    return Raster(_lift_dark_pixels(values, valid) if is_declared else values, grid, nodata, valid, is_declared)


def read_label(path: Path) -> Raster:
    """Read a label raster. Its values may be palette indices; pixels with its nodata value are unlabelled.

    Raises:
        DataError: The file cannot be read, has more than one band, or holds complex numbers.
    """
    with open_raster(path) as dataset:
        _refuse_complex(dataset, path)
        if dataset.count != 1:
            raise DataError(f"{path} has {dataset.count} bands; a label must be a single band of class numbers.")
        values, nodata = dataset.read(1), dataset.nodata
        labelled = None if nodata is None else (values != nodata) & ~np.isnan(values)  # nodata may be NaN
        return Raster(values, _grid_of(dataset), nodata, labelled, labelled is not None)


def choose_grid(*grids: Grid | None) -> Grid | None:
    """Return the first grid with a reference system, or else the first grid."""
    known = [grid for grid in grids if grid is not None]
    return next((grid for grid in known if grid.crs is not None), known[0] if known else None)


def check_same_grid(grid: Grid | None, other: Grid | None, size: tuple[int, ...], names: str) -> None:
    """Raise `DataError` if two grids differ by more than half a pixel at any corner of a raster of ``size``.

    Different reference systems are an error, too; a grid without one is assumed to share the other's.
    """
    if grid is None or other is None:
        return
    rows, columns = size[:2]
    corners = np.array([[0, columns, 0, columns], [0, 0, rows, rows], [1, 1, 1, 1]])
    shifts = np.subtract(grid.transform, other.transform)[:6].reshape(2, 3) @ corners
    pixel = np.hypot(grid.transform.a, grid.transform.d)
    is_other_system = None not in (grid.crs, other.crs) and grid.crs != other.crs
    if is_other_system or np.abs(shifts).max() > 0.5 * pixel:
        raise DataError(f"{names} are on different grids; warp one onto the grid of the other.")


def format_size(values: np.ndarray) -> str:
    """Format rows and columns as in "153x72"."""
    return f"{values.shape[0]}x{values.shape[1]}"


def _check_size(dataset: rasterio.DatasetReader, path: Path) -> None:
    """Raise `DataError` if a file is far too short for its pixels, which GDAL would read as zeros."""
    values = dataset.count * dataset.height * dataset.width
    size = values * np.dtype(dataset.dtypes[0]).itemsize
    found = path.stat().st_size
    if size > max(_ANY_SIZE, _MAX_EXPANSION * found):
        raise DataError(
            f"{path} has {found} bytes, too few for {dataset.width} x {dataset.height} pixels in {dataset.count} "
            "bands; replace or remove it."
        )


def _grid_of(dataset: rasterio.DatasetReader) -> Grid | None:
    return None if dataset.transform.is_identity else Grid(dataset.crs, dataset.transform)


def _refuse_complex(dataset: rasterio.DatasetReader, path: Path) -> None:
    if any("complex" in dtype for dtype in dataset.dtypes):
        raise DataError(f"{path} holds complex numbers; save real ones instead, such as their amplitude.")


def _read_valid(dataset: rasterio.DatasetReader, values: np.ndarray, alpha: int | None) -> np.ndarray | None:
    """Return the mask of pixels with data ``(rows, columns)``, or None if the file declares none."""
    bands = [band for band in range(dataset.count) if band != alpha]
    flags = dataset.mask_flag_enums[bands[0]]
    is_misread = alpha is None and MaskFlags.alpha in flags
    valid = None
    if flags != [MaskFlags.all_valid] and not is_misread:
        masks = dataset.read_masks([band + 1 for band in bands]) > 0
        is_zero = flags == [MaskFlags.nodata] and dataset.nodata == 0
        valid = masks.any(axis=0) if is_zero else masks.all(axis=0)
    return _intersect(valid, None if alpha is None else values[..., alpha] > 0)


def _intersect(valid: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    if valid is None or other is None:
        return other if valid is None else valid
    return valid & other


def _clear_nodata(values: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    return values if valid is None or valid.all() else np.where(valid[..., np.newaxis], values, 0).astype(values.dtype)


def _lift_dark_pixels(values: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    """Set pixels with data that are 0 in every band to the smallest step."""
    # Looping over bands is four times as fast as np.all along the short last axis.
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
    """Return red, green and blue of each pixel, and the mask of opaque pixels, or None if all entries are opaque."""
    table = np.zeros((np.iinfo(indices.dtype).max + 1, 4), np.uint8)
    table[:, 3] = 255
    table[list(palette)] = list(palette.values())
    is_opaque = table[:, 3] > 0
    return table[:, :3][indices], None if is_opaque.all() else is_opaque[indices]

"""Measure on the ground: the size of pixels and the area of classes, in metres."""

import re

import numpy as np
from rasterio import Affine
from rasterio.crs import CRS

from gym.data.dataset import PairRecord
from gym.data.readers.raster import Grid

PixelSize = tuple[float, float]  # height and width, in metres

UNKNOWN_SIZE: PixelSize = (float("nan"), float("nan"))

_EQUATORIAL_RADIUS = 6_378_137.0
_ECCENTRICITY_SQUARED = 0.00669437999014
_MERCATOR = r'PROJECTION\["(Popular_Visualisation|Mercator)'
_MAX_SKEW = 0.01  # cosine of the angle between the sides; below it, distances are accurate to half a percent


def pixel_size(record: PairRecord) -> PixelSize:
    """Return the height and width, in metres, of a pixel in the middle of a pair.

    A pair that was shrunk to its frame has larger pixels than its file. The size is `UNKNOWN_SIZE` if the pair is not
    georeferenced, its grid does not preserve lengths, or its pixels are not rectangles.
    """
    if not record.grid:
        return UNKNOWN_SIZE
    crs, transform = record.grid["crs"], Affine(*record.grid["transform"])
    (scene_rows, _), (top, _, rows, columns), size, _ = record.placement
    units = unit_lengths(Grid(CRS.from_string(crs) if crs else None, transform), scene_rows)
    units = units[min(top + rows // 2, scene_rows - 1)]
    down, across = units * (transform.e, transform.b), units * (transform.d, transform.a)
    height, width = np.linalg.norm(down), np.linalg.norm(across)
    if not abs(down @ across) < _MAX_SKEW * height * width:
        return UNKNOWN_SIZE
    return float(height * rows / size[0]), float(width * columns / size[1])


def class_areas(label: np.ndarray, classes: int, grid: Grid | None) -> np.ndarray:
    """Measure the ground that each class covers, in square metres ``(classes,)``; NaN without a grid."""
    if grid is None:
        return np.full(classes, np.nan)
    areas = pixel_areas(grid, label.shape[0])
    return np.array([((label == index).sum(axis=1) * areas).sum() for index in range(classes)])


def pixel_areas(grid: Grid, rows: int) -> np.ndarray:
    """Return the area of a pixel in each row of a grid, in square metres ``(rows,)``; NaN as in `unit_lengths`."""
    transform = grid.transform
    return abs(transform.a * transform.e - transform.b * transform.d) * unit_lengths(grid, rows).prod(axis=1)


def unit_lengths(grid: Grid, rows: int) -> np.ndarray:
    """Return the length of one unit of a grid on the ground, in each row.

    Args:
        grid: Projected grid in any linear unit, or geographic grid in any angular unit.
        rows: Number of rows.

    Returns:
        Metres to the north and to the east, ``(rows, 2)``. A geographic grid is measured on the WGS 84 ellipsoid, at
        the middle of each row. NaN for grids that do not preserve lengths: Mercator, whose metres grow towards the
        poles, local and geocentric systems, and grids without a reference system.
    """
    crs = grid.crs
    if crs is not None and crs.is_projected and not re.search(_MERCATOR, crs.to_wkt()):
        return np.full((rows, 2), crs.linear_units_factor[1])
    if crs is None or not crs.is_geographic:
        return np.full((rows, 2), np.nan)
    angle = crs.units_factor[1]
    latitude = angle * (grid.transform.f + grid.transform.e * (np.arange(rows) + 0.5))
    curvature = 1 - _ECCENTRICITY_SQUARED * np.sin(latitude) ** 2
    meridian = _EQUATORIAL_RADIUS * (1 - _ECCENTRICITY_SQUARED) / curvature**1.5
    parallel = _EQUATORIAL_RADIUS / np.sqrt(curvature) * np.cos(latitude)
    return np.stack([meridian, parallel], axis=1) * angle

"""How much ground a pixel covers, and how long its sides are.

How long the sides of a stored pixel are on the ground.
"""

import re

import numpy as np
from rasterio import Affine
from rasterio.crs import CRS

from gym.data.dataset import PairRecord
from gym.data.readers.raster import Grid

_EQUATORIAL_RADIUS = 6_378_137.0
_ECCENTRICITY_SQUARED = 0.00669437999014
_MERCATOR = r'PROJECTION\["(Popular_Visualisation|Mercator)'


def pixel_areas(grid: Grid, rows: int) -> np.ndarray:
    """Area of a pixel in each row of a grid, in square metres ``(rows,)``; NaN as of `unit_lengths`."""
    transform = grid.transform
    return abs(transform.a * transform.e - transform.b * transform.d) * unit_lengths(grid, rows).prod(axis=1)


def unit_lengths(grid: Grid, rows: int) -> np.ndarray:
    """How long a unit of a grid is on the ground in each row.

    Args:
        grid: A projected grid in any linear unit, or a geographic one in any angle.
        rows: Number of rows.

    Returns:
        Metres to the north and to the east, ``(rows, 2)``. On a geographic grid they are those of the WGS 84 ellipsoid
        at the middle of the row. NaN where the grid says nothing of lengths: Mercator, whose metres grow towards the
        poles, local or geocentric systems, and none at all.
    """
    if grid.crs is None:
        return np.full((rows, 2), np.nan)
    if grid.crs.is_projected and not re.search(_MERCATOR, grid.crs.to_wkt()):
        return np.full((rows, 2), grid.crs.linear_units_factor[1])
    if not grid.crs.is_geographic:
        return np.full((rows, 2), np.nan)
    angle = grid.crs.units_factor[1]
    latitude = angle * (grid.transform.f + grid.transform.e * (np.arange(rows) + 0.5))
    bent = 1 - _ECCENTRICITY_SQUARED * np.sin(latitude) ** 2
    meridian = _EQUATORIAL_RADIUS * (1 - _ECCENTRICITY_SQUARED) / bent**1.5
    parallel = _EQUATORIAL_RADIUS / np.sqrt(bent) * np.cos(latitude)
    return np.stack([meridian, parallel], axis=1) * angle


def class_areas(label: np.ndarray, classes: int, grid: Grid | None) -> np.ndarray:
    """Ground covered by each class, in square metres ``(classes,)``; NaN without a grid."""
    if grid is None:
        return np.full(classes, np.nan)
    weights = pixel_areas(grid, label.shape[0])
    return np.array([((label == index).sum(axis=1) * weights).sum() for index in range(classes)])


PixelSize = tuple[float, float]

UNKNOWN_SIZE: PixelSize = (float("nan"), float("nan"))
_SKEWED = 0.01  # cosine of the angle between the sides; below it distances are right to half a percent


def pixel_size(record: PairRecord) -> PixelSize:
    """Height and width of a pixel in the middle of what a pair shows, in metres.

    What was shrunk to its frame has larger pixels than its file. `UNKNOWN_SIZE` where the pair is not
    georeferenced, its grid says nothing of lengths, or its pixels are no rectangles.
    """
    if not record.grid:
        return UNKNOWN_SIZE
    crs, transform = record.grid["crs"], Affine(*record.grid["transform"])
    (scene_rows, _), (top, _, rows, columns), shown, _ = record.placement
    units = unit_lengths(Grid(CRS.from_string(crs) if crs else None, transform), scene_rows)
    units = units[min(top + rows // 2, scene_rows - 1)]
    down, across = units * (transform.e, transform.b), units * (transform.d, transform.a)
    height, width = np.linalg.norm(down), np.linalg.norm(across)
    if not abs(down @ across) < _SKEWED * height * width:
        return UNKNOWN_SIZE
    return float(height * rows / shown[0]), float(width * columns / shown[1])

"""How much ground a pixel covers."""

import numpy as np

from gym.data.raster import Grid

_EQUATORIAL_RADIUS = 6_378_137.0
_ECCENTRICITY_SQUARED = 0.00669437999014


def row_areas(grid: Grid, rows: int) -> np.ndarray:
    """Area of a pixel in each row of a grid.

    Args:
        grid: A projected grid, in any linear unit, or one in degrees.
        rows: Number of rows.

    Returns:
        Square metres, ``(rows,)``. In degrees they are those of the WGS 84 ellipsoid at the middle of the row.
    """
    transform = grid.transform
    cell = abs(transform.a * transform.e - transform.b * transform.d)
    if not grid.crs.is_geographic:
        return np.full(rows, cell * grid.crs.linear_units_factor[1] ** 2)
    latitude = np.radians(transform.f + transform.e * (np.arange(rows) + 0.5))
    bent = 1 - _ECCENTRICITY_SQUARED * np.sin(latitude) ** 2
    meridian = _EQUATORIAL_RADIUS * (1 - _ECCENTRICITY_SQUARED) / bent**1.5
    parallel = _EQUATORIAL_RADIUS / np.sqrt(bent) * np.cos(latitude)
    return meridian * parallel * np.radians(1) ** 2 * cell


def class_areas(label: np.ndarray, classes: int, grid: Grid | None) -> np.ndarray:
    """Ground covered by each class, in square metres ``(classes,)``; NaN without a grid."""
    if grid is None:
        return np.full(classes, np.nan)
    weights = row_areas(grid, label.shape[0])
    return np.array([((label == index).sum(axis=1) * weights).sum() for index in range(classes)])

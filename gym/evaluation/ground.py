"""How long the sides of a stored pixel are on the ground."""

import numpy as np
from rasterio import Affine
from rasterio.crs import CRS

from gym.data.raster import Grid
from gym.data.store import PairRecord
from gym.prediction.area import row_units

Sides = tuple[float, float]

UNKNOWN: Sides = (float("nan"), float("nan"))
_SKEWED = 0.01  # cosine of the angle between the sides; below it distances are right to half a percent


def pixel_sides(record: PairRecord) -> Sides:
    """Height and width of a pixel in the middle of what a pair shows, in metres.

    What was shrunk to its frame has larger pixels than its file. `UNKNOWN` where the pair is not georeferenced, its
    grid says nothing of lengths, or its pixels are no rectangles.
    """
    if not record.grid:
        return UNKNOWN
    crs, transform = record.grid["crs"], Affine(*record.grid["transform"])
    (scene_rows, _), (top, _, rows, columns), shown, _ = record.placement
    units = row_units(Grid(CRS.from_string(crs) if crs else None, transform), scene_rows)
    units = units[min(top + rows // 2, scene_rows - 1)]
    down, across = units * (transform.e, transform.b), units * (transform.d, transform.a)
    height, width = np.linalg.norm(down), np.linalg.norm(across)
    if not abs(down @ across) < _SKEWED * height * width:
        return UNKNOWN
    return float(height * rows / shown[0]), float(width * columns / shown[1])

"""How long the side of a stored pixel is on the ground."""

import numpy as np
from rasterio import Affine
from rasterio.crs import CRS

from gym.data.raster import Grid
from gym.data.store import PairRecord
from gym.prediction.area import row_areas


def pixel_side(record: PairRecord) -> float:
    """Side of a square as large as a pixel in the middle of what a pair shows, in metres.

    What was shrunk to its frame has larger pixels than its file. NaN where the pair is not georeferenced, or its grid
    says nothing of areas.
    """
    if not record.grid:
        return float("nan")
    placement = record.placement
    crs = CRS.from_string(record.grid["crs"]) if record.grid["crs"] else None
    areas = row_areas(Grid(crs, Affine(*record.grid["transform"])), placement.scene[0])
    top, _, rows, columns = placement.window
    area = areas[min(top + rows // 2, len(areas) - 1)] * rows * columns / (placement.shown[0] * placement.shown[1])
    return float(np.sqrt(area))

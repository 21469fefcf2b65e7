"""Write labels and imagery as PNG or GeoTIFF."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from gym.core.files import atomic_file
from gym.data.class_colours import class_colours
from gym.data.labels import IGNORE
from gym.data.readers.raster import Grid


def write_label(path: Path, label: np.ndarray, grid: Grid | None, classes: Sequence[str]) -> None:
    """Write class indices with a palette of the class colours: a PNG, or a GeoTIFF where there is a grid."""
    palette = {index: tuple(int(255 * part) for part in rgb) for index, rgb in enumerate(class_colours(classes))}
    palette[IGNORE] = (0, 0, 0)
    write_raster(path, label[np.newaxis], grid, palette)


def write_raster(
    path: Path,
    bands: np.ndarray,
    grid: Grid | None = None,
    palette: dict[int, tuple[int, ...]] | None = None,
    names: Sequence[str] = (),
) -> None:
    """Write ``(bands, rows, columns)`` in their own type, whole or not at all, in the format of the path's suffix.

    What has a palette is a label, with 255 for nodata; a TIFF with band names is imagery, with 0 for nodata.
    """
    png: dict[str, Any] = {"driver": "PNG"}
    options = png if path.suffix == ".png" else {"driver": "GTiff", "compress": "deflate", "tiled": True}
    if grid is not None:
        options |= {"crs": grid.crs, "transform": grid.transform}
    if palette is not None:
        options |= {"nodata": IGNORE}
    if names:
        options |= {"nodata": 0, "photometric": "minisblack"}  # no band of four is taken for transparency
    (count, rows, columns), dtype = bands.shape, bands.dtype
    with atomic_file(path) as beside, warnings.catch_warnings(), rasterio.Env(GDAL_PAM_ENABLED="NO"):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(beside, "w", height=rows, width=columns, count=count, dtype=dtype, **options) as written:
            if names:
                written.descriptions = names
            if palette is not None:  # before the pixels: a TIFF's kind cannot change once it has any
                written.write_colormap(1, palette)
            written.write(bands)

"""Write labels and imagery as PNG or GeoTIFF."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from gym.core.files import atomic_file
from gym.data.class_colours import class_colours
from gym.data.labels import IGNORE
from gym.data.readers.raster import Grid


def write_label(path: Path, label: np.ndarray, grid: Grid | None, classes: Sequence[str]) -> None:
    """Write class indices ``(rows, columns)`` with the class colours as palette; arguments as for `write_raster`."""
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
    """Write a PNG or a GeoTIFF atomically; the suffix of the path selects the format.

    Args:
        path: File to write.
        bands: ``(bands, rows, columns)``, written in its own type.
        grid: Georeference, for a TIFF.
        palette: Colours of a label raster, whose nodata value is 255.
        names: Band names of imagery in a TIFF, whose nodata value is 0.

    Raises:
        DiskError: The file cannot be written.
        RasterioError: GDAL cannot encode the values.
    """
    options: dict[str, Any] = {"driver": "PNG"}
    if path.suffix != ".png":
        options = {"driver": "GTiff", "compress": "deflate", "tiled": True}
    if grid is not None:
        options |= {"crs": grid.crs, "transform": grid.transform}
    if palette is not None:
        options |= {"nodata": IGNORE}
    if names:
        options |= {"nodata": 0, "photometric": "minisblack"}  # else GDAL declares the fourth of four bands as alpha
    (count, rows, columns), dtype = bands.shape, bands.dtype
    # In memory first: on a full disk, GDAL prints lines of its own and may report nothing at all as it closes a file.
    with MemoryFile(ext=path.suffix) as memory, warnings.catch_warnings(), rasterio.Env(GDAL_PAM_ENABLED="NO"):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(height=rows, width=columns, count=count, dtype=dtype, **options) as raster:
            if names:
                raster.descriptions = names
            if palette is not None:
                raster.write_colormap(1, palette)  # before the pixels, which fix the photometric kind of a TIFF
            raster.write(bands)
        with atomic_file(path) as temporary:
            temporary.write_bytes(memory.getbuffer())

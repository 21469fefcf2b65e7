"""Write a few pairs of a dataset as image files, to look at or to use with `gym.predict` and `gym.train`.

    samples/
        images/1_NAME.tif    the bands as read, at the size of the pair and on its grid
        labels/1_NAME.png    class indices with the class colours; a GeoTIFF if the pair is georeferenced

Ignored pixels are 255, which a PNG cannot declare as nodata: to train on these files, set
``data.ignore_values=[255]``.
"""

import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from rasterio import Affine
from rasterio.crs import CRS

from gym.core.files import cut_name
from gym.data.dataset import Dataset, PairRecord
from gym.data.raster_writer import write_label, write_raster
from gym.data.readers.raster import Grid
from gym.data.samples import pair_of_sample
from gym.data.scaling import unscale_image

_MAX_NAME = 80  # bytes


def write_sample_pairs(dataset: Dataset, names: Sequence[str], count: int, folder: Path) -> int:
    """Write up to ``count`` of the named pairs, spread over the sites.

    Scaling is undone and indices are left out, so that prediction prepares the files as training did: exactly with
    ``scaling=none`` or ``dtype``, and up to rounding with ``reflectance``. The result is only similar with
    ``percentile``, because a second stretch differs from the first, and for a shrunk scene with indices, because the
    index of a mean is not the mean of the indices.

    Args:
        dataset: Source of the pairs.
        names: Names of pairs, or of augmented copies of pairs, to choose from.
        count: Largest number of pairs to write.
        folder: Folder to hold ``images`` and ``labels``.

    Returns:
        The number of pairs written.

    Raises:
        OSError: A file cannot be written.
    """
    chosen = choose_pairs(dataset.manifest.pairs, names, count)
    preparation = dataset.manifest.preparation
    for number, position in enumerate(chosen, start=1):
        record = dataset.manifest.pairs[position]
        stem = f"{number}_" + cut_name(re.sub(r"[^\w.-]+", "_", record.name), _MAX_NAME)
        grid, bands = pair_grid(record), list(preparation.source_bands)
        image = unscale_image(dataset.unpadded_image(position)[..., : len(bands)], preparation.scaling)
        write_raster(folder / "images" / f"{stem}.tif", np.moveaxis(image, -1, 0), grid, names=bands)
        path = folder / "labels" / f"{stem}.{'png' if grid is None else 'tif'}"
        write_label(path, dataset.unpadded_label(position), grid, dataset.manifest.classes)
    return len(chosen)


def choose_pairs(records: Sequence[PairRecord], names: Sequence[str], count: int) -> list[int]:
    """Return positions of named pairs, one per site in turn, in the order of the dataset."""
    known = {record.name for record in records}
    wanted = {pair_of_sample(name, known) for name in names}
    by_site: dict[str, list[int]] = {}
    for position, record in enumerate(records):
        if record.name in wanted:
            by_site.setdefault(record.site, []).append(position)
    rounds = zip_longest(*by_site.values())
    return [position for one in rounds for position in one if position is not None][:count]


def pair_grid(record: PairRecord) -> Grid | None:
    """Return the grid of an unpadded pair, or None if its scene is not georeferenced."""
    if not record.grid:
        return None
    top, left, rows, columns = record.placement.window
    tall, wide = rows / record.placement.size[0], columns / record.placement.size[1]
    a, b, c, d, e, f = record.grid["transform"]
    transform = Affine(a * wide, b * tall, c + a * left + b * top, d * wide, e * tall, f + d * left + e * top)
    return Grid(CRS.from_string(record.grid["crs"]) if record.grid["crs"] else None, transform)

"""A few pairs of a dataset as files, for anyone to look at, and for `gym.predict` and `gym.train` to read.

samples/
    images/1_NAME.tif    the bands as read, in a pair's own size, on its grid
    labels/1_NAME.png    class indices with their colours, 255 where nothing counts; a GeoTIFF where there is a grid

A PNG cannot say that 255 is no class: training on these wants ``data.ignore_values=[255]``.
"""

import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from rasterio import Affine
from rasterio.crs import CRS

from gym.data.dataset import Dataset, PairRecord
from gym.data.raster_writer import write_label, write_raster
from gym.data.readers.raster import Grid
from gym.data.scaling import unscale_image

_LONGEST_NAME = 80


def write_sample_pairs(dataset: Dataset, names: Sequence[str], count: int, folder: Path) -> int:
    """Write some of the named pairs, those of different sites first.

    An image has the values that it had before it was scaled, and no indices, so that prediction makes of it what
    training saw: exactly that, or with ``scaling=reflectance`` but for rounding. It is only near to that with
    ``scaling=percentile``, of which the second stretch differs from the first, and where a scene was shrunk: the
    index of mean values is not the mean of their indices.

    Args:
        dataset: The dataset.
        names: Pairs, or copies of pairs, that may be taken.
        count: Most pairs to write.
        folder: Gets ``images`` and ``labels``.

    Returns:
        How many were written.

    Raises:
        OSError: The disk refuses.
    """
    chosen = choose_pairs(dataset.manifest.pairs, names, count)
    preparation = dataset.manifest.preparation
    for number, position in enumerate(chosen, start=1):
        record = dataset.manifest.pairs[position]
        plain = re.sub(r"[^\w.-]+", "_", record.name)[:_LONGEST_NAME]
        title = f"{number}_{plain}"
        grid, bands = pair_grid(record), list(preparation.source_bands)
        image = unscale_image(dataset.unpadded_image(position)[..., : len(bands)], preparation.scaling)
        write_raster(folder / "images" / f"{title}.tif", np.moveaxis(image, -1, 0), grid, names=bands)
        label = folder / "labels" / f"{title}.{'png' if grid is None else 'tif'}"
        write_label(label, dataset.unpadded_label(position), grid, dataset.manifest.classes)
    return len(chosen)


def choose_pairs(records: Sequence[PairRecord], names: Sequence[str], count: int) -> list[int]:
    """Positions of some of the named pairs: of each site in turn, in the order of the dataset."""
    known = {record.name for record in records}
    wanted = {name if name in known else name.rpartition(" copy ")[0] for name in names}
    by_site: dict[str, list[int]] = {}
    for position, record in enumerate(records):
        if record.name in wanted:
            by_site.setdefault(record.site, []).append(position)
    rounds = zip_longest(*by_site.values())
    return [position for one in rounds for position in one if position is not None][:count]


def pair_grid(record: PairRecord) -> Grid | None:
    """Where the shown part of a pair lies; None where its scene lies nowhere."""
    if not record.grid:
        return None
    top, left, rows, columns = record.placement.window
    tall, wide = rows / record.placement.size[0], columns / record.placement.size[1]
    a, b, c, d, e, f = record.grid["transform"]
    transform = Affine(a * wide, b * tall, c + a * left + b * top, d * wide, e * tall, f + d * left + e * top)
    return Grid(CRS.from_string(record.grid["crs"]) if record.grid["crs"] else None, transform)

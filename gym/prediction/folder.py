"""Segment every image of a folder.

For an image ``NAME`` the output folder gets ``NAME.png``, or ``NAME.tif`` on the same grid where the image has
one, with class indices and 255 for nodata; ``overlays/NAME.png`` to look at; and its rows in ``class_areas.csv``.
A file that cannot be used is listed, and the others are done.
"""

import csv
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rich.progress import track

from gym.data.labels import IGNORE, count_classes
from gym.data.pairs import match_by_stem
from gym.data.raster import SUFFIXES, Grid, Raster, read_bands
from gym.errors import DataError
from gym.files import naming_disk_errors, replacing
from gym.prediction.area import class_areas
from gym.prediction.segment import segment
from gym.reporting.imagery import class_colours, overlay, show_bands
from gym.saved_model import SavedModel

CSV_COLUMNS = ("image", "class", "pixels", "share", "square_metres")


class Report(NamedTuple):
    """Names of the images that were segmented, and why each other file was not."""

    done: list[str]
    failed: dict[str, str]


def segment_folder(model: SavedModel, inputs: Sequence[Path], output: Path, drops: Sequence[str] = ()) -> Report:
    """Segment the images of a folder, or of one folder for each band set.

    Args:
        model: A trained model.
        inputs: Folders of images, in the stacking order of their bands.
        output: A folder, made as needed.
        drops: Regular expressions cut out of stems before the files of one scene are matched by them.

    Raises:
        DataError: A folder is missing or holds no image, or the output is one of the inputs, or a file, or cannot be
            written.
    """
    with writing(output):
        refuse_bad_output(output, inputs)
    matches = match_by_stem(inputs, SUFFIXES, drops)
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
    done, failed, rows = [], dict(matches.left_out), []
    for name, paths in track(matches.files.items(), "segmenting", total=len(matches.files), transient=True):
        try:
            raster = read_bands(paths)
            label = segment(model, raster.values)
        except DataError as error:
            failed[str(paths[0])] = str(error)
            continue
        with writing(output):
            write_results(model, raster, label, output, name)
        rows += area_rows(name, label, model.description.classes, raster.grid)
        done.append(name)
    with writing(output):
        write_csv(output / "class_areas.csv", rows)
    return Report(done, failed)


def refuse_bad_output(output: Path, inputs: Sequence[Path]) -> None:
    """Raise `DataError` where the output is an input, or a file."""
    written = [folder for folder in (output, output / "overlays") if folder.exists()]
    if any(folder.samefile(read) for folder in written for read in inputs if read.exists()):
        raise DataError(f"output={output} is an input folder; its images would be overwritten: give another folder.")
    if output.is_file():
        raise DataError(f"output={output} is a file; give a folder.")


def writing(output: Path) -> AbstractContextManager[None]:
    """Name the output where the disk refuses, or GDAL for it."""
    return naming_disk_errors(f"output={output}", "give another folder.", (OSError, RasterioError))


def write_results(model: SavedModel, raster: Raster, label: np.ndarray, output: Path, name: str) -> None:
    """Write the label raster and the overlay of one image."""
    classes = model.description.classes
    write_label(output / f"{name}.{'png' if raster.grid is None else 'tif'}", label, raster.grid, classes)
    bands = model.description.preparation.source_bands
    picture = overlay(show_bands(raster.values, bands), label, classes)
    write_raster(output / "overlays" / f"{name}.png", np.moveaxis(np.rint(picture * 255).astype(np.uint8), -1, 0))


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
    with replacing(path) as beside, warnings.catch_warnings(), rasterio.Env(GDAL_PAM_ENABLED="NO"):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(beside, "w", height=rows, width=columns, count=count, dtype=dtype, **options) as written:
            if names:
                written.descriptions = names
            if palette is not None:  # before the pixels: a TIFF's kind cannot change once it has any
                written.write_colormap(1, palette)
            written.write(bands)


def area_rows(name: str, label: np.ndarray, classes: Sequence[str], grid: Grid | None) -> list[tuple]:
    """One row of the CSV a class: pixels, share of the pixels with data, square metres (empty where unknown)."""
    counts, areas = count_classes(label, len(classes)), class_areas(label, len(classes), grid)
    total = max(1, int(counts.sum()))
    return [
        (name, kind, int(count), f"{count / total:.6f}", "" if np.isnan(area) else f"{area:.1f}")
        for kind, count, area in zip(classes, counts, areas, strict=True)
    ]


def write_csv(path: Path, rows: Sequence[tuple]) -> None:
    """Write the areas of all images."""
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(CSV_COLUMNS)
        writer.writerows(rows)

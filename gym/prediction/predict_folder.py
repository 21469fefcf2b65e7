"""Segment every image of a folder.

For an image ``NAME`` the output folder gets ``NAME.png``, or ``NAME.tif`` on the same grid where the image has
one, with class indices and 255 for nodata; ``overlays/NAME.png`` to look at; and its rows in ``class_areas.csv``.
A file that cannot be used is listed, and the others are done.
"""

import csv
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rasterio.errors import RasterioError
from rich.progress import track

from gym.core.errors import DataError
from gym.core.files import atomic_file, translate_disk_errors
from gym.data.class_colours import overlay, render_rgb
from gym.data.ground import class_areas
from gym.data.labels import count_classes
from gym.data.raster_writer import write_label, write_raster
from gym.data.readers.folder import match_folders
from gym.data.readers.raster import SUFFIXES, Grid, Raster, read_bands
from gym.prediction.segment import segment
from gym.runs.model_files import SavedModel

CSV_COLUMNS = ("image", "class", "pixels", "share", "square_metres")


class FolderResult(NamedTuple):
    """Names of the images that were segmented, and why each other file was not."""

    done: list[str]
    failed: dict[str, str]


def segment_folder(model: SavedModel, inputs: Sequence[Path], output: Path, drops: Sequence[str] = ()) -> FolderResult:
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
    with _naming_output(output):
        _check_output(output, inputs)
    matches = match_folders(inputs, SUFFIXES, drops)
    with _naming_output(output):
        output.mkdir(parents=True, exist_ok=True)
    done, failed, rows = [], dict(matches.left_out), []
    for name, paths in track(matches.files.items(), "segmenting", total=len(matches.files), transient=True):
        try:
            raster = read_bands(paths)
            label = segment(model, raster.values)
        except DataError as error:
            failed[str(paths[0])] = str(error)
            continue
        with _naming_output(output):
            write_results(model, raster, label, output, name)
        rows += area_rows(name, label, model.description.classes, raster.grid)
        done.append(name)
    with _naming_output(output):
        write_csv(output / "class_areas.csv", rows)
    return FolderResult(done, failed)


def _check_output(output: Path, inputs: Sequence[Path]) -> None:
    """Raise `DataError` where the output is an input, or a file."""
    written = [folder for folder in (output, output / "overlays") if folder.exists()]
    if any(folder.samefile(read) for folder in written for read in inputs if read.exists()):
        raise DataError(f"output={output} is an input folder; its images would be overwritten: give another folder.")
    if output.is_file():
        raise DataError(f"output={output} is a file; give a folder.")


def _naming_output(output: Path) -> AbstractContextManager[None]:
    """Name the output where the disk refuses, or GDAL for it."""
    return translate_disk_errors(f"output={output}", "give another folder.", (OSError, RasterioError))


def write_results(model: SavedModel, raster: Raster, label: np.ndarray, output: Path, name: str) -> None:
    """Write the label raster and the overlay of one image."""
    classes = model.description.classes
    write_label(output / f"{name}.{'png' if raster.grid is None else 'tif'}", label, raster.grid, classes)
    bands = model.description.preparation.source_bands
    picture = overlay(render_rgb(raster.values, bands), label, classes)
    write_raster(output / "overlays" / f"{name}.png", np.moveaxis(np.rint(picture * 255).astype(np.uint8), -1, 0))


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
    with atomic_file(path) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(CSV_COLUMNS)
        writer.writerows(rows)

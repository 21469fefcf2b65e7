"""Segment every image in a folder.

For each image ``NAME``, the output folder gets a label raster with class indices and 255 for nodata, ``NAME.tif`` on
the grid of the image or ``NAME.png`` if it has none; an overlay to look at, ``overlays/NAME.png``; and rows in
``class_areas.csv``. Files that cannot be used are reported and do not stop the others.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rasterio.errors import RasterioError
from rich.progress import track

from gym.core.errors import DataError
from gym.core.files import translate_disk_errors, write_cells
from gym.data.class_colours import overlay, render_rgb
from gym.data.ground import class_areas
from gym.data.labels import count_classes
from gym.data.raster_writer import write_label, write_raster
from gym.data.readers.folder import match_folders
from gym.data.readers.raster import SUFFIXES, Grid, Raster, read_bands
from gym.prediction.segment import segment
from gym.runs.model_files import ModelDescription, SavedModel


class FolderResult(NamedTuple):
    """Names of the segmented images, and the reason for each file that was not segmented."""

    done: list[str]
    failed: dict[str, str]


def segment_folder(model: SavedModel, inputs: Sequence[Path], output: Path, drops: Sequence[str] = ()) -> FolderResult:
    """Segment the images of one folder, or of several folders with one band set each.

    Args:
        model: Trained model.
        inputs: Folders of images, in the stacking order of their bands.
        output: Folder to write to; created if necessary.
        drops: Regular expressions to remove from stems before the files of a scene are matched.

    Raises:
        DataError: An input folder is missing or contains no images, or the output is an input folder, a file, or cannot
            be written.
    """
    with _translate_output_errors(output):
        _check_output(output, inputs)
    matches = match_folders(inputs, SUFFIXES, drops)
    with _translate_output_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    classes = model.description.classes
    done, failed, rows = [], dict(matches.left_out), []
    for name, paths in track(matches.files.items(), "segmenting", total=len(matches.files), transient=True):
        try:
            raster = read_bands(paths)
            label = segment(model, raster.values)
        except DataError as error:
            failed[str(paths[0])] = str(error)
            continue
        with _translate_output_errors(output):
            _write_images(output, name, raster, label, model.description)
        rows += _list_areas(name, label, classes, raster.grid)
        done.append(name)
    with _translate_output_errors(output):
        write_cells(output / "class_areas.csv", [("image", "class", "pixels", "share", "square_metres"), *rows])
    return FolderResult(done, failed)


def _check_output(output: Path, inputs: Sequence[Path]) -> None:
    folders = [folder for folder in (output, output / "overlays") if folder.exists()]
    if any(folder.samefile(read) for folder in folders for read in inputs if read.exists()):
        raise DataError(f"output={output} is an input folder, whose images would be overwritten; give another folder.")
    if output.is_file():
        raise DataError(f"output={output} is a file; give a folder.")


def _translate_output_errors(output: Path) -> AbstractContextManager[None]:
    return translate_disk_errors(f"output={output}", "give another folder.", (OSError, RasterioError))


def _write_images(output: Path, name: str, raster: Raster, label: np.ndarray, model: ModelDescription) -> None:
    write_label(output / f"{name}.{'png' if raster.grid is None else 'tif'}", label, raster.grid, model.classes)
    picture = overlay(render_rgb(raster.values, model.preparation.source_bands), label, model.classes)
    write_raster(output / "overlays" / f"{name}.png", np.moveaxis(np.rint(picture * 255).astype(np.uint8), -1, 0))


def _list_areas(name: str, label: np.ndarray, classes: Sequence[str], grid: Grid | None) -> list[tuple]:
    """List the pixels of each class, their share of the pixels with data, and square metres, empty if unknown."""
    counts, areas = count_classes(label, len(classes)), class_areas(label, len(classes), grid)
    total = max(1, int(counts.sum()))
    return [
        (name, kind, int(count), f"{count / total:.6f}", "" if np.isnan(area) else f"{area:.1f}")
        for kind, count, area in zip(classes, counts, areas, strict=True)
    ]

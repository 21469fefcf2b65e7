"""The interface of readers, and what they share."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gym.core.errors import DataError
from gym.data.readers.raster import Grid, format_size

_MAX_PROBED = 9


class RawScene(NamedTuple):
    """A labelled scene as read.

    Attributes:
        image: ``(rows, columns, bands)`` in the file's type; 0 in every band where there is no data.
        label: ``(rows, columns)``, the values of the file.
        labelled: ``(rows, columns)`` bool, False for unlabelled pixels; None if every pixel is labelled.
        names: Names of the label values 0, 1, ...; empty if the file has none.
        grid: Georeference of the scene, if the file has one.
        nodata: Nodata value of the file, if it has one.
    """

    image: np.ndarray
    label: np.ndarray
    labelled: np.ndarray | None
    names: Sequence[str] = ()
    grid: Grid | None = None
    nodata: float | None = None


class Reader(Protocol):
    """Reads the scenes of one dataset one at a time, in any order and in any process.

    Attributes:
        description: Where the scenes come from.
        bands: Band names, in the order of `RawScene.image`.
        names: Unique name of each scene; the dataset keeps their order.
        left_out: Reason for each file that should belong to a scene but cannot be used.
        skipped: Reason for each file that is ignored on purpose: copies, duplicates, files of other kinds.
    """

    description: str
    names: list[str]
    left_out: dict[str, str]
    skipped: dict[str, str]

    @property
    def bands(self) -> list[str]: ...  # noqa: D102 - see the class

    def sources(self, name: str) -> dict[str, str]:
        """Return the SHA-256 of everything that a scene is made from, by file."""
        ...

    def read(self, name: str) -> RawScene:
        """Read one scene.

        Raises:
            DataError: One of its files cannot be used.
        """
        ...


def name_bands(given: Sequence[str], count: int) -> list[str]:
    """Return the given band names, or red, green, blue for three bands, or else band_1, band_2, ...

    Raises:
        DataError: The number of names differs from the number of bands.
    """
    if given and len(given) != count:
        raise DataError(f"data.bands={list(given)} must name the {count} bands of the imagery, in stacking order.")
    if given:
        return list(given)
    return ["red", "green", "blue"] if count == 3 else [f"band_{number}" for number in range(1, count + 1)]


def probe_bands(names: Sequence[str], count_of: Callable[[str], int], given: Sequence[str]) -> list[str]:
    """Name the bands of a dataset after probing up to nine scenes, evenly spaced, for the number of bands.

    Args:
        names: Names of the scenes, at least one.
        count_of: Returns the number of bands of a scene, or raises `DataError`, which is ignored.
        given: Band names from the configuration, if any.

    Raises:
        DataError: No scene can be read, or the number of given names is wrong.
    """
    counts, reasons = [], []
    for position in np.linspace(0, len(names) - 1, min(_MAX_PROBED, len(names))).round().astype(int):
        try:
            counts.append(count_of(names[position]))
        except DataError as error:
            reasons.append(str(error))
    if not counts:
        raise DataError(f"no scene can be read; the first: {reasons[0]}")
    return name_bands(given, most_common_count(counts))


def most_common_count(counts: Sequence[int]) -> int:
    """Return the most common number of bands; of two equally common ones, the larger."""
    return max(set(counts), key=lambda count: (counts.count(count), count))


def check_same_size(label: np.ndarray, image: np.ndarray, label_source: object) -> None:
    """Raise `DataError` if a label and its image differ in rows or columns."""
    if label.shape[:2] != image.shape[:2]:
        raise DataError(
            f"{label_source} has {format_size(label)} pixels, but its image has {format_size(image)}; give both the "
            "same size."
        )

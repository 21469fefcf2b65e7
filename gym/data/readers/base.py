"""What every reader of labelled imagery offers, and what it hands on."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gym.core.errors import DataError
from gym.data.readers.raster import Grid, format_size

_PROBED = 9


class RawScene(NamedTuple):
    """A labelled scene as read.

    Attributes:
        image: ``(rows, columns, bands)`` in the file's own type; 0 in every band where there is no data.
        label: ``(rows, columns)``, the values of the file.
        labelled: ``(rows, columns)`` bool, False where the file says nothing; None means everywhere.
        names: Names of the label values 0, 1, ...; empty where the file has none.
        grid: Where the scene lies on Earth, if the file says so.
        nodata: The value that marked pixels without data in the file, if it names one.
    """

    image: np.ndarray
    label: np.ndarray
    labelled: np.ndarray | None
    names: Sequence[str] = ()
    grid: Grid | None = None
    nodata: float | None = None


class Reader(Protocol):
    """Reads the scenes of one dataset, one at a time, in any order, in any process.

    Attributes:
        description: Where the scenes come from, in words.
        bands: Band names, in the order of `RawScene.image`.
        names: One name a scene; the dataset keeps this order.
        left_out: Why each file that should belong to a scene could not be used.
        skipped: Why each file that is in no scene by design is in none: copies, repeats, files of other kinds.
    """

    description: str
    names: list[str]
    left_out: dict[str, str]
    skipped: dict[str, str]

    @property
    def bands(self) -> list[str]: ...  # noqa: D102 - the class says it

    def sources(self, name: str) -> dict[str, str]:
        """The SHA-256 of everything a scene is made from, by file."""
        ...

    def read(self, name: str) -> RawScene:
        """Read one scene.

        Raises:
            DataError: A file of it cannot be used.
        """
        ...


def name_bands(given: Sequence[str], count: int) -> list[str]:
    """The given band names, or red, green and blue for three bands, or band_1, band_2, ... for others.

    Raises:
        DataError: There are more or fewer bands than names.
    """
    if given and len(given) != count:
        raise DataError(f"data.bands={list(given)} must name the {count} bands of the imagery, in stacking order.")
    if given:
        return list(given)
    return ["red", "green", "blue"] if count == 3 else [f"band_{number}" for number in range(1, count + 1)]


def probe_bands(names: Sequence[str], count_of: Callable[[str], int], given: Sequence[str]) -> list[str]:
    """Name the bands of a dataset; how many there are, most of at most 9 scenes say, spread evenly.

    Args:
        names: Names of the scenes, at least one.
        count_of: Counts the bands of a scene; a `DataError` of it counts nothing.
        given: Names of the bands, if any.

    Raises:
        DataError: Not one of the scenes can be read, or there are more or fewer bands than given names.
    """
    counts, reasons = [], []
    for position in np.linspace(0, len(names) - 1, min(_PROBED, len(names))).round().astype(int):
        try:
            counts.append(count_of(names[position]))
        except DataError as error:
            reasons.append(str(error))
    if not counts:
        raise DataError(f"not one scene can be read: {reasons[0]}")
    return name_bands(given, most_common_count(counts))


def most_common_count(counts: Sequence[int]) -> int:
    """The number of bands that most of some images have; the larger of two equally common ones."""
    return max(set(counts), key=lambda count: (counts.count(count), count))


def check_same_size(label: np.ndarray, image: np.ndarray, label_from: object) -> None:
    """Raise `DataError` where a label has not the rows and columns of its image."""
    if label.shape[:2] != image.shape[:2]:
        raise DataError(
            f"{label_from} is {format_size(label)} and its image {format_size(image)} pixels; sizes must agree."
        )

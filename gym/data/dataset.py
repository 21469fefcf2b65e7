"""The model-ready dataset on disk: prepared images and labels, and a manifest.

    <kind>-<fingerprint>/
        manifest.json   contents, origin and a record of each pair
        images.npy      values of all images end to end, in the type of the imagery, or float32 if scaled
        labels.npy      classes of all labels end to end, uint8, 255 for ignored pixels (0 with a null class)

Pairs are stored without the padding that fills the frame; each record says where in the frame its pair lies. Both
arrays are memory-mapped, so that any pair is read with one copy, in any order.

A dataset is written atomically, so an existing one is complete. It is named by the fingerprint of its sources and
settings; when any of them changes, another dataset is built.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gym.config.data_rules import MAX_SIDE
from gym.config.spectral_index import missing_bands, parse_index
from gym.core.errors import ConfigError, DataError
from gym.core.files import read_json, write_json
from gym.core.typed_json import build
from gym.data.framing import FRAMINGS, MAX_OVERLAP, Placement, pad_image, pad_label
from gym.data.labels import IGNORE, MAX_CLASSES, NULL_CLASS, LabelCounts, count_classes
from gym.data.near_duplicates import perceptual_hash
from gym.data.npy import map_npy, read_npy
from gym.data.preparation import Pair, Preparation
from gym.data.scaling import METHODS

SCHEMA_VERSION = 4


@dataclass(frozen=True)
class BandStatistics:
    """Statistics over the pixels with data in one pair.

    Attributes:
        pixels: Number of pixels.
        sums: Sum of the values of each band.
        squares: Sum of the squared values of each band.
        least: Smallest value of each band.
        largest: Largest value of each band.
    """

    pixels: int
    sums: list[float]
    squares: list[float]
    least: list[float]
    largest: list[float]


@dataclass(frozen=True)
class GridRecord:
    """The grid of a scene: its reference system, empty if unknown, and the coefficients of its affine transform."""

    crs: str
    transform: tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class PairRecord:
    """The manifest's record of one pair.

    Attributes:
        name: Unique in the dataset.
        start: Position of its first pixel in ``labels.npy``; multiplied by the number of bands, in ``images.npy``.
        groups: Its scene, site, date and any other group, by kind.
        sources: SHA-256 of each source file.
        placement: Window of the scene, and its position in the frame.
        grid: ``crs`` and the six coefficients of the affine ``transform`` of the whole scene; empty if unknown.
        nodata: Nodata value of the file, as text; empty if it has none.
        image_sha256: Hash of the stored image.
        likeness: Perceptual hash of the image; empty if it has no pattern.
        counts: Pixels of each class.
        statistics: Statistics of the bands.
    """

    name: str
    start: int
    groups: dict[str, str]
    sources: dict[str, str]
    placement: Placement
    grid: dict[str, Any]
    nodata: str
    image_sha256: str
    likeness: str
    counts: list[int]
    statistics: BandStatistics

    @property
    def scene(self) -> str:
        """The acquisition that the pair is part of; a split keeps it on one side."""
        return self.groups["scene"]

    @property
    def site(self) -> str:
        """Where the scene was taken."""
        return self.groups["site"]


@dataclass(frozen=True)
class Manifest:
    """Contents and origin of a dataset.

    Attributes:
        fingerprint: Hash of everything that determines the dataset.
        source: Description of the imagery.
        classes: Class names, by label value.
        preparation: How each image was prepared.
        dtype: Type of the stored images, in NumPy's notation.
        label_counts: Labelled pixels by value or name in the files and by class.
        pairs: Record of each pair.
        left_out: Reason for each file or scene that could not be used.
        passed_over: Reason for each file that was skipped on purpose, such as an augmented copy.
        null_class: Whether the first class is that of padding, pixels without data and unlabelled pixels.
        schema_version: Version of this layout.
    """

    fingerprint: str
    source: str
    classes: list[str]
    preparation: Preparation
    dtype: str
    label_counts: LabelCounts
    pairs: list[PairRecord]
    left_out: dict[str, str] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)
    null_class: bool = False
    schema_version: int = SCHEMA_VERSION


class Dataset:
    """A dataset on disk, read pair by pair.

    Attributes:
        folder: Folder written by `finish_dataset`.
        manifest: Contents and origin.
        images_path: File with the values of all images, one-dimensional, in the manifest's type.
        labels_path: File with the classes of all labels, one-dimensional, uint8.

    Raises:
        DataError: The manifest is missing, damaged or of another version, or does not fit the arrays.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.images_path, self.labels_path = folder, folder / "images.npy", folder / "labels.npy"
        try:
            self.manifest = parse_manifest(read_json(folder / "manifest.json"))
            self._images, self._labels = map_npy(self.images_path), map_npy(self.labels_path)
            self._check_arrays()
        except (OSError, ValueError) as error:
            raise DataError(
                f"{folder} is not a readable dataset ({error}); delete it, and it will be built again."
            ) from error

    def __len__(self) -> int:
        return len(self.manifest.pairs)

    def _check_arrays(self) -> None:
        pixels = sum(math.prod(record.placement.size) for record in self.manifest.pairs)
        if (self._images.shape, self._labels.shape) != ((pixels * len(self.bands),), (pixels,)):
            raise ValueError("the sizes of its arrays differ from the manifest")
        if (self._images.dtype.str, self._labels.dtype.str) != (self.manifest.dtype, "|u1"):
            raise ValueError("the types of its arrays differ from the manifest")

    @property
    def frame(self) -> tuple[int, int]:
        """Rows and columns of the network's input."""
        return self.manifest.preparation.frame

    @property
    def bands(self) -> list[str]:
        """Names of the bands in the network's input."""
        return self.manifest.preparation.bands

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and bands of the network's input."""
        return (*self.frame, len(self.bands))

    @property
    def padding(self) -> int:
        """What padding is in a label: `IGNORE`, or the null class if there is one."""
        return NULL_CLASS if self.manifest.null_class else IGNORE

    @cached_property
    def positions(self) -> dict[str, int]:
        """Position of each pair by name."""
        return {record.name: position for position, record in enumerate(self.manifest.pairs)}

    @cached_property
    def counts(self) -> np.ndarray:
        """Pixels of each class in each pair, ``(pairs, classes)`` int64; a null class includes the padding."""
        counts = np.array([record.counts for record in self.manifest.pairs], np.int64)
        if self.manifest.null_class:
            stored = [math.prod(record.placement.size) for record in self.manifest.pairs]
            counts[:, NULL_CLASS] += math.prod(self.frame) - np.array(stored)
        return counts

    @property
    def absent_classes(self) -> list[str]:
        """Names of the classes without a single pixel."""
        return [name for name, count in zip(self.manifest.classes, self.counts.sum(axis=0), strict=True) if not count]

    def unpadded_image(self, position: int) -> np.ndarray:
        """Return an image without padding, ``(*placement.size, bands)``, as a read-only view of the file."""
        record, bands = self.manifest.pairs[position], len(self.bands)
        rows, columns = record.placement.size
        values = self._images[record.start * bands : (record.start + rows * columns) * bands]
        return values.reshape(rows, columns, bands)

    def unpadded_label(self, position: int) -> np.ndarray:
        """Return a label without padding, ``placement.size`` uint8, as a read-only view of the file."""
        record = self.manifest.pairs[position]
        rows, columns = record.placement.size
        return self._labels[record.start : record.start + rows * columns].reshape(rows, columns)

    def read_image(self, position: int) -> np.ndarray:
        """Read an image padded to the frame, ``shape`` in the dataset's type."""
        corner = self.manifest.pairs[position].placement.corner
        return np.array(pad_image(self.unpadded_image(position), corner, self.frame))

    def read_label(self, position: int) -> np.ndarray:
        """Read a label padded to the frame, ``frame`` uint8."""
        corner = self.manifest.pairs[position].placement.corner
        return np.array(pad_label(self.unpadded_label(position), corner, self.frame, self.padding))


def parse_manifest(raw: Any) -> Manifest:
    """Build a manifest from its JSON.

    Raises:
        ValueError: The version differs, a field is missing, unknown or of another type, or a number is impossible.
    """
    check_version(raw, SCHEMA_VERSION)
    manifest: Manifest = build(Manifest, raw)
    check_preparation(manifest.preparation)
    start, classes, bands = 0, len(manifest.classes), len(manifest.preparation.bands)
    if not 1 <= classes <= MAX_CLASSES or not manifest.pairs:
        raise ValueError(f"{classes} classes and {len(manifest.pairs)} pairs")
    for record in manifest.pairs:
        _check_record(record, start, manifest.preparation.frame, classes, bands)
        start += math.prod(record.placement.size)
    return manifest


def check_version(raw: Any, version: int) -> None:
    """Raise `ValueError` unless a JSON object has a ``schema_version``, and this one."""
    found = build(dict[str, Any], raw).get("schema_version")
    if type(found) is not int or found != version:
        raise ValueError(f"version {found!s:.40} instead of {version}")


def check_preparation(preparation: Preparation) -> None:
    """Raise `ValueError` if a preparation read from a file is impossible."""
    if not all(1 <= side <= MAX_SIDE for side in preparation.frame):
        raise ValueError(f"the frame is {preparation.frame}, outside 1 to {MAX_SIDE} pixels")
    scaling, bands = preparation.scaling, preparation.source_bands
    if not bands or scaling.method not in METHODS or preparation.framing not in FRAMINGS:
        raise ValueError(f"bands {bands}, scaling {scaling.method!r:.40} or framing {preparation.framing!r:.40}")
    if not (0 <= preparation.overlap <= MAX_OVERLAP and 0 <= scaling.low < scaling.high <= 100):
        raise ValueError(f"overlap {preparation.overlap} or percentiles {scaling.low} and {scaling.high}")
    if not (math.isfinite(scaling.factor) and math.isfinite(scaling.offset)):
        raise ValueError(f"reflectance {scaling.factor} and {scaling.offset}")
    for index in preparation.indices:
        try:
            missing = missing_bands(parse_index(f"{index.name}={index.expression}"), bands)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        if missing:
            raise ValueError(f"index {index.name} of bands that are missing")


def _check_record(record: PairRecord, start: int, frame: tuple[int, int], classes: int, bands: int) -> None:
    scene, (top, left, *window), size, corner = record.placement
    fits = all(
        first >= 0 and length > 0 and first + length <= whole
        for first, length, whole in zip((top, left, *corner), (*window, *size), (*scene, *frame), strict=True)
    )
    if not fits or record.start != start:
        raise ValueError(f"{record.name} lies outside its scene, the frame or the arrays")
    if not {"scene", "site"} <= set(record.groups):
        raise ValueError(f"{record.name} has no scene or no site")
    measured = record.statistics
    lengths = {len(part) for part in (measured.sums, measured.squares, measured.least, measured.largest)}
    if len(record.counts) != classes or lengths != {bands} or min(record.counts) < 0 or measured.pixels < 1:
        raise ValueError(f"{record.name} has counts or statistics of other classes or bands")
    if record.grid:
        build(GridRecord, record.grid, f"the grid of {record.name}")


def write_part(folder: Path, part: str, pair: Pair, classes: int, metadata: Mapping[str, Any]) -> PairRecord:
    """Write the arrays of one pair to files of their own, which `finish_dataset` joins.

    Args:
        folder: Folder of the unfinished dataset.
        part: Stem of the files.
        pair: Pair to write.
        classes: Number of classes.
        metadata: Fields of the record that do not follow from the arrays: groups, sources, grid and nodata.

    Returns:
        The record, without ``start`` and ``image_sha256``, which `finish_dataset` adds.

    Raises:
        OSError: A file cannot be written.
    """
    for kind, values in (("images", pair.image), ("labels", pair.label)):
        np.save(_part_path(folder, kind, part), np.ascontiguousarray(values))
    return PairRecord(
        name=pair.name,
        start=0,
        placement=pair.placement,
        image_sha256="",
        likeness=perceptual_hash(pair.image),
        counts=count_classes(pair.label, classes).tolist(),
        statistics=measure_bands(pair.image),
        **metadata,
    )


def measure_bands(image: np.ndarray) -> BandStatistics:
    """Measure the bands of an image that has at least one pixel with data."""
    has_data = image.any(axis=2)
    # Reducing each band by itself is about ten times as fast as reducing over the long outer axis.
    bands = [image[..., band][has_data].astype(np.float64) for band in range(image.shape[2])]
    return BandStatistics(
        pixels=len(bands[0]),
        sums=[float(values.sum()) for values in bands],
        squares=[float(np.square(values).sum()) for values in bands],
        least=[float(values.min()) for values in bands],
        largest=[float(values.max()) for values in bands],
    )


def combine_statistics(statistics: Sequence[BandStatistics]) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each band over several pairs. Overlapping tiles count repeatedly."""
    pixels = sum(one.pixels for one in statistics)
    mean = np.sum([one.sums for one in statistics], axis=0) / pixels
    variance = np.sum([one.squares for one in statistics], axis=0) / pixels - mean**2
    return mean.tolist(), np.sqrt(np.maximum(variance, 0)).tolist()


def finish_dataset(folder: Path, manifest: Manifest, parts: Sequence[str]) -> None:
    """Join the parts of a dataset, remove them, and write the manifest.

    Args:
        folder: Folder of the unfinished dataset.
        manifest: Its manifest; positions and hashes of the images are filled in.
        parts: Part of each pair, as passed to `write_part`.

    Raises:
        OSError: A file cannot be written.
    """
    starts = np.cumsum([0, *(math.prod(record.placement.size) for record in manifest.pairs)]).tolist()
    images = _join_parts(folder, "images", parts, starts[-1] * len(manifest.preparation.bands), manifest.dtype)
    labels = _join_parts(folder, "labels", parts, starts[-1], "|u1")
    # strict=True exhausts both generators, which closes both files.
    pairs = [
        replace(record, start=start, image_sha256=hash_pixels(image))
        for record, start, image, _ in zip(manifest.pairs, starts[:-1], images, labels, strict=True)
    ]
    write_json(folder / "manifest.json", asdict(replace(manifest, pairs=pairs)))


def _join_parts(folder: Path, kind: str, parts: Sequence[str], values: int, dtype: str) -> Iterator[np.ndarray]:
    """Append the arrays of one kind to a single file, and yield each as it is stored."""
    with create_array(folder / f"{kind}.npy", dtype, (values,)) as stream:
        for part in parts:
            path = _part_path(folder, kind, part)
            array = read_npy(path).astype(dtype, copy=False)
            stream.write(array.data)
            path.unlink()
            yield array


def create_array(path: Path, dtype: str, shape: tuple[int, ...]) -> BinaryIO:
    """Create an ``.npy`` file; the values are then written to the returned stream. ``dtype`` is in NumPy's notation."""
    stream = path.open("wb")
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream


def _part_path(folder: Path, kind: str, part: str) -> Path:
    return folder / f"{kind}-{part}.npy"


def hash_pixels(image: np.ndarray) -> str:
    """Return the SHA-256 of the shape and the values of an image."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(image.ravel().data)  # ravel copies only arrays that are not in row-major order
    return digest.hexdigest()

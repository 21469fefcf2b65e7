"""The model-ready dataset: images and labels as the network will see them, and a manifest.

    <kind>-<fingerprint>/
        manifest.json   what the dataset holds, where it came from, and of each pair what the manifest's types say
        images.npy      the values of all images end to end, in the imagery's own type, or float32 if they are scaled
        labels.npy      the classes of all labels likewise, uint8, 255 where nothing counts

Padding is not stored: a pair is as large as its scene is shown, and its record says where in the frame that is. The two
files are mapped into memory and never opened again, so any pair is one copy, in any order.

A dataset is written beside its place and moved there whole, so one that exists can be read. Its name is the
fingerprint of what it was made from, so a dataset that no longer fits is not found and a new one is made.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gym.config.spectral_index import Index
from gym.core.errors import DataError
from gym.core.files import write_json
from gym.data.framing import Placement, pad_image, pad_label
from gym.data.labels import LabelCounts, count_classes
from gym.data.near_duplicates import perceptual_hash
from gym.data.preparation import Pair, Preparation
from gym.data.scaling import Scaling

SCHEMA_VERSION = 4


@dataclass(frozen=True)
class BandStatistics:
    """Of the pixels with data in one pair: how many, and by band the sum, sum of squares, least and largest value."""

    pixels: int
    sums: list[float]
    squares: list[float]
    least: list[float]
    largest: list[float]


@dataclass(frozen=True)
class PairRecord:
    """What the manifest says of one pair.

    Attributes:
        name: Unique in the dataset.
        start: Pixels before it in ``labels.npy``; in ``images.npy`` there are as many values for each band.
        groups: Its scene, site, date and whatever a table says, by name.
        sources: SHA-256 of the files it is made from, by file.
        placement: Where in the frame which part of the scene is.
        grid: ``crs`` and the six numbers of the affine ``transform`` of the whole scene; empty where there is none.
        nodata: The value that marked nodata in the file, as text; empty if there is none.
        image_sha256: Of the stored pixels.
        likeness: Perceptual hash of the image; empty where it has no texture.
        counts: Pixels of each class.
        statistics: Of the bands.
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
        """What must not be parted."""
        return self.groups["scene"]

    @property
    def site(self) -> str:
        """Where it was taken."""
        return self.groups["site"]


@dataclass(frozen=True)
class Manifest:
    """What a dataset holds and where it came from.

    Attributes:
        fingerprint: Hash of everything the dataset is made from.
        source: Where it came from, in words.
        classes: Class names, by label value.
        preparation: What each image went through.
        dtype: Type of every stored image, as NumPy writes it.
        label_counts: Labelled pixels of each value or name as it stood in the files, by the class it became.
        pairs: The pairs, in order.
        left_out: Why each file or scene that could not be used is not here.
        passed_over: Why each file that is not meant to be here is not, as the augmented copies of others.
        schema_version: Of this layout.
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
    schema_version: int = SCHEMA_VERSION


class Dataset:
    """A dataset on disk, read pair by pair.

    Args:
        folder: A folder that `finish_dataset` made whole.

    Raises:
        DataError: There is no manifest, or it is of another version or damaged, or the arrays are not whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.manifest = parse_manifest(json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
            self._refuse_other_length()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{folder} is no readable dataset ({error}); remove it and it will be made anew."
            ) from error

    def __len__(self) -> int:
        return len(self.manifest.pairs)

    def _refuse_other_length(self) -> None:
        pixels = sum(math.prod(record.placement.size) for record in self.manifest.pairs)
        if (self._images.size, self._labels.size) != (pixels * len(self.bands), pixels):
            raise ValueError("its arrays do not hold what its manifest says")

    @property
    def frame(self) -> tuple[int, int]:
        """Rows and columns of the network's input."""
        return self.manifest.preparation.frame

    @property
    def bands(self) -> list[str]:
        """Band names."""
        return self.manifest.preparation.bands

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and bands of the network's input."""
        return (*self.frame, len(self.bands))

    @cached_property
    def counts(self) -> np.ndarray:
        """Pixels by pair and class, ``(pairs, classes)`` int64."""
        return np.array([record.counts for record in self.manifest.pairs], np.int64)

    @property
    def absent_classes(self) -> list[str]:
        """The classes that not one pixel is of."""
        return [name for name, count in zip(self.manifest.classes, self.counts.sum(axis=0), strict=True) if not count]

    @property
    def images_path(self) -> Path:
        """The values of all images, ``(values,)`` in the manifest's type."""
        return self.folder / "images.npy"

    @property
    def labels_path(self) -> Path:
        """The classes of all labels, ``(pixels,)`` uint8."""
        return self.folder / "labels.npy"

    @cached_property
    def _images(self) -> np.ndarray:
        return np.load(self.images_path, mmap_mode="r", allow_pickle=False)

    @cached_property
    def _labels(self) -> np.ndarray:
        return np.load(self.labels_path, mmap_mode="r", allow_pickle=False)

    def unpadded_image(self, position: int) -> np.ndarray:
        """One image without padding, ``(*placement.size, bands)``; a view of the file, not to be written to."""
        record, bands = self.manifest.pairs[position], len(self.bands)
        rows, columns = record.placement.size
        values = self._images[record.start * bands : (record.start + rows * columns) * bands]
        return values.reshape(rows, columns, bands)

    def unpadded_label(self, position: int) -> np.ndarray:
        """One label without padding, ``placement.size`` uint8; a view of the file, not to be written to."""
        record = self.manifest.pairs[position]
        rows, columns = record.placement.size
        return self._labels[record.start : record.start + rows * columns].reshape(rows, columns)

    def read_image(self, position: int) -> np.ndarray:
        """Read one image in its frame, ``shape`` in the dataset's type."""
        corner = self.manifest.pairs[position].placement.corner
        return np.array(pad_image(self.unpadded_image(position), corner, self.frame))

    def read_label(self, position: int) -> np.ndarray:
        """Read one label in its frame, ``frame`` uint8."""
        corner = self.manifest.pairs[position].placement.corner
        return np.array(pad_label(self.unpadded_label(position), corner, self.frame))


def parse_manifest(raw: dict[str, Any]) -> Manifest:
    """Make a manifest of its JSON.

    Raises:
        ValueError: It is of another version.
        KeyError: A part is missing.
        TypeError: A part is of another kind.
    """
    if raw["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"version {raw['schema_version']}, not {SCHEMA_VERSION}")
    return Manifest(
        **raw
        | {"pairs": [_parse_record(record) for record in raw["pairs"]]}
        | {"preparation": parse_preparation(raw["preparation"])}
    )


def parse_preparation(raw: Mapping[str, Any]) -> Preparation:
    """Make a preparation of its JSON; errors as `parse_manifest`."""
    return Preparation(
        frame=(raw["frame"][0], raw["frame"][1]),
        framing=raw["framing"],
        overlap=raw["overlap"],
        scaling=Scaling(**raw["scaling"]),
        source_bands=tuple(raw["source_bands"]),
        indices=tuple(Index(**index) for index in raw["indices"]),
    )


def _parse_record(raw: dict[str, Any]) -> PairRecord:
    """Make a record of its JSON; errors as `parse_manifest`."""
    placement = Placement(*(tuple(part) for part in raw["placement"]))
    return PairRecord(**raw | {"placement": placement, "statistics": BandStatistics(**raw["statistics"])})


def write_part(folder: Path, part: str, pair: Pair, classes: int, known: Mapping[str, Any]) -> PairRecord:
    """Write the two arrays of a pair into a dataset in the making, to be joined with the others by `finish_dataset`.

    Args:
        folder: A dataset in the making.
        part: Stem of the arrays.
        pair: The pair.
        classes: Number of classes.
        known: The fields of the record that the arrays do not say: groups, sources, grid, nodata.

    Returns:
        The record, but for ``start`` and ``image_sha256``, which `finish_dataset` knows.

    Raises:
        OSError: They cannot be written.
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
        **known,
    )


def measure_bands(image: np.ndarray) -> BandStatistics:
    """Measure the bands of an image over its pixels with data, of which there is one at least."""
    has_data = image.any(axis=2)
    # Band by band: reducing an array along its longer, outer axis is some ten times slower.
    bands = [image[..., band][has_data].astype(np.float64) for band in range(image.shape[2])]
    return BandStatistics(
        pixels=len(bands[0]),
        sums=[float(values.sum()) for values in bands],
        squares=[float(np.square(values).sum()) for values in bands],
        least=[float(values.min()) for values in bands],
        largest=[float(values.max()) for values in bands],
    )


def combine_statistics(statistics: Sequence[BandStatistics]) -> tuple[list[float], list[float]]:
    """Mean and deviation of each band over several pairs; pixels that tiles share count once for each of them."""
    pixels = sum(one.pixels for one in statistics)
    mean = np.sum([one.sums for one in statistics], axis=0) / pixels
    variance = np.sum([one.squares for one in statistics], axis=0) / pixels - mean**2
    return mean.tolist(), np.sqrt(np.maximum(variance, 0)).tolist()


def finish_dataset(folder: Path, manifest: Manifest, parts: Sequence[str]) -> None:
    """Join the parts of a dataset, of which none is left, and write the manifest: without one it is no dataset.

    Args:
        folder: A dataset in the making.
        manifest: What it holds.
        parts: The part of each pair, as `write_part` was told.

    Raises:
        OSError: The dataset cannot be written.
    """
    starts = np.cumsum([0, *(math.prod(record.placement.size) for record in manifest.pairs)]).tolist()
    images = _join_parts(folder, "images", parts, starts[-1] * len(manifest.preparation.bands), manifest.dtype)
    labels = _join_parts(folder, "labels", parts, starts[-1], "|u1")
    pairs = [  # strict also makes both files be finished
        replace(record, start=start, image_sha256=hash_pixels(image))
        for record, start, image, _ in zip(manifest.pairs, starts[:-1], images, labels, strict=True)
    ]
    write_manifest(folder, replace(manifest, pairs=pairs))


def _join_parts(folder: Path, kind: str, parts: Sequence[str], values: int, dtype: str) -> Iterator[np.ndarray]:
    """Write the arrays of a kind end to end in one type, one at a time as they are asked for; gives each as stored."""
    with (folder / f"{kind}.npy").open("wb") as stream:
        header = {"descr": dtype, "fortran_order": False, "shape": (values,)}
        np.lib.format.write_array_header_1_0(stream, header)
        for part in parts:
            path = _part_path(folder, kind, part)
            array = np.load(path, allow_pickle=False).astype(dtype, copy=False)
            stream.write(array.data)
            path.unlink()
            yield array


def _part_path(folder: Path, kind: str, part: str) -> Path:
    """Where an array is until its dataset is finished; ``kind`` is images or labels."""
    return folder / f"{kind}-{part}.npy"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a dataset."""
    write_json(folder / "manifest.json", asdict(manifest))


def hash_pixels(image: np.ndarray) -> str:
    """The SHA-256 of an image's size and values."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(image.ravel().data)  # row by row; a copy only where they lie otherwise
    return digest.hexdigest()

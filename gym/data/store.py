"""The model-ready data set: images and labels as the network will see them, and a manifest.

    <kind>-<fingerprint>/
        manifest.json          what the store holds, where it came from, and of each pair what the manifest's types say
        images/00000-000.npy   (rows, columns, bands) in the imagery's own type, or float32 if scaled: scene 0, tile 0
        labels/00000-000.npy   (rows, columns) uint8, 255 where nothing counts

Padding is not stored: an array is as large as its scene is shown, and its record says where in the frame that is. One
memory-mappable file an array, so that any pair is one read in any order, whatever else the store holds.

A store is written beside its place and moved there whole, so one that exists can be read. Its name is the
fingerprint of what it was made from, so a store that no longer fits is not found and a new one is made.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gym.band_math import Index
from gym.data.frame import Placement, pad_image, pad_label
from gym.data.labels import LabelCounts, count_classes
from gym.data.likeness import perceptual_hash
from gym.data.prepare import Pair, Preparation
from gym.data.values import Scaling
from gym.errors import DataError
from gym.files import write_json

SCHEMA_VERSION = 3


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
        name: Unique in the store.
        file: Stem of its two arrays.
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
    file: str
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
    """What a store holds and where it came from.

    Attributes:
        fingerprint: Hash of everything the store is made from.
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


class Store:
    """A store on disk, read pair by pair.

    Args:
        folder: A folder that `finish_store` made whole.

    Raises:
        DataError: There is no manifest, or it is of another version or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.manifest = read_manifest(json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder} is no readable store ({error}); remove it and it will be made anew.") from error

    def __len__(self) -> int:
        return len(self.manifest.pairs)

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

    def image_path(self, position: int) -> Path:
        """The file of an image, without padding."""
        return array_path(self.folder, "images", self.manifest.pairs[position].file)

    def label_path(self, position: int) -> Path:
        """The file of a label, without padding."""
        return array_path(self.folder, "labels", self.manifest.pairs[position].file)

    def read_image(self, position: int) -> np.ndarray:
        """Read one image in its frame, ``shape`` in the imagery's own type."""
        image = np.load(self.image_path(position), allow_pickle=False)
        return pad_image(image, self.manifest.pairs[position].placement.corner, self.frame)

    def read_label(self, position: int) -> np.ndarray:
        """Read one label in its frame, ``frame`` uint8."""
        label = np.load(self.label_path(position), allow_pickle=False)
        return pad_label(label, self.manifest.pairs[position].placement.corner, self.frame)


def read_manifest(raw: dict[str, Any]) -> Manifest:
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
        | {"pairs": [read_record(record) for record in raw["pairs"]]}
        | {"preparation": read_preparation(raw["preparation"])}
    )


def read_preparation(raw: Mapping[str, Any]) -> Preparation:
    """Make a preparation of its JSON; errors as `read_manifest`."""
    return Preparation(
        frame=(raw["frame"][0], raw["frame"][1]),
        framing=raw["framing"],
        overlap=raw["overlap"],
        scaling=Scaling(**raw["scaling"]),
        source_bands=tuple(raw["source_bands"]),
        indices=tuple(Index(**index) for index in raw["indices"]),
    )


def read_record(raw: dict[str, Any]) -> PairRecord:
    """Make a record of its JSON; errors as `read_manifest`."""
    placement = Placement(*(tuple(part) for part in raw["placement"]))
    return PairRecord(**raw | {"placement": placement, "statistics": BandStatistics(**raw["statistics"])})


def write_pair(folder: Path, file: str, pair: Pair, classes: int, known: Mapping[str, Any]) -> PairRecord:
    """Write the two arrays of a pair.

    Args:
        folder: A store in the making.
        file: Stem of the arrays.
        pair: The pair.
        classes: Number of classes.
        known: The fields of the record that the arrays do not say: groups, sources, grid, nodata.

    Raises:
        OSError: They cannot be written.
    """
    for kind, values in (("images", pair.image), ("labels", pair.label)):
        np.save(array_path(folder, kind, file), np.ascontiguousarray(values))  # row by row, as the pipeline decodes it
    return PairRecord(
        name=pair.name,
        file=file,
        placement=pair.placement,
        image_sha256=hash_pixels(pair.image),
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


def finish_store(folder: Path, manifest: Manifest) -> None:
    """Bring all images to the manifest's type and write the manifest, last, so that a store without one is none."""
    pairs = [unify_type(folder, record, manifest.dtype) for record in manifest.pairs]
    write_json(folder / "manifest.json", asdict(replace(manifest, pairs=pairs)))


def unify_type(folder: Path, record: PairRecord, dtype: str) -> PairRecord:
    """Bring an image to a type; its record then has the hash of what is stored."""
    path = array_path(folder, "images", record.file)
    image = np.load(path, mmap_mode="r", allow_pickle=False)
    if image.dtype.str == dtype:
        return record
    converted = np.array(image).astype(dtype)
    np.save(path, converted)
    return replace(record, image_sha256=hash_pixels(converted))


def hash_pixels(image: np.ndarray) -> str:
    """The SHA-256 of an image's size and values."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def array_path(folder: Path, kind: str, file: str) -> Path:
    """The place of one array; ``kind`` is images or labels."""
    return folder / kind / f"{file}.npy"

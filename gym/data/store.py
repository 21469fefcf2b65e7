"""The model-ready data set: framed images and labels of one size, and a manifest.

    <fingerprint>/
        manifest.json        classes, bands, type, frame, and for each pair its name, scene, site, hash and counts
        images/00000.npy     (rows, columns, bands), in the imagery's own type
        labels/00000.npy     (rows, columns) uint8, 255 where nothing counts

A store is written beside its place and moved there whole, so one that exists can be read. Its name is the
fingerprint of what it was made from, so a store that no longer fits is not found and a new one is made.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from gym.data.labels import count_classes
from gym.errors import DataError
from gym.files import replacing_folder, write_json

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Pair:
    """One framed image and its label, on the way into a store."""

    name: str
    scene: str
    site: str
    image: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class PairRecord:
    """What the manifest says of one pair; ``image_sha256`` is of the framed pixels, ``counts`` one a class."""

    name: str
    scene: str
    site: str
    image_sha256: str
    counts: list[int]


@dataclass(frozen=True)
class Manifest:
    """What a store holds and where it came from."""

    fingerprint: str
    source: str
    classes: list[str]
    bands: list[str]
    dtype: str
    frame: list[int]
    pairs: list[PairRecord]
    left_out: dict[str, str]
    schema_version: int = SCHEMA_VERSION


class Store:
    """A store on disk, read pair by pair.

    Args:
        folder: A folder that `write_store` made.

    Raises:
        DataError: There is no manifest, or it is of another version or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            raw = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            raw["pairs"] = [PairRecord(**record) for record in raw["pairs"]]
            self.manifest = Manifest(**raw)
            if self.manifest.schema_version != SCHEMA_VERSION:
                raise ValueError(f"version {self.manifest.schema_version}, not {SCHEMA_VERSION}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder} is no readable store ({error}); remove it and it will be made anew.") from error

    def __len__(self) -> int:
        return len(self.manifest.pairs)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and bands of every image."""
        rows, columns = self.manifest.frame
        return rows, columns, len(self.manifest.bands)

    @cached_property
    def counts(self) -> np.ndarray:
        """Pixels by pair and class, ``(pairs, classes)`` int64."""
        return np.array([record.counts for record in self.manifest.pairs], np.int64)

    def image_path(self, position: int) -> Path:
        """The file of an image, ``(rows, columns, bands)``."""
        return _array_path(self.folder, "images", position)

    def label_path(self, position: int) -> Path:
        """The file of a label, ``(rows, columns)``."""
        return _array_path(self.folder, "labels", position)

    def read_image(self, position: int) -> np.ndarray:
        """Read one image, ``(rows, columns, bands)`` in the imagery's own type."""
        return np.load(self.image_path(position), allow_pickle=False)

    def read_label(self, position: int) -> np.ndarray:
        """Read one label, ``(rows, columns)`` uint8."""
        return np.load(self.label_path(position), allow_pickle=False)


def write_store(
    folder: Path,
    pairs: Iterable[Pair],
    *,
    fingerprint: str,
    source: str,
    classes: Sequence[str],
    bands: Sequence[str],
    left_out: dict[str, str],
) -> Store:
    """Write pairs into a new store, whole or not at all.

    Args:
        folder: Where the store will be.
        pairs: Framed pairs of one size, read one at a time.
        fingerprint: Hash of what the store is made from.
        source: Where the pairs come from, in words.
        classes: Class names.
        bands: Band names.
        left_out: Why each file that is not in the store is not; read after the last pair.

    Raises:
        DataError: There is not one pair.
    """
    with replacing_folder(folder) as beside:
        (beside / "images").mkdir()
        (beside / "labels").mkdir()
        records: list[PairRecord] = []
        dtypes: list[np.dtype] = []
        frame: tuple[int, ...] = ()
        for position, pair in enumerate(pairs):
            np.save(_array_path(beside, "images", position), pair.image)
            np.save(_array_path(beside, "labels", position), pair.label)
            digest = hashlib.sha256(pair.image.tobytes()).hexdigest()
            counts = [int(count) for count in count_classes(pair.label, len(classes))]
            records.append(PairRecord(pair.name, pair.scene, pair.site, digest, counts))
            dtypes.append(pair.image.dtype)
            frame = pair.label.shape
        if not records:
            first = next(iter(left_out.values()), "there are none")
            raise DataError(f"not one of {len(left_out)} pairs of {source} can be used; the first: {first}")
        dtype = _unify_types(beside, dtypes)
        manifest = Manifest(
            fingerprint, source, list(classes), list(bands), dtype.str, list(frame), records, dict(left_out)
        )
        write_json(beside / "manifest.json", asdict(manifest))
    return Store(folder)


def _unify_types(folder: Path, dtypes: list[np.dtype]) -> np.dtype:
    common = np.result_type(*set(dtypes))
    for position, dtype in enumerate(dtypes):
        if dtype != common:
            path = _array_path(folder, "images", position)
            np.save(path, np.load(path).astype(common))
    return common


def _array_path(folder: Path, kind: str, position: int) -> Path:
    return folder / kind / f"{position:05d}.npy"

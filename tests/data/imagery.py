"""Write tiny datasets of every kind, together with the images and labels that a reader must return.

Images are ``(rows, columns, bands)`` of at least 1, so that every pixel has data; labels hold classes 0 to 2.
"""

import io
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from gym.config.registries import READERS
from gym.config.schema import DataConfig
from gym.core.files import HashCache
from gym.data.readers.base import Reader
from gym.data.readers.synthetic import draw_scene

SIZE = (20, 40)
CLASSES = ("water", "sand", "other")
NAMES = ("a", "b", "c")
FRAME = [32, 48]
INSIDE = np.s_[6:26, 4:44]  # the position of a scene of SIZE in FRAME
GRID = {"crs": "EPSG:32610", "transform": Affine(10, 0, 500_000, 0, -10, 4_000_000)}


@dataclass
class Source:
    """A dataset on disk: its configuration, and the expected image and label of each scene, by name."""

    config: DataConfig
    images: dict[str, np.ndarray] = field(default_factory=dict)
    labels: dict[str, np.ndarray] = field(default_factory=dict)


def draw_image(seed: int, bands: int = 3, dtype: Any = np.uint8, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Noise from 1 to 250, multiplied by 100 in types wider than uint8."""
    scale = 1 if dtype == np.uint8 else 100
    return (np.random.default_rng([1, seed]).integers(1, 251, (*size, bands)) * scale).astype(dtype)


def draw_label(seed: int, dtype: Any = np.uint8, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Noise of three classes."""
    return np.random.default_rng([2, seed]).integers(0, len(CLASSES), size).astype(dtype)


def save_image(path: Path, values: np.ndarray) -> None:
    """Write a PNG or JPEG; a single band is grey, and several 16-bit bands need a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if values.dtype == np.uint16 and values.shape[2:] > (1,):
        _save_raster(path, values, driver="PNG")
    else:
        Image.fromarray(values[..., 0] if values.shape[2:] == (1,) else values).save(path)


def save_tiff(path: Path, values: np.ndarray, **options: Any) -> None:
    """Write a TIFF of ``(rows, columns[, bands])``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _save_raster(path, values, driver="GTiff", **options)


def _save_raster(path: Path, values: np.ndarray, **options: Any) -> None:
    bands = np.moveaxis(np.atleast_3d(values), -1, 0)
    layout = dict(zip(("count", "height", "width"), bands.shape, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", dtype=bands.dtype, **layout, **options) as written:
            written.write(bands)


def npz_bytes(**arrays: Any) -> bytes:
    """The bytes of an npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def make_doodler_npz(image: np.ndarray, label: np.ndarray) -> bytes:
    """The bytes of a Doodler file with a one-hot label and class names."""
    one_hot = np.eye(len(CLASSES), dtype=np.uint8)[label]
    return npz_bytes(orig_image=image, image=255 - image, label=one_hot, classes=np.array(CLASSES))


def save_zip(path: Path, entries: dict[str, bytes]) -> None:
    """Write a zip of named entries."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def make_config(kind: str, **keys: Any) -> DataConfig:
    """The configuration of a dataset on disk, read by a single process."""
    return DataConfig(kind=kind, size=FRAME, classes=list(CLASSES), workers=1, **keys)


def write_folder(root: Path, names: tuple[str, ...] = NAMES, suffix: str = ".png") -> Source:
    """Write a folder of RGB images and one of labels."""
    source = Source(make_config("folder", images=[str(root / "images")], labels=str(root / "labels")))
    for seed, name in enumerate(names):
        source.images[name], source.labels[name] = draw_image(seed), draw_label(seed)
        save_image(root / "images" / f"{name}{suffix}", source.images[name])
        save_image(root / "labels" / f"{name}.png", source.labels[name])
    return source


def write_band_sets(root: Path) -> Source:
    """Write 16-bit RGB in one folder, near infra-red with longer names in another, and labels of 1 to 3 in a third."""
    folders = {"images": [str(root / "rgb"), str(root / "nir")], "labels": str(root / "labels")}
    bands = ["red", "green", "blue", "nir"]
    source = Source(
        make_config("folder", **folders, bands=bands, drop_from_stem=["_nir$"], remap={1: "water", 2: "sand", 3: 2})
    )
    for seed, name in enumerate(NAMES):
        rgb, nir = draw_image(seed, 3, np.uint16), draw_image(seed + 10, 1, np.uint16)
        source.images[name] = np.concatenate([rgb, nir], axis=2)
        source.labels[name] = draw_label(seed) + 1
        save_image(root / "rgb" / f"{name}.png", rgb)
        save_image(root / "nir" / f"{name}_nir.png", nir)
        save_image(root / "labels" / f"{name}.png", source.labels[name])
    return source


def write_geotiffs(root: Path) -> Source:
    """Write five signed 16-bit bands, and labels on the same grid."""
    source = Source(make_config("folder", images=[str(root / "images")], labels=str(root / "labels")))
    for seed, name in enumerate(NAMES):
        source.images[name] = draw_image(seed, 5, np.int16) - np.int16(3000)
        source.images[name][source.images[name] == 0] = 7
        source.labels[name] = draw_label(seed, np.int16)
        save_tiff(root / "images" / f"{name}.tif", source.images[name], **GRID)
        save_tiff(root / "labels" / f"{name}.tif", source.labels[name], **GRID)
    return source


def write_doodler(root: Path) -> Source:
    """Write a folder of Doodler files."""
    source = Source(make_config("doodler", archives=[str(root)]))
    root.mkdir(parents=True)
    for seed, name in enumerate(NAMES):
        source.images[name], source.labels[name] = draw_image(seed), draw_label(seed)
        (root / f"{name}.npz").write_bytes(make_doodler_npz(source.images[name], source.labels[name]))
    return source


def write_gym(root: Path) -> Source:
    """Write training files of Segmentation Gym with four bands."""
    source = Source(make_config("gym_npz", archives=[str(root)]))
    root.mkdir(parents=True)
    for seed, name in enumerate(NAMES):
        source.images[name], source.labels[name] = draw_image(seed, 4), draw_label(seed)
        one_hot = np.eye(len(CLASSES), dtype=np.uint8)[source.labels[name]]
        content = npz_bytes(arr_0=source.images[name], arr_1=one_hot, num_bands=4, files=np.array(["a.jpg", "b.jpg"]))
        (root / f"{name}.npz").write_bytes(content)
    return source


def write_zip(root: Path) -> Source:
    """Write Doodler files in folders of a zip, as in the Coast Train release."""
    source = Source(make_config("doodler", archives=[str(root / "release.zip")]))
    entries = {"release/meta.csv": b"image,classes\n"}
    for seed, name in enumerate(NAMES):
        source.images[name], source.labels[name] = draw_image(seed), draw_label(seed)
        entries[f"release/npz/{name}.npz"] = make_doodler_npz(source.images[name], source.labels[name])
    save_zip(root / "release.zip", entries)
    return source


def write_zip_with_band_set(root: Path) -> Source:
    """Write the same zip, and near infra-red in a folder of GeoTIFFs."""
    source = write_zip(root)
    source.config.images, source.config.bands = [str(root / "nir")], ["red", "green", "blue", "nir"]
    for seed, name in enumerate(NAMES):
        nir = draw_image(seed + 10, 1)
        source.images[name] = np.concatenate([source.images[name], nir], axis=2)
        save_tiff(root / "nir" / f"{name}.tif", nir, **GRID)
    return source


def draw_synthetic(root: Path) -> Source:
    """Draw synthetic scenes; nothing is written."""
    source = Source(DataConfig(kind="synthetic", size=FRAME, scenes=3, sites=2, seed=4, workers=1))
    for index in range(3):
        scene = draw_scene(4, index, *FRAME, 2)
        source.images[scene.name], source.labels[scene.name] = scene.image, scene.label
    return source


WRITERS: dict[str, Callable[[Path], Source]] = {
    "synthetic": draw_synthetic,
    "folder": write_folder,
    "band sets": write_band_sets,
    "GeoTIFF": write_geotiffs,
    "Doodler": write_doodler,
    "Segmentation Gym": write_gym,
    "zip": write_zip,
    "zip with band set": write_zip_with_band_set,
}


def make_reader(config: DataConfig, elsewhere: Path) -> Reader:
    """Make the reader of a configuration, with its hashes and downloads in another folder."""
    return READERS.get(config.kind).load()(config, HashCache(elsewhere / "hashes.json"), elsewhere / "downloads")

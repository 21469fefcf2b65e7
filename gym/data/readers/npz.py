"""Read a dataset from NumPy archives of Doodler, Segmentation Gym or the Coast Train release.

Both tools write image and label into one npz, the label either one-hot, with one layer of 0 and 1 per class, or as
class numbers. An ambiguous label is rejected.
"""

import logging
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from gym.config.schema import DataConfig, parse_folders
from gym.core.errors import DataError
from gym.core.files import HashCache
from gym.core.redaction import redact
from gym.core.text import pluralize
from gym.data.labels import MAX_CLASSES
from gym.data.readers.archives import SUFFIXES as ARCHIVES
from gym.data.readers.archives import NpzFile, find_npz_files, list_arrays, read_arrays
from gym.data.readers.base import RawScene, check_same_size, probe_bands
from gym.data.readers.download import download_file, is_url
from gym.data.readers.folder import find_files, index_by_stem, list_skipped, match_stems
from gym.data.readers.raster import SUFFIXES, Raster, read_image, stack_bands

_NUMBERS = "biuf"  # NumPy's kinds of numeric types
_PADDING = " \t\r\n'\""  # characters to strip from class names
_AUGMENTED = re.compile(r"(_aug_nd_data_|augimage_)\d+$")
_WORKING_FILE = "_labelgen"

_DOODLER_LAYOUT = "Doodler files hold label and image (use data=gym_npz for files of Segmentation Gym)"
_GYM_LAYOUT = "files of Segmentation Gym hold arr_0 and arr_1 (use data=doodler for files of Doodler)"

log = logging.getLogger(__name__)

SkipResult = tuple[dict[str, NpzFile], dict[str, str]]  # the files to use, and the reason for skipping each other one


class NpzReader:
    """Reads scenes from npz files, and further band sets from image files; see `gym.data.readers.base.Reader`.

    Args:
        config: Data configuration.
        hashes: Cache of file hashes.
        downloads: Folder for files given as URLs.
    """

    decode: Callable[[NpzFile], RawScene]
    skip: Callable[[Mapping[str, NpzFile]], SkipResult]

    def __init__(self, config: DataConfig, hashes: HashCache, downloads: Path) -> None:
        self._given_bands, self._hashes = config.bands, hashes
        archives = parse_folders("data.archives", config.archives)
        folders = parse_folders("data.images", config.images) if config.images else []
        paths = [download_file(place, downloads) if is_url(place) else Path(place) for place in archives]
        found, left_out, duplicates = find_npz_files(paths)
        files, repeats = self.skip(found)
        archived = (" + ".join(map(redact, archives)), index_by_stem(files.items(), config.drop_from_stem))
        band_sets = [(folder, find_files(Path(folder), SUFFIXES, config.drop_from_stem)) for folder in folders]
        self._files, unmatched = match_stems([archived, *band_sets])
        others = list_skipped([Path(folder) for folder in folders], (*SUFFIXES, *ARCHIVES))
        self.left_out, self.skipped = left_out | unmatched, duplicates | repeats | others
        self.names = list(self._files)
        self.description = " + ".join(map(redact, [*archives, *folders]))

    @cached_property
    def bands(self) -> list[str]:
        """Band names; errors as for `gym.data.readers.base.probe_bands`."""
        return probe_bands(self.names, lambda name: self.read(name).image.shape[2], self._given_bands)

    def sources(self, name: str) -> dict[str, str]:
        """Return the SHA-256 of the archive of a scene and of each further image file."""
        npz, *images = self._files[name]
        return {str(npz): self._hashes.sha256(npz.path)} | {str(path): self._hashes.sha256(path) for path in images}

    def read(self, name: str) -> RawScene:
        """Read a scene and stack further bands behind those of the archive."""
        npz, *images = self._files[name]
        scene = self.decode(npz)
        if not images:
            return scene
        # An npz declares no nodata, so only the nodata of the image files counts, here and in prediction.
        archived = (npz, Raster(scene.image, None))
        stacked = stack_bands([archived, *((path, read_image(path)) for path in images)])
        return scene._replace(image=stacked.values, grid=stacked.grid, nodata=stacked.nodata)


def decode_doodler(npz: NpzFile) -> RawScene:
    """Decode a file of Doodler or of the Coast Train release.

    The unedited image is used if its size fits the label. Keys that start with zeros, such as ``0label``, are older
    states of a file that was saved again, and are ignored. A label has layers up to its last class only, so there may
    be more names than layers.

    Raises:
        DataError: The file cannot be read, lacks label or image, or both differ in size.

    Source:
        Coast Train, doi:10.5066/P91NP87I.
    """
    arrays = read_arrays(npz, ("label", "orig_image", "classes"))
    if "label" not in arrays:
        raise _missing_array(npz, "label", _DOODLER_LAYOUT)
    label, labelled = decode_label(arrays["label"], f"label of {npz}")
    raw = arrays.get("orig_image")
    if raw is None or raw.shape[:2] != label.shape:
        raw = read_arrays(npz, ("image",)).get("image", raw)
    if raw is None:
        raise _missing_array(npz, "image", _DOODLER_LAYOUT)
    image = decode_image(raw, f"image of {npz}")
    check_same_size(label, image, f"label of {npz}")
    return RawScene(image, label, labelled, decode_names(arrays.get("classes"), f"classes of {npz}"))


def decode_gym(npz: NpzFile) -> RawScene:
    """Decode a training file of Segmentation Gym, which has no class names.

    The earliest four-band files have red, green and blue in ``arr_0``, the fourth band in ``arr_1`` and the label in
    ``arr_2``. In other files, ``arr_2`` is the name of the image.

    Raises:
        DataError: The file cannot be read, lacks label or image, or both differ in size.
    """
    arrays = read_arrays(npz, ("arr_0", "arr_1", "arr_2"))
    for key in ("arr_0", "arr_1"):
        if key not in arrays:
            raise _missing_array(npz, key, _GYM_LAYOUT)
    image, layer = decode_image(arrays["arr_0"], f"arr_0 of {npz}"), "arr_1"
    if "arr_2" in arrays and arrays["arr_2"].dtype.kind in _NUMBERS:
        fourth, layer = decode_image(arrays["arr_1"], f"arr_1 of {npz}"), "arr_2"
        check_same_size(fourth, image, f"arr_1 of {npz}")
        image = np.concatenate([image, fourth], axis=2)
    label, labelled = decode_label(arrays[layer], f"{layer} of {npz}")
    check_same_size(label, image, f"{layer} of {npz}")
    return RawScene(image, label, labelled, ())


def skip_working_files(files: Mapping[str, NpzFile]) -> SkipResult:
    """Skip files ``X_labelgen.npz``, which a utility of Doodler writes next to ``X.npz`` with the same scene."""
    repeats = {
        name: original
        for name in files
        if name.endswith(_WORKING_FILE) and (original := name.removesuffix(_WORKING_FILE)) in files
    }
    skipped = {
        str(files[name]): f"shows the same scene as {original}, which is used." for name, original in repeats.items()
    }
    return {name: npz for name, npz in files.items() if name not in repeats}, skipped


def skip_augmented(files: Mapping[str, NpzFile]) -> SkipResult:
    """Skip augmented copies of Segmentation Gym, unless there are no other files.

    Training on a copy of a validation image would inflate the scores.
    """
    originals = {name: npz for name, npz in files.items() if not is_augmented(npz)}
    if not originals:
        log.warning(
            "all files are augmented copies without their originals: copies of one scene end up on both sides of a "
            "split, and scores are too high; use the original images if you have them"
        )
        return dict(files), {}
    reason = "is an augmented copy; only unaugmented files are used."
    return originals, {str(npz): reason for npz in files.values() if is_augmented(npz)}


def is_augmented(npz: NpzFile) -> bool:
    """Tell by its name whether a file of Segmentation Gym holds an augmented copy."""
    return _AUGMENTED.search(npz.stem) is not None


class DoodlerReader(NpzReader):
    """Reads the scenes of a ``data=doodler`` configuration."""

    decode = staticmethod(decode_doodler)
    skip = staticmethod(skip_working_files)


class GymNpzReader(NpzReader):
    """Reads the scenes of a ``data=gym_npz`` configuration."""

    decode = staticmethod(decode_gym)
    skip = staticmethod(skip_augmented)


def decode_label(raw: np.ndarray, source: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode a label, one-hot ``(rows, columns, classes)`` or class numbers ``(rows, columns)``.

    Args:
        raw: Label in the file. Class numbers are returned unchanged.
        source: Name of the array and its file, for errors.

    Returns:
        Class numbers ``(rows, columns)``, and a mask of labelled pixels, or None if all are labelled.

    Raises:
        DataError: The label is neither, a pixel has several classes, or no pixel has one.
    """
    _check_kind(raw, source, "(rows, columns) or (rows, columns, classes)")
    if raw.ndim == 2:
        return (raw.astype(np.uint8) if raw.dtype == bool else raw), None
    if raw.shape[2] > MAX_CLASSES:
        raise DataError(f"{source} has {raw.shape[2]} classes, but at most {MAX_CLASSES} are supported; merge some.")
    invalid = (raw != 0) & (raw != 1)
    if invalid.any():
        raise DataError(
            f"{source} holds {raw[invalid][0]} ({int(invalid.sum())} of {raw.size} values), but one-hot layers must be "
            "0 or 1; save class numbers as (rows, columns)."
        )
    count, label = np.zeros(raw.shape[:2], np.uint8), np.zeros(raw.shape[:2], np.uint8)
    for number in range(raw.shape[2]):  # many times faster than a reduction along the short last axis
        layer = raw[..., number].astype(np.uint8)
        count += layer
        label += layer * np.uint8(number)
    if several := int((count > 1).sum()):
        raise DataError(
            f"{source} assigns several classes to {pluralize(several, 'pixel')}, but each may have only one; create "
            "the file again (in Segmentation Gym, with FILTER_VALUE 0)."
        )
    if not count.any():
        raise DataError(f"{source} assigns no class to any of its {count.size} pixels; label them or remove the file.")
    if raw.shape[2] == 1 and not count.all():
        raise DataError(
            f"{source} has a single layer of 0 and 1, which may mean one class or two; save class numbers as "
            "(rows, columns)."
        )
    return label, None if count.all() else count > 0


def decode_image(raw: np.ndarray, source: str) -> np.ndarray:
    """Decode an image, ``(rows, columns, bands)`` or ``(rows, columns)``, into ``(rows, columns, bands)``.

    A pixel that is not finite in every band becomes nodata, 0 in every band.

    Raises:
        DataError: The array is not numeric, has another number of dimensions, or is empty.
    """
    _check_kind(raw, source, "(rows, columns) or (rows, columns, bands)")
    image = raw if raw.ndim == 3 else raw[..., np.newaxis]
    if image.dtype.kind == "f":
        return np.where(np.isfinite(image).all(axis=2, keepdims=True), image, 0)
    return image.astype(np.uint8) if image.dtype == bool else image


def decode_names(raw: np.ndarray | None, source: str) -> tuple[str, ...]:
    """Decode class names, without the spaces and quotes that surround them in some files.

    Raises:
        DataError: The array is not a list of at most 255 strings.
    """
    if raw is None:
        return ()
    if raw.ndim != 1 or raw.dtype.kind != "U" or len(raw) > MAX_CLASSES:
        raise DataError(
            f"{source} are {raw.dtype} of shape {raw.shape}; they must be a list of at most {MAX_CLASSES} strings: "
            "correct or remove the file."
        )
    return tuple(str(name).strip(_PADDING) for name in raw)


def _missing_array(npz: NpzFile, key: str, layout: str) -> DataError:
    present = ", ".join(list_arrays(npz)) or "nothing"
    return DataError(f"{npz} lacks {key}: it holds {present}; {layout}.")


def _check_kind(raw: np.ndarray, source: str, shapes: str) -> None:
    if raw.dtype.kind not in _NUMBERS or raw.ndim not in (2, 3) or not raw.size:
        raise DataError(
            f"{source} is {raw.dtype} of shape {raw.shape}; it must be a non-empty array of numbers of shape {shapes}: "
            "correct or remove the file."
        )

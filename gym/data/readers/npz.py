"""Decode labelled scenes out of NumPy archives, as the tools Doodler and Segmentation Gym write them.

Either writes image and label into one npz, the label as one layer of zeros and ones for each class (one-hot) or as
class numbers. Nothing is guessed: a label that can be read in two ways is refused.

Read a dataset that lies in NumPy archives: Doodler's output, Segmentation Gym's, the Coast Train release.
"""

import logging
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from gym.config.schema import DataConfig, folders_of
from gym.core.errors import DataError
from gym.core.files import HashCache
from gym.data.labels import MAX_CLASSES
from gym.data.readers.archives import SUFFIXES as ARCHIVES
from gym.data.readers.archives import NpzFile, download_file, find_npz_files, is_url, list_arrays, read_arrays
from gym.data.readers.base import RawScene, check_same_size, probe_bands
from gym.data.readers.folder import find_files, index_by_stem, list_skipped, match_stems
from gym.data.readers.raster import SUFFIXES, Raster, read_image, stack_bands

_NUMBERS = "biuf"  # kinds of NumPy types
_AROUND_NAMES = " \t\r\n'\""
_AUGMENTED = re.compile(r"(_aug_nd_data_|augimage_)\d+$")
_WORKING_FILE = "_labelgen"

_DOODLER_LAYOUT = "a file of Doodler holds label and image (data=gym_npz reads those of Segmentation Gym)"
_GYM_LAYOUT = "a training file of Segmentation Gym holds arr_0 and arr_1 (data=doodler reads those of Doodler)"


def decode_doodler(member: NpzFile) -> RawScene:
    """Decode a file of Doodler, or of the Coast Train release.

    The image is the unedited one where it fits the label. Older states of a re-saved file, whose keys begin with zeros
    (``0label``), are never looked at. A label has layers up to its last class only, so there may be more names.

    Raises:
        DataError: The file cannot be read, lacks label or image, or they do not fit each other.

    Source:
        Coast Train, doi:10.5066/P91NP87I.
    """
    arrays = read_arrays(member, ("label", "orig_image", "classes"))
    if "label" not in arrays:
        raise _lacking(member, "label", _DOODLER_LAYOUT)
    label, labelled = decode_label(arrays["label"], f"label of {member}")
    raw = arrays.get("orig_image")
    if raw is None or raw.shape[:2] != label.shape:
        raw = read_arrays(member, ("image",)).get("image", raw)
    if raw is None:
        raise _lacking(member, "image", _DOODLER_LAYOUT)
    image = decode_image(raw, f"image of {member}")
    check_same_size(label, image, f"label of {member}")
    return RawScene(image, label, labelled, decode_names(arrays.get("classes"), f"classes of {member}"))


def decode_gym(member: NpzFile) -> RawScene:
    """Decode a training file of Segmentation Gym; it names no classes.

    Its earliest four-band files have red, green and blue in ``arr_0``, the fourth band in ``arr_1``, and the label in
    ``arr_2``, which is the image's name in others.

    Raises:
        DataError: The file cannot be read, lacks label or image, or they do not fit each other.
    """
    arrays = read_arrays(member, ("arr_0", "arr_1", "arr_2"))
    for key in ("arr_0", "arr_1"):
        if key not in arrays:
            raise _lacking(member, key, _GYM_LAYOUT)
    image, layer = decode_image(arrays["arr_0"], f"arr_0 of {member}"), "arr_1"
    if "arr_2" in arrays and arrays["arr_2"].dtype.kind in _NUMBERS:
        fourth, layer = decode_image(arrays["arr_1"], f"arr_1 of {member}"), "arr_2"
        check_same_size(fourth, image, f"arr_1 of {member}")
        image = np.concatenate([image, fourth], axis=2)
    label, labelled = decode_label(arrays[layer], f"{layer} of {member}")
    check_same_size(label, image, f"{layer} of {member}")
    return RawScene(image, label, labelled, ())


def is_augmented(member: NpzFile) -> bool:
    """Tell by its name whether a file of Segmentation Gym holds an augmented copy."""
    return _AUGMENTED.search(member.stem) is not None


def skip_augmented(members: Mapping[str, NpzFile]) -> tuple[dict[str, NpzFile], dict[str, str]]:
    """Pass over the augmented copies of Segmentation Gym, unless there is nothing else.

    A copy that is trained on while its source is validated on would flatter the scores.

    Returns:
        The members to use, and why each other one is passed over.
    """
    unaugmented = {name: member for name, member in members.items() if not is_augmented(member)}
    if not unaugmented:
        return dict(members), {}
    reason = "is an augmented copy; the unaugmented files are used."
    return unaugmented, {str(member): reason for member in members.values() if is_augmented(member)}


def skip_working_files(members: Mapping[str, NpzFile]) -> tuple[dict[str, NpzFile], dict[str, str]]:
    """Pass over the files ``X_labelgen.npz`` that a utility of Doodler writes beside ``X.npz``: the same scene again.

    Returns:
        The members to use, and why each other one is passed over.
    """
    repeats = {
        name: source
        for name in members
        if name.endswith(_WORKING_FILE) and (source := name.removesuffix(_WORKING_FILE)) in members
    }
    passed_over = {
        str(members[name]): f"repeats the scene of {source}, which is used." for name, source in repeats.items()
    }
    return {name: member for name, member in members.items() if name not in repeats}, passed_over


def decode_label(raw: np.ndarray, source: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode a label, one-hot ``(rows, columns, classes)`` or class numbers ``(rows, columns)``.

    Args:
        raw: The label as it stands in the file. Class numbers are not changed.
        source: The array and its file, for the message.

    Returns:
        Class numbers ``(rows, columns)``, and where a class was given, None for everywhere.

    Raises:
        DataError: The label is neither, or no pixel, or one pixel twice, has a class.
    """
    _refuse_other_kind(raw, source, "(rows, columns) or (rows, columns, classes)")
    if raw.ndim == 2:
        return (raw.astype(np.uint8) if raw.dtype == bool else raw), None
    if raw.shape[2] > MAX_CLASSES:
        raise DataError(f"{source} has {raw.shape[2]} classes; at most {MAX_CLASSES} can be told apart: merge some.")
    stray = (raw != 0) & (raw != 1)
    if stray.any():
        raise DataError(
            f"{source} holds {raw[stray][0]} ({int(stray.sum())} of {raw.size} values), where layers hold 0 and 1; "
            "save class numbers as (rows, columns)."
        )
    given, label = np.zeros(raw.shape[:2], np.uint8), np.zeros(raw.shape[:2], np.uint8)
    for number in range(raw.shape[2]):  # many times faster than to reduce along the short last axis
        layer = raw[..., number].astype(np.uint8)
        given += layer
        label += layer * np.uint8(number)
    if several := int((given > 1).sum()):
        raise DataError(
            f"{source} gives {several} pixels two classes or more, where each may have one; make the file again "
            "(in Segmentation Gym with FILTER_VALUE 0)."
        )
    if not given.any():
        raise DataError(f"{source} gives none of its {given.size} pixels a class; label the image or remove the file.")
    if raw.shape[2] == 1 and not given.all():
        raise DataError(
            f"{source} has one layer that holds 0 and 1, which may be two classes or one; save class numbers as "
            "(rows, columns)."
        )
    return label, None if given.all() else given > 0


def decode_image(raw: np.ndarray, source: str) -> np.ndarray:
    """Decode an image, ``(rows, columns, bands)`` or ``(rows, columns)``, into ``(rows, columns, bands)``.

    Raises:
        DataError: It is no array of numbers of that kind, or is empty.
    """
    _refuse_other_kind(raw, source, "(rows, columns) or (rows, columns, bands)")
    image = raw if raw.ndim == 3 else raw[..., np.newaxis]
    if image.dtype.kind == "f":
        return np.where(np.isfinite(image).all(axis=2, keepdims=True), image, 0)
    return image.astype(np.uint8) if image.dtype == bool else image


def decode_names(raw: np.ndarray | None, source: str) -> tuple[str, ...]:
    """Decode class names, without the spaces and quotes that some files have around them.

    Raises:
        DataError: They are no list of at most 255 texts.
    """
    if raw is None:
        return ()
    if raw.ndim != 1 or raw.dtype.kind != "U" or len(raw) > MAX_CLASSES:
        raise DataError(
            f"{source} are {raw.dtype} of shape {raw.shape}, where a list of at most {MAX_CLASSES} texts must be; "
            "mend or remove the file."
        )
    return tuple(str(name).strip(_AROUND_NAMES) for name in raw)


def _lacking(member: NpzFile, key: str, layout: str) -> DataError:
    there = ", ".join(list_arrays(member)) or "nothing"
    return DataError(f"{member} lacks {key}: it holds {there}; {layout}.")


def _refuse_other_kind(raw: np.ndarray, source: str, shapes: str) -> None:
    if raw.dtype.kind not in _NUMBERS or raw.ndim not in (2, 3) or not raw.size:
        raise DataError(
            f"{source} is {raw.dtype} of shape {raw.shape}; it must be numbers of shape {shapes}, at least one each: "
            "mend or remove the file."
        )


log = logging.getLogger(__name__)


class NpzReader:
    """The scenes of npz files, with further band sets beside them; the rest as in `gym.data.readers.base.Reader`.

    Args:
        config: The data configuration.
        hashes: Of files.
        downloads: Where the files of URLs are kept.
    """

    decode: Callable[[NpzFile], RawScene]
    skip: Callable[[Mapping[str, NpzFile]], tuple[dict[str, NpzFile], dict[str, str]]]

    def __init__(self, config: DataConfig, hashes: HashCache, downloads: Path) -> None:
        self._given_bands, self._hashes = config.bands, hashes
        places = folders_of("data.archives", config.archives)
        folders = folders_of("data.images", config.images) if config.images else []
        members, left_out, repeats = find_npz_files([_on_disk(place, downloads) for place in places])
        members, copies = self.skip(members)
        archived = index_by_stem(members.items(), config.drop_from_stem)
        beside = [(folder, find_files(Path(folder), SUFFIXES, config.drop_from_stem)) for folder in folders]
        matches = match_stems([(" + ".join(places), archived), *beside])
        others = list_skipped([Path(folder) for folder in folders], (*SUFFIXES, *ARCHIVES))
        self.left_out, self.skipped = left_out | matches.left_out, repeats | copies | others
        self._files = matches.files
        self.names = list(self._files)
        self.description = " + ".join([*places, *folders])

    @cached_property
    def bands(self) -> list[str]:
        """The band names; errors as of `gym.data.readers.base.probe_bands`."""
        return probe_bands(self.names, lambda name: self.read(name).image.shape[2], self._given_bands)

    def sources(self, name: str) -> dict[str, str]:
        """The hash of the archive of a scene, by the scene's place in it, and of each file beside it."""
        member, *beside = self._files[name]
        return {str(member): self._hashes.sha256(member.path)} | {
            str(path): self._hashes.sha256(path) for path in beside
        }

    def read(self, name: str) -> RawScene:
        """Read a scene, its further bands stacked behind those of the archive."""
        member, *beside = self._files[name]
        scene = self.decode(member)
        if not beside:
            return scene
        # An npz declares no nodata; that of the files beside it is all there is to go by, in training as in prediction.
        archived = (member, Raster(scene.image, None))
        stacked = stack_bands([archived, *((path, read_image(path)) for path in beside)])
        return scene._replace(image=stacked.values, grid=stacked.grid, nodata=stacked.nodata)


class DoodlerReader(NpzReader):
    """The scenes of a ``data=doodler`` configuration."""

    decode = staticmethod(decode_doodler)
    skip = staticmethod(skip_working_files)


def _skip_copies(members: Mapping[str, NpzFile]) -> tuple[dict[str, NpzFile], dict[str, str]]:
    """Pass augmented copies over; where there is nothing else, they are used, with a warning."""
    kept, copies = skip_augmented(members)
    if any(is_augmented(member) for member in kept.values()):
        log.warning(
            "all files are augmented copies of scenes that are not there: copies of one scene will stand on both sides "
            "of the split, and scores will be too good; use the original images if you have them"
        )
    return kept, copies


class GymNpzReader(NpzReader):
    """The scenes of a ``data=gym_npz`` configuration."""

    decode = staticmethod(decode_gym)
    skip = staticmethod(_skip_copies)


def _on_disk(place: str, downloads: Path) -> Path:
    return download_file(place, downloads) if is_url(place) else Path(place)

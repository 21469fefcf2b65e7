"""Find the files of each pair by their common stem.

Read a dataset that lies in folders: one folder of images, or one for each band set, and one of labels.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from gym.config.schema import DataConfig, folders_of, split_pattern
from gym.core.errors import DataError
from gym.core.files import HashCache
from gym.data.readers.base import RawScene, check_same_size, probe_bands
from gym.data.readers.raster import SUFFIXES, check_same_grid, choose_grid, read_bands, read_label

# Endings of what lies beside images and is no image.
_SIDECARS = (".xml", ".tfw", ".jgw", ".pgw", ".wld", ".txt", ".csv", ".json", ".md", ".ini", ".db", ".ovr", ".msk")


class PairFiles(NamedTuple):
    """The files of one pair: one image file for each band set, and the label."""

    name: str
    images: list[Path]
    label: Path


class Pairing(NamedTuple):
    """Pairs by ascending name, and why each other file was left out."""

    pairs: list[PairFiles]
    left_out: dict[str, str]


class Matches(NamedTuple):
    """By ascending stem one file from each place, and why each other file was left out."""

    files: dict[str, list[Any]]
    left_out: dict[str, str]


def cut_stem(stem: str, drops: Sequence[str]) -> str:
    """A file's stem without what the regular expressions ``drops`` match, as in ``_label$``."""
    for pattern in drops:
        stem = re.sub(pattern, "", stem)
    return stem


def index_by_stem(files: Iterable[tuple[str, Any]], drops: Sequence[str]) -> dict[str, Any]:
    """List files by cut stem, given each with its whole one.

    Raises:
        DataError: Two have one stem.
    """
    found: dict[str, Any] = {}
    for whole, file in files:
        stem = cut_stem(whole, drops)
        if stem in found:
            raise DataError(
                f"{found[stem]} and {file} have one stem, {stem}; keep one of them, mend data.drop_from_stem, "
                "or take each kind by a pattern of names, as in folder/*_label.png."
            )
        found[stem] = file
    return found


def find_files(folder: Path, suffixes: Sequence[str], drops: Sequence[str] = ()) -> dict[str, Path]:
    """List the image files of a folder by cut stem; hidden files are passed over.

    Args:
        folder: The folder, or of its files those of a pattern, as in ``shots/*_label.png``.
        suffixes: Lower-case file endings to consider, with their dot.
        drops: Regular expressions cut out of stems first.

    Raises:
        DataError: The folder is missing, cannot be listed or holds none, or two files have one stem.
    """
    place, names = _split(folder)
    if not place.is_dir():
        raise DataError(f"{place} is no folder; give the folder that holds the image files.")
    named = [path for path in _list_folder(place) if fnmatchcase(path.name, names)]
    files = [path for path in named if path.suffix.lower() in suffixes and not path.is_dir()]
    if not files:
        raise DataError(f"{folder} holds no image files; it must hold files ending in {', '.join(suffixes)}.")
    return index_by_stem(((path.stem, path) for path in files), drops)


def list_skipped(folders: Sequence[Path], suffixes: Sequence[str]) -> dict[str, str]:
    """Why each entry of some folders is no image file: by its ending or name, or for being a folder.

    Neither hidden entries, what usually lies beside images (world files, statistics, notes), nor the folders
    themselves are named.

    Raises:
        DataError: A folder cannot be listed.
    """
    given: dict[Path, list[str]] = {}
    for place, names in map(_split, folders):
        given.setdefault(place, []).append(names)
    inner = {place.resolve() for place in given}
    return {
        str(path): reason
        for place, patterns in given.items()
        for path in _list_folder(place)
        if path.resolve() not in inner and (reason := _why_passed_over(path, suffixes, patterns))
    }


def _why_passed_over(path: Path, suffixes: Sequence[str], patterns: Sequence[str]) -> str:
    if path.is_dir():
        return "is a folder; its files are not looked at"
    if path.suffix.lower() not in suffixes:
        return "" if path.suffix.lower() in _SIDECARS else "is no PNG, JPEG or TIFF"
    return "" if any(fnmatchcase(path.name, names) for names in patterns) else "has a name of no given pattern"


def _split(folder: Path) -> tuple[Path, str]:
    place, names = split_pattern(folder.as_posix())
    return Path(place), names


def _list_folder(folder: Path) -> list[Path]:
    """The visible entries of a folder, by name."""
    try:
        return sorted(path for path in folder.iterdir() if path.name[0] != ".")
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error.strerror or error}); mend its permissions.") from error


def match_stems(listings: Sequence[tuple[str, Mapping[str, Any]]]) -> Matches:
    """Match files by stem across places.

    Args:
        listings: In order each place, and its files by stem; one place may come twice, with other files or the same.

    Raises:
        DataError: Not one stem is in all of them.
    """
    everywhere = set.intersection(*(set(listing) for _, listing in listings))
    if not everywhere:
        examples = " and ".join(str(next(iter(listing.values()))) for _, listing in listings)
        raise DataError(
            f"not one stem is in all of {len(listings)} folders (as in {examples}); name files alike, "
            "or cut out what differs with data.drop_from_stem."
        )
    left_out = {
        str(file): "no file of this stem in " + ", ".join(place for place, other in listings if stem not in other)
        for _, listing in listings
        for stem, file in listing.items()
        if stem not in everywhere
    }
    files = {stem: [listing[stem] for _, listing in listings] for stem in sorted(everywhere)}
    return Matches(files, left_out)


def match_folders(folders: Sequence[Path], suffixes: Sequence[str], drops: Sequence[str] = ()) -> Matches:
    """Match the files of several folders by stem.

    Args:
        folders: Folders, or patterns as those of `find_files`, whose files belong together.
        suffixes: Lower-case file endings to consider, with their dot.
        drops: Regular expressions cut out of stems first.

    Raises:
        DataError: A folder cannot be used, or not one stem is in all of them.
    """
    return match_stems([(str(folder), find_files(folder, suffixes, drops)) for folder in folders])


def pair_by_stem(images: Sequence[Path], labels: Path, suffixes: Sequence[str], drops: Sequence[str] = ()) -> Pairing:
    """Match the files of the band sets, in stacking order, and of the labels; errors as `match_folders`."""
    matches = match_folders([*images, labels], suffixes, drops)
    return Pairing([PairFiles(stem, paths[:-1], paths[-1]) for stem, paths in matches.files.items()], matches.left_out)


_LOSSY = (".jpg", ".jpeg")

log = logging.getLogger(__name__)


class FolderReader:
    """The scenes of a ``data=folder`` configuration; attributes and methods as in `gym.data.readers.base.Reader`."""

    def __init__(self, config: DataConfig, hashes: HashCache, downloads: Path) -> None:
        del downloads
        folders = folders_of("data.images", config.images)
        images, labels = [Path(folder) for folder in folders], Path(config.labels)
        pairing = pair_by_stem(images, labels, SUFFIXES, config.drop_from_stem)
        self._files = {pair.name: pair for pair in pairing.pairs}
        self._given_bands, self._hashes = config.bands, hashes
        self.left_out, self.skipped = pairing.left_out, list_skipped([*images, labels], SUFFIXES)
        self.names = list(self._files)
        self.description = f"{' + '.join(folders)} with {config.labels}"
        warn_of_lossy_labels([pair.label for pair in pairing.pairs])

    @cached_property
    def bands(self) -> list[str]:
        """The band names; errors as of `gym.data.readers.base.probe_bands`."""
        return probe_bands(
            self.names, lambda name: read_bands(self._files[name].images).values.shape[2], self._given_bands
        )

    def sources(self, name: str) -> dict[str, str]:
        """The hash of each file of a scene."""
        files = self._files[name]
        return {str(path): self._hashes.sha256(path) for path in (*files.images, files.label)}

    def read(self, name: str) -> RawScene:
        """Read the bands and the label of a scene."""
        files = self._files[name]
        image, label = read_bands(files.images), read_label(files.label)
        check_same_size(label.values, image.values, files.label)
        check_same_grid(label.grid, image.grid, label.values.shape, f"{files.label} and {files.images[0]}")
        return RawScene(
            image.values, label.values, label.labelled, (), choose_grid(image.grid, label.grid), image.nodata
        )


def warn_of_lossy_labels(labels: Sequence[Path]) -> None:
    """Say once that some labels are JPEGs, which are used as they are."""
    if lossy := [path for path in labels if path.suffix.lower() in _LOSSY]:
        log.warning(
            "labels that are JPEGs: %d, as %s; JPEG changes class numbers; save them as PNG or TIFF from their source",
            len(lossy),
            lossy[0],
        )

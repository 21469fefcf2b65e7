"""Read a dataset from folders: one of images, or one per band set, and one of labels. Files are matched by stem."""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from gym.config.schema import DataConfig, parse_folders, split_pattern
from gym.core.errors import DataError
from gym.core.files import HashCache
from gym.core.text import pluralize
from gym.data.readers.base import RawScene, check_same_size, probe_bands
from gym.data.readers.raster import SUFFIXES, check_same_grid, choose_grid, read_bands, read_label

# Endings of files that usually accompany images, such as world files, statistics and notes.
_SIDECARS = (".xml", ".tfw", ".jgw", ".pgw", ".wld", ".txt", ".csv", ".json", ".md", ".ini", ".db", ".ovr", ".msk")
_LOSSY = (".jpg", ".jpeg")

log = logging.getLogger(__name__)


class FolderReader:
    """Reads the scenes of a ``data=folder`` configuration; see `gym.data.readers.base.Reader`."""

    def __init__(self, config: DataConfig, hashes: HashCache, downloads: Path) -> None:
        del downloads
        folders = [*parse_folders("data.images", config.images), config.labels]
        paths = [Path(folder) for folder in folders]
        self._files, self.left_out = match_folders(paths, SUFFIXES, config.drop_from_stem)
        self.skipped = list_skipped(paths, SUFFIXES)
        self.names = list(self._files)
        self.description = f"{' + '.join(folders[:-1])} with {config.labels}"
        self._given_bands, self._hashes = config.bands, hashes
        _warn_about_lossy_labels([files[-1] for files in self._files.values()])

    @cached_property
    def bands(self) -> list[str]:
        """Band names; errors as for `gym.data.readers.base.probe_bands`."""
        return probe_bands(
            self.names, lambda name: read_bands(self._files[name][:-1]).values.shape[2], self._given_bands
        )

    def sources(self, name: str) -> dict[str, str]:
        """Return the SHA-256 of each file of a scene."""
        return {str(path): self._hashes.sha256(path) for path in self._files[name]}

    def read(self, name: str) -> RawScene:
        """Read the bands and the label of a scene."""
        *images, label_path = self._files[name]
        image, label = read_bands(images), read_label(label_path)
        check_same_size(label.values, image.values, label_path)
        check_same_grid(label.grid, image.grid, label.values.shape, f"{label_path} and {images[0]}")
        grid = choose_grid(image.grid, label.grid)
        return RawScene(image.values, label.values, label.valid, (), grid, image.nodata)


def _warn_about_lossy_labels(labels: Sequence[Path]) -> None:
    if lossy := [path for path in labels if path.suffix.lower() in _LOSSY]:
        log.warning(
            "%s in JPEG format, such as %s; JPEG compression alters class numbers: save labels as PNG or TIFF",
            pluralize(len(lossy), "label"),
            lossy[0],
        )


class Matches(NamedTuple):
    """One file from each listing for each stem, by ascending stem, and the reason for each file left out."""

    files: dict[str, list[Any]]
    left_out: dict[str, str]


def match_folders(folders: Sequence[Path], suffixes: Sequence[str], drops: Sequence[str] = ()) -> Matches:
    """Match the files of several folders by stem.

    Args:
        folders: Folders or patterns, as for `find_files`, whose files belong together.
        suffixes: Lower-case file endings to consider, with their dot.
        drops: Regular expressions to remove from stems first.

    Raises:
        DataError: A folder cannot be used, or no stem occurs in all of them.
    """
    return match_stems([(str(folder), find_files(folder, suffixes, drops)) for folder in folders])


def match_stems(listings: Sequence[tuple[str, Mapping[str, Any]]]) -> Matches:
    """Match listings of files by stem.

    Args:
        listings: Name of each listing, and its files by stem. Names may repeat.

    Raises:
        DataError: No stem occurs in all of them.
    """
    common = set.intersection(*(set(listing) for _, listing in listings))
    if not common:
        examples = " and ".join(str(next(iter(listing.values()))) for _, listing in listings)
        raise DataError(
            f"no stem occurs in all {len(listings)} folders (for example, {examples}); name the files alike, or remove "
            "what differs with data.drop_from_stem."
        )
    left_out = {
        str(file): "no file with this stem in " + ", ".join(name for name, other in listings if stem not in other)
        for _, listing in listings
        for stem, file in listing.items()
        if stem not in common
    }
    files = {stem: [listing[stem] for _, listing in listings] for stem in sorted(common)}
    return Matches(files, left_out)


def find_files(folder: Path, suffixes: Sequence[str], drops: Sequence[str] = ()) -> dict[str, Path]:
    """List the image files of a folder by stem, without hidden ones.

    Args:
        folder: Folder, or a pattern of files in a folder, as in ``shots/*_label.png``.
        suffixes: Lower-case file endings to consider, with their dot.
        drops: Regular expressions to remove from stems first.

    Raises:
        DataError: The folder is missing, unreadable or without such files, or two files have the same stem.
    """
    parent, pattern = _split(folder)
    if not parent.is_dir():
        raise DataError(f"{parent} is not a folder; give the folder that holds the image files.")
    matching = [path for path in _list_folder(parent) if fnmatchcase(path.name, pattern)]
    files = [path for path in matching if path.suffix.lower() in suffixes and not path.is_dir()]
    if not files:
        raise DataError(f"{folder} contains no image files; give a folder of files ending in {', '.join(suffixes)}.")
    return index_by_stem(((path.stem, path) for path in files), drops)


def index_by_stem(files: Iterable[tuple[str, Any]], drops: Sequence[str]) -> dict[str, Any]:
    """Index files by their stem, after removing the regular expressions ``drops`` from it.

    Raises:
        DataError: Two files have the same stem.
    """
    found: dict[str, Any] = {}
    for full_stem, file in files:
        stem = cut_stem(full_stem, drops)
        if stem in found:
            raise DataError(
                f"{found[stem]} and {file} have the same stem, {stem}; keep one of them, correct data.drop_from_stem, "
                "or select files by a pattern, as in folder/*_label.png."
            )
        found[stem] = file
    return found


def cut_stem(stem: str, drops: Sequence[str]) -> str:
    """Remove the regular expressions ``drops`` from a stem, one after the other."""
    for pattern in drops:
        stem = re.sub(pattern, "", stem)
    return stem


def list_skipped(folders: Sequence[Path], suffixes: Sequence[str]) -> dict[str, str]:
    """Return the entries of some folders that are no image files, with the reason for each.

    Hidden entries, files that usually accompany images, and the given folders themselves are left out.

    Raises:
        DataError: A folder cannot be listed.
    """
    given: dict[Path, list[str]] = {}
    for parent, pattern in map(_split, folders):
        given.setdefault(parent, []).append(pattern)
    parents = {parent.resolve() for parent in given}
    return {
        str(path): reason
        for parent, patterns in given.items()
        for path in _list_folder(parent)
        if path.resolve() not in parents and (reason := _why_skipped(path, suffixes, patterns))
    }


def _why_skipped(path: Path, suffixes: Sequence[str], patterns: Sequence[str]) -> str:
    if path.is_dir():
        return "is a folder; its files are not read"
    if path.suffix.lower() not in suffixes:
        return "" if path.suffix.lower() in _SIDECARS else "is not a PNG, JPEG or TIFF"
    return "" if any(fnmatchcase(path.name, pattern) for pattern in patterns) else "matches no given pattern"


def _split(folder: Path) -> tuple[Path, str]:
    parent, pattern = split_pattern(folder.as_posix())
    return Path(parent), pattern


def _list_folder(folder: Path) -> list[Path]:
    """List the visible entries of a folder by name."""
    try:
        return sorted(path for path in folder.iterdir() if path.name[0] != ".")
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error.strerror or error}); check its permissions.") from error

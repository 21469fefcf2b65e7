"""Find the files of each pair by their common stem."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gym.errors import DataError


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
    """By ascending stem one file from each folder, and why each other file was left out."""

    files: dict[str, list[Path]]
    left_out: dict[str, str]


def files_by_stem(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """List the image files of a folder by stem; hidden files are passed over.

    Raises:
        DataError: The folder is missing or holds none, or two files have one stem.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; give the folder that holds the image files.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in found:
            raise DataError(f"{found[path.stem].name} and {path.name} in {folder} have one stem; keep one of them.")
        found[path.stem] = path
    if not found:
        raise DataError(f"{folder} holds no image files; it must hold files ending in {', '.join(suffixes)}.")
    return found


def match_by_stem(folders: Sequence[Path], suffixes: Sequence[str]) -> Matches:
    """Match the files of several folders by stem.

    Args:
        folders: Folders whose files belong together.
        suffixes: Lower-case file endings to consider, with their dot.

    Raises:
        DataError: A folder cannot be used, or not one stem is in all of them.
    """
    listings = [files_by_stem(folder, suffixes) for folder in folders]
    everywhere = set.intersection(*(set(listing) for listing in listings))
    if not everywhere:
        examples = " and ".join(str(min(listing.values())) for listing in listings)
        raise DataError(f"not one stem is in all of {len(folders)} folders (as in {examples}); name files alike.")
    left_out = {
        str(path): "no file of this stem in " + ", ".join(missing_from(stem, folders, listings))
        for listing in listings
        for stem, path in listing.items()
        if stem not in everywhere
    }
    return Matches({stem: [listing[stem] for listing in listings] for stem in sorted(everywhere)}, left_out)


def missing_from(stem: str, folders: Sequence[Path], listings: Sequence[dict[str, Path]]) -> list[str]:
    """Name the folders that have no file of a stem."""
    return [str(folder) for folder, listing in zip(folders, listings, strict=True) if stem not in listing]


def pair_by_stem(images: Sequence[Path], labels: Path, suffixes: Sequence[str]) -> Pairing:
    """Match the files of the band sets, in stacking order, and of the labels; errors as `match_by_stem`."""
    matches = match_by_stem([*images, labels], suffixes)
    return Pairing([PairFiles(stem, paths[:-1], paths[-1]) for stem, paths in matches.files.items()], matches.left_out)


def name_by_pattern(stem: str, pattern: str, default: str) -> str:
    """Take the first group of ``pattern`` in ``stem``; ``default`` for an empty pattern.

    Raises:
        DataError: The pattern is not in the stem.
    """
    if not pattern:
        return default
    match = re.search(pattern, stem)
    if match is None or not match.group(1):
        raise DataError(f"{stem} does not match the pattern {pattern}; mend data.scene_pattern or data.site_pattern.")
    return match.group(1)

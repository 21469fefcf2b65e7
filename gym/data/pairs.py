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


def pair_by_stem(images: Sequence[Path], labels: Path, suffixes: Sequence[str]) -> Pairing:
    """Match the files of the band sets and of the labels by stem.

    Args:
        images: One folder a band set, in stacking order.
        labels: The folder of labels.
        suffixes: Lower-case file endings to consider, with their dot.

    Raises:
        DataError: A folder cannot be used, or not one stem is in all of them.
    """
    folders = [*images, labels]
    listings = [files_by_stem(folder, suffixes) for folder in folders]
    everywhere = set.intersection(*(set(listing) for listing in listings))
    if not everywhere:
        examples = ", ".join(f"{folder}/{min(listing)}" for folder, listing in zip(folders, listings, strict=True))
        raise DataError(f"no image and label have the same stem (as in {examples}); name both files alike.")
    pairs = [
        PairFiles(stem, [listing[stem] for listing in listings[:-1]], listings[-1][stem]) for stem in sorted(everywhere)
    ]
    left_out = {
        str(path): "no file of this stem in " + ", ".join(str(f) for f, ls in zip(folders, listings) if stem not in ls)
        for listing in listings
        for stem, path in listing.items()
        if stem not in everywhere
    }
    return Pairing(pairs, left_out)


def name_by_pattern(stem: str, pattern: str, default: str) -> str:
    """Take the first group of ``pattern`` in ``stem``; ``default`` for an empty pattern.

    Raises:
        DataError: The pattern is not in the stem.
    """
    if not pattern:
        return default
    match = re.search(pattern, stem)
    if match is None or match.group(1) is None:
        raise DataError(f"{stem} does not match the pattern {pattern}; mend data.scene_pattern or data.site_pattern.")
    return match.group(1)

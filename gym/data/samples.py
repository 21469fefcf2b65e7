"""Split a dataset into sides, and number its samples: pairs, and augmented copies of pairs as in `gym.data.batches`."""

import logging
import re
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gym.config.schema import AugmentConfig, SplitConfig
from gym.core.errors import DataError
from gym.core.text import pluralize
from gym.data.dataset import Dataset, PairRecord
from gym.data.near_duplicates import NearDuplicate, match_hashes
from gym.data.split import (
    Split,
    check_leaks,
    find_unmatched,
    read_side_table,
    split_folds,
    split_given,
    split_leave_one_out,
    split_paper,
    split_random,
    subsample_training,
)

ReadSample = Callable[[int], tuple[Any, Any]]  # from the number of a sample to its image and label

_MARK = " (augmented)"
_COPY = re.compile(rf"(?P<pair>.*) copy (?P<copy>[1-9][0-9]{{0,8}})({re.escape(_MARK)})*", re.DOTALL)

log = logging.getLogger(__name__)


def split_dataset(dataset: Dataset, config: SplitConfig, copies: int) -> Split:
    """Split a dataset, and check that each side has labels and nothing leaks.

    Args:
        dataset: Dataset to split.
        config: How to split it.
        copies: Augmented copies of each pair, which ``method=paper`` splits instead of the pairs.

    Returns:
        Sample numbers. Samples that a ``training_share`` below 1 drops are on no side.

    Raises:
        DataError: There is too little to split, a side has no labelled pixels, or something leaks.
    """
    records, units = dataset.manifest.pairs, _find_units(dataset, config.method, config.by)
    if config.method == "paper":
        split = split_paper(len(dataset), copies, config.validation)
        log.warning(
            "split=paper leaks: validation sees copies of training scenes, so its scores are too high and cannot be "
            "compared with those of other splits"
        )
    else:
        split = _assign_sides(dataset, config, units)
        names, scenes = [record.name for record in records], [record.scene for record in records]
        check_leaks(split, names, scenes, [image_key(record) for record in records])
    training_units = [units[position] for position in pair_positions(split.training, len(dataset))]
    training = subsample_training(split.training, training_units, config.training_share, config.seed)
    split = split._replace(training=training)
    check_labels(dataset, split)
    return split


def _find_units(dataset: Dataset, method: str, by: str) -> list[str]:
    """Return the unit of each pair, which neither the validation side nor a training share may divide.

    A random draw uses the group ``by`` and joins units that share an image; the other methods keep scenes together.
    """
    records = dataset.manifest.pairs
    if method not in ("random", "kfold"):
        return [record.scene for record in records]
    units = [find_unit(record.groups, record.name, by) for record in records]
    return join_units(units, [image_key(record) for record in records])


def _assign_sides(dataset: Dataset, config: SplitConfig, units: Sequence[str]) -> Split:
    """Split the pairs by any method but the paper's."""
    records = dataset.manifest.pairs
    if config.method == "given":
        sides = read_side_table(Path(config.sides))
        names = [record.name if record.name in sides else record.scene for record in records]
        if extra := find_unmatched(names, sides):
            log.warning(
                "split.sides lists %s not found in the dataset (first: %s)", pluralize(len(extra), "name"), extra[0]
            )
        return split_given(names, sides)
    if config.method == "kfold":
        return split_folds(units, config.folds, config.fold, config.test, config.seed)
    if config.method == "leave_one_out":
        groups = [find_unit(record.groups, record.name, config.by) for record in records]
        return split_leave_one_out(groups, units, config.held_out, config.validation, config.seed)
    return split_random(units, config.validation, config.test, config.seed)


def find_unit(groups: dict[str, str], name: str, by: str) -> str:
    """Return the group of a pair that ``split.by`` names.

    Raises:
        DataError: The pair has no such group.
    """
    if by not in groups:
        pattern = "set data.date_pattern, or " if by == "date" else ""
        raise DataError(
            f"split.by={by} must be one of {', '.join(sorted(groups))}, the groups of {name}; {pattern}add a column "
            f"{by} to data.table."
        )
    return groups[by]


def image_key(record: PairRecord) -> str:
    """Return a key that pairs of one image share. An image without a pattern, such as of a cloud, has its own."""
    return record.image_sha256 if record.likeness else record.name


def join_units(units: Sequence[str], images: Sequence[str]) -> list[str]:
    """Join units that share an image, directly or through other units, into the first of them by name; warn of each.

    Args:
        units: Unit of each pair.
        images: Key of each pair's image.

    Returns:
        The joined unit of each pair.
    """
    joined, shared = connect_units(units, images)
    for names in shared:
        log.warning("%s and %s contain the same image, so both stay on one side", *names)
    return joined


def connect_units(units: Sequence[str], images: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Join units as `join_units` does, without a warning; return them and the pairs of units that made it necessary."""
    parents, holders, shared = {unit: unit for unit in units}, dict[str, str](), list[tuple[str, str]]()

    def find_root(unit: str) -> str:
        while parents[unit] != unit:
            unit = parents[unit]
        return unit

    for unit, image in zip(units, images, strict=True):
        holder = holders.setdefault(image, unit)
        first, second = sorted((find_root(unit), find_root(holder)))
        if first != second:
            shared.append((min(holder, unit), max(holder, unit)))
        parents[second] = first
    return [find_root(unit) for unit in units], shared


def check_labels(dataset: Dataset, split: Split) -> None:
    """Raise if a side has no labelled pixels; warn about classes that never occur.

    Raises:
        DataError: A side has no labelled pixels.
    """
    for name in dataset.absent_classes:
        log.warning("no scene has pixels of class %s; check that data.classes fits the label values", name)
    for side, samples in split._asdict().items():
        if samples and not dataset.counts[pair_positions(samples, len(dataset))].sum():
            raise DataError(f"the {side} scenes have no labelled pixels; label more scenes, or change split.seed.")


def pair_positions(samples: Sequence[int], pairs: int) -> list[int]:
    """Return the position of the pair that each sample is, or is a copy of."""
    return [sample % pairs for sample in samples]


def scene_names(dataset: Dataset, samples: Sequence[int]) -> list[str]:
    """Return the scene of each sample. All tiles of a scene, and all copies of these, share it."""
    return [dataset.manifest.pairs[position].scene for position in pair_positions(samples, len(dataset))]


def sample_name(dataset: Dataset, sample: int) -> str:
    """Return the name of a pair, or that of a copy as in "NAME copy 1".

    Where a pair has this name already, that of the copy ends in "(augmented)", so that no two samples share a name.
    """
    copy, position = divmod(sample, len(dataset))
    name = dataset.manifest.pairs[position].name
    if not copy:
        return name
    name += f" copy {copy}"
    while name in dataset.positions:
        name += _MARK
    return name


def find_samples(dataset: Dataset, names: Sequence[str]) -> dict[str, int]:
    """Return the samples that have the given names, as in `sample_name`. Unknown names are left out."""
    return {name: sample for name in names if (sample := _find_sample(dataset, name)) is not None}


def _find_sample(dataset: Dataset, name: str) -> int | None:
    if name in dataset.positions:
        return dataset.positions[name]
    match = _COPY.fullmatch(name)
    if match is None or match["pair"] not in dataset.positions:
        return None
    sample = int(match["copy"]) * len(dataset) + dataset.positions[match["pair"]]
    return sample if sample_name(dataset, sample) == name else None


def pair_of_sample(name: str, pairs: Container[str]) -> str:
    """Return the name of the pair that a sample is, or is a copy of, given all names of pairs."""
    match = None if name in pairs else _COPY.fullmatch(name)
    return match["pair"] if match else name


def list_sample_names(dataset: Dataset, split: Split) -> dict[str, list[str]]:
    """Return the names of the samples on each side."""
    return {side: [sample_name(dataset, sample) for sample in samples] for side, samples in split._asdict().items()}


def training_samples(split: Split, augment: AugmentConfig, pairs: int) -> list[int]:
    """Return the samples of one epoch: each training pair once per copy.

    With ``mode=online``, the sample is the pair, which is augmented as it is read. With ``mode=offline``, each copy is
    a sample of its own.

    Args:
        split: Result of `split_dataset`.
        augment: Number and mode of the copies.
        pairs: Number of pairs in the dataset.
    """
    are_copies = any(sample >= pairs for sample in split.training)
    if are_copies or augment.mode == "online":
        return list(split.training) * (1 if are_copies else augment.copies)
    return [pairs * (copy + 1) + position for copy in range(augment.copies) for position in split.training]


def find_near_duplicates(dataset: Dataset, split: Split, largest_distance: int) -> list[NearDuplicate]:
    """Find similar images on different sides, nearest first. Sides of copies leak anyway and are not searched."""
    records = dataset.manifest.pairs
    if any(sample >= len(records) for samples in split for sample in samples):
        return []
    hashes = {
        side: {records[position].name: records[position].likeness for position in positions}
        for side, positions in split._asdict().items()
    }
    return match_hashes(hashes, largest_distance)


def count_classes_by_side(dataset: Dataset, split: Split) -> dict[str, np.ndarray]:
    """Count the pixels of each class on each side, ``(classes,)`` int64."""
    return {
        side: dataset.counts[pair_positions(samples, len(dataset))].sum(axis=0)
        for side, samples in split._asdict().items()
    }

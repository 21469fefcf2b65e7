"""The sides of a dataset: which pairs train, validate and test, and what each side needs to be of use."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gym.config.schema import AugmentConfig, SplitConfig
from gym.core.errors import DataError
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

ReadSample = Callable[[int], tuple[Any, Any]]  # image and label of a sample

log = logging.getLogger(__name__)


def split_dataset(dataset: Dataset, config: SplitConfig, augment: AugmentConfig) -> Split:
    """Split a dataset as configured, and make sure that each side has labels and that nothing leaks.

    Returns:
        Sample numbers as in `gym.data.batches`: pairs as they are, or with ``method=paper`` copies of them on both
        sides, which leak on purpose. What a ``training_share`` below 1 leaves out of training is on no side.

    Raises:
        DataError: There is too little to split, a side has no labelled pixel, or something leaks.
    """
    records, units = dataset.manifest.pairs, _find_units(dataset, config)
    if config.method == "paper":
        split = Split(*split_paper(len(dataset), augment.copies, config.validation))
        log.warning(
            "split=paper leaks: validation sees copies of training scenes; its scores compare with nothing else"
        )
    else:
        split = _assign_sides(dataset, config, units)
        names, scenes = [record.name for record in records], [record.scene for record in records]
        check_leaks(split, names, scenes, [image_key(record) for record in records])
    of_training = [units[position] for position in pair_positions(split.training, len(dataset))]
    split = split._replace(training=subsample_training(split.training, of_training, config.training_share, config.seed))
    check_labels(dataset, split)
    return split


def _find_units(dataset: Dataset, config: SplitConfig) -> list[str]:
    """Of each pair the unit that neither the draw of validation nor that of a training share parts.

    It is what ``split.by`` names, with units of one image joined; the scene where the validation side is drawn by
    scene, or not drawn at all.
    """
    records = dataset.manifest.pairs
    if config.method not in ("random", "kfold"):
        return [record.scene for record in records]
    units = [find_unit(record.groups, record.name, config.by) for record in records]
    return join_units(units, [image_key(record) for record in records])


def _assign_sides(dataset: Dataset, config: SplitConfig, units: Sequence[str]) -> Split:
    """The positions of the pairs of each side, by any method but the paper's; units as of `_find_units`."""
    records = dataset.manifest.pairs
    if config.method == "given":
        sides = read_side_table(Path(config.sides))
        names = [record.name if record.name in sides else record.scene for record in records]
        if extra := find_unmatched(names, sides):
            log.warning("split.sides names %d that are not in the dataset, the first %s", len(extra), extra[0])
        return split_given(names, sides)
    if config.method == "kfold":
        return split_folds(units, config.folds, config.fold, config.test, config.seed)
    if config.method == "leave_one_out":
        held_from = [find_unit(record.groups, record.name, config.by) for record in records]
        return split_leave_one_out(held_from, units, config.held_out, config.validation, config.seed)
    return split_random(units, config.validation, config.test, config.seed)


def find_unit(groups: dict[str, str], name: str, by: str) -> str:
    """What a pair must not be parted from.

    Raises:
        DataError: The pair belongs to no such group.
    """
    if by not in groups:
        pattern = "set data.date_pattern, or " if by == "date" else ""
        raise DataError(
            f"split.by={by} must be one of {', '.join(sorted(groups))}, which is all that is known of {name}; "
            f"{pattern}give data.table a column {by}."
        )
    return groups[by]


def image_key(record: PairRecord) -> str:
    """What two pairs of one image have in common; images without any pattern, as of a cloud, are equal by chance."""
    return record.image_sha256 if record.likeness else record.name


def join_units(units: Sequence[str], images: Sequence[str]) -> list[str]:
    """Make one unit of those that hold the same image, also by way of others: the first of them by name.

    Args:
        units: The unit of each pair.
        images: What two pairs of one image have in common.
    """
    leads, holders = {unit: unit for unit in units}, dict[str, str]()

    def lead_of(unit: str) -> str:
        while leads[unit] != unit:
            unit = leads[unit]
        return unit

    for unit, image in zip(units, images, strict=True):
        holder = holders.setdefault(image, unit)
        first, second = sorted((lead_of(unit), lead_of(holder)))
        if first != second:
            log.warning("%s and %s hold the same image and stand on one side of the split", *sorted((holder, unit)))
        leads[second] = first
    return [lead_of(unit) for unit in units]


def check_labels(dataset: Dataset, split: Split) -> None:
    """Each side must have a labelled pixel, and each class one somewhere, or a word is said."""
    for name in dataset.absent_classes:
        log.warning("class %s has not one pixel in any scene: do the label values fit data.classes?", name)
    for side, samples in split._asdict().items():
        if samples and not dataset.counts[pair_positions(samples, len(dataset))].sum():
            raise DataError(f"the {side} scenes have not one labelled pixel; label more scenes, or change split.seed.")


def pair_positions(samples: Sequence[int], pairs: int) -> list[int]:
    """The pair that each sample is, or is a copy of."""
    return [sample % pairs for sample in samples]


def scene_names(dataset: Dataset, samples: Sequence[int]) -> list[str]:
    """The scene of each sample, which it shares with its copies and with the other tiles of it."""
    return [dataset.manifest.pairs[position].scene for position in pair_positions(samples, len(dataset))]


def sample_name(dataset: Dataset, sample: int) -> str:
    """The name of a sample: its pair's, and which copy it is."""
    copy, position = divmod(sample, len(dataset))
    return dataset.manifest.pairs[position].name + (f" copy {copy}" if copy else "")


def find_samples(dataset: Dataset, names: Sequence[str]) -> dict[str, int]:
    """The sample of each name, as `sample_name` gives it; names that the dataset does not have are left out."""
    positions = {record.name: position for position, record in enumerate(dataset.manifest.pairs)}
    found = {name: positions[name] for name in names if name in positions}
    for name in names:
        stem, _, copy = name.rpartition(" copy ")
        if name not in found and stem in positions and copy.isdecimal():
            found[name] = int(copy) * len(dataset) + positions[stem]
    return found


def list_sample_names(dataset: Dataset, split: Split) -> dict[str, list[str]]:
    """The names of the samples of each side."""
    return {side: [sample_name(dataset, sample) for sample in samples] for side, samples in split._asdict().items()}


def training_samples(split: Split, augment: AugmentConfig, pairs: int) -> list[int]:
    """The samples of one epoch: each training pair as often as there are copies, drawn anew or once.

    Args:
        split: As `split_dataset` gives.
        augment: How many copies, and whether they are drawn anew in each epoch.
        pairs: Number of pairs in the dataset.
    """
    are_copies = any(sample >= pairs for sample in split.training)
    if are_copies or augment.mode == "online":
        return list(split.training) * (1 if are_copies else augment.copies)
    return [pairs * (copy + 1) + position for copy in range(augment.copies) for position in split.training]


def find_near_duplicates(dataset: Dataset, split: Split, config: SplitConfig) -> list[NearDuplicate]:
    """Images that look alike though they stand on two sides, nearest first; none where the sides leak anyway."""
    if config.method == "paper":
        return []
    records = dataset.manifest.pairs
    sides = {
        side: {records[position].name: records[position].likeness for position in positions}
        for side, positions in split._asdict().items()
    }
    return match_hashes(sides, config.likeness)


def count_classes_by_side(dataset: Dataset, split: Split) -> dict[str, np.ndarray]:
    """Pixels of each class on each side, ``(classes,)`` int64."""
    return {
        side: dataset.counts[pair_positions(samples, len(dataset))].sum(axis=0)
        for side, samples in split._asdict().items()
    }

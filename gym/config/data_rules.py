"""The rules of imagery, split and augmentation that tie keys together; `gym.config.validation` calls them.

Nothing is read here but the names of files, so that a wrong path is refused before anything heavy is imported.
"""

import math
import os
import re
from collections.abc import Sequence

from gym.config.registries import READERS
from gym.config.schema import AugmentConfig, DataConfig, SplitConfig, folders_of, frame_of, split_pattern
from gym.config.spectral_index import missing_bands, parse_index
from gym.core.errors import ConfigError

_URL = re.compile(r"(https?|file)://", re.IGNORECASE)


def check_frame(data: DataConfig, levels: int) -> None:
    """The frame must halve exactly at each level; 4 levels want a multiple of 16."""
    multiple = max(16, 2**levels)
    for side in frame_of(data.size):
        if side < multiple or side % multiple:
            nearest = max(multiple, round(side / multiple) * multiple)
            raise ConfigError(f"data.size={side} must be a multiple of {multiple}, at least {multiple}; try {nearest}.")


def check_data(data: DataConfig) -> None:
    """Check places, classes, patterns and values of a dataset."""
    check_values(data)
    check_places(data)
    if not READERS.get(data.kind).classes:
        check_classes(data)
    check_remap(data)
    for key in ("scene_pattern", "site_pattern", "date_pattern"):
        check_pattern(f"data.{key}", getattr(data, key))
    for pattern in data.drop_from_stem:
        compile_pattern("data.drop_from_stem", pattern)


def check_places(data: DataConfig) -> None:
    """What a reader needs must be given, and be there."""
    for key, example in READERS.get(data.kind).needs.items():
        if not getattr(data, key):
            raise ConfigError(f"data.{key} is missing; data={data.kind} needs it, as in data.{key}={example}.")
    folders = {
        "images": data.images and folders_of("data.images", data.images),
        "labels": data.labels and [data.labels],
    }
    for key, places in folders.items():
        for place in places or []:
            refuse_missing(f"data.{key}", place, os.path.isdir(split_pattern(place)[0]), "folder")  # noqa: PTH112
    for place in folders_of("data.archives", data.archives) if data.archives else []:
        refuse_missing("data.archives", place, bool(_URL.match(place)) or os.path.exists(place), "file or folder")  # noqa: PTH110
    for key in ("table", "aliases"):
        refuse_missing_file(f"data.{key}", getattr(data, key))


def refuse_missing(key: str, place: str, is_there: bool, what: str) -> None:
    """Raise `ConfigError` for a place that is not there."""
    if not is_there:
        raise ConfigError(f"{key}: {place} is no {what} (looked in {os.getcwd()}); mend the path.")  # noqa: PTH109


def refuse_missing_file(key: str, path: str) -> None:
    """Likewise for a file that need not be given."""
    refuse_missing(key, path, not path or os.path.isfile(path), "file")  # noqa: PTH113


def check_classes(data: DataConfig) -> None:
    """Class names must be two or more and distinct."""
    if not 2 <= len(data.classes) <= 255:
        raise ConfigError(
            f"data.classes={data.classes} must name 2 to 255 classes, as in data.classes=[water,surf,sand,other]."
        )
    if len({name.strip().lower() for name in data.classes}) < len(data.classes):
        raise ConfigError(f"data.classes={data.classes} must be distinct names.")
    if not all(name.strip() and "/" not in name for name in data.classes):
        raise ConfigError(f"data.classes={data.classes} must be names, not empty and without a slash.")


def check_remap(data: DataConfig) -> None:
    """A remap must lead from label values, or names where the files have them, to classes."""
    named = READERS.get(data.kind).names_labels
    kinds, what = ((int, str), "label values or names") if named else ((int,), "label values")
    if not isinstance(data.remap, dict | None):
        raise ConfigError(f"data.remap={data.remap} must be a mapping, as in data.remap={{1:0,2:1}}.")
    known = {name.strip().lower() for name in data.classes}
    for value, target in (data.remap or {}).items():
        is_class = target.strip().lower() in known if isinstance(target, str) else type(target) is int
        if type(value) not in kinds or not is_class or (type(target) is int and not 0 <= target < len(known)):
            raise ConfigError(
                f"data.remap={{{value}:{target}}} must map {what} to classes: "
                f"{', '.join(data.classes)}, or their indices 0..{len(data.classes) - 1}."
            )
    for value in data.ignore_values:
        if type(value) not in kinds:
            raise ConfigError(f"data.ignore_values={data.ignore_values} must be {what}; {value} is none.")


def compile_pattern(key: str, pattern: str) -> re.Pattern[str]:
    """Compile a regular expression of the configuration."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"{key}={pattern} must be a regular expression: {error}.") from error


def check_pattern(key: str, pattern: str) -> None:
    """A naming pattern must compile and have a group to take the name from."""
    if not compile_pattern(key, pattern).groups and pattern:
        raise ConfigError(f"{key}={pattern} must have a group, as in '^([0-9]{{8}})'.")


def check_values(data: DataConfig) -> None:
    """Scaling must have two sound numbers."""
    if not (is_two_numbers(data.percentiles) and 0 <= data.percentiles[0] < data.percentiles[1] <= 100):
        raise ConfigError(f"data.percentiles={data.percentiles} must be two, rising, from 0 to 100, as in [2,98].")
    if not (is_two_numbers(data.reflectance) and data.reflectance[0] != 0):
        raise ConfigError(f"data.reflectance={data.reflectance} must be a factor other than 0 and an offset.")
    check_indices(data)


def check_indices(data: DataConfig) -> None:
    """Spectral indices must be of bands there are, with names of their own, and still say something to the network."""
    indices = [parse_index(text) for text in data.indices]
    if indices and data.scaling == "percentile":
        raise ConfigError(
            "data.scaling=percentile leaves no meaning to ratios of bands; use another with data.indices."
        )
    bands = READERS.get(data.kind).bands or data.bands
    for index in indices:
        missing = missing_bands(index, bands)
        if bands and missing:
            raise ConfigError(
                f"data.indices: {index.name} uses {', '.join(missing)}, and the bands are {', '.join(bands)}; "
                "give their names in data.bands, or change the index."
            )
    names = [name.lower() for name in (*bands, *(index.name for index in indices))]
    if len(set(names)) < len(names):
        raise ConfigError(f"data.bands and data.indices must be distinct names; they are {', '.join(names)}.")
    if indices and data.standardize == "image":
        raise ConfigError(
            "data.indices vanish beside the bands with data.standardize=image, which has one deviation for all; use "
            "data.standardize=dataset, or band."
        )


def is_two_numbers(values: Sequence[float]) -> bool:
    """Tell whether there are two finite numbers."""
    return len(values) == 2 and all(math.isfinite(value) for value in values)


def check_split(split: SplitConfig, augment: AugmentConfig) -> None:
    """Shares must leave something to train on, and each method must have what it needs."""
    if split.method == "random" and split.validation + split.test >= 1:
        raise ConfigError(
            f"split.validation={split.validation} and split.test={split.test} must be below 1 together; lower one."
        )
    if split.fold >= split.folds:
        raise ConfigError(f"split.fold={split.fold} must be below split.folds={split.folds}; they count from 0.")
    if split.method == "leave_one_out" and not split.held_out:
        raise ConfigError("split.held_out is missing; leave_one_out needs it, as in split.held_out=duck.")
    if split.method == "given" and not split.sides:
        raise ConfigError("split.sides is missing; split=given needs a CSV with the columns name and side.")
    refuse_missing_file("split.sides", split.sides)
    if split.method == "paper" and augment.mode != "offline":
        raise ConfigError(
            "split.method=paper parts augmented copies; it needs augment.mode=offline: add augment=paper."
        )


def check_augment(augment: AugmentConfig, data: DataConfig) -> None:
    """No change may be asked for that cannot be made, or that the standardisation undoes."""
    rows, columns = frame_of(data.size)
    if augment.quarter_turns and rows != columns:
        raise ConfigError(f"augment.quarter_turns=true needs a square frame; data.size is [{rows},{columns}].")
    for key in ("brightness", "contrast"):
        if data.standardize == "band" and getattr(augment, key):
            raise ConfigError(
                f"augment.{key}={getattr(augment, key)} has no effect with data.standardize=band, which undoes it; "
                "set it to 0."
            )

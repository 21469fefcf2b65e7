"""Rules that tie keys of imagery, split and augmentation together; `gym.config.validation` applies them.

Paths are checked but no file is read, so that a wrong path is refused before anything heavy is imported. For the same
reason paths are checked with ``os.path``: importing pathlib takes longer than a check.
"""

import math
import os
import re
from collections.abc import Sequence

from gym.config.registries import READERS
from gym.config.schema import AugmentConfig, DataConfig, SplitConfig, parse_folders, parse_size, split_pattern
from gym.config.spectral_index import missing_bands, parse_index
from gym.core.errors import ConfigError

MAX_SIDE = 1 << 14  # pixels of a frame; an image of one band then takes a gigabyte

_URL = re.compile(r"(https?|file)://", re.IGNORECASE)


def check_frame(data: DataConfig, levels: int) -> None:
    """Check that rows and columns halve exactly at each level, and are multiples of 16."""
    multiple = max(16, 2**levels)
    for side in parse_size(data.size):
        if side > MAX_SIDE:
            raise ConfigError(f"data.size={side} must be at most {MAX_SIDE}; cut larger scenes with data.framing=tile.")
        if side < multiple or side % multiple:
            nearest = max(multiple, round(side / multiple) * multiple)
            raise ConfigError(f"data.size={side} must be a multiple of {multiple}, at least {multiple}; try {nearest}.")


def check_data(data: DataConfig) -> None:
    """Check paths, classes, patterns and values of a dataset."""
    check_values(data)
    _check_paths(data)
    if not READERS.get(data.kind).classes:
        _check_classes(data.classes)
        _check_null_class(data.null_class, data.classes)
    _check_remap(data)
    for key in ("scene_pattern", "site_pattern", "date_pattern"):
        pattern = getattr(data, key)
        if not compile_pattern(f"data.{key}", pattern).groups and pattern:
            raise ConfigError(f"data.{key}={pattern} must contain a group, as in '^([0-9]{{8}})'.")
    for pattern in data.drop_from_stem:
        compile_pattern("data.drop_from_stem", pattern)


def _check_paths(data: DataConfig) -> None:
    for key, example in READERS.get(data.kind).needs.items():
        if not getattr(data, key):
            raise ConfigError(f"data.{key} is missing; data.kind={data.kind} needs it, as in data.{key}={example}.")
    for path in parse_folders("data.images", data.images) if data.images else []:
        require_folder("data.images", path)
    if data.labels:
        require_folder("data.labels", data.labels)
    for path in parse_folders("data.archives", data.archives) if data.archives else []:
        _require("data.archives", path, bool(_URL.match(path)) or os.path.exists(path), "file or folder")  # noqa: PTH110
    for key in ("table", "aliases"):
        if path := getattr(data, key):
            require_file(f"data.{key}", path)


def require_folder(key: str, path: str) -> None:
    """Raise `ConfigError` unless ``path``, which may end in a file pattern, is in an existing folder."""
    _require(key, path, os.path.isdir(split_pattern(path)[0]), "folder")  # noqa: PTH112


def require_file(key: str, path: str) -> None:
    """Raise `ConfigError` unless ``path`` is an existing file."""
    _require(key, path, os.path.isfile(path), "file")  # noqa: PTH113


def _require(key: str, path: str, exists: bool, kind: str) -> None:
    if not exists:
        raise ConfigError(f"{key}: {path} is not a {kind} (current folder: {os.getcwd()}); correct the path.")  # noqa: PTH109


def _check_classes(classes: Sequence[str]) -> None:
    if not 2 <= len(classes) <= 255:
        raise ConfigError(
            f"data.classes={classes} must name 2 to 255 classes, as in data.classes=[water,surf,sand,other]."
        )
    if len({name.strip().lower() for name in classes}) < len(classes):
        raise ConfigError(f"data.classes={classes} must have names that differ by more than case; rename one.")
    if not all(name.strip() and "/" not in name for name in classes):
        raise ConfigError(f"data.classes={classes} must not contain empty names or slashes; rename those classes.")


def _check_null_class(null_class: str, classes: Sequence[str]) -> None:
    if null_class and null_class.strip().lower() != classes[0].strip().lower():
        others = [name for name in classes if name.strip().lower() != null_class.strip().lower()]
        raise ConfigError(
            f"data.null_class={null_class} must be the first of data.classes, which is {classes[0]} (labels that count "
            f"from 0 then need data.remap={{0:1,1:2}}); use data.classes=[{','.join([null_class, *others])}]."
        )


def _check_remap(data: DataConfig) -> None:
    named = READERS.get(data.kind).names_labels
    types, what = ((int, str), "label values or names") if named else ((int,), "label values")
    if not isinstance(data.remap, dict | None):
        raise ConfigError(f"data.remap={data.remap} must be a mapping, as in data.remap={{1:0,2:1}}.")
    known = {name.strip().lower() for name in data.classes}
    for value, target in (data.remap or {}).items():
        is_class = target.strip().lower() in known if isinstance(target, str) else type(target) is int
        if type(value) not in types or not is_class or (type(target) is int and not 0 <= target < len(known)):
            raise ConfigError(
                f"data.remap={{{value}:{target}}} must map {what} to classes: "
                f"{', '.join(data.classes)}, or their indices 0..{len(data.classes) - 1}."
            )
    for value in data.ignore_values:
        if type(value) not in types:
            raise ConfigError(f"data.ignore_values={data.ignore_values} must contain only {what}; remove {value}.")


def compile_pattern(key: str, pattern: str) -> re.Pattern[str]:
    """Compile a regular expression of the configuration.

    Raises:
        ConfigError: It is invalid.
    """
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"{key}={pattern} is not a valid regular expression: {error}.") from error


def check_values(data: DataConfig) -> None:
    """Check the numbers of the scaling, and the spectral indices."""
    low, high = data.percentiles if _are_two_numbers(data.percentiles) else (math.nan, math.nan)
    if not 0 <= low < high <= 100:
        raise ConfigError(
            f"data.percentiles={data.percentiles} must be two increasing numbers from 0 to 100, as in [2,98]."
        )
    if not (_are_two_numbers(data.reflectance) and data.reflectance[0] != 0):
        raise ConfigError(
            f"data.reflectance={data.reflectance} must be a nonzero factor and an offset, as in [0.0001,0]."
        )
    _check_indices(data)


def _check_indices(data: DataConfig) -> None:
    indices = [parse_index(text) for text in data.indices]
    if indices and data.scaling == "percentile":
        raise ConfigError(
            "data.scaling=percentile makes ratios of bands meaningless; use another scaling with data.indices."
        )
    bands = READERS.get(data.kind).bands or data.bands
    for index in indices:
        missing = missing_bands(index, bands)
        if bands and missing:
            raise ConfigError(
                f"data.indices: {index.name} uses {', '.join(missing)}, but the bands are {', '.join(bands)}; "
                "correct data.bands or the index."
            )
    names = [name.lower() for name in (*bands, *(index.name for index in indices))]
    if len(set(names)) < len(names):
        raise ConfigError(f"data.bands and data.indices must have distinct names, not {', '.join(names)}; rename one.")
    if indices and data.standardize in ("image", "frame"):
        raise ConfigError(
            f"data.indices have no effect with data.standardize={data.standardize}, which divides all bands by the "
            "same deviation; use data.standardize=dataset or data.standardize=band."
        )


def _are_two_numbers(values: Sequence[float]) -> bool:
    return len(values) == 2 and all(math.isfinite(value) for value in values)


def check_split(split: SplitConfig, augment: AugmentConfig) -> None:
    """Check that something is left to train on, and that the method has the keys it needs."""
    if split.method == "random" and split.validation + split.test >= 1:
        raise ConfigError(
            f"split.validation={split.validation} and split.test={split.test} must add up to less than 1; lower one."
        )
    if split.fold >= split.folds:
        raise ConfigError(
            f"split.fold={split.fold} must be below split.folds={split.folds}; folds are numbered from 0."
        )
    if split.method == "leave_one_out" and not split.held_out:
        raise ConfigError("split.held_out is missing; name the site to leave out, as in split.held_out=duck.")
    if split.method == "given" and not split.sides:
        raise ConfigError("split.sides is missing; split=given needs a CSV file with the columns name and side.")
    if split.sides:
        require_file("split.sides", split.sides)
    if split.method == "paper" and augment.mode != "offline":
        raise ConfigError("split.method=paper splits augmented copies; add augment=paper, or set augment.mode=offline.")


def check_augment(augment: AugmentConfig, data: DataConfig) -> None:
    """Check that every change is possible, and that standardisation does not undo it."""
    rows, columns = parse_size(data.size)
    if augment.quarter_turns and rows != columns:
        raise ConfigError(
            f"augment.quarter_turns=true needs a square frame, but data.size=[{rows},{columns}]; set data.size to one "
            "number."
        )
    for key in ("brightness", "contrast"):
        if data.standardize == "band" and getattr(augment, key):
            raise ConfigError(
                f"augment.{key}={getattr(augment, key)} has no effect with data.standardize=band, which undoes it; "
                "set it to 0."
            )

"""Build the dataset of a data configuration, or open it if it was built before."""

import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock

from gym.config.plugins import plugin_hashes
from gym.config.registries import READERS
from gym.config.schema import DataConfig, parse_size
from gym.config.spectral_index import missing_bands, parse_index
from gym.core.errors import DataError
from gym.core.files import HashCache, atomic_folder, hash_value, translate_disk_errors
from gym.core.parallel import map_in_order
from gym.core.redaction import OPTIONS, drop_credentials, redact, redact_values
from gym.core.text import group_reasons, pluralize
from gym.data.dataset import SCHEMA_VERSION, Dataset, Manifest, PairRecord, finish_dataset, write_part
from gym.data.labels import IGNORE, NULL_CLASS, LabelCounts, LabelRule, add_counts, read_aliases
from gym.data.preparation import Preparation, prepare_scene
from gym.data.readers.base import Reader
from gym.data.readers.raster import Grid
from gym.data.scaling import Scaling
from gym.data.split import Grouping, read_group_table

_MAX_LOGGED = 5

log = logging.getLogger(__name__)


def open_or_build_dataset(config: DataConfig, outputs: Path, downloads: Path | None = None) -> Dataset:
    """Open the dataset of a configuration, after building it under ``outputs/stores`` if necessary.

    Args:
        config: Data to read and how to prepare them.
        outputs: Folder that holds ``stores``.
        downloads: Folder for files given as URLs; None for one in ``stores``.

    Raises:
        DataError: No scene can be used, or with ``strict`` not every scene, or the dataset cannot be written.
    """
    stores = outputs / "stores"
    plan = plan_dataset(config, stores, downloads or stores / "downloads")
    fingerprint = plan.fingerprint()
    folder = dataset_folder(outputs, config.kind, fingerprint)
    if not (folder / "manifest.json").exists():  # an existing dataset may lie in a read-only folder
        # The lock keeps parallel runs from building the same dataset twice.
        with translate_disk_errors(folder), FileLock(folder.with_suffix(".lock")):
            if not (folder / "manifest.json").exists():
                _remove_unfinished(folder)
                build_dataset(plan, folder, config.workers, fingerprint)
    dataset = Dataset(folder)
    check_left_out(dataset.manifest.left_out, config.strict)
    return dataset


def dataset_folder(outputs: Path, kind: str, fingerprint: str) -> Path:
    """Return the folder of the dataset with a fingerprint; ``kind`` is the name of its reader."""
    return outputs / "stores" / f"{kind}-{fingerprint[:16]}"


class DatasetPlan(NamedTuple):
    """Everything that determines a dataset.

    Attributes:
        reader: Reads its scenes.
        preparation: How images are prepared.
        rule: How label values map to classes.
        grouping: How pairs are assigned to scenes, sites and dates.
        sources: SHA-256 by file, for each scene.
        left_out: Reason for each file or scene that cannot be used.
        extension: Options of the reader and the SHA-256 of its plugin, if it has them.
    """

    reader: Reader
    preparation: Preparation
    rule: LabelRule
    grouping: Grouping
    sources: dict[str, dict[str, str]]
    left_out: dict[str, str]
    extension: Sequence[Any] = ()

    def fingerprint(self) -> str:
        """Hash the plan. The result is independent of the location of the files and of any split."""
        hashes = {name: list(files.values()) for name, files in self.sources.items()}
        groups = [dict(self.grouping.patterns), {name: dict(row) for name, row in self.grouping.table.items()}]
        rule = [sorted(map(repr, part.items())) for part in (self.rule.remap, self.rule.aliases)]
        meaning = [self.rule.classes, list(map(repr, self.rule.ignored)), rule, asdict(self.preparation)]
        # A later key enters only if it is set, so that the datasets of earlier versions keep their fingerprints.
        meaning += [["null_class"]] if self.has_null_class else []
        left_out = sorted(PurePath(source).name for source in self.left_out)
        return hash_value([SCHEMA_VERSION, hashes, groups, meaning, left_out, *self.extension])

    @property
    def has_null_class(self) -> bool:
        """Whether the first class is that of padding, pixels without data and unlabelled pixels."""
        return self.rule.unlabelled != IGNORE


def plan_dataset(config: DataConfig, stores: Path, downloads: Path) -> DatasetPlan:
    """Find and hash the files of a dataset. Scenes with unreadable files are left out.

    Args:
        config: Data to read and how to prepare them.
        stores: Folder that holds datasets and the cache of hashes.
        downloads: Folder for files given as URLs.

    Raises:
        DataError: No file is found, or the configuration does not fit the files.
    """
    with translate_disk_errors(stores):
        stores.mkdir(parents=True, exist_ok=True)
    hashes = HashCache(stores / "hashes.json")
    reader: Reader = READERS.get(config.kind).load()(config, hashes, downloads)
    sources, left_out = {}, dict(reader.left_out)
    for name in reader.names:
        try:
            sources[name] = reader.sources(name)
        except DataError as error:
            left_out[name] = str(error)
    if os.access(stores, os.W_OK):  # a read-only folder may hold the dataset
        with translate_disk_errors(stores):
            hashes.save()
    grouping = _plan_grouping(config)
    if extra := grouping.find_unmatched(reader.names):
        log.warning("data.table lists %s not found in the data (first: %s)", pluralize(len(extra), "name"), extra[0])
    preparation, rule = _plan_preparation(config, reader), _plan_labels(config)
    return DatasetPlan(reader, preparation, rule, grouping, sources, left_out, _find_extension(config))


def _find_extension(config: DataConfig) -> list[Any]:
    plugin = READERS.get(config.kind).plugin
    options = drop_credentials(config.options, OPTIONS)  # so that a token can be changed
    return [*([options] if options else []), *([plugin_hashes([plugin])] if plugin else [])]


def _plan_preparation(config: DataConfig, reader: Reader) -> Preparation:
    (low, high), (factor, offset) = config.percentiles, config.reflectance
    indices = tuple(parse_index(text) for text in config.indices)
    for index in indices:
        if missing := missing_bands(index, reader.bands):
            raise DataError(
                f"data.indices: {index.name} needs {', '.join(sorted(missing))}, but the bands are "
                f"{', '.join(reader.bands)}; name them in order with data.bands."
            )
    return Preparation(
        frame=parse_size(config.size),
        framing=config.framing,
        overlap=config.overlap,
        scaling=Scaling(config.scaling, low, high, factor, offset),
        source_bands=tuple(reader.bands),
        indices=indices,
    )


def _plan_labels(config: DataConfig) -> LabelRule:
    if known := READERS.get(config.kind).classes:
        return LabelRule(known)
    aliases = read_aliases(Path(config.aliases)) if config.aliases else {}
    unlabelled = NULL_CLASS if config.null_class else IGNORE
    return LabelRule(tuple(config.classes), config.remap or {}, tuple(config.ignore_values), aliases, unlabelled)


def _plan_grouping(config: DataConfig) -> Grouping:
    if known := READERS.get(config.kind).site_pattern:
        return Grouping({"site": known})
    patterns = {"scene": config.scene_pattern, "site": config.site_pattern, "date": config.date_pattern}
    return Grouping(patterns, read_group_table(Path(config.table)) if config.table else {})


def _remove_unfinished(folder: Path) -> None:
    """Remove what killed builds of a dataset left behind."""
    for unfinished in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(unfinished, ignore_errors=True)


def build_dataset(plan: DatasetPlan, folder: Path, workers: int, fingerprint: str) -> None:
    """Build a dataset atomically.

    Args:
        plan: What to build.
        folder: Folder to create.
        workers: Number of processes; 0 for one per core if there is enough to do.
        fingerprint: Fingerprint of the plan.

    Raises:
        DataError: No scene can be used.
        OSError: The dataset cannot be written.
    """
    numbered = list(enumerate(plan.sources))
    log.info("building a dataset from %s (%s) ...", plan.reader.description, pluralize(len(numbered), "scene"))
    with atomic_folder(folder) as temporary:
        write = partial(_write_scene, plan, temporary)
        built = list(map_in_order(write, numbered, workers, "preparing scenes", "data.workers"))
        parts = [part for scene in built for part in scene.parts]
        finish_dataset(temporary, _make_manifest(plan, built, fingerprint), parts)


class BuiltScene(NamedTuple):
    """The parts of one scene on disk, their records and label counts, or the reason for leaving the scene out."""

    parts: list[str]
    records: list[PairRecord]
    label_counts: LabelCounts
    dtype: str
    reason: str


def _write_scene(plan: DatasetPlan, folder: Path, numbered: tuple[int, str]) -> BuiltScene:
    """Read, prepare and write a scene, given its number and name."""
    number, name = numbered
    try:
        groups = plan.grouping.groups_of(name)
        raw = plan.reader.read(name)
        prepared = prepare_scene(name, raw, plan.preparation, plan.rule)
    except DataError as error:
        return BuiltScene([], [], {}, "", str(error))
    nodata = "" if raw.nodata is None else str(raw.nodata)
    metadata = {"groups": groups, "sources": plan.sources[name], "grid": _describe_grid(raw.grid), "nodata": nodata}
    parts = [f"{number:05d}-{tile:03d}" for tile in range(len(prepared.pairs))]
    records = [
        write_part(folder, part, pair, len(plan.rule.classes), metadata)
        for part, pair in zip(parts, prepared.pairs, strict=True)
    ]
    return BuiltScene(parts, records, prepared.label_counts, prepared.pairs[0].image.dtype.str, "")


def _describe_grid(grid: Grid | None) -> dict[str, Any]:
    if grid is None:
        return {}
    return {"crs": grid.crs.to_string() if grid.crs else "", "transform": list(grid.transform)[:6]}


def _make_manifest(plan: DatasetPlan, built: list[BuiltScene], fingerprint: str) -> Manifest:
    reasons = {name: scene.reason for name, scene in zip(plan.sources, built, strict=True) if scene.reason}
    left_out, used = plan.left_out | reasons, [scene for scene in built if not scene.reason]
    if not used:
        check_left_out(left_out, strict=False)
        first = next(iter({**reasons, **left_out}.values()), "there are none")
        raise DataError(
            f"none of the scenes of {plan.reader.description} can be used "
            f"({len(left_out)} left out); the first: {first}"
        )
    counts: LabelCounts = {}
    for scene in used:
        add_counts(counts, scene.label_counts)
    types = {scene.dtype for scene in used}
    if len(types) > 1:
        log.warning("scenes have different types (%s); check that their scale is the same", ", ".join(sorted(types)))
    return Manifest(
        # Scenes that failed enter the fingerprint, because a dataset without them is another dataset.
        fingerprint=hash_value([fingerprint, sorted(reasons)]) if reasons else fingerprint,
        source=redact(plan.reader.description),
        classes=list(plan.rule.classes),
        preparation=plan.preparation,
        dtype=np.result_type(*types).str,
        label_counts=counts,
        pairs=[record for scene in used for record in scene.records],
        left_out=redact_values(left_out),
        passed_over=plan.reader.skipped,
        null_class=plan.has_null_class,
    )


def check_left_out(left_out: dict[str, str], strict: bool) -> None:
    """Log the files and scenes that are left out of a dataset, by reason.

    Raises:
        DataError: Something is left out although ``strict`` is set.
    """
    reasons = group_reasons(left_out)
    for reason in reasons[:_MAX_LOGGED]:
        log.warning("left out %s", reason)
    if len(reasons) > _MAX_LOGGED:
        more = len(reasons) - _MAX_LOGGED
        log.warning("... for %d more reasons; the report of gym.make_dataset lists all of them", more)
    if strict and reasons:
        raise DataError(
            f"data.strict=true, but {len(left_out)} of the inputs cannot be used (first: {reasons[0].rstrip('.')}); "
            "correct them, or set data.strict=false."
        )

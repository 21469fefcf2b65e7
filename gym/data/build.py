"""From a data configuration to a dataset: found where it was made before, made where it was not."""

import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock

from gym.config.registries import READERS
from gym.config.schema import DataConfig, frame_of
from gym.config.spectral_index import missing_bands, parse_index
from gym.core.errors import DataError
from gym.core.files import HashCache, atomic_folder, hash_value, translate_disk_errors
from gym.core.parallel import map_in_order
from gym.core.text import pluralize
from gym.data.dataset import SCHEMA_VERSION, Dataset, Manifest, PairRecord, finish_dataset, write_part
from gym.data.labels import LabelCounts, LabelRule, add_counts, read_aliases
from gym.data.preparation import Preparation, prepare_scene
from gym.data.readers.base import Reader
from gym.data.readers.raster import Grid
from gym.data.scaling import Scaling
from gym.data.split import Grouping, read_group_table

_MOST_SHOWN = 5

log = logging.getLogger(__name__)


class DatasetPlan(NamedTuple):
    """A dataset before it is made: who reads it, and what becomes of a scene."""

    reader: Reader
    preparation: Preparation
    rule: LabelRule
    grouping: Grouping
    sources: dict[str, dict[str, str]]
    left_out: dict[str, str]

    def fingerprint(self) -> str:
        """Hash everything that the dataset depends on. Where files lie and how the pairs are split is no part of it."""
        hashes = {name: list(files.values()) for name, files in self.sources.items()}
        groups = [dict(self.grouping.patterns), {name: dict(row) for name, row in self.grouping.table.items()}]
        rule = [sorted(map(repr, part.items())) for part in (self.rule.remap, self.rule.aliases)]
        meaning = [self.rule.classes, list(map(repr, self.rule.ignored)), rule, asdict(self.preparation)]
        passed_over = sorted(PurePath(place).name for place in self.left_out)
        return hash_value([SCHEMA_VERSION, hashes, groups, meaning, passed_over])


class BuiltScene(NamedTuple):
    """What became of one scene: its parts, their records and label counts, or why it was left out."""

    parts: list[str]
    records: list[PairRecord]
    label_counts: LabelCounts
    dtype: str
    reason: str


@dataclass(frozen=True)
class SceneWriter:
    """Reads, prepares and writes one scene of a dataset; can be sent to another process."""

    plan: DatasetPlan
    folder: Path

    def __call__(self, numbered: tuple[int, str]) -> BuiltScene:
        """Make the pairs of a scene, given its number and name.

        Raises:
            OSError: The dataset cannot be written.
        """
        number, name = numbered
        plan = self.plan
        try:
            groups = plan.grouping.groups_of(name)
            raw = plan.reader.read(name)
            prepared = prepare_scene(name, raw, plan.preparation, plan.rule)
        except DataError as error:
            return BuiltScene([], [], {}, "", str(error))
        nodata = "" if raw.nodata is None else str(raw.nodata)
        known = {"groups": groups, "sources": plan.sources[name], "grid": describe_grid(raw.grid), "nodata": nodata}
        parts = [f"{number:05d}-{tile:03d}" for tile in range(len(prepared.pairs))]
        records = [
            write_part(self.folder, part, pair, len(plan.rule.classes), known)
            for part, pair in zip(parts, prepared.pairs, strict=True)
        ]
        return BuiltScene(parts, records, prepared.label_counts, prepared.pairs[0].image.dtype.str, "")


def describe_grid(grid: Grid | None) -> dict[str, Any]:
    """A grid as the manifest has it; empty where there is none."""
    if grid is None:
        return {}
    return {"crs": grid.crs.to_string() if grid.crs else "", "transform": list(grid.transform)[:6]}


def open_or_build_dataset(config: DataConfig, outputs: Path, downloads: Path | None = None) -> Dataset:
    """Open the dataset of a configuration, or make it under ``outputs/stores`` first.

    Args:
        config: The dataset.
        outputs: Where stores are.
        downloads: Where the files of URLs are kept; None means with the stores.

    Raises:
        DataError: The imagery cannot be used, or with ``strict`` not all of it, or the dataset cannot be written.
    """
    plan = plan_dataset(config, outputs / "stores", downloads or outputs / "stores" / "downloads")
    fingerprint = plan.fingerprint()
    folder = dataset_folder(outputs, config.kind, fingerprint)
    with translate_disk_errors(folder), FileLock(folder.with_suffix(".lock")):  # two runs must not build one dataset
        if not (folder / "manifest.json").exists():
            remove_unfinished(folder)
            build_dataset(plan, folder, config, fingerprint)
        dataset = Dataset(folder)
    log_left_out(dataset.manifest.left_out, config.strict)
    return dataset


def dataset_folder(outputs: Path, kind: str, fingerprint: str) -> Path:
    """Where the dataset of a kind of data is, by the fingerprint of what it is made from."""
    return outputs / "stores" / f"{kind}-{fingerprint[:16]}"


def plan_dataset(config: DataConfig, stores: Path, downloads: Path) -> DatasetPlan:
    """Find the files of a dataset and hash them; a scene whose files cannot be read is left out."""
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
    with translate_disk_errors(stores):
        hashes.save()
    grouping = plan_grouping(config)
    if unmatched := grouping.find_unmatched(reader.names):
        log.warning("data.table names %d that are not in the data, the first %s", len(unmatched), unmatched[0])
    return DatasetPlan(reader, plan_preparation(config, reader), plan_labels(config), grouping, sources, left_out)


def plan_preparation(config: DataConfig, reader: Reader) -> Preparation:
    """What an image goes through.

    Raises:
        DataError: A spectral index uses a band that the imagery does not have.
    """
    (low, high), (factor, offset) = config.percentiles, config.reflectance
    indices = tuple(parse_index(text) for text in config.indices)
    for index in indices:
        if missing := missing_bands(index, reader.bands):
            raise DataError(
                f"index {index.name} uses {', '.join(sorted(missing))}, and the bands are {', '.join(reader.bands)}; "
                "name them in order with data.bands."
            )
    return Preparation(
        frame=frame_of(config.size),
        framing=config.framing,
        overlap=config.overlap,
        scaling=Scaling(config.scaling, low, high, factor, offset),
        source_bands=tuple(reader.bands),
        indices=indices,
    )


def plan_labels(config: DataConfig) -> LabelRule:
    """What label values mean; some readers know their classes."""
    if known := READERS.get(config.kind).classes:
        return LabelRule(known)
    aliases = read_aliases(Path(config.aliases)) if config.aliases else {}
    return LabelRule(tuple(config.classes), config.remap or {}, tuple(config.ignore_values), aliases)


def plan_grouping(config: DataConfig) -> Grouping:
    """What pairs belong to."""
    if known := READERS.get(config.kind).site_pattern:
        return Grouping({"site": known})
    patterns = {"scene": config.scene_pattern, "site": config.site_pattern, "date": config.date_pattern}
    return Grouping(patterns, read_group_table(Path(config.table)) if config.table else {})


def build_dataset(plan: DatasetPlan, folder: Path, config: DataConfig, fingerprint: str) -> None:
    """Make the dataset of a plan, whole or not at all.

    Raises:
        DataError: Not one scene can be used, or the dataset cannot be written.
    """
    numbered = list(enumerate(plan.sources))
    log.info("building the dataset of %s (%s) ...", plan.reader.description, pluralize(len(numbered), "scene"))
    with translate_disk_errors(folder), atomic_folder(folder) as beside:
        write = SceneWriter(plan, beside)
        built = list(map_in_order(write, numbered, config.workers, "preparing scenes", "data.workers"))
        finish_dataset(beside, make_manifest(plan, built, fingerprint), [part for one in built for part in one.parts])


def make_manifest(plan: DatasetPlan, built: list[BuiltScene], fingerprint: str) -> Manifest:
    """Make the manifest of what was built.

    Raises:
        DataError: Not one scene could be used.
    """
    reasons = {name: one.reason for name, one in zip(plan.sources, built, strict=True) if one.reason}
    left_out, used = plan.left_out | reasons, [one for one in built if not one.reason]
    if not used:
        log_left_out(left_out, strict=False)
        first = next(iter({**reasons, **left_out}.values()), "there are none")
        raise DataError(
            f"not one of {len(left_out)} scenes of {plan.reader.description} can be used; the first: {first}"
        )
    counts: LabelCounts = {}
    for one in used:
        add_counts(counts, one.label_counts)
    types = {one.dtype for one in used}
    if len(types) > 1:
        log.warning("the scenes are of several types (%s): are their values on one scale?", ", ".join(sorted(types)))
    return Manifest(
        # What could not be read this time is part of it: a dataset with less in it is another dataset.
        fingerprint=hash_value([fingerprint, sorted(reasons)]) if reasons else fingerprint,
        source=plan.reader.description,
        classes=list(plan.rule.classes),
        preparation=plan.preparation,
        dtype=np.result_type(*types).str,
        label_counts=counts,
        pairs=[record for one in used for record in one.records],
        left_out=left_out,
        passed_over=plan.reader.skipped,
    )


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed build of a dataset left beside its place."""
    for unfinished in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(unfinished, ignore_errors=True)


def log_left_out(left_out: dict[str, Any], strict: bool) -> None:
    """Name what is not in a dataset.

    Raises:
        DataError: Something was left out, and ``strict`` forbids it.
    """
    for name, reason in list(left_out.items())[:_MOST_SHOWN]:
        log.warning("left out %s: %s", name, reason.removeprefix(name).removeprefix(":").lstrip())
    if len(left_out) > _MOST_SHOWN:
        log.warning("... and %d more left out; the report of gym.make_dataset names all", len(left_out) - _MOST_SHOWN)
    if strict and left_out:
        name, reason = next(iter(left_out.items()))
        raise DataError(
            f"{len(left_out)} left out, the first {name}: {reason.rstrip('.')}; mend it, or set data.strict=false."
        )

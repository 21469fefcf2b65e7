"""Build or inspect a dataset: write its report and, on request, the files that the original program reads."""

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path

from gym.config.schema import AugmentConfig, DatasetConfig, SplitConfig
from gym.core.errors import DataError
from gym.core.files import hash_value, translate_disk_errors
from gym.core.temporary import temporary_folder
from gym.core.text import plain_console, pluralize
from gym.data.batches import SampleReader
from gym.data.build import open_or_build_dataset
from gym.data.dataset import Dataset
from gym.data.gym_npz_writer import export_gym_npz
from gym.data.samples import ReadSample, find_near_duplicates, split_dataset, training_samples
from gym.data.split import Split
from gym.reporting.dataset_page import DatasetSplit, write_report

_EXAMPLES = 12

log = logging.getLogger(__name__)


def make_dataset(config: DatasetConfig) -> Path:
    """Open or build the dataset of a configuration, and report on it.

    Returns:
        The page of the report.

    Raises:
        DataError: The imagery cannot be used, or the results cannot be written.
    """
    outputs, augment = Path(config.outputs), config.augment
    with _temporary_outputs(outputs) if config.inspect else nullcontext(outputs) as place:
        dataset = open_or_build_dataset(config.data, Path(place), outputs / "stores" / "downloads")
        split, obstacle = _split(dataset, config.split, augment.copies, may_fail=config.inspect)
        read = SampleReader(dataset, augment, config.seed)
        near_duplicates = find_near_duplicates(dataset, split, config.split.likeness)
        sides = DatasetSplit(split, config.split, near_duplicates, obstacle)
        # Another split, augmentation or seed has a report and an export of its own.
        name = f"{dataset.folder.name}-{hash_value([asdict(config.split), asdict(augment), config.seed])[:8]}"
        folder = outputs / "reports" / (f"inspected-{name}" if config.inspect else name)
        page = _write_report(folder, dataset, sides, read, augment, is_kept=not config.inspect)
        exported = outputs / "exports" / name
        if config.export == "gym_npz":
            with translate_disk_errors(exported):
                count = export_gym_npz(dataset, split, augment, read, exported)
    console = plain_console()
    shares = ", ".join(f"{len(samples)} {side}" for side, samples in split._asdict().items() if samples)
    pairs = pluralize(len(dataset), "pair")
    console.print(f"{pairs} ({'not split' if obstacle else shares}), {len(dataset.manifest.left_out)} left out")
    if not config.inspect:
        console.print(f"dataset   {dataset.folder}")
    if config.export == "gym_npz":
        console.print(f"export  {exported} ({pluralize(count, 'file')})")
    console.print(f"report  {page}")
    return page


def _temporary_outputs(outputs: Path) -> AbstractContextManager[Path]:
    # On the disk of the outputs, because the default for temporary files may be too small for a dataset.
    with translate_disk_errors(outputs):
        outputs.mkdir(parents=True, exist_ok=True)
    return temporary_folder(outputs)


def _split(dataset: Dataset, config: SplitConfig, copies: int, may_fail: bool) -> tuple[Split, str]:
    """Split a dataset. If that is impossible and ``may_fail``, return all pairs as training, and the reason."""
    try:
        return split_dataset(dataset, config, copies), ""
    except DataError as error:
        if not may_fail:
            raise
        log.warning("no split is possible: %s", error)
        return Split(list(range(len(dataset))), []), str(error)


def _write_report(
    folder: Path, dataset: Dataset, sides: DatasetSplit, read: ReadSample, augment: AugmentConfig, *, is_kept: bool
) -> Path:
    samples = training_samples(sides.split, augment, len(dataset))
    copies = [sample if sample >= len(dataset) else sample + len(dataset) for sample in samples[:_EXAMPLES]]
    for pair in sides.near_duplicates[:3]:
        log.warning("%s and %s look alike but are on different sides (%d of 64 bits differ)", *pair)
    with translate_disk_errors(folder):
        return write_report(folder, dataset, sides, read, copies, is_kept)

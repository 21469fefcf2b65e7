"""Make one dataset model-ready, or only look at it: dataset, report, and on request the original program's files."""

import logging
import tempfile
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from gym.config.schema import DatasetConfig
from gym.core.errors import DataError
from gym.core.files import hash_value, translate_disk_errors
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
    """Make or find the dataset of a configuration, and report on it.

    Returns:
        The report's page.

    Raises:
        DataError: The imagery cannot be used, or what is made of it cannot be written.
    """
    outputs = Path(config.outputs)
    with unkept(outputs) if config.inspect else nullcontext(outputs) as place:
        dataset = open_or_build_dataset(config.data, Path(place), outputs / "stores" / "downloads")
        split, obstacle = split_or_gather(dataset, config)
        read = SampleReader(dataset, config.augment, config.seed)
        sides = DatasetSplit(split, config.split, find_near_duplicates(dataset, split, config.split.likeness), obstacle)
        name = name_of(config, dataset)
        reported = outputs / "reports" / (f"inspected-{name}" if config.inspect else name)
        page = report(config, dataset, sides, read, reported)
        exported = outputs / "exports" / name
        if config.export == "gym_npz":
            with translate_disk_errors(exported):
                count = export_gym_npz(dataset, split, config.augment, read, exported)
    console = plain_console()
    shares = ", ".join(f"{len(samples)} {side}" for side, samples in split._asdict().items() if samples)
    parted = "not split" if obstacle else shares
    console.print(f"{pluralize(len(dataset), 'pair')} ({parted}), {len(dataset.manifest.left_out)} left out")
    if not config.inspect:
        console.print(f"dataset   {dataset.folder}")
    if config.export == "gym_npz":
        console.print(f"export  {exported} ({pluralize(count, 'file')})")
    console.print(f"report  {page}")
    return page


def unkept(outputs: Path) -> tempfile.TemporaryDirectory:
    """A folder for a dataset that is only looked at, on the disk where stores are.

    Raises:
        DataError: It cannot be made.
    """
    with translate_disk_errors(outputs):
        outputs.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=outputs, prefix=".inspected-")


def name_of(config: DatasetConfig, dataset: Dataset) -> str:
    """Name what is made of a dataset with this split, augmentation and seed; another split keeps its own."""
    made_with = hash_value([asdict(config.split), asdict(config.augment), config.seed])
    return f"{dataset.folder.name}-{made_with[:8]}"


def split_or_gather(dataset: Dataset, config: DatasetConfig) -> tuple[Split, str]:
    """Split a dataset; one that is only looked at, and that no split can be made of, stands on one side as a whole.

    Returns:
        The split, and why there is none, "" where there is.

    Raises:
        DataError: As of `split_dataset`, where the dataset is not only looked at.
    """
    try:
        return split_dataset(dataset, config.split, config.augment.copies), ""
    except DataError as error:
        if not config.inspect:
            raise
        log.warning("no split is possible: %s", error)
        return Split(list(range(len(dataset))), []), str(error)


def report(config: DatasetConfig, dataset: Dataset, sides: DatasetSplit, read: ReadSample, folder: Path) -> Path:
    """Write the report, with examples of augmentation as training will see them.

    Raises:
        DataError: It cannot be written.
    """
    samples = training_samples(sides.split, config.augment, len(dataset))
    copies = [sample if sample >= len(dataset) else sample + len(dataset) for sample in samples[:_EXAMPLES]]
    for pair in sides.near_duplicates[:3]:
        log.warning("%s and %s stand on two sides and look alike (%d of 64 bits)", *pair)
    with translate_disk_errors(folder):
        return write_report(folder, dataset, sides, read, copies, not config.inspect)

"""Make one data set model-ready, or only look at it: store, report, and on request the original program's files."""

import logging
import tempfile
from contextlib import nullcontext
from pathlib import Path

from gym.config import DatasetConfig
from gym.console import plain_console
from gym.data.build import open_or_build_store, plan_labels
from gym.data.export import export_gym_npz
from gym.data.pipeline import SampleReader
from gym.data.sides import find_likenesses, split_store, training_samples
from gym.data.split import Split
from gym.data.store import Store
from gym.reporting.dataset_report import Examples, write_report

_EXAMPLES = 12

log = logging.getLogger(__name__)


def make_dataset(config: DatasetConfig) -> Path:
    """Make or find the store of a configuration, and report on it.

    Returns:
        The report's page.

    Raises:
        DataError: The imagery cannot be used.
    """
    outputs = Path(config.outputs)
    with unkept(outputs) if config.inspect else nullcontext(outputs) as place:
        store = open_or_build_store(config.data, Path(place))
        split = split_store(store, config.split, config.augment)
        folder = outputs / "inspections" / store.folder.name if config.inspect else store.folder.with_suffix(".report")
        page = report(config, store, split, folder)
        exported = outputs / "exports" / store.folder.name
        if config.export == "gym_npz":
            read = SampleReader(store, config.augment, config.seed)
            count = export_gym_npz(store, split, config.augment, read, exported)
    console = plain_console()
    sides = ", ".join(f"{len(samples)} {side}" for side, samples in split._asdict().items() if samples)
    console.print(f"{len(store)} pairs ({sides}), {len(store.manifest.left_out)} left out")
    if not config.inspect:
        console.print(f"store   {store.folder}")
    if config.export == "gym_npz":
        console.print(f"export  {exported} ({count} files)")
    console.print(f"report  {page}")
    return page


def unkept(outputs: Path) -> tempfile.TemporaryDirectory:
    """A folder for a store that is only looked at, on the disk where stores are."""
    outputs.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=outputs, prefix=".inspected-")


def report(config: DatasetConfig, store: Store, split: Split, folder: Path) -> Path:
    """Write the report, with examples of augmentation as training will see them."""
    read = SampleReader(store, config.augment, config.seed)
    samples = training_samples(split, config.augment, len(store))
    copies = [sample if sample >= len(store) else sample + len(store) for sample in samples[:_EXAMPLES]]
    for pair in find_likenesses(store, split, config.split)[:3]:
        log.warning("%s and %s stand on two sides and look alike (%d of 64 bits)", *pair)
    return write_report(folder, store, split, config.split, plan_labels(config.data), read, Examples(copies, read))

"""Write a split dataset as training files of the original program, Segmentation Gym.

    train_data/train_npzs/NAME_noaug_nd_data_000000000.npz     a training pair
    train_data/train_npzs/NAME_aug_nd_data_000000000.npz       an augmented copy of one
    val_data/val_npzs/..., test_data/test_npzs/...             the other sides

Each file holds ``arr_0``, the uint8 image ``(rows, columns, bands)``; ``arr_1``, the uint8 one-hot label ``(rows,
columns, classes)``, all 0 for ignored pixels; ``num_bands``; and ``files``, the sources. The original program casts
images to 8 bits and wraps larger values, so imagery of other types is stretched to 1..255 between the smallest and the
largest value of each band in the dataset. Augmented values outside 0..255 are clipped.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from rich.progress import track

from gym.config.schema import AugmentConfig
from gym.core.files import atomic_file, atomic_folder, cut_name
from gym.core.parallel import available_cores
from gym.data.augment import has_changes
from gym.data.dataset import Dataset
from gym.data.samples import ReadSample, pair_positions, training_samples
from gym.data.split import Split

_MAX_NAME = 200  # bytes; the names of files have at most 255
_FOLDERS = {"training": "train", "validation": "val", "test": "test"}

log = logging.getLogger(__name__)


def export_gym_npz(dataset: Dataset, split: Split, augment: AugmentConfig, read: ReadSample, folder: Path) -> int:
    """Write the samples of each side, and with ``mode=offline`` the augmented copies of the training side.

    Args:
        dataset: Source of the samples.
        split: Samples of each side.
        augment: How copies are made.
        read: Reads image and label of a sample.
        folder: Folder to write, replaced atomically.

    Returns:
        The number of files written.
    """
    stretch = stretch_to_bytes(dataset)
    samples = {side: list(numbers) for side, numbers in split._asdict().items() if numbers}
    if augment.mode == "offline":
        samples["training"] = sorted({*samples["training"], *training_samples(split, augment, len(dataset))})
    elif has_changes(augment):
        log.warning(
            "no augmented copies are written, because augment.mode=online draws them in each epoch; set "
            "augment.mode=offline to write them"
        )
    with atomic_folder(folder) as temporary, ThreadPoolExecutor(available_cores()) as threads:
        for side, numbers in samples.items():
            side_folder = temporary / f"{_FOLDERS[side]}_data" / f"{_FOLDERS[side]}_npzs"
            side_folder.mkdir(parents=True)
            write = partial(_write_sample, side_folder, dataset, stretch, read)
            written = threads.map(write, *zip(*enumerate(numbers), strict=True))
            list(track(written, f"writing {side}", len(numbers), transient=True))
    return sum(map(len, samples.values()))


def _write_sample(
    folder: Path,
    dataset: Dataset,
    stretch: Callable[[np.ndarray], np.ndarray],
    read: ReadSample,
    number: int,
    sample: int,
) -> None:
    image, label = map(np.asarray, read(sample))
    record = dataset.manifest.pairs[pair_positions([sample], len(dataset))[0]]
    kind = "noaug" if sample < len(dataset) else "aug"
    name = f"{cut_name(record.name.replace(' ', '_'), _MAX_NAME)}_{kind}_nd_data_{number:09d}.npz"
    one_hot = (label[..., np.newaxis] == np.arange(len(dataset.manifest.classes))).astype(np.uint8)
    with atomic_file(folder / name) as temporary:
        np.savez_compressed(
            temporary,
            arr_0=stretch(image),
            arr_1=one_hot,
            num_bands=len(dataset.bands),
            files=np.array(list(record.sources)),
        )


def stretch_to_bytes(dataset: Dataset) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that converts images to uint8: by clipping if the dataset is uint8, else by a stretch."""
    if dataset.manifest.dtype == "|u1":
        return clip_to_bytes
    statistics = [record.statistics for record in dataset.manifest.pairs]
    low = np.min([one.least for one in statistics], axis=0)
    span = np.maximum(np.max([one.largest for one in statistics], axis=0) - low, np.finfo(np.float32).tiny)
    log.warning("Segmentation Gym takes 8 bits: band values from %s to %s are stretched to 1..255", low, low + span)

    def stretch(image: np.ndarray) -> np.ndarray:
        scaled = 1 + np.rint(254 * np.clip((image - low) / span, 0, 1))
        return (scaled * image.any(axis=2, keepdims=True)).astype(np.uint8)

    return stretch


def clip_to_bytes(image: np.ndarray) -> np.ndarray:
    """Round and clip an image to uint8. A pixel with data keeps at least 1 in its largest band."""
    clipped = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    lost = image.any(axis=2) & ~clipped.any(axis=2)
    clipped[lost, image[lost].argmax(axis=1)] = 1
    return clipped

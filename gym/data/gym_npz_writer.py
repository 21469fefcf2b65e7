"""Write a split dataset as the files that the original program, Segmentation Gym, trains on.

    train_data/train_npzs/NAME_noaug_nd_data_000000000.npz     a training pair
    train_data/train_npzs/NAME_aug_nd_data_000000000.npz       an augmented copy of one
    val_data/val_npzs/..., test_data/test_npzs/...             the other sides

Each holds ``arr_0`` uint8 image ``(rows, columns, bands)``, ``arr_1`` uint8 one-hot label ``(rows, columns, classes)``,
all 0 where nothing counts, ``num_bands`` and ``files``, the sources. Imagery of more than 8 bits is stretched to 1..255
by the least and largest value of each band in the whole dataset, since the original would cast and wrap it; what copies
brighten or darken beyond 0..255 is clipped.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from rich.progress import track

from gym.config.schema import AugmentConfig
from gym.core.files import atomic_file, atomic_folder
from gym.core.parallel import available_cores
from gym.data.augment import has_changes
from gym.data.dataset import Dataset
from gym.data.samples import ReadSample, pair_positions, training_samples
from gym.data.split import Split

_FOLDERS = {"training": "train", "validation": "val", "test": "test"}

log = logging.getLogger(__name__)


def export_gym_npz(dataset: Dataset, split: Split, augment: AugmentConfig, read: ReadSample, folder: Path) -> int:
    """Write every side of a dataset, with the augmented copies of the training side if they are drawn once.

    Args:
        dataset: The dataset.
        split: Its sides, as sample numbers.
        augment: How copies are made; only those of ``mode=offline`` can be written.
        read: Gives image and label of a sample.
        folder: Where to; replaced whole.

    Returns:
        The number of files.
    """
    stretch = stretch_to_bytes(dataset)
    samples = {side: list(numbers) for side, numbers in split._asdict().items() if numbers}
    if augment.mode == "offline":
        samples["training"] = sorted({*samples["training"], *training_samples(split, augment, len(dataset))})
    elif has_changes(augment):
        log.warning(
            "augment.mode=online draws anew in each epoch: no copies are written; augment.mode=offline has some"
        )
    with atomic_folder(folder) as beside, ThreadPoolExecutor(available_cores()) as threads:
        for side, numbers in samples.items():
            place = beside / f"{_FOLDERS[side]}_data" / f"{_FOLDERS[side]}_npzs"
            place.mkdir(parents=True)
            write = partial(_write_sample, place, dataset, stretch, read)
            list(
                track(
                    threads.map(write, *zip(*enumerate(numbers), strict=True)),
                    f"writing {side}",
                    len(numbers),
                    transient=True,
                )
            )
    return sum(map(len, samples.values()))


def _write_sample(
    place: Path,
    dataset: Dataset,
    stretch: Callable[[np.ndarray], np.ndarray],
    read: ReadSample,
    count: int,
    sample: int,
) -> None:
    """Write one sample, the ``count``-th of its side."""
    image, label = map(np.asarray, read(sample))
    record = dataset.manifest.pairs[pair_positions([sample], len(dataset))[0]]
    kind = "noaug" if sample < len(dataset) else "aug"
    name = f"{record.name.replace(' ', '_')}_{kind}_nd_data_{count:09d}.npz"
    one_hot = (label[..., np.newaxis] == np.arange(len(dataset.manifest.classes))).astype(np.uint8)
    with atomic_file(place / name) as beside:
        np.savez_compressed(
            beside,
            arr_0=stretch(image),
            arr_1=one_hot,
            num_bands=len(dataset.bands),
            files=np.array(list(record.sources)),
        )


def stretch_to_bytes(dataset: Dataset) -> Callable[[np.ndarray], np.ndarray]:
    """How an image becomes uint8: clipped where the dataset is uint8 already, else stretched band by band to 1..255."""
    if dataset.manifest.dtype == "|u1":
        return clip_to_bytes
    statistics = [record.statistics for record in dataset.manifest.pairs]
    low = np.min([one.least for one in statistics], axis=0)
    span = np.maximum(np.max([one.largest for one in statistics], axis=0) - low, np.finfo(np.float32).tiny)
    log.warning("the original takes 8 bits: values are stretched from %s to %s by band", low, low + span)

    def stretch(image: np.ndarray) -> np.ndarray:
        scaled = 1 + np.rint(254 * np.clip((image - low) / span, 0, 1))
        return (scaled * image.any(axis=2, keepdims=True)).astype(np.uint8)

    return stretch


def clip_to_bytes(image: np.ndarray) -> np.ndarray:
    """Round an image to uint8; a pixel with data keeps 1 in its largest band at least, since 0 in all is nodata."""
    clipped = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    lost = image.any(axis=2) & ~clipped.any(axis=2)
    clipped[lost, image[lost].argmax(axis=1)] = 1
    return clipped

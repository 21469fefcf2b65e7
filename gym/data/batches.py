"""Batches of a dataset, through ``tf.data``.

A sample is a pair as it is, or an augmented copy of one that is drawn once. In a dataset of ``n`` pairs, samples below
``n`` are the pairs, and sample ``n * (copy + 1) + position`` is a copy of the pair at ``position``. Copies are not kept
on disk; the same sample is the same copy whenever it is read.

The order of an epoch and the change of each sample are functions of (seed, epoch, sample): training that starts at
epoch 7 gets the batches that an uninterrupted one gets in its epoch 7. Files are read as they are needed, and never
through Python.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from gym.config.schema import AugmentConfig
from gym.core.parallel import available_cores
from gym.core.seeding import derive_seed
from gym.data.augment import augment, has_changes
from gym.data.dataset import Dataset
from gym.data.labels import IGNORE

Tensor = Any
Batches = Any

_AHEAD = 2  # batches

# Nothing here has Python's ``if`` or ``for`` of tensors, and to look for one takes half a second of each feed.
_without_autograph = tf.autograph.experimental.do_not_convert


def training_batches(
    dataset: Dataset, samples: Sequence[int], config: AugmentConfig, batch: int, seed: int, first_epoch: int = 0
) -> Batches:
    """Batches of the training side, epoch after epoch without end.

    Args:
        dataset: The dataset.
        samples: The samples of an epoch, as `gym.data.samples.training_samples` lists them.
        config: How they are changed.
        batch: Pairs in a batch; the last of an epoch may have fewer.
        seed: Of order and changes.
        first_epoch: The epoch to begin with, from 0.

    Returns:
        A ``tf.data.Dataset`` of images ``(batch, rows, columns, bands)``, float32 or, where nothing changes them, in
        the dataset's type, and labels ``(batch, rows, columns)`` uint8.
    """
    count, numbers = len(samples), tf.constant(list(samples), tf.int64)
    order_seed, change_seed = derive_seed(seed, "order"), derive_seed(seed, "augment")
    read, cores = make_reader(dataset, samples, config, seed), available_cores()
    is_online = config.mode == "online" and has_changes(config)

    def load(epoch: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        image, label = read(numbers[index])
        if not is_online:
            return image, label
        seeds = tf.stack([tf.constant(change_seed, tf.int64), epoch * count + index])
        return augment(tf.cast(image, tf.float32), label, config, seeds)

    def one_epoch(epoch: Tensor) -> Batches:
        seeds = tf.stack([tf.constant(order_seed, tf.int64), epoch])
        order = tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), seeds)
        pairs = tf.data.Dataset.from_tensor_slices(order)
        pairs = pairs.map(_without_autograph(lambda index: load(epoch, index)), num_parallel_calls=cores)
        return pairs.batch(batch, num_parallel_calls=cores)  # one alone holds a step of 512x512 up by a tenth

    epochs = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max)
    return without_autotune(epochs.flat_map(_without_autograph(one_epoch)))


def ordered_batches(
    dataset: Dataset, samples: Sequence[int], batch: int, config: AugmentConfig | None = None, seed: int = 0
) -> Batches:
    """Batches of samples in the order given, once; shapes as `training_batches`.

    ``config`` and ``seed`` are those of the copies, where there are any among the samples.
    """
    read = make_reader(dataset, samples, config or AugmentConfig(), seed)
    numbers = tf.data.Dataset.from_tensor_slices(tf.constant(list(samples), tf.int64))
    return without_autotune(numbers.map(_without_autograph(read), num_parallel_calls=available_cores()).batch(batch))


def without_autotune(batches: Batches) -> Batches:
    """Have a few batches ready ahead of time, without TensorFlow tuning how many.

    Its tuner sleeps twice as long each time it has looked, and the end of an iterator waits until it wakes: with steps
    of a second up to a minute after each training. Nor are the graphs optimized: to rewrite one, TensorFlow copies
    into it all the imagery that is mapped.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return batches.prefetch(_AHEAD).with_options(options)


def steps_in_epoch(samples: int, batch: int) -> int:
    """Number of batches in an epoch of ``samples``."""
    return -(-samples // batch)


class PairReader:
    """Reads one pair of a dataset by its position, in its frame: image in the dataset's type, label uint8."""

    def __init__(self, dataset: Dataset) -> None:
        records = dataset.manifest.pairs
        self._shape = dataset.shape
        self._images, self._first_value = _map_values(dataset.images_path, dataset.manifest.dtype)
        self._labels, self._first_pixel = _map_values(dataset.labels_path, "|u1")
        self._starts = tf.constant([record.start for record in records], tf.int64)
        self._shown = tf.constant([record.placement.size for record in records], tf.int64)
        self._corners = tf.constant([record.placement.corner for record in records], tf.int64)
        self._is_full = all(record.placement.size == dataset.frame for record in records)

    def __call__(self, position: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102 - the class says it
        rows, columns, bands = self._shape
        start, shown, corner = self._starts[position], self._shown[position], self._corners[position]
        pixels = tf.reduce_prod(shown)
        image = tf.slice(self._images, [self._first_value + start * bands], [pixels * bands])
        image = tf.reshape(image, tf.concat([shown, [bands]], 0))
        label = tf.reshape(tf.slice(self._labels, [self._first_pixel + start], [pixels]), shown)
        if not self._is_full:  # a padding of nothing copies all the same
            around = tf.stack([corner, (rows, columns) - shown - corner], axis=1)
            image = tf.pad(image, tf.concat([around, [[0, 0]]], 0))
            label = tf.pad(label, around, constant_values=tf.constant(IGNORE, tf.uint8))
        return tf.ensure_shape(image, self._shape), tf.ensure_shape(label, self._shape[:2])


class SampleReader:
    """Reads one sample of a dataset, a pair or a copy, by its number: image float32, label uint8.

    Args:
        dataset: The dataset.
        config: What copies go through.
        seed: Of the copies.
    """

    def __init__(self, dataset: Dataset, config: AugmentConfig, seed: int) -> None:
        self._config, self._pairs, self._read = config, len(dataset), PairReader(dataset)
        self._seed = tf.constant(derive_seed(seed, "copies"), tf.int64)

    def __call__(self, sample: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102 - the class says it
        image, label = self._read(sample % self._pairs)
        image, seeds = tf.cast(image, tf.float32), tf.stack([self._seed, tf.cast(sample, tf.int64)])
        return tf.cond(sample < self._pairs, lambda: (image, label), lambda: augment(image, label, self._config, seeds))


def make_reader(
    dataset: Dataset, samples: Sequence[int], config: AugmentConfig, seed: int
) -> PairReader | SampleReader:
    """What reads some samples: without copies among them images stay in the dataset's type, a quarter of the bytes."""
    return SampleReader(dataset, config, seed) if max(samples) >= len(dataset) else PairReader(dataset)


def _map_values(path: Path, dtype: str) -> tuple[Tensor, int]:
    """Map an ``.npy`` file of one dimension into memory as a tensor, header and all; and where its values begin.

    Through DLPack, which shares memory: TensorFlow's own way (ImmutableConst) reads the whole file.
    """
    mapped = np.memmap(path, np.dtype(dtype), mode="c")  # DLPack takes no read-only memory; nothing writes to it
    first = np.load(path, mmap_mode="r", allow_pickle=False).offset // mapped.itemsize
    return tf.experimental.dlpack.from_dlpack(mapped.__dlpack__()), first

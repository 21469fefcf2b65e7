"""Batches of a dataset through ``tf.data``.

A sample is a pair, or an augmented copy of one. In a dataset of ``n`` pairs, samples below ``n`` are the pairs, and
sample ``n * (copy + 1) + position`` is a copy of the pair at ``position``. Copies are not stored on disk: a sample is
the same copy whenever it is read.

The order of an epoch and the augmentation of a sample depend on (seed, epoch, sample) only, so training resumed at
epoch 7 gets the batches of epoch 7 of an uninterrupted run. Files are read on demand and without Python.
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
from gym.data.npy import read_header

Tensor = Any
Batches = Any

_PREFETCHED = 2  # batches

# No function here needs AutoGraph, whose search for ``if`` and ``for`` costs half a second per pipeline.
_without_autograph = tf.autograph.experimental.do_not_convert


def training_batches(
    dataset: Dataset, samples: Sequence[int], config: AugmentConfig, batch: int, seed: int, first_epoch: int = 0
) -> Batches:
    """Batches of the training side, epoch after epoch without end.

    Args:
        dataset: Source of the samples.
        samples: Samples of one epoch, as `gym.data.samples.training_samples` returns them.
        config: How to augment.
        batch: Pairs per batch; the last one of an epoch may be smaller.
        seed: Seed of order and augmentation.
        first_epoch: Epoch to start with, from 0.

    Returns:
        ``tf.data.Dataset`` of images ``(batch, rows, columns, bands)`` and labels ``(batch, rows, columns)`` uint8.
        Images are float32 if they are augmented, and in the dataset's type otherwise.
    """
    count, numbers = len(samples), tf.constant(list(samples), tf.int64)
    order_seed, change_seed = derive_seed(seed, "order"), derive_seed(seed, "augment")
    read, cores = _make_reader(dataset, samples, config, seed), available_cores()
    is_online = config.mode == "online" and has_changes(config)

    def load(epoch: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        image, label = read(numbers[index])
        if not is_online:
            return image, label
        seeds = tf.stack([tf.constant(change_seed, tf.int64), epoch * count + index])
        return augment(tf.cast(image, tf.float32), label, config, seeds, dataset.padding)

    def one_epoch(epoch: Tensor) -> Batches:
        seeds = tf.stack([tf.constant(order_seed, tf.int64), epoch])
        order = tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), seeds)
        pairs = tf.data.Dataset.from_tensor_slices(order)
        pairs = pairs.map(_without_autograph(lambda index: load(epoch, index)), num_parallel_calls=cores)
        return pairs.batch(batch, num_parallel_calls=cores)  # sequential batching slows a 512x512 step by a tenth

    epochs = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max)
    return without_autotune(epochs.flat_map(_without_autograph(one_epoch)))


def ordered_batches(
    dataset: Dataset, samples: Sequence[int], batch: int, config: AugmentConfig | None = None, seed: int = 0
) -> Batches:
    """Batches of samples in the given order, once; shapes as in `training_batches`.

    ``config`` and ``seed`` determine augmented copies, if any are among the samples.
    """
    read = _make_reader(dataset, samples, config or AugmentConfig(), seed)
    numbers = tf.data.Dataset.from_tensor_slices(tf.constant(list(samples), tf.int64))
    return without_autotune(numbers.map(_without_autograph(read), num_parallel_calls=available_cores()).batch(batch))


def without_autotune(batches: Batches) -> Batches:
    """Prefetch a fixed number of batches, without autotuning and graph optimization.

    TensorFlow's tuner doubles its sleep after each look, and the end of an iterator waits for it to wake, for up to a
    minute after each training. Graph optimization copies all memory-mapped imagery into the graph.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return batches.prefetch(_PREFETCHED).with_options(options)


def steps_in_epoch(samples: int, batch: int) -> int:
    """Return the number of batches of an epoch."""
    return -(-samples // batch)


class PairReader:
    """Reads a pair by its position, padded to the frame: image in the dataset's type, label uint8."""

    def __init__(self, dataset: Dataset) -> None:
        records = dataset.manifest.pairs
        self._shape, self._padding = dataset.shape, dataset.padding
        self._images, self._first_value = _map_values(dataset.images_path, dataset.manifest.dtype)
        self._labels, self._first_pixel = _map_values(dataset.labels_path, "|u1")
        self._starts = tf.constant([record.start for record in records], tf.int64)
        self._sizes = tf.constant([record.placement.size for record in records], tf.int64)
        self._corners = tf.constant([record.placement.corner for record in records], tf.int64)
        self._fills_frame = all(record.placement.size == dataset.frame for record in records)

    def __call__(self, position: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102 - see the class
        rows, columns, bands = self._shape
        start, size, corner = self._starts[position], self._sizes[position], self._corners[position]
        pixels = tf.reduce_prod(size)
        image = tf.slice(self._images, [self._first_value + start * bands], [pixels * bands])
        image = tf.reshape(image, tf.concat([size, [bands]], 0))
        label = tf.reshape(tf.slice(self._labels, [self._first_pixel + start], [pixels]), size)
        if not self._fills_frame:  # tf.pad copies even if there is nothing to pad
            around = tf.stack([corner, (rows, columns) - size - corner], axis=1)
            image = tf.pad(image, tf.concat([around, [[0, 0]]], 0))
            label = tf.pad(label, around, constant_values=tf.constant(self._padding, tf.uint8))
        return tf.ensure_shape(image, self._shape), tf.ensure_shape(label, self._shape[:2])


class SampleReader:
    """Reads a sample, a pair or an augmented copy, by its number: image float32, label uint8.

    Args:
        dataset: Source of the samples.
        config: How to augment copies.
        seed: Seed of the copies.
    """

    def __init__(self, dataset: Dataset, config: AugmentConfig, seed: int) -> None:
        self._config, self._pairs, self._read = config, len(dataset), PairReader(dataset)
        self._padding = dataset.padding
        self._seed = tf.constant(derive_seed(seed, "copies"), tf.int64)

    def __call__(self, sample: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102 - see the class
        image, label = self._read(sample % self._pairs)
        image, seeds = tf.cast(image, tf.float32), tf.stack([self._seed, tf.cast(sample, tf.int64)])
        return tf.cond(
            sample < self._pairs,
            lambda: (image, label),
            lambda: augment(image, label, self._config, seeds, self._padding),
        )


def _make_reader(
    dataset: Dataset, samples: Sequence[int], config: AugmentConfig, seed: int
) -> PairReader | SampleReader:
    """Return a reader of samples. Without copies among them, images keep their type and thus take less memory."""
    return SampleReader(dataset, config, seed) if max(samples) >= len(dataset) else PairReader(dataset)


def _map_values(path: Path, dtype: str) -> tuple[Tensor, int]:
    """Memory-map a one-dimensional ``.npy`` file as a tensor, header included; and return where its values start."""
    # DLPack shares the memory, whereas TensorFlow's ImmutableConst reads the whole file. DLPack rejects read-only
    # memory, so the mapping is copy-on-write.
    mapped = np.memmap(path, np.dtype(dtype), mode="c")
    with path.open("rb") as stream:
        first = read_header(stream).offset // mapped.itemsize
    return tf.experimental.dlpack.from_dlpack(mapped.__dlpack__()), first

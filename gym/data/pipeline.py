"""Batches of a store, through ``tf.data``.

The order of an epoch and the change of each sample are functions of (seed, epoch, sample): training that starts at
epoch 7 gets the batches that an uninterrupted one gets in its epoch 7. Files are read as they are needed, and never
through Python.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gym.config import AugmentConfig
from gym.data.augment import augment, changes_anything
from gym.data.store import Store
from gym.seeding import derive_seed

Tensor = Any
Batches = Any


def training_batches(
    store: Store, positions: Sequence[int], config: AugmentConfig, batch: int, seed: int, first_epoch: int = 0
) -> Batches:
    """Batches of the training side, epoch after epoch without end.

    Args:
        store: The data set.
        positions: The pairs that train.
        config: How they are changed, and how many copies of each an epoch has.
        batch: Pairs in a batch; the last of an epoch may have fewer.
        seed: Of order and changes.
        first_epoch: The epoch to begin with, from 0.

    Returns:
        A ``tf.data.Dataset`` of images ``(batch, rows, columns, bands)`` float32 and labels
        ``(batch, rows, columns)`` uint8.
    """
    samples = len(positions) * config.copies
    scenes = tf.constant(list(positions), tf.int64)
    order_seed, change_seed = derive_seed(seed, "order"), derive_seed(seed, "augment")
    read = PairReader(store)

    def load(epoch: Tensor, sample: Tensor) -> tuple[Tensor, Tensor]:
        image, label = read(scenes[sample % len(positions)])
        if not changes_anything(config):
            return image, label
        return augment(image, label, config, tf.stack([tf.constant(change_seed, tf.int64), epoch * samples + sample]))

    def one_epoch(epoch: Tensor) -> Batches:
        seeds = tf.stack([tf.constant(order_seed, tf.int64), epoch])
        order = tf.random.experimental.stateless_shuffle(tf.range(samples, dtype=tf.int64), seeds)
        pairs = tf.data.Dataset.from_tensor_slices(order)
        pairs = pairs.map(lambda sample: load(epoch, sample), num_parallel_calls=tf.data.AUTOTUNE)
        return pairs.batch(batch)

    epochs = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max)
    return epochs.flat_map(one_epoch).prefetch(tf.data.AUTOTUNE)


def ordered_batches(store: Store, positions: Sequence[int], batch: int) -> Batches:
    """Batches of pairs as they are, in the order given, once; shapes as `training_batches`."""
    pairs = tf.data.Dataset.from_tensor_slices(tf.constant(list(positions), tf.int64))
    return pairs.map(PairReader(store), num_parallel_calls=tf.data.AUTOTUNE).batch(batch).prefetch(tf.data.AUTOTUNE)


def steps_in_epoch(pairs: int, config: AugmentConfig, batch: int) -> int:
    """Number of batches in an epoch of ``pairs`` training pairs."""
    return -(-pairs * config.copies // batch)


class PairReader:
    """Reads one pair of a store by its position, in TensorFlow: image float32, label uint8."""

    def __init__(self, store: Store) -> None:
        self._shape = store.shape
        self._dtype = tf.as_dtype(np.dtype(store.manifest.dtype))
        self._image_paths = tf.constant([str(store.image_path(position)) for position in range(len(store))])
        self._label_paths = tf.constant([str(store.label_path(position)) for position in range(len(store))])
        self._image_start = np.load(store.image_path(0), mmap_mode="r").offset
        self._label_start = np.load(store.label_path(0), mmap_mode="r").offset

    def __call__(self, position: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102 - the class says it
        image = _decode(self._image_paths[position], self._image_start, self._dtype, self._shape)
        label = _decode(self._label_paths[position], self._label_start, tf.uint8, self._shape[:2])
        return tf.cast(image, tf.float32), label


def _decode(path: Tensor, start: int, dtype: tf.DType, shape: tuple[int, ...]) -> Tensor:
    """Read the numbers of an ``.npy`` file, which begin at byte ``start``."""
    raw = tf.strings.substr(tf.io.read_file(path), start, -1)
    return tf.reshape(tf.io.decode_raw(raw, dtype), shape)

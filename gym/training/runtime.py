"""Set TensorFlow up for one process: threads, repeatability, quiet. Before the first operation, once."""

import logging
import os

import keras
import tensorflow as tf

from gym.config import TrainingConfig
from gym.seeding import derive_seed

log = logging.getLogger(__name__)


def prepare_tensorflow(config: TrainingConfig, seed: int) -> None:
    """Set threads and determinism, and seed what draws weights.

    Thread counts can be set only before TensorFlow's first operation; a later run of the same process keeps them.
    """
    threads = config.threads or available_cores()
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        set_threads(threads)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(derive_seed(seed, "weights"))


def set_threads(threads: int) -> None:
    """Use ``threads`` CPU threads; a warning says so where TensorFlow has begun with another number."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        log.warning("training.threads=%d has no effect: this process has already begun with another number", threads)


def available_cores() -> int:
    """Count the cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

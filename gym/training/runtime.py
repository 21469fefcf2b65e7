"""Configure TensorFlow for a process: threads, GPU, precision and determinism."""

import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from filelock import FileLock, Timeout

from gym.config.schema import AUTO, TrainingConfig
from gym.core.parallel import available_cores
from gym.core.startup import quiet_imports
from gym.models.cpu_ops import use_tuning
from gym.training.precision import DEFAULT

_gpu_locks: list[FileLock] = []  # held until the process ends

log = logging.getLogger(__name__)


def prepare_tensorflow(config: TrainingConfig) -> None:
    """Set threads, GPU, precision, determinism and tuning. Call it before the first TensorFlow operation.

    ``auto`` counts as float32: training resolves it beforehand, and a saved model brings the types of its layers.
    TensorFlow accepts a number of threads only before its first operation; later runs of the process keep that number.
    """
    threads = config.threads or available_cores()
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        set_threads(threads)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    claim_gpu()
    with quiet_imports():
        tf.config.list_logical_devices()
    keras.config.set_dtype_policy(DEFAULT if config.precision == AUTO else config.precision)
    use_tuning(config.tuned and not tf.config.list_physical_devices("GPU"))


def set_threads(threads: int) -> None:
    """Use ``threads`` CPU threads; log a warning if TensorFlow has already started with a different number."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        log.warning(
            "training.threads=%d has no effect, because this process has already started TensorFlow with a different "
            "number of threads",
            threads,
        )


def claim_gpu() -> None:
    """Restrict this process to one of several GPUs, if possible one that no other process of this program uses.

    A run uses a single GPU, so without this all workers of a sweep would share the first. Nothing changes if there are
    fewer than two GPUs or TensorFlow has already started.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if len(gpus) > 1 and not _gpu_locks:
        tf.config.set_visible_devices(gpus[_lock_free_gpu(gpus)], "GPU")


def _lock_free_gpu(gpus: Sequence[Any]) -> int:
    """Lock the first free GPU until the process ends and return its position; share one if none is free."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    for position in range(len(gpus)):
        name = visible[position] if len(visible) == len(gpus) else str(position)
        lock = FileLock(Path(tempfile.gettempdir()) / f"segsweep-gpu-{name.replace('/', '-')}.lock")
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):  # OSError: the lock file belongs to another user
            continue
        _gpu_locks.append(lock)
        return position
    return os.getpid() % len(gpus)

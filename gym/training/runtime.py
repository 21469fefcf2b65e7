"""Set TensorFlow up for one process: threads, repeatability, quiet. Before the first operation, once.

Share several GPUs among the processes of a machine, one each.
"""

import logging
import os
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from filelock import FileLock, Timeout

from gym.config.schema import TrainingConfig
from gym.core.parallel import available_cores
from gym.core.seeding import derive_seed
from gym.core.startup import quiet_imports
from gym.models.cpu_ops import use_tuning

_held: list[FileLock] = []  # as long as this process lives


def claim_gpu() -> None:
    """Let this process see one GPU of several, if possible one that no other process of this program has.

    A run computes on one GPU; without this all workers of a sweep would take the first. Where there is none, or one,
    or TensorFlow has begun already, nothing changes.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if len(gpus) > 1 and not _held:
        tf.config.set_visible_devices(gpus[free_position(gpus)], "GPU")


def free_position(gpus: Sequence[Any]) -> int:
    """The first GPU that is free, and held from now on; one of all where none is."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    for position in range(len(gpus)):
        name = seen[position] if len(seen) == len(gpus) else str(position)
        lock = FileLock(Path(tempfile.gettempdir()) / f"segsweep-gpu-{name.replace('/', '-')}.lock")
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):  # of another process, or of another user
            continue
        _held.append(lock)
        return position
    return os.getpid() % len(gpus)


CPU_FLAGS = Path("/proc/cpuinfo")

log = logging.getLogger(__name__)


def prepare_tensorflow(config: TrainingConfig) -> None:
    """Set threads, precision, determinism, and how operations are chosen.

    Thread counts can be set only before TensorFlow's first operation; a later run of the same process keeps them.
    """
    threads = config.threads or available_cores()
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        set_threads(threads)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    claim_gpu()
    with quiet_imports():
        tf.config.list_logical_devices()
    keras.config.set_dtype_policy(resolve_precision(config.precision))
    use_tuning(config.tuned and not tf.config.list_physical_devices("GPU"))


def seed_weights(seed: int) -> None:
    """Seed what draws weights. Directly before a model is built: other libraries draw from the same generator.

    Keras seeds all it draws from Python's generator; its ``set_random_seed`` seeds TensorFlow's own too, which makes
    TensorFlow forget the graphs it has prepared: half a second for each run of a sweep.
    """
    random.seed(derive_seed(seed, "weights"))


def set_threads(threads: int) -> None:
    """Use ``threads`` CPU threads; a warning says so where TensorFlow has begun with another number."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        log.warning("training.threads=%d has no effect: this process has already begun with another number", threads)


def resolve_precision(wanted: str) -> str:
    """Choose what ``auto`` stands for on this machine: bfloat16 only where the hardware computes in it."""
    if wanted != "auto":
        return wanted
    return "mixed_bfloat16" if has_bfloat16() else "float32"


def has_bfloat16() -> bool:
    """Whether the first GPU, or without one the processor, has bfloat16 arithmetic."""
    for device in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        return bool(details.get("compute_capability", (0, 0)) >= (8, 0))
    flags = CPU_FLAGS.read_text(encoding="utf-8") if CPU_FLAGS.exists() else ""
    return any(flag in flags.split() for flag in ("amx_bf16", "avx512_bf16"))

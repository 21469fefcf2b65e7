"""Share several GPUs among the processes of a machine, one each."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from filelock import FileLock, Timeout

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

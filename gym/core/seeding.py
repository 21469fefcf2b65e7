"""Randomness as a function of what it is for, never of what happened before.

Every random choice names its seed, a purpose and the counters it depends on (epoch, sample). Nothing draws from a
shared stream, so a run that resumes at epoch 7 sees the very numbers of a run that never stopped.
"""

import zlib

import numpy as np


def derive_seed(seed: int, purpose: str, *counters: int) -> int:
    """Mix a seed, a purpose and counters into one well-spread seed.

    Args:
        seed: The user's seed, 0 or more.
        purpose: What the numbers are for; two purposes never share a stream.
        counters: Epoch, sample or layer numbers, 0 or more.

    Returns:
        An integer in [0, 2**31), which NumPy, Keras and TensorFlow all take.
    """
    entropy = np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *counters])
    return int(entropy.generate_state(1)[0] >> 1)


def generator(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """Return a NumPy generator for one purpose; arguments as in `derive_seed`."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *counters])

"""Stateless seeding: every draw is keyed by a seed, a purpose and counters.

There is no shared stream, so a run resumed at epoch 7 draws the same numbers as one that was never interrupted.
"""

import zlib

import numpy as np


def derive_seed(seed: int, purpose: str, *counters: int) -> int:
    """Hash a seed, a purpose and counters into one seed.

    Args:
        seed: The user's seed, 0 or more.
        purpose: What the numbers are for. Different purposes have independent streams.
        counters: Epoch, sample or layer numbers, 0 or more.

    Returns:
        An integer in [0, 2**31), the range that NumPy, Keras and TensorFlow all accept.
    """
    entropy = np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *counters])
    return int(entropy.generate_state(1)[0] >> 1)


def generator(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """Return a NumPy generator for one purpose. The arguments are those of `derive_seed`."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *counters])

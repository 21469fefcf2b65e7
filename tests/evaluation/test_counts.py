"""The lattice of pixels that represents an image."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gym.evaluation.counts import LATTICE_SIDE, pixel_lattice


def test_a_small_image_is_kept_whole():
    """Images up to 128 pixels a side keep every pixel."""
    assert np.arange(9).reshape(3, 3)[pixel_lattice(3, 3)].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert np.zeros((128, 128))[pixel_lattice(128, 128)].shape == (128, 128)


def test_a_large_image_is_sampled_evenly():
    """A 512x512 image keeps every fourth row and column, starting in the middle of the first four."""
    rows = np.arange(512)[pixel_lattice(512, 512)[0]]

    assert rows[:3].tolist() == [2, 6, 10]
    assert len(rows) == LATTICE_SIDE


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_a_lattice_has_at_least_one_pixel_and_never_too_many(rows, columns):
    """Even an image with a single row has a lattice."""
    taken = np.zeros((rows, columns), bool)[pixel_lattice(rows, columns)]

    assert min(taken.shape) >= 1
    assert max(taken.shape) <= LATTICE_SIDE

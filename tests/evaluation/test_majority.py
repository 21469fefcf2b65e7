"""The commonest class, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.evaluation.baselines import Majority, find_majority


def test_the_commonest_class_and_its_share():
    """Of 10 pixels 6 are of class 2."""
    assert find_majority(np.array([1, 3, 6, 0])) == Majority(2, pytest.approx(0.6))


def test_of_two_equally_common_classes_it_is_the_first():
    """A tie is decided by the order of the classes."""
    assert find_majority(np.array([1, 4, 4])).index == 1


def test_it_says_the_same_of_any_image():
    """One class for every pixel, whatever its bands are."""
    image = np.random.default_rng(0).normal(size=(2, 3, 5))

    predicted = Majority(7, 0.5).predict(image)

    assert predicted.dtype == np.uint8
    np.testing.assert_array_equal(predicted, [[7, 7, 7], [7, 7, 7]])


@given(counts=st.lists(st.integers(0, 10**12), min_size=2, max_size=8, unique=True), data=st.data())
def test_renumbered_classes_renumber_the_majority(counts, data):
    """Which class it is does not depend on where it stands in the list."""
    order = data.draw(st.permutations(range(len(counts))))

    majority, renumbered = find_majority(np.array(counts)), find_majority(np.array(counts)[order])

    assert order[renumbered.index] == majority.index
    assert renumbered.share == majority.share

"""The majority baseline, by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.evaluation.baselines import Baselines, find_majority


def test_the_majority_class_and_its_share():
    """Class 2 has 6 of 10 pixels."""
    assert find_majority(np.array([1, 3, 6, 0])) == (2, pytest.approx(0.6))


def test_a_tie_is_decided_by_the_order_of_classes():
    """The first of two equally frequent classes is the majority."""
    assert find_majority(np.array([1, 4, 4]))[0] == 1


def test_the_prediction_does_not_depend_on_the_image():
    """Every pixel gets the same class."""
    image = np.random.default_rng(0).normal(size=(2, 3, 5))
    forest = SimpleNamespace(predict=lambda image: image)

    predicted = Baselines(tuple("abcde"), 7, forest, None, {}).predict(image)["majority"]

    assert predicted.dtype == np.uint8
    np.testing.assert_array_equal(predicted, [[7, 7, 7], [7, 7, 7]])


@given(counts=st.lists(st.integers(0, 10**12), min_size=2, max_size=8, unique=True), data=st.data())
def test_renumbered_classes_renumber_the_majority(counts, data):
    """The majority does not depend on the order of classes."""
    order = data.draw(st.permutations(range(len(counts))))

    (majority, share), (renumbered, same_share) = (find_majority(np.array(counts)[places]) for places in (..., order))

    assert order[renumbered] == majority
    assert same_share == share

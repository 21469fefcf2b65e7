"""A forest on worlds whose classes are known from their bands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.evaluation.baselines import MAX_DEPTH, MIN_LEAF_PIXELS, TREES, fit_forest


def draw_world(pixels=600, seed=0):
    """Two noisy bands; the class is 0, 1 or 3 by the first, and none is 2."""
    values = np.random.default_rng(seed).uniform(0, 3, (pixels, 2)).astype(np.float32)
    return values, np.array([0, 1, 3], np.uint8)[values[:, 0].astype(int)]


@pytest.fixture(scope="module")
def forest():
    return fit_forest(*draw_world(), seed=1)


def test_two_kinds_of_pixels_are_told_apart():
    """A world of a dark and a bright pixel: each gets its class, and so does what is nearer to one of them."""
    values = np.repeat(np.array([[10, 10], [90, 90]], np.float32), 50, axis=0)
    forest = fit_forest(values, np.repeat(np.array([4, 2], np.uint8), 50), seed=0)

    predicted = forest.predict(np.array([[[10, 10], [90, 90], [20, 20]], [[80, 80], [0, 0], [255, 255]]], np.uint8))

    assert predicted.dtype == np.uint8
    np.testing.assert_array_equal(predicted, [[4, 2, 4], [2, 4, 2]])


def test_new_pixels_of_a_separable_world_are_nearly_all_right(forest):
    """The edges of three equal ranges are found from 600 pixels, where the commonest class is right for a third."""
    values, classes = draw_world(4_000, seed=9)

    right = (forest.predict(values.reshape(40, 100, 2)).ravel() == classes).mean()

    assert right > 0.98
    assert np.bincount(classes).max() / len(classes) < 0.4


def test_a_class_that_was_not_in_training_is_nowhere(forest):
    """Class 2 has no pixel, so it is never said, and 3 keeps its number."""
    predicted = forest.predict(np.random.default_rng(2).uniform(-1, 5, (50, 50, 2)))

    assert set(np.unique(predicted)) == {0, 1, 3}


def test_one_class_only_is_said_everywhere():
    """There is nothing to tell apart."""
    values, _ = draw_world(50)

    predicted = fit_forest(values, np.full(50, 3, np.uint8), seed=0).predict(values.reshape(5, 10, 2))

    np.testing.assert_array_equal(predicted, np.full((5, 10), 3))


def test_the_same_seed_gives_the_same_forest_and_another_a_different_one():
    """Noise for classes, so that every choice shows; scores are compared, to the bit."""
    rng = np.random.default_rng(3)
    values, classes = rng.normal(size=(400, 3)).astype(np.float32), rng.integers(0, 3, 400).astype(np.uint8)
    first, again, other = (
        fit_forest(values, classes, seed).classifier.predict_proba(values[:100]) for seed in (5, 5, 6)
    )

    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_forest_is_as_small_as_it_says():
    """Of noise, which would grow without end, no tree is deeper and no leaf smaller than the bounds."""
    rng = np.random.default_rng(4)
    values, classes = rng.normal(size=(20_000, 3)).astype(np.float32), rng.integers(0, 3, 20_000).astype(np.uint8)

    trees = [tree.tree_ for tree in fit_forest(values, classes, seed=0).classifier.estimators_]

    assert len(trees) == TREES
    assert max(tree.max_depth for tree in trees) == MAX_DEPTH
    assert min(tree.n_node_samples.min() for tree in trees) == MIN_LEAF_PIXELS


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(12)))
def test_moved_pixels_move_the_prediction(forest, order):
    """A pixel's class has nothing to do with where it lies."""
    pixels = draw_world(12, seed=5)[0]

    predicted = forest.predict(pixels.reshape(3, 4, 2)).ravel()

    np.testing.assert_array_equal(forest.predict(pixels[list(order)].reshape(4, 3, 2)).ravel(), predicted[list(order)])

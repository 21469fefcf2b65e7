"""The random forest, on data whose classes are known from the bands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.evaluation.baselines import MAX_DEPTH, MIN_LEAF_PIXELS, TREES, fit_forest


def draw_world(pixels=600, seed=0):
    """Two noisy bands; the first determines the class (0, 1 or 3), and class 2 never occurs."""
    values = np.random.default_rng(seed).uniform(0, 3, (pixels, 2)).astype(np.float32)
    return values, np.array([0, 1, 3], np.uint8)[values[:, 0].astype(int)]


@pytest.fixture(scope="module")
def forest():
    return fit_forest(*draw_world(), seed=1)


def test_two_kinds_of_pixels_are_distinguished():
    """Dark and bright training pixels determine the class of all nearby values."""
    values = np.repeat(np.array([[10, 10], [90, 90]], np.float32), 50, axis=0)
    forest = fit_forest(values, np.repeat(np.array([4, 2], np.uint8), 50), seed=0)

    predicted = forest.predict(np.array([[[10, 10], [90, 90], [20, 20]], [[80, 80], [0, 0], [255, 255]]], np.uint8))

    assert predicted.dtype == np.uint8
    np.testing.assert_array_equal(predicted, [[4, 2, 4], [2, 4, 2]])


def test_new_pixels_of_separable_classes_are_classified_correctly(forest):
    """600 pixels suffice to find the bounds of three equal ranges, where the majority class covers a third."""
    values, classes = draw_world(4_000, seed=9)

    right = (forest.predict(values.reshape(40, 100, 2)).ravel() == classes).mean()

    assert right > 0.98
    assert np.bincount(classes).max() / len(classes) < 0.4


def test_a_class_without_training_pixels_is_never_predicted(forest):
    """Class 2 is never predicted, and class 3 keeps its number."""
    predicted = forest.predict(np.random.default_rng(2).uniform(-1, 5, (50, 50, 2)))

    assert set(np.unique(predicted)) == {0, 1, 3}


def test_a_single_class_is_predicted_everywhere():
    """There is nothing to distinguish."""
    values, _ = draw_world(50)

    predicted = fit_forest(values, np.full(50, 3, np.uint8), seed=0).predict(values.reshape(5, 10, 2))

    np.testing.assert_array_equal(predicted, np.full((5, 10), 3))


def test_equal_seeds_yield_equal_forests():
    """Trained on noise, forests with other seeds differ; probabilities are compared bit for bit."""
    rng = np.random.default_rng(3)
    values, classes = rng.normal(size=(400, 3)).astype(np.float32), rng.integers(0, 3, 400).astype(np.uint8)
    first, again, other = (
        fit_forest(values, classes, seed).classifier.predict_proba(values[:100]) for seed in (5, 5, 6)
    )

    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_trees_respect_their_bounds():
    """Trained on noise, which trees would fit without end, no tree is deeper and no leaf smaller than allowed."""
    rng = np.random.default_rng(4)
    values, classes = rng.normal(size=(20_000, 3)).astype(np.float32), rng.integers(0, 3, 20_000).astype(np.uint8)

    trees = [tree.tree_ for tree in fit_forest(values, classes, seed=0).classifier.estimators_]

    assert len(trees) == TREES
    assert max(tree.max_depth for tree in trees) == MAX_DEPTH
    assert min(tree.n_node_samples.min() for tree in trees) == MIN_LEAF_PIXELS


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(12)))
def test_moved_pixels_move_the_prediction(forest, order):
    """The class of a pixel does not depend on its position."""
    pixels = draw_world(12, seed=5)[0]

    predicted = forest.predict(pixels.reshape(3, 4, 2)).ravel()

    np.testing.assert_array_equal(forest.predict(pixels[list(order)].reshape(4, 3, 2)).ravel(), predicted[list(order)])

"""Label values become classes all at once, or are refused by name and count."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gym.data.labels import IGNORE, count_classes, remap_label
from gym.errors import DataError

CLASSES = ["water", "sand", "other"]


def test_swapping_two_classes_keeps_both():
    """{0: 1, 1: 0} swaps; applied one after the other, as the original does, it would leave one class."""
    raw = np.array([[0, 1], [1, 2]])

    np.testing.assert_array_equal(remap_label(raw, CLASSES, {0: 1, 1: 0, 2: 2}, [], "x"), [[1, 0], [0, 2]])


def test_several_values_may_share_a_class_and_some_are_ignored():
    """The Coast Train idea: many values to few classes, nodata to nothing."""
    raw = np.array([[-1, 3, 4, 9]], np.int16)

    label = remap_label(raw, CLASSES, {3: 0, 4: 0, 9: 2}, [-1], "x")

    np.testing.assert_array_equal(label, [[IGNORE, 0, 0, 2]])
    assert label.dtype == np.uint8


@pytest.mark.parametrize("value", [3, 255, -1, 70000])
def test_a_value_that_is_no_class_is_refused_with_file_and_count(value):
    """It does not become an all-zero row or wrap around to some class."""
    raw = np.array([[0, value], [value, 1]])

    with pytest.raises(
        DataError, match=rf"shore\.png: label value {value} \(2 pixels\) is none of the 3 classes 0\.\.2"
    ):
        remap_label(raw, CLASSES, {}, [], "shore.png")


def test_a_remap_must_list_every_value():
    """A value that it forgets does not keep its number, which may mean another class."""
    with pytest.raises(
        DataError, match=r"label value 0 \(1 pixels\) is not in data\.remap=\{1: 0, 2: 1\}; map it, as in"
    ):
        remap_label(np.array([[0, 1, 2]]), CLASSES, {1: 0, 2: 1}, [], "x")


def test_labels_stored_as_floats_must_be_whole():
    """2.0 is class 2; 1.5 is a label that was interpolated."""
    np.testing.assert_array_equal(remap_label(np.array([[2.0]]), CLASSES, {}, [], "x"), [[2]])
    with pytest.raises(DataError, match=r"label value 1\.5"):
        remap_label(np.array([[1.5]]), CLASSES, {}, [], "x")


@given(hnp.arrays(np.uint8, (3, 4), elements=st.integers(0, 5)), st.permutations(range(6)))
def test_remapping_is_a_lookup(raw, order):
    """Every pixel takes the class of its own value, whatever the others become."""
    label = remap_label(raw, [str(name) for name in range(6)], dict(enumerate(order)), [], "x")

    np.testing.assert_array_equal(label, np.array(order)[raw])


def test_counts_leave_ignored_pixels_out():
    """One number a class, zero for one that is absent."""
    np.testing.assert_array_equal(count_classes(np.array([[0, 2, 2, IGNORE]], np.uint8), 4), [1, 0, 2, 0])

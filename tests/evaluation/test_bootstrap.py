"""Confidence intervals over scenes, compared with values by hand and with the standard error of a mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.evaluation.bootstrap import draw_units, percentile_interval, resample, sum_by_unit


def test_counts_of_a_scene_are_added_up():
    """Scenes are sorted by name."""
    names, sums = sum_by_unit(["b", "a", "b"], np.array([[1, 2], [3, 4], [10, 20]]))

    assert names == ["a", "b"]
    np.testing.assert_array_equal(sums, [[3, 4], [11, 22]])


@given(st.integers(1, 30), st.integers(0, 5))
def test_each_draw_has_the_original_number_of_scenes(scenes, seed):
    """Draws are with replacement and reproducible."""
    times = draw_units(scenes, seed, draws=20)

    np.testing.assert_array_equal(times.sum(axis=1), scenes)
    np.testing.assert_array_equal(times, draw_units(scenes, seed, draws=20))


def test_the_deviation_of_draws_is_the_standard_error():
    """For the mean of n values it is their deviation divided by the root of n; 95 % lie within 1.96 of it."""
    values = np.random.default_rng(0).normal(10, 2, 400)
    means = resample(draw_units(400, seed=1, draws=4000), values) / 400

    found = percentile_interval(values.mean(), means, units=400)

    error = values.std() / 20
    assert means.std() == pytest.approx(error, rel=0.05)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.05)
    assert found.low < found.value < found.high


def test_undefined_draws_are_left_out_and_one_scene_has_no_interval():
    """The score itself is reported in both cases."""
    assert percentile_interval(0.5, np.array([np.nan, 0.4, 0.4]), units=3) == (0.5, 0.4, 0.4)
    assert np.isnan(percentile_interval(0.5, np.array([0.5, 0.5]), units=1)[1:]).all()
    assert np.isnan(percentile_interval(np.nan, np.array([np.nan]), units=3)).all()

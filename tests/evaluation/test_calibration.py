"""Calibration by hand, on models of known calibration, and compared with scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from gym.data.labels import IGNORE
from gym.evaluation.calibration import (
    BINS,
    apply_temperature,
    count_reliability,
    expected_calibration_error,
    fit_temperature,
    is_at_limit,
)


def drawn(temperature, pixels=20_000, classes=3):
    """Labels drawn from probabilities, and these probabilities distorted to be over- or underconfident."""
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(classes), pixels)
    truth = (probabilities.cumsum(axis=1) > random.random((pixels, 1))).argmax(axis=1).astype(np.uint8)
    return truth, apply_temperature(probabilities, 1 / temperature)


def test_calibration_error_by_hand():
    """Two pixels with confidence 0.9, one correct; two with 0.6, both correct: (2 x 0.4 + 2 x 0.4) / 4."""
    truth = np.array([0, 1, 0, 1, IGNORE], np.uint8)
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [1.0, 0.0]])

    counts = count_reliability(truth, probabilities)

    assert expected_calibration_error(counts) == pytest.approx(0.4)
    assert counts[:, 0].sum() == 4
    assert counts[13].tolist() == [2, 1.8, 1]
    assert counts[9].tolist() == [2, 1.2, 2]


def test_bins_agree_with_scikit_learn():
    """Mean confidence and accuracy of each non-empty bin agree."""
    truth, probabilities = drawn(2.0)
    counts = count_reliability(truth, probabilities)
    filled = counts[:, 0] > 0

    right, confidence = calibration_curve(probabilities.argmax(axis=1) == truth, probabilities.max(axis=1), n_bins=BINS)

    np.testing.assert_allclose(counts[filled, 2] / counts[filled, 0], right)
    np.testing.assert_allclose(counts[filled, 1] / counts[filled, 0], confidence)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_distorted_the_probabilities_is_found(temperature):
    """Applying it calibrates the probabilities."""
    truth, probabilities = drawn(temperature)

    found = fit_temperature(truth, probabilities)

    assert found == pytest.approx(temperature, rel=0.05)
    assert expected_calibration_error(count_reliability(truth, apply_temperature(probabilities, found))) < 0.015
    if temperature != 1:
        assert expected_calibration_error(count_reliability(truth, probabilities)) > 0.05


def test_no_other_temperature_has_a_lower_loss():
    """The log loss of scikit-learn agrees."""
    truth, probabilities = drawn(2.0, pixels=500)
    best = fit_temperature(truth, probabilities)

    losses = [log_loss(truth, apply_temperature(probabilities, best * factor)) for factor in (0.95, 1, 1.05)]

    assert losses[1] == min(losses)


@pytest.mark.parametrize(("classes", "is_right", "limit"), [(255, True, 0.05), (3, True, 0.05), (3, False, 20.0)])
def test_a_temperature_at_a_bound_of_the_search_range_is_recognised(classes, is_right, limit):
    """A model that is always right can never be confident enough, and one that is always wrong never unsure enough.

    With 255 classes, powers of the probabilities underflow.
    """
    truth = (np.arange(1000) % classes).astype(np.uint8)
    probabilities = np.full((1000, classes), 1.0) + (0.01 if is_right else -0.5) * np.eye(classes)[truth]

    found = fit_temperature(truth, probabilities / probabilities.sum(axis=1, keepdims=True))

    assert found == pytest.approx(limit, rel=0.01)
    assert is_at_limit(found)


def test_a_temperature_within_the_search_range_is_not_at_its_limit():
    """NaN is not at a limit either."""
    assert not is_at_limit(fit_temperature(*drawn(3.0, pixels=500)))
    assert not is_at_limit(float("nan"))


@given(st.floats(0.1, 10))
def test_a_temperature_keeps_sums_and_the_most_likely_class(temperature):
    """A temperature of 1 changes nothing."""
    probabilities = np.random.default_rng(1).dirichlet(np.ones(4), 30).reshape(5, 6, 4)
    tempered = apply_temperature(probabilities, temperature)

    np.testing.assert_allclose(tempered.sum(axis=-1), 1)
    np.testing.assert_array_equal(tempered.argmax(axis=-1), probabilities.argmax(axis=-1))
    np.testing.assert_allclose(apply_temperature(probabilities, 1.0), probabilities, atol=1e-6)


def test_without_counted_pixels_there_is_no_calibration():
    """Calibration error and temperature are NaN."""
    truth, probabilities = np.full(3, IGNORE, np.uint8), np.full((3, 2), 0.5)

    assert np.isnan(expected_calibration_error(count_reliability(truth, probabilities)))
    assert np.isnan(fit_temperature(truth, probabilities))

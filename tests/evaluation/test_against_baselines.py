"""Baselines are scored on the same pixels as the model."""

import numpy as np
import pytest

from gym.data.labels import IGNORE
from gym.evaluation.against_baselines import compare_label_maps, iou_lead


def test_a_baseline_is_scored_on_the_same_pixels():
    """A perfect model leads a baseline that always predicts the first class by what that baseline lacks."""
    truth = np.array([[[0, 1]], [[1, IGNORE]]], np.uint8)
    predicted = {"model": np.where(truth == IGNORE, 0, truth), "first": np.zeros_like(truth)}

    found = compare_label_maps("x", truth, predicted, 2, ["a", "b"], seed=0)

    assert found.scores["model"]["iou"].value == 1
    assert found.scores["first"]["iou"].value == pytest.approx((1 / 3 + 0) / 2)
    assert found.leads["first"].value == pytest.approx(1 - 1 / 6)
    matrices = np.array([[[1, 0], [0, 1]], [[0, 0], [0, 1]]])
    assert iou_lead(["a", "b"], matrices, matrices, seed=0) == (0, 0, 0)

"""The temperature of a model and the explanation of where it comes from."""

from types import SimpleNamespace

import numpy as np

from gym.data.labels import IGNORE
from gym.evaluation.assessment import fit_model_temperature

ON_VALIDATION_SIDE = SimpleNamespace(
    training_data=SimpleNamespace(dataset=object(), obstacle=""), training_side="validation"
)


def stored(labels, probabilities):
    """Predictions with these labels and probabilities on the lattice."""
    return SimpleNamespace(sample_lattice=lambda: (labels, probabilities))


def test_without_labelled_pixels_on_the_lattice_there_is_no_temperature():
    """The origin gives the reason."""
    unlabelled = stored(np.full((1, 2, 2), IGNORE, np.uint8), np.full((1, 2, 2, 3), 1 / 3))

    found = fit_model_temperature(None, ON_VALIDATION_SIDE, 1, unlabelled, None)

    assert np.isnan(found.value)
    assert found.origin == (
        "not fitted, because the validation images of the run have no labelled pixel on the sampled lattice"
    )


def test_a_temperature_at_a_bound_of_the_search_range_is_reported():
    """For a model that is always right, no temperature makes it confident enough."""
    truth = np.array([[[0, 1], [2, 0]]], np.uint8)
    right = stored(truth, 0.2 + 0.4 * np.eye(3)[truth])

    found = fit_model_temperature(None, ON_VALIDATION_SIDE, 1, right, None)

    assert found.is_at_limit
    assert found.origin == (
        "fitted on these images, so the calibration looks better than it is; it is a bound of the search range "
        "(0.05 to 20), so the best value lies beyond it"
    )


def test_without_its_training_data_a_model_has_no_temperature():
    """The origin names the obstacle."""
    unavailable = SimpleNamespace(training_data=SimpleNamespace(dataset=None, obstacle="folder x is gone"))

    found = fit_model_temperature(None, unavailable, 1, None, None)

    assert np.isnan(found.value)
    assert found.origin == "not fitted, because the training data is unavailable (folder x is gone)"

"""The model of a run has the configured standardisation and class weights."""

import numpy as np
import pytest

from gym.config.schema import LossConfig
from gym.training.model_setup import class_weights, standardization_layer


def test_class_weights_are_equal_given_or_from_class_frequency(tiny_dataset):
    """Frequencies are those of the training side alone."""
    training = [0, 1, 2, 3]
    counts = tiny_dataset.counts[:4].sum(axis=0)

    assert class_weights(LossConfig(), tiny_dataset, training) == [1.0, 1.0, 1.0]
    given = LossConfig(weighting="given", class_weights=[1, 2, 3, 4])
    assert class_weights(given, tiny_dataset, training) == [1, 2, 3, 4]
    balanced = class_weights(LossConfig(weighting="frequency"), tiny_dataset, training)
    assert balanced == pytest.approx(counts.sum() / (3 * counts))


def test_standardising_by_dataset_uses_the_statistics_of_the_training_side(tiny_dataset):
    """Every pixel counts once, also if a pair trains as several copies."""
    pixels = np.concatenate([tiny_dataset.read_image(position).reshape(-1, 3) for position in (0, 3)])

    for training in ([0, 3], [6 + 0, 6 + 3, 12 + 3]):
        layer = standardization_layer("dataset", tiny_dataset, training)
        np.testing.assert_allclose(layer.mean, pixels.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(layer.deviation, pixels.std(axis=0), rtol=1e-9)


@pytest.mark.parametrize("method", ["image", "band", "none"])
def test_other_standardisations_have_no_statistics(tiny_dataset, method):
    """They are computed from each image, or not at all."""
    layer = standardization_layer(method, tiny_dataset, [0])

    assert (layer.method, layer.mean, layer.deviation) == (method, None, None)

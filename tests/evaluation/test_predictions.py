"""Predicting lets go of the imagery, and a worker that is ended while it counts names the evaluation's own key."""

import gc
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from gym.config.schema import AugmentConfig
from gym.core.errors import DataError
from gym.data.batches import ordered_batches
from gym.evaluation import predictions
from gym.evaluation.predictions import StoredPredictions, count_predictions, read_batches, store_predictions
from gym.evaluation.run_model import Evaluation


def times_mapped(path):
    """How often a file is mapped into this process."""
    return Path("/proc/self/maps").read_text().count(str(path.resolve()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists what is mapped")
def test_predicting_leaves_no_imagery_mapped(tiny_dataset, tmp_path):
    """It would count as memory of the process until Python happens to look for cycles."""
    model = keras.Sequential([keras.Input(tiny_dataset.shape), keras.layers.Conv2D(3, 1, activation="softmax")])
    gc.collect()
    before = times_mapped(tiny_dataset.images_path)
    gc.disable()
    try:
        store_predictions(model, tiny_dataset, [0, 1, 2], 2, AugmentConfig(), 0, tmp_path / "scores")
        assert times_mapped(tiny_dataset.images_path) == before > 0
    finally:
        gc.enable()


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_read_batches_are_those_in_one_piece(tiny_dataset, monkeypatch, batch):
    """Of the same sizes, since the legacy scores depend on them."""
    monkeypatch.setattr(predictions, "IMAGES_PER_MAPPING", 3)
    samples = [4, 0, 3, 1, 5]

    in_parts = list(read_batches(tiny_dataset, samples, batch, AugmentConfig(), 0))
    whole = list(ordered_batches(tiny_dataset, samples, batch))

    for ours, theirs in zip(in_parts, whole, strict=True):
        for part, expected in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(part, expected)


@pytest.mark.usefixtures("ended_workers")
def test_a_worker_that_is_ended_while_images_are_counted_names_the_key_of_the_evaluation(tmp_path):
    """Not that of the data, which prepares scenes."""
    nothing = Evaluation([], [], [], [], np.empty(0), np.empty(0), np.empty(0), {})
    made = StoredPredictions(nothing, ["one", "other"], [(1.0, 1.0)] * 2, tmp_path)

    with pytest.raises(DataError, match=r"want of memory; set workers=1\.$"):
        count_predictions(made, 2, 1.0, workers=2)

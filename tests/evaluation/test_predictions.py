"""Stored predictions release the imagery, and errors of counting workers name the evaluation's own key."""

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
    """Count the mappings of a file in this process."""
    return Path("/proc/self/maps").read_text().count(str(path.resolve()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists what is mapped")
def test_predicting_leaves_no_imagery_mapped(tiny_dataset, tmp_path):
    """Mapped imagery would count as memory of the process until the next garbage collection."""
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
def test_batches_read_in_parts_equal_those_read_at_once(tiny_dataset, monkeypatch, batch):
    """Their sizes are equal, too, because the legacy scores depend on them."""
    monkeypatch.setattr(predictions, "IMAGES_PER_MAPPING", 3)
    samples = [4, 0, 3, 1, 5]

    in_parts = list(read_batches(tiny_dataset, samples, batch, AugmentConfig(), 0))
    whole = list(ordered_batches(tiny_dataset, samples, batch))

    for ours, theirs in zip(in_parts, whole, strict=True):
        for part, expected in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(part, expected)


@pytest.mark.usefixtures("killed_workers")
def test_a_killed_counting_worker_is_reported_with_the_key_of_the_evaluation(tmp_path):
    """The key of the data, which controls the preparation of scenes, would be wrong."""
    nothing = Evaluation([], [], [], [], np.empty(2), np.empty(2), np.empty(0), {})
    made = StoredPredictions(nothing, ["one", "other"], [(1.0, 1.0)] * 2, tmp_path)

    with pytest.raises(DataError, match=r"memory ran out; set workers=1 to use a single process\.$"):
        count_predictions(made, 2, 1.0, workers=2)

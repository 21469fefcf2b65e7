"""Where a worker that counts what a model predicted is ended, the key that is named is the evaluation's."""

import numpy as np
import pytest

from gym.errors import DataError
from gym.evaluation.predicted import Predicted, count_side
from gym.reporting.evaluation import Evaluation


@pytest.mark.usefixtures("ended_workers")
def test_a_worker_that_is_ended_while_images_are_counted_names_the_key_of_the_evaluation(tmp_path):
    """Not that of the data, which prepares scenes."""
    nothing = Evaluation([], [], [], [], np.empty(0), np.empty(0), np.empty(0), {})
    predicted = Predicted(nothing, ["one", "other"], [(1.0, 1.0)] * 2, tmp_path)

    with pytest.raises(DataError, match=r"want of memory; set workers=1\.$"):
        count_side(predicted, 2, 1.0, workers=2)

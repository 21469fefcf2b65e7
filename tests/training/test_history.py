"""An epoch is logged under names from which it is read back."""

from hypothesis import given
from hypothesis import strategies as st

from gym.training.checkpoint import MLFLOW_NAMES, Epoch, epoch_metrics, epochs_from_metrics

values = st.floats(allow_nan=False)


def test_every_value_of_an_epoch_is_logged():
    """But for its number, which is the step."""
    assert {*MLFLOW_NAMES, "number"} == set(Epoch._fields)
    assert epoch_metrics(Epoch(3, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)) == {
        "learning_rate": 0.1,
        "train/loss": 0.2,
        "train/iou": 0.3,
        "val/loss": 0.4,
        "val/iou": 0.5,
        "val/kld": 0.6,
    }


@given(st.lists(st.tuples(*[values] * 6), max_size=5))
def test_logged_epochs_are_read_back(rows):
    """In their order, whatever order the steps have."""
    epochs = [Epoch(number, *row) for number, row in enumerate(rows, start=1)]
    logged = {
        name: {epoch.number: epoch_metrics(epoch)[name] for epoch in reversed(epochs)} for name in MLFLOW_NAMES.values()
    }

    assert epochs_from_metrics(logged) == epochs


def test_an_epoch_that_was_cut_off_while_it_was_logged_is_left_out():
    """It has not all its values; a run of which nothing is known has no epochs."""
    logged = {name: {1: 0.5, 2: 0.4} for name in MLFLOW_NAMES.values()}
    del logged["val/iou"][2]

    assert [epoch.number for epoch in epochs_from_metrics(logged)] == [1]
    assert epochs_from_metrics({}) == []

"""Early stopping keeps the best and stops when patience is over."""

from hypothesis import given
from hypothesis import strategies as st

from gym.training.checkpoint import EarlyStopping


def run(losses, patience):
    stopping = EarlyStopping(patience)
    for epoch, loss in enumerate(losses, start=1):
        stopping.observe(epoch, loss)
        if stopping.is_over:
            break
    return stopping


def test_by_hand():
    """Best at epoch 2; epochs 3, 4 and 5 bring nothing better; training stops there."""
    stopping = run([0.9, 0.5, 0.6, 0.5, 0.7, 0.1], patience=3)

    assert (stopping.best_epoch, stopping.best_loss, stopping.last_epoch) == (2, 0.5, 5)


def test_an_equal_loss_is_no_better_one():
    """The first of equals keeps its place."""
    stopping = EarlyStopping(2)

    assert stopping.observe(1, 0.5)
    assert not stopping.observe(2, 0.5)


@given(st.lists(st.floats(0, 10), min_size=1), st.integers(1, 10))
def test_the_best_is_the_first_lowest_of_what_was_seen(losses, patience):
    """Whatever the losses, and never more than patience epochs after the best."""
    stopping = run(losses, patience)
    seen = losses[: stopping.last_epoch]

    assert stopping.best_loss == min(seen)
    assert stopping.best_epoch == seen.index(min(seen)) + 1
    assert stopping.last_epoch - stopping.best_epoch <= patience
    assert stopping.is_over or stopping.last_epoch == len(losses)

"""The learning rate of the paper's runs, worked out by hand, and its properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.config.schema import ScheduleConfig
from gym.training.optimizer import learning_rate

PAPER = ScheduleConfig(1e-7, 1e-4, 1e-7, 20, 0, 0.9)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        (0, 1e-7),
        (10, (1e-4 - 1e-7) / 2 + 1e-7),
        (19, (1e-4 - 1e-7) * 19 / 20 + 1e-7),
        (20, 1e-4),
        (21, (1e-4 - 1e-7) * 0.9 + 1e-7),
        (40, (1e-4 - 1e-7) * 0.9**20 + 1e-7),
    ],
)
def test_the_papers_schedule_by_hand(epoch, expected):
    """Twenty epochs up, then nine tenths of the way to the lowest rate each epoch."""
    assert learning_rate(PAPER, epoch) == pytest.approx(expected, rel=1e-12)


def test_the_plateau_lasts_as_long_as_asked():
    """Two epochs of ramp, three at the top, then down."""
    config = ScheduleConfig(1e-4, 1e-2, 1e-5, 2, 3, 0.5)

    rates = [learning_rate(config, epoch) for epoch in range(7)]

    assert rates[:2] == pytest.approx([1e-4, (1e-2 + 1e-4) / 2])
    assert rates[2:6] == pytest.approx([1e-2] * 4)
    assert rates[6] == pytest.approx((1e-2 - 1e-5) * 0.5 + 1e-5)


@given(epoch=st.integers(0, 500), ramp=st.integers(0, 30), sustain=st.integers(0, 30), decay=st.floats(0.1, 1))
def test_rates_stay_between_their_bounds(epoch, ramp, sustain, decay):
    """Never below the lower of start and lowest rate, never above the top."""
    config = ScheduleConfig(1e-5, 1e-3, 1e-6, ramp, sustain, decay)

    assert 1e-6 * (1 - 1e-9) <= learning_rate(config, epoch) <= 1e-3 * (1 + 1e-9)


def test_no_ramp_starts_at_the_top():
    """schedule=constant: one rate throughout."""
    config = ScheduleConfig(1e-3, 1e-3, 0.0, 0, 0, 1.0)

    assert {learning_rate(config, epoch) for epoch in range(50)} == {1e-3}

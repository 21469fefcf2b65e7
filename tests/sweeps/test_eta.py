"""Work is a relative amount of computation, and predicts the duration of a run from those of other runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.sweeps.eta import estimate_work, fit_seconds

# Billions of multiply-adds of a step at 64x64x5 with a batch of 2, as `scripts/step_cost.py` counts them.
COUNTED = {
    ("model=unet", "filters=6"): 1.103,
    ("model=unet", "filters=12"): 4.406,
    ("model=unet", "filters=6", "model.levels=2"): 0.500,
    ("model=unet", "filters=6", "model.kernel=3"): 0.227,
    ("model=resunet", "filters=6"): 1.985,
    ("model=resunet", "filters=12"): 7.934,
    ("model=resunet", "filters=6", "model.levels=2"): 0.941,
    ("model=simple_unet", "filters=6", "model.kernel=7", "model.levels=4"): 1.022,
    ("model=simple_unet", "filters=12", "model.kernel=7", "model.levels=4"): 4.038,
    ("model=simple_resunet", "filters=6", "model.kernel=7", "model.levels=4"): 1.728,
}


def work_of(config, samples=8):
    """Return the estimated work of a configuration."""
    return estimate_work(config.model, config.data.size, samples, config.training.epochs)


def test_work_is_proportional_to_multiply_adds(configure):
    """The estimate is within a third of counted operations."""
    base = work_of(configure("model=unet", "filters=6"))

    for arguments, counted in COUNTED.items():
        assert work_of(configure(*arguments)) / base == pytest.approx(counted / 1.103, rel=1 / 3), arguments


@pytest.mark.parametrize(
    ("arguments", "times"),
    [(["training.epochs=30"], 2), (["data.size=256"], 4), (["data.size=[64,128]"], 0.5)],
)
def test_work_is_proportional_to_pixels_epochs_and_samples(configure, arguments, times):
    """Doubling any of them doubles the work."""
    assert work_of(configure(*arguments)) == pytest.approx(times * work_of(configure()))
    assert work_of(configure(*arguments), samples=16) == pytest.approx(2 * times * work_of(configure()))


# --- how long work takes


def test_one_run_predicts_others_by_the_square_root_of_work():
    """Four times the work takes twice as long until other runs provide evidence."""
    seconds = fit_seconds([(4.0, 10.0)])

    assert [seconds(work) for work in (4.0, 16.0, 1.0)] == pytest.approx([10.0, 20.0, 5.0])


@pytest.mark.parametrize("took", [10.0, 20.0, 20_000.0])
def test_runs_of_different_work_determine_the_exponent(took):
    """Two runs that differ by a factor of a million are reproduced closely."""
    seconds = fit_seconds([(1.0, 10.0), (1e6, took)])

    assert seconds(1e6) / seconds(1.0) == pytest.approx(took / 10.0, rel=0.15)
    assert seconds(1e6) + seconds(1.0) == pytest.approx(10.0 + took)


def test_the_exponent_stays_between_zero_and_one():
    """Contradictory measurements cannot push it out of this range."""
    odd, steep = fit_seconds([(1.0, 1e6), (1e6, 1.0)]), fit_seconds([(1.0, 1.0), (10.0, 1e6)])

    assert odd(1e6) == pytest.approx(odd(1.0))
    assert steep(10.0) == pytest.approx(10.0 * steep(1.0))


def test_unknown_work_is_predicted_to_take_the_mean():
    """Ledgers of older versions do not contain the work."""
    assert fit_seconds([(0.0, 100.0), (0.0, 200.0)])(0.0) == 150.0
    assert fit_seconds([(0.0, 100.0), (0.0, 200.0)])(9.0) == 150.0
    assert fit_seconds([(4.0, 100.0), (4.0, 200.0)])(0.0) == 150.0


def test_runs_of_unknown_work_do_not_affect_the_fit():
    """Nine short runs of unknown work leave the prediction for known work unchanged."""
    seconds = fit_seconds([(0.0, 10.0)] * 9 + [(4.0, 100.0)])

    assert seconds(4.0) == pytest.approx(100.0)
    assert seconds(0.0) == 19.0


@given(st.lists(st.tuples(st.floats(1.0, 1e15), st.floats(0.1, 1e6)), min_size=1, max_size=30))
def test_the_fit_preserves_the_total_duration(known):
    """The predicted durations of the measured runs add up to the measured total."""
    seconds = fit_seconds(known)

    assert sum(seconds(work) for work, _ in known) == pytest.approx(sum(took for _, took in known))

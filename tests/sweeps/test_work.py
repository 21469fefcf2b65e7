"""Of two runs the one that takes longer has more work, and what some took tells about the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.sweeps.eta import estimate_work, seconds_by_work

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


def test_networks_have_the_work_of_their_multiply_adds(configure):
    """Within a third."""
    base = estimate_work(configure("model=unet", "filters=6"), 8)

    for arguments, counted in COUNTED.items():
        assert estimate_work(configure(*arguments), 8) / base == pytest.approx(counted / 1.103, rel=1 / 3), arguments


@pytest.mark.parametrize(
    ("arguments", "times"),
    [(["training.epochs=30"], 2), (["data.size=256"], 4), (["data.size=[64,128]"], 0.5)],
)
def test_work_grows_with_what_is_trained_on(configure, arguments, times):
    """Twice the pixels or epochs are twice the work, and so are twice the samples."""
    assert estimate_work(configure(*arguments), 8) == pytest.approx(times * estimate_work(configure(), 8))
    assert estimate_work(configure(*arguments), 16) == pytest.approx(2 * times * estimate_work(configure(), 8))


# --- how long work takes


def test_what_one_run_took_tells_about_others():
    """Four times the work takes twice as long, as long as no second run tells better."""
    seconds = seconds_by_work([(4.0, 10.0)])

    assert [seconds(work) for work in (4.0, 16.0, 1.0)] == pytest.approx([10.0, 20.0, 5.0])


@pytest.mark.parametrize("took", [10.0, 20.0, 20_000.0])
def test_runs_of_different_work_tell_better(took):
    """Of a million times the work: what they took comes out nearly as they took it."""
    seconds = seconds_by_work([(1.0, 10.0), (1e6, took)])

    assert seconds(1e6) / seconds(1.0) == pytest.approx(took / 10.0, rel=0.15)
    assert seconds(1e6) + seconds(1.0) == pytest.approx(10.0 + took)


def test_more_work_never_takes_less_nor_more_than_its_share():
    """However odd what is known is."""
    odd, steep = seconds_by_work([(1.0, 1e6), (1e6, 1.0)]), seconds_by_work([(1.0, 1.0), (10.0, 1e6)])

    assert odd(1e6) == pytest.approx(odd(1.0))
    assert steep(10.0) == pytest.approx(10.0 * steep(1.0))


def test_work_that_is_not_known_takes_the_mean():
    """As in a ledger of an older version."""
    assert seconds_by_work([(0.0, 100.0), (0.0, 200.0)])(0.0) == 150.0
    assert seconds_by_work([(0.0, 100.0), (0.0, 200.0)])(9.0) == 150.0
    assert seconds_by_work([(4.0, 100.0), (4.0, 200.0)])(0.0) == 150.0


def test_runs_of_unknown_work_tell_nothing_of_work():
    """Nine small ones of an older version beside one that is known."""
    seconds = seconds_by_work([(0.0, 10.0)] * 9 + [(4.0, 100.0)])

    assert seconds(4.0) == pytest.approx(100.0)
    assert seconds(0.0) == 19.0


@given(st.lists(st.tuples(st.floats(1.0, 1e15), st.floats(0.1, 1e6)), min_size=1, max_size=30))
def test_those_known_take_together_as_long_as_they_took(known):
    """Whatever they are."""
    seconds = seconds_by_work(known)

    assert sum(seconds(work) for work, _ in known) == pytest.approx(sum(took for _, took in known))

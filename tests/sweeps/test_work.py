"""Of two runs the one that takes longer has more work."""

import pytest

from gym.sweeps.work import estimate_work

# Billions of multiply-adds of a step at 64x64x5 with a batch of 2, as `gym.training.cost.step_cost` counts them.
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

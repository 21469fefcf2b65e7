"""How much a run computes beside others, told by its configuration: of two, the one that takes longer has more.

Workers begin with the longest runs, so that none is left to a single one at the end while the others idle.
"""

from gym.config import Config, frame_of

_RESIDUAL = 1.75  # multiply-adds of the paper's Res-UNet beside those of its U-Net, forward and backward


def estimate_work(config: Config, samples: int) -> float:
    """Estimate the work of a run, in no unit.

    Multiply-adds grow with the square of the filters and of the kernel, and are the same on every level; the epochs
    are the most there can be.

    Args:
        config: Its configuration.
        samples: How many it trains on in an epoch.
    """
    rows, columns = frame_of(config.data.size)
    model = config.model
    network = (_RESIDUAL if "resunet" in model.name else 1.0) * (model.levels + 1) * (model.filters * model.kernel) ** 2
    return network * rows * columns * samples * config.training.epochs

"""How much a run computes beside others, told by its configuration: of two, the one that takes longer has more.

Workers begin with the longest runs, so that none is left to a single one at the end while the others idle. What some
took tells about how long the others will.
"""

from collections.abc import Callable, Sequence
from math import exp, log
from statistics import fmean

from gym.config import Config, frame_of

_RESIDUAL = 1.75  # multiply-adds of the paper's Res-UNet beside those of its U-Net, forward and backward
_POWER = 0.5  # of work in time: 36 times the work, 12 filters for 2, took a step 3 to 14 times as long where measured


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


def seconds_by_work(known: Sequence[tuple[float, float]]) -> Callable[[float], float]:
    """How long work takes, by what some took: as a power of it, fitted in logarithms by ridge regression.

    Small networks are slow for their work, so the power is that of `_POWER` until runs of different work tell better;
    the pace is such that those of known work take as long together as they took. A run whose work is not known, 0,
    takes the mean of all.

    Args:
        known: Work and seconds of some runs, one at least.

    Returns:
        What gives the seconds that some work takes.
    """
    mean = fmean(seconds for _, seconds in known)
    points = [(log(work), log(seconds)) for work, seconds in known if work and seconds]
    if not points:
        return lambda _: mean
    center, middle = (fmean(values) for values in zip(*points, strict=True))
    spread = sum((x - center) ** 2 for x, _ in points)
    power = (sum((x - center) * (y - middle) for x, y in points) + _POWER) / (spread + 1.0)
    power = min(max(power, 0.0), 1.0)
    pace = fmean(exp(y) for _, y in points) / fmean(exp(power * (x - center)) for x, _ in points)
    return lambda work: pace * exp(power * (log(work) - center)) if work else mean

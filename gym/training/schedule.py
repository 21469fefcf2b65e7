"""The learning rate of each epoch."""

from gym.config import ScheduleConfig


def learning_rate(config: ScheduleConfig, epoch: int) -> float:
    """Ramp up linearly, stay at the top, then decay exponentially towards the lowest rate.

    Args:
        config: Rates and numbers of epochs.
        epoch: From 0.

    Source:
        The paper, section 2.4; the formula is that of its code.
    """
    span = config.max_rate - config.start_rate
    if epoch < config.rampup_epochs:
        return config.start_rate + span / config.rampup_epochs * epoch
    decaying = max(0, epoch - config.rampup_epochs - config.sustain_epochs)
    return (config.max_rate - config.min_rate) * config.decay**decaying + config.min_rate

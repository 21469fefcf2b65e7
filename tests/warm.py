"""What a warm process has imported: all that a sweep and its pictures need."""

import gc

from gym.quiet import tensorflow_start

with tensorflow_start():
    import gym.experiment
    import gym.reporting.comparison
    import gym.reporting.ready_reports
    import gym.sweeps.job
    import gym.sweeps.searcher
    import gym.sweeps.sweeper  # noqa: F401

gc.freeze()  # shared by all forks: looking at it would copy it

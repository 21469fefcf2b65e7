"""Modules that the fork server imports once: all that a sweep and its pictures need."""

import gc

from gym.core.startup import quiet_tensorflow_imports

with quiet_tensorflow_imports():
    pass

gc.freeze()  # all forks share this memory, and collecting garbage in it would copy it

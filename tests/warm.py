"""What a warm process has imported: all that a sweep and its pictures need."""

import gc

from gym.core.startup import quiet_tensorflow_imports

with quiet_tensorflow_imports():
    pass

gc.freeze()  # shared by all forks: looking at it would copy it

"""Keep large libraries from talking, and from being searched for garbage, while they start."""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_start() -> Iterator[None]:
    """Hold back what is written to standard error in a block, shown only if the block fails, and garbage collection.

    TensorFlow greets with a page of notes on CPU features and absent GPUs that no setting silences
    (tensorflow/tensorflow #100442). Collections find nothing among modules, and take a fifth of the time of importing.
    Nor do later ones: what the first block leaves, over half a million objects with TensorFlow, is never looked at
    again, which is half a second of each.
    """
    was_collecting = gc.isenabled()
    gc.disable()
    sys.stderr.flush()
    shown = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(shown, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(shown, 2)
            os.close(shown)
            if not gc.get_freeze_count():
                gc.freeze()
            if was_collecting:
                gc.enable()

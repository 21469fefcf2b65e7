"""Keep large libraries from talking, from being searched for garbage, and from bringing others along, as they start."""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# What Keras and TensorFlow import only because it is there, for a converter, plots and wrappers.
_BROUGHT_ALONG = ("jax", "matplotlib", "sklearn")
_UNUSED = ("pandas",)  # nor do we need what else would import it: MLflow, for a kind of data


@contextmanager
def tensorflow_start() -> Iterator[None]:
    """A `quiet_start` that begins with TensorFlow and Keras, without what they bring along: a quarter of the time."""
    with quiet_start(), not_to_be_found(_UNUSED):
        with not_to_be_found(_BROUGHT_ALONG):
            import keras  # noqa: F401 - imports TensorFlow too
        yield


@contextmanager
def not_to_be_found(modules: Sequence[str]) -> Iterator[None]:
    """Have imports of some modules fail in a block, of those that are not imported yet."""
    hidden = [name for name in modules if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment] # as importlib defines it
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


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

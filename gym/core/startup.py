"""Faster and quieter imports of large libraries."""

import gc
import logging
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# Keras and TensorFlow import these if they are installed, for a converter, plots and wrappers that we do not use.
_OPTIONAL_IMPORTS = ("jax", "matplotlib", "sklearn")
# MLflow imports this for a kind of dataset that we do not use.
_UNUSED = ("pandas",)
# Defaults of environment variables that the libraries read as they start.
_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # hides notes on CPU features and missing GPUs
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # there would be one for every file
}


@contextmanager
def quiet_tensorflow_imports() -> Iterator[None]:
    """Import TensorFlow and Keras without their optional dependencies, then run the block as `quiet_imports` does.

    Hiding the optional dependencies saves a quarter of the import time.
    """
    is_new = "keras" not in sys.modules
    with quiet_imports(), hide_modules(_UNUSED):
        with hide_modules(_OPTIONAL_IMPORTS):
            import keras  # noqa: F401 - imports TensorFlow too
        yield
    if is_new:
        gc.freeze()


@contextmanager
def quiet_mlflow_imports() -> Iterator[None]:
    """Import MLflow without what it does not need here, as `quiet_imports` does."""
    with quiet_imports(), hide_modules(_UNUSED):
        yield


@contextmanager
def hide_modules(modules: Sequence[str]) -> Iterator[None]:
    """Make imports of the given modules fail within the block, unless they are already imported."""
    hidden = [name for name in modules if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment] # None makes importlib raise ModuleNotFoundError
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Suspend standard error and garbage collection within the block.

    What was written to standard error is shown if the block fails. TensorFlow prints notes on CPU features and missing
    GPUs that no setting silences (https://github.com/tensorflow/tensorflow/issues/100442). Garbage collection takes a
    fifth of the import time and finds nothing. After the first block, and after TensorFlow was imported, all objects
    alive are frozen: TensorFlow leaves over half a million, and scanning them would add half a second to every later
    collection.
    """
    for variable, value in _QUIET.items():
        os.environ.setdefault(variable, value)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns of a home that it cannot write to
    _ensure_home()
    # TensorFlow warns that it traces again for each shape and type of images, which is as it should be.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    was_collecting = gc.isenabled()
    gc.disable()
    sys.stderr.flush()
    shown = os.dup(2)
    with _open_temporary_file() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:  # not a signal
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


def _ensure_home() -> None:
    """Give a user without a home folder one in the temporary folder, because MLflow and Keras cannot do without.

    Containers often run under a user id that has no entry in the password database.
    """
    if os.path.expanduser("~") != "~":  # noqa: PTH111 - pathlib raises if there is none
        return
    home = Path(tempfile.gettempdir(), f"home-{os.getuid()}")
    home.mkdir(mode=0o700, exist_ok=True)
    # Whoever else made the folder could place settings of git in it, which name programs to run.
    is_own = home.lstat().st_uid == os.getuid() and stat.S_IMODE(home.lstat().st_mode) == 0o700
    os.environ["HOME"] = str(home) if is_own else tempfile.mkdtemp(prefix=f"{home.name}-")


def _open_temporary_file() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError:  # the disk is full or read-only
        return Path(os.devnull).open("r+b")

"""Exceptions.

    GymError
    ├── ConfigError      a configuration value breaks a rule; raised before TensorFlow is imported
    ├── DataError        imagery, labels or a dataset cannot be used
    │   └── DiskError    a file cannot be written
    ├── TrainingError    training cannot continue, for example because the loss is not finite
    └── RunError         a run or its model cannot be found or read

A message is one line: the value, the rule it breaks, and the remedy. The command line prints that line and exits with
code 1. Any other exception is a bug and keeps its traceback.
"""

from gym.core.redaction import redact, redact_error


class GymError(Exception):
    """Base class of all errors that a user can act on. The message shows no password or token."""

    def __init__(self, message: str = "") -> None:
        super().__init__(redact(message))


class ConfigError(GymError):
    """A configuration value breaks a rule."""


class DataError(GymError):
    """Imagery, labels or a dataset cannot be used."""


class DiskError(DataError, OSError):
    """A file cannot be written, because the disk is full or the folder is read-only."""


class TrainingError(GymError):
    """Training cannot continue."""


class RunError(GymError):
    """A run, sweep or model cannot be found, read, used or finished."""


class Terminated(BaseException):
    """The process received SIGTERM or SIGHUP.

    It derives from `BaseException`, as `KeyboardInterrupt` does, so that no ``except Exception`` swallows it.
    """


class Pruned(BaseException):
    """A search stopped a trial early. The trial did not fail: it keeps the scores of the epochs it completed."""


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message without passwords and tokens, or an empty string."""
    return redact_error((str(error).splitlines() or [""])[0])

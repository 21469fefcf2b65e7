"""Every error this program raises on purpose.

    GymError
    ├── ConfigError      a configuration value breaks a rule; raised before TensorFlow is imported
    ├── DataError        imagery, labels or a dataset cannot be used as they are
    ├── TrainingError    a run cannot go on (the loss is not finite)
    └── RunError         a run, or its model, cannot be found or read

A message is one line: the value, the rule it breaks, and the remedy. The command line prints that line and exits 1;
anything that is not a `GymError` is a defect of the program and keeps its traceback.
"""


class GymError(Exception):
    """Base of all errors a user can act on."""


class ConfigError(GymError):
    """A configuration value breaks a rule."""


class DataError(GymError):
    """Imagery, labels or a dataset cannot be used as they are."""


class TrainingError(GymError):
    """A run cannot go on."""


class RunError(GymError):
    """A run, or its model, cannot be found or read."""


class Terminated(BaseException):
    """The process was asked to stop (SIGTERM).

    Like `KeyboardInterrupt` it is no `Exception`, so that nothing mistakes a stop for a failure and goes on.
    """


class Pruned(BaseException):
    """A search gives this run up: it is no failure, and its scores are those of the epochs it had."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return (str(error).splitlines() or [""])[0]

"""Whether a command is one run or many, without composing its configuration only to learn that.

Hydra composes twice: once to read ``hydra.mode``, which experiments set so that they sweep without ``-m``, and once to
run. Where nothing can have set the mode, the first is left out: a fifth of the time that a refusal takes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra._internal.hydra import Hydra

from gym.options import configuration_folder


@contextmanager
def composed_once(config_name: str, arguments: Sequence[str]) -> Iterator[None]:
    """Let Hydra compose once in here, unless the mode may be set.

    Args:
        config_name: The verb's configuration.
        arguments: Of the command line.
    """
    if may_set_mode(config_name, arguments):
        yield
        return
    composing = Hydra.get_mode
    setattr(Hydra, "get_mode", _unset)  # noqa: B010 - mypy refuses the assignment
    try:
        yield
    finally:
        setattr(Hydra, "get_mode", composing)  # noqa: B010


def may_set_mode(config_name: str, arguments: Sequence[str]) -> bool:
    """Whether an argument or the verb's own file may set ``hydra.mode``.

    An argument may by name, by adding a file (an experiment, say), or as a flag that brings other files.
    """
    if any(argument.startswith(("+", "-")) or "hydra" in argument for argument in {*arguments} - {"-m", "--multirun"}):
        return True
    return "MULTIRUN" in (configuration_folder() / f"{config_name}.yaml").read_text()


def _unset(*_: Any, **__: Any) -> None:
    """What Hydra finds where no mode is set."""

"""Escape text for the terminal.

Names of files, classes and runs may contain anything. Whatever is printed goes through `escape_text`: in
`gym.core.text.PlainConsole`, in `LogFormatter` and in the error line of a command.
"""

import logging
import unicodedata
from typing import Any

from gym.core.redaction import redact_error


def escape_text(text: str) -> str:
    r"""Replace everything that a terminal would act on by its code, as in ``\n``, ``\x1b`` or ``\u202e``.

    These are line breaks, tabs, escape sequences, invisible characters, changes of the writing direction and bytes that
    are not UTF-8. Letters of all scripts and symbols stay.
    """
    return "".join(
        letter
        if letter.isprintable() or unicodedata.category(letter) == "Zs"
        else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


class LogFormatter(logging.Formatter):
    """Formats each log message as one line; ``conf/hydra/job_logging/escaped.yaml`` chooses it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is Python's
        """Format the message, to which a traceback may be added afterwards."""
        return escape_text(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is Python's
        """Format the traceback, without passwords."""
        return redact_error(super().formatException(ei))

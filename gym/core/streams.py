"""Standard output and standard error that cannot end a run.

A reader such as ``head`` may close its pipe, a terminal may vanish or be unable to encode a class name, the disk behind
a redirection may fill up, and a service may start a process without any streams. None of these may lose a result.
"""

import io
import os
import select
import sys
from typing import Any

_STANDARD = ("stdin", "stdout", "stderr")


class _LastingFile(io.FileIO):
    """A file whose output goes to the null device once it cannot be written, also that of C libraries and children."""

    def write(self, data: Any) -> int:
        try:
            while (written := super().write(data)) is None:  # a non-blocking pipe is full
                select.select([], [self], [])
        except OSError:
            _open_null(self.fileno())
            return super().write(data)
        return written


def protect_streams() -> None:
    """Make standard output and standard error accept every character and survive the loss of their reader.

    Streams that are not those Python opened at its start, such as those of pytest or Jupyter, are left as they are.
    """
    _open_missing()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper and type(getattr(stream.buffer, "raw", stream.buffer)) is io.FileIO:
            setattr(sys, name, _protect(stream))


def _protect(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    stream.flush()
    file: Any = _LastingFile(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        file if isinstance(stream.buffer, io.FileIO) else io.BufferedWriter(file),  # PYTHONUNBUFFERED is set
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _open_missing() -> None:
    """Open the null device for each standard stream that the process was started without.

    Otherwise the next file that is opened, such as a database, becomes standard output, and messages are written to it.
    """
    for number, name in enumerate(_STANDARD):
        try:
            os.fstat(number)
        except OSError:
            _open_null(number)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _open_null(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)

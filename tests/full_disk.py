"""A disk that refuses the n-th operation that writes: opening, writing, renaming or making a folder."""

import builtins
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

WRITING = frozenset("wax+")


class RefusingDisk:
    """Counts operations, and refuses them from the n-th one on, as a full disk does.

    Attributes:
        count: Number of operations so far.
    """

    def __init__(self, allowed: int, number: int) -> None:
        self.count, self._allowed, self._number = 0, allowed, number

    def use(self, *, needs_space: bool = True) -> None:
        """Count an operation, or refuse it. After the first refusal, those that need no space succeed."""
        self.count += 1
        if self.count > self._allowed and (needs_space or self.count == self._allowed + 1):
            raise OSError(self._number, os.strerror(self._number))


class _Raw(io.FileIO):
    disk: RefusingDisk

    def write(self, data: Any) -> int:
        self.disk.use()
        return super().write(data)


@contextmanager
def refuse_writes(folder: Path, allowed: int, number: int) -> Iterator[RefusingDisk]:
    """Refuse all but the first operations in a folder that write, for a block.

    Args:
        folder: Where the disk is full; elsewhere nothing is refused.
        allowed: Number of operations that succeed.
        number: The error number of the others.
    """
    disk, original, rename = RefusingDisk(allowed, number), io.open, os.replace

    def is_inside(path: object) -> bool:
        return isinstance(path, str | Path) and Path(path).is_relative_to(folder)

    def opened(
        file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, *rest: Any, **options: Any
    ) -> Any:
        if not (WRITING & set(mode)) or not is_inside(file):
            return original(file, mode, buffering, encoding, *rest, **options)
        disk.use()
        raw = _Raw(file, mode.replace("b", "").replace("t", "").replace("+", "") + "+")
        raw.disk = disk
        # NumPy writes to other kinds of buffers past this class.
        buffered = io.BufferedRandom(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, newline=options.get("newline"))

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(path: Any, *rest: Any, **options: Any) -> Any:
            if is_inside(path):
                disk.use(needs_space=call is not rename)
            return call(path, *rest, **options)

        return called

    with (
        mock.patch.object(builtins, "open", opened),
        mock.patch.object(io, "open", opened),
        mock.patch.object(os, "replace", counted(rename)),
        mock.patch.object(os, "mkdir", counted(os.mkdir)),
    ):
        yield disk

"""Read ``.npy`` files and the arrays in ``.npz`` files, checked against their size before anything is allocated.

Files may be damaged or come from strangers: no pickle is loaded.
"""

import io
import lzma
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

# Exceptions that zipfile, zlib and NumPy raise for damaged or malicious files.
DAMAGE = (
    *(ArithmeticError, EOFError, LookupError, MemoryError, OSError, RuntimeError, SyntaxError, TypeError, ValueError),
    *(lzma.LZMAError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)

_MAX_HEADER = 1 << 14  # bytes; NumPy itself rejects headers of more than 10 000 characters
_NUMBERS = "biuf"  # NumPy's kinds of numeric types


class Header(NamedTuple):
    """The header of an ``.npy`` file; ``offset`` is where the values start, in bytes."""

    shape: tuple[int, ...]
    order: str
    dtype: np.dtype
    offset: int

    @property
    def size(self) -> int:
        """Size of the values, in bytes."""
        return math.prod(self.shape) * max(1, self.dtype.itemsize)


def read_header(stream: IO[bytes]) -> Header:
    """Read the header at the start of a stream.

    Raises:
        ValueError: It is damaged.
    """
    head = io.BytesIO(stream.read(_MAX_HEADER))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy warns about headers from Python 2, which it reads correctly
            version = np.lib.format.read_magic(head)
            is_first = version == (1, 0)
            read = np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
            shape, is_fortran, dtype = read(head)
    except DAMAGE as error:
        raise ValueError(f"damaged header of an array: {str(error) or type(error).__name__}") from error
    if any(type(side) is not int or side < 0 for side in shape):
        raise ValueError(f"damaged header of an array: the shape {shape}")
    return Header(shape, "F" if is_fortran else "C", dtype, head.tell())


def map_npy(path: Path) -> np.ndarray:
    """Map a file of numbers into memory, read-only.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged, or holds anything but numbers.
    """
    header = _read_checked(path)
    return np.memmap(path, header.dtype, "r", header.offset, header.shape, header.order)  # type: ignore[call-overload]


def read_npy(path: Path) -> np.ndarray:
    """Read a file of numbers into memory; errors as for `map_npy`."""
    header = _read_checked(path)
    values = np.fromfile(path, header.dtype, math.prod(header.shape), offset=header.offset)
    return values.reshape(header.shape, order=header.order)  # type: ignore[call-overload]


def _read_checked(path: Path) -> Header:
    with path.open("rb") as stream:
        header = read_header(stream)
    if header.dtype.kind not in _NUMBERS:
        raise ValueError(f"{path.name} holds {header.dtype}, not numbers")
    found = path.stat().st_size - header.offset
    if found != header.size:
        raise ValueError(f"{path.name} has {found} bytes, but its shape {header.shape} needs {header.size}")
    return header


def read_stored_arrays(path: Path, names: list[str] | None = None) -> dict[str, np.ndarray]:
    """Read arrays of an uncompressed ``.npz`` file by name, by default all of them.

    Raises:
        DAMAGE: The file cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        return {name: _read_stored(archive, entries[name]) for name in sorted(entries if names is None else names)}


def _read_stored(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    if entry.file_size != entry.compress_size:
        raise ValueError(f"{entry.filename} is compressed")
    with archive.open(entry) as stream:
        header = read_header(stream)
        if header.dtype.hasobject or header.offset + header.size != entry.file_size:
            raise ValueError(f"{entry.filename} has {entry.file_size} bytes, which do not fit its header")
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)

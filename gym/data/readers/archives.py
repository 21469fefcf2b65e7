"""Find the NumPy archives (npz) of a dataset, in folders and in zip files, and read arrays out of them.

Such files come from strangers: no pickle is ever loaded, nothing is unpacked to disk, and nothing is decompressed
whose declared size is over a limit.

Fetch a file from the web once, and keep it.
"""

import hashlib
import io
import itertools
import logging
import lzma
import math
import re
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple
from urllib import request
from urllib.parse import unquote, urlsplit

import numpy as np
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from gym.core.errors import DataError, first_line
from gym.core.files import atomic_file
from gym.core.text import plain_console

SUFFIXES = (".npz", ".zip")
SIZE_LIMIT = 2 << 30

_LONGEST_HEADER = 1 << 14  # bytes; NumPy itself takes no header of more than 10 000 characters
_ENCRYPTED = 0x1  # bit of the flags of a zip entry

# What zipfile, zlib and NumPy raise where a file is damaged or made to do harm.
_DAMAGE = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


class NpzFile(NamedTuple):
    """Where one npz lies: a file on disk, and the entry in it where that file is a zip of several."""

    path: Path
    inside: str = ""

    @property
    def stem(self) -> str:
        """The file name without folders and ``.npz``."""
        return PureWindowsPath(self.inside).stem if self.inside else self.path.stem

    @property
    def folder(self) -> str:
        """The name of the folder it lies in, or of the zip where it lies at the top of one."""
        parent = PureWindowsPath(self.inside).parent.name if self.inside else self.path.parent.name
        return parent or self.path.stem

    def __str__(self) -> str:
        return f"{self.path}!{self.inside}" if self.inside else str(self.path)


class NpzListing(NamedTuple):
    """Members by ascending name, why each that cannot be used is left out, and which one each other repeats."""

    members: dict[str, NpzFile]
    left_out: dict[str, str]
    skipped: dict[str, str]


def find_npz_files(places: Sequence[Path]) -> NpzListing:
    """Find every npz of some places.

    Args:
        places: Folders, of which the npz and zip files are taken at any depth, or such files. Hidden files and folders
            are passed over.

    Returns:
        Every npz, and each damaged zip. The name of a member is its stem, or for several of one stem that differ
        ``<folder>_<stem>``, with a number where that is another's; of those that hold the same the first is taken.

    Raises:
        DataError: A place is missing, or there is not one npz to read.
    """
    faults = {member: fault for path in _files_of(places) for member, fault in _look_into(path).items()}
    by_stem: dict[str, list[NpzFile]] = {}
    for member, fault in faults.items():
        if not fault:
            by_stem.setdefault(member.stem, []).append(member)
    sorted_out = {stem: _without_repeats(alike) for stem, alike in by_stem.items()}
    passed_over = {str(member): why for _, repeated in sorted_out.values() for member, why in repeated.items()}
    members = {stem: different[0] for stem, (different, _) in sorted_out.items() if len(different) == 1}
    for stem, (different, _) in sorted_out.items():
        for member in different if len(different) > 1 else ():
            members[_free_name(f"{member.folder}_{stem}", members)] = member
    left_out = {str(member): fault for member, fault in faults.items() if fault}
    if not members:
        reasons = [f"{name} {fault}" for name, fault in left_out.items()]
        reason = reasons[0] if reasons else "give a folder of .npz files, an .npz, or a .zip of them."
        raise DataError(f"not one .npz to read in {', '.join(map(str, places))}: {reason}")
    return NpzListing(dict(sorted(members.items())), left_out, passed_over)


def _free_name(name: str, taken: Collection[str]) -> str:
    numbered = (f"{name}_{number}" for number in itertools.count(1))
    return next(free for free in itertools.chain([name], numbered) if free not in taken)


def _without_repeats(members: Sequence[NpzFile]) -> tuple[list[NpzFile], dict[NpzFile, str]]:
    """Members that differ, and why each other one is left out."""
    if len(members) == 1:
        return list(members), {}
    kept: dict[object, NpzFile] = {}
    repeated: dict[NpzFile, str] = {}
    for member in members:
        first = kept.setdefault(_checksums(member), member)
        if first is not member:
            repeated[member] = f"holds the same as {first}, which is used."
    return list(kept.values()), repeated


def _checksums(member: NpzFile) -> object:
    """What tells two npz apart: the checksum of each array; of one that cannot be read, its place."""
    try:
        with _opened(member, SIZE_LIMIT) as archive:
            return frozenset((entry.filename, entry.CRC, entry.file_size) for entry in archive.infolist())
    except DataError:
        return str(member)


def list_arrays(member: NpzFile) -> list[str]:
    """Name the arrays of an npz.

    Raises:
        DataError: The file cannot be read.
    """
    with _opened(member, SIZE_LIMIT) as archive:
        return list(_entries_by_key(archive))


def read_arrays(member: NpzFile, keys: Sequence[str], size_limit: int = SIZE_LIMIT) -> dict[str, np.ndarray]:
    """Read the arrays of an npz that are wanted and there.

    Args:
        member: Where the npz lies.
        keys: Names of arrays.
        size_limit: Most bytes of one array, and of an npz in a zip, which is held in memory while it is read.

    Raises:
        DataError: The file cannot be read, or a wanted array holds Python objects or is larger than the limit.
    """
    with _opened(member, size_limit) as archive:
        entries = _entries_by_key(archive)
        return {
            key: _read_array(archive, entries[key], size_limit, f"{key} of {member}") for key in keys if key in entries
        }


def _files_of(places: Sequence[Path]) -> list[Path]:
    found: dict[Path, None] = {}
    for place in places:
        if not place.exists():
            raise DataError(f"{place} is missing; give a folder of .npz files, an .npz, or a .zip of them.")
        found |= dict.fromkeys(_files_under(place) if place.is_dir() else [place])
    return list(found)


def _files_under(folder: Path) -> list[Path]:
    """The npz and zip files of a folder and of the folders in it, by name; links to folders are not followed."""
    try:
        entries = sorted(path for path in folder.iterdir() if not _is_hidden(path.name))
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error.strerror}); mend its permissions.") from error
    found: list[Path] = []
    for path in entries:
        if path.suffix.lower() in SUFFIXES:
            found.append(path)
        elif path.is_dir() and not path.is_symlink():
            found += _files_under(path)
    return found


def _is_hidden(name: str) -> bool:
    """Tell what a folder or a zip holds beside what was put there, by a part of its path."""
    return name == "__MACOSX" or (name.startswith(".") and name != "..")


def _look_into(path: Path) -> dict[NpzFile, str]:
    """Each npz of a file, and why it cannot be used, "" where it can."""
    if not path.is_file():
        return {NpzFile(path): "is no file; remove it."}
    if path.suffix.lower() == ".npz":
        return {NpzFile(path): "" if path.stat().st_size else "is empty (0 bytes); replace it."}
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except _DAMAGE as error:
        return {NpzFile(path): f"cannot be opened as a zip ({_reason(error)}); replace it."}
    return {NpzFile(path, entry.filename): _fault_of(entry) for entry in entries if _is_npz(entry)}


def _is_npz(entry: zipfile.ZipInfo) -> bool:
    name = PureWindowsPath(entry.filename)  # takes both kinds of slash
    return name.suffix.lower() == ".npz" and not entry.is_dir() and not any(map(_is_hidden, name.parts))


def _fault_of(entry: zipfile.ZipInfo) -> str:
    name = PureWindowsPath(entry.filename)
    if name.anchor or ".." in name.parts:
        return "has a name that leads out of the zip; pack it anew."
    if entry.flag_bits & _ENCRYPTED:
        return "is encrypted; unpack it with its password and give the folder."
    return "" if entry.file_size else "is empty (0 bytes); replace it."


@contextmanager
def _opened(member: NpzFile, size_limit: int) -> Iterator[zipfile.ZipFile]:
    """Open an npz, which is a zip itself; what is wrong with it becomes a `DataError` that names it."""
    try:
        with zipfile.ZipFile(member.path) as outer:
            if not member.inside:
                yield outer
                return
            entry = outer.getinfo(member.inside)
            _refuse_oversize(entry.file_size, size_limit, str(member))
            with zipfile.ZipFile(io.BytesIO(outer.read(entry))) as inner:
                yield inner
    except _DAMAGE as error:
        raise DataError(f"{member} cannot be read ({_reason(error)}); replace or remove it.") from error


def _entries_by_key(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    return {
        entry.filename.removesuffix(".npy"): entry for entry in archive.infolist() if entry.filename.endswith(".npy")
    }


def _read_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, size_limit: int, name: str) -> np.ndarray:
    with archive.open(entry) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, of headers that Python 2 wrote; they read well
        head = io.BytesIO(stream.read(_LONGEST_HEADER))
        version = np.lib.format.read_magic(head)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(head)
        if dtype.hasobject:
            raise DataError(f"{name} holds Python objects, which are never loaded; save it as plain numbers or texts.")
        size = math.prod(shape) * max(1, dtype.itemsize)
        _refuse_oversize(size, size_limit, name)
        if head.tell() + size != entry.file_size:
            raise DataError(
                f"{name} has {entry.file_size - head.tell()} bytes where its shape {shape} needs {size}; "
                "replace or remove the file."
            )
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)


def _refuse_oversize(size: int, limit: int, name: str) -> None:
    if size > limit:
        raise DataError(
            f"{name} would take {size} bytes, over the limit of {limit}; cut the image into smaller ones, or remove "
            "the file if you do not trust it."
        )


def _reason(error: BaseException) -> str:
    return first_line(error) or type(error).__name__


SCHEMES = ("http", "https", "file")

_LONGEST_SILENCE = 60.0  # seconds
_READ_SIZE = 1 << 18

# Without the handlers for FTP and data URLs, a redirection cannot lead there either.
_HANDLERS = (
    request.ProxyHandler,
    request.HTTPHandler,
    request.HTTPSHandler,
    request.HTTPDefaultErrorHandler,
    request.HTTPRedirectHandler,
    request.HTTPErrorProcessor,
    request.FileHandler,
    request.UnknownHandler,
)

log = logging.getLogger(__name__)


def is_url(text: str) -> bool:
    """Tell a URL, of whatever scheme, from a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def download_file(url: str, folder: Path) -> Path:
    """Download a file, unless it is there from before.

    Args:
        url: Where it is; http, https or file.
        folder: Where to keep it; made as needed.

    Returns:
        The file. Its name is the URL's, with a hash of the whole URL, so that two URLs never share one.

    Raises:
        DataError: The scheme is another, or the file did not come, or not whole; then nothing is kept of it.
    """
    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise DataError(f"{url} must begin with http://, https:// or file://; download it by hand and give its path.")
    try:
        path = folder / download_name(url)
        if not path.is_file():
            log.info("downloading %s", url)
            with atomic_file(path) as beside:
                _download(url, beside)
    except (OSError, HTTPException, ValueError) as error:
        reason = first_line(error).removeprefix("<urlopen error ").removesuffix(">")
        raise DataError(
            f"{url} cannot be downloaded to {folder} ({reason}); download it by hand and give its path."
        ) from error
    return path


def download_name(url: str) -> str:
    """Name the file that keeps what a URL leads to, as in ``L8_11_001-1a2b3c4d.zip``."""
    name = PurePosixPath(
        re.sub(r"[^A-Za-z0-9._-]+", "_", PureWindowsPath(unquote(urlsplit(url).path)).name).lstrip(".")
    )
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    return f"{name.stem[:80] or 'download'}-{digest}{name.suffix[:10]}"


def _download(url: str, path: Path) -> None:
    opener = request.OpenerDirector()
    for handler in _HANDLERS:
        opener.add_handler(handler())
    opener.addheaders = [("User-Agent", "segsweep")]
    with opener.open(url, timeout=_LONGEST_SILENCE) as response, path.open("wb") as stream, _bar() as bar:
        length = response.headers.get("Content-Length")
        total = None if length is None else int(length)
        task = bar.add_task("downloading", total=total)
        while block := response.read(_READ_SIZE):
            stream.write(block)
            bar.advance(task, len(block))
        if total not in (None, stream.tell()):
            raise OSError(f"only {stream.tell()} of {total} bytes came")


def _bar() -> Progress:
    console = plain_console()
    columns = TextColumn("{task.description}"), BarColumn(bar_width=16), DownloadColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

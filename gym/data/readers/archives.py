"""Find NumPy archives (npz) in folders and zip files, and read arrays from them.

Archives may come from strangers: no pickle is loaded, nothing is unpacked to disk, and nothing is decompressed whose
declared size exceeds a limit.
"""

import io
import itertools
import warnings
import zipfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath, PureWindowsPath
from typing import NamedTuple

import numpy as np

from gym.core.errors import DataError, first_line
from gym.data.npy import DAMAGE, read_header

SUFFIXES = (".npz", ".zip")

_SIZE_LIMIT = 2 << 30  # bytes
_ENCRYPTED = 0x1  # bit in the flags of a zip entry


class NpzFile(NamedTuple):
    """Location of an npz: a path, and the entry in it if the path is a zip of several npz files."""

    path: Path
    entry: str = ""

    @property
    def stem(self) -> str:
        """The file name without folders and ``.npz``."""
        return self._name.stem

    @property
    def folder(self) -> str:
        """The name of the folder that holds the file, or of the zip if the file is at its top level."""
        return self._name.parent.name or self.path.stem

    @property
    def _name(self) -> PurePath:
        return PureWindowsPath(self.entry) if self.entry else self.path  # zip entries may contain backslashes

    def __str__(self) -> str:
        return f"{self.path}!{self.entry}" if self.entry else str(self.path)


class NpzListing(NamedTuple):
    """Usable npz files by ascending name, and the reasons for those left out and for skipped duplicates."""

    files: dict[str, NpzFile]
    left_out: dict[str, str]
    skipped: dict[str, str]


def find_npz_files(paths: Sequence[Path]) -> NpzListing:
    """Find every npz in folders and zip files.

    Args:
        paths: Folders, searched at any depth, npz files and zip files. Hidden files and folders are ignored.

    Returns:
        The npz files, named by their stem. Different files with one stem are named ``<folder>_<stem>``, with a number
        if that name is taken. Of files with the same contents, the first is used. Damaged zip files are left out.

    Raises:
        DataError: A path does not exist, or there is no readable npz.
    """
    faults = {npz: fault for path in _expand_folders(paths) for npz, fault in _inspect(path).items()}
    by_stem: dict[str, list[NpzFile]] = {}
    for npz, fault in faults.items():
        if not fault:
            by_stem.setdefault(npz.stem, []).append(npz)
    deduplicated = {stem: _drop_duplicates(candidates) for stem, candidates in by_stem.items()}
    skipped = {str(npz): reason for _, duplicates in deduplicated.values() for npz, reason in duplicates.items()}
    files = {stem: distinct[0] for stem, (distinct, _) in deduplicated.items() if len(distinct) == 1}
    for stem, (distinct, _) in deduplicated.items():
        for npz in distinct if len(distinct) > 1 else ():
            files[_find_free_name(f"{npz.folder}_{stem}", files)] = npz
    left_out = {str(npz): fault for npz, fault in faults.items() if fault}
    if not files:
        reasons = [f"{name} {fault}" for name, fault in left_out.items()]
        reason = reasons[0] if reasons else "give a folder of .npz files, an .npz or a .zip of them."
        raise DataError(f"no readable .npz in {', '.join(map(str, paths))}: {reason}")
    return NpzListing(dict(sorted(files.items())), left_out, skipped)


def _expand_folders(paths: Sequence[Path]) -> list[Path]:
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise DataError(f"{path} does not exist; give a folder of .npz files, an .npz or a .zip of them.")
        found |= dict.fromkeys(_list_folder(path) if path.is_dir() else [path])
    return list(found)


def _list_folder(folder: Path) -> list[Path]:
    """List the npz and zip files of a folder at any depth, by name. Links to folders are not followed."""
    try:
        entries = sorted(path for path in folder.iterdir() if not _is_hidden(path.name))
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error.strerror}); check its permissions.") from error
    found: list[Path] = []
    for path in entries:
        if path.suffix.lower() in SUFFIXES:
            found.append(path)
        elif path.is_dir() and not path.is_symlink():
            found += _list_folder(path)
    return found


def _is_hidden(name: str) -> bool:
    return name == "__MACOSX" or (name.startswith(".") and name != "..")


def _inspect(path: Path) -> dict[NpzFile, str]:
    """Return each npz of a file, and why it cannot be used ("" if it can)."""
    if not path.is_file():
        return {NpzFile(path): "is not a file; remove it."}
    if path.suffix.lower() == ".npz":
        return {NpzFile(path): "" if path.stat().st_size else "is empty (0 bytes); replace it."}
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except DAMAGE as error:
        return {NpzFile(path): f"cannot be opened as a zip ({_describe(error)}); replace it."}
    return {NpzFile(path, entry.filename): _find_fault(entry) for entry in entries if _is_npz(entry)}


def _is_npz(entry: zipfile.ZipInfo) -> bool:
    name = PureWindowsPath(entry.filename)  # accepts both kinds of slash
    return name.suffix.lower() == ".npz" and not entry.is_dir() and not any(map(_is_hidden, name.parts))


def _find_fault(entry: zipfile.ZipInfo) -> str:
    name = PureWindowsPath(entry.filename)
    if name.anchor or ".." in name.parts:
        return "has a name that points outside the zip; create the zip again."
    if entry.flag_bits & _ENCRYPTED:
        return "is encrypted; unpack the zip with its password and give the folder."
    return "" if entry.file_size else "is empty (0 bytes); replace it."


def _drop_duplicates(candidates: Sequence[NpzFile]) -> tuple[list[NpzFile], dict[NpzFile, str]]:
    """Return the distinct files, and the reason for skipping each duplicate."""
    if len(candidates) == 1:
        return list(candidates), {}
    distinct: dict[object, NpzFile] = {}
    duplicates: dict[NpzFile, str] = {}
    for npz in candidates:
        first = distinct.setdefault(_content_key(npz), npz)
        if first is not npz:
            duplicates[npz] = f"has the same contents as {first}, which is used."
    return list(distinct.values()), duplicates


def _content_key(npz: NpzFile) -> object:
    """Return the checksums of all arrays, or the location of an npz that cannot be read."""
    try:
        with _open_npz(npz, _SIZE_LIMIT) as archive:
            return frozenset((entry.filename, entry.CRC, entry.file_size) for entry in archive.infolist())
    except DataError:
        return str(npz)


def _find_free_name(name: str, taken: Collection[str]) -> str:
    numbered = (f"{name}_{number}" for number in itertools.count(1))
    return next(free for free in itertools.chain([name], numbered) if free not in taken)


def list_arrays(npz: NpzFile) -> list[str]:
    """Return the names of the arrays in an npz.

    Raises:
        DataError: The file cannot be read.
    """
    with _open_npz(npz, _SIZE_LIMIT) as archive:
        return list(_entries_by_key(archive))


def read_arrays(npz: NpzFile, keys: Sequence[str], size_limit: int = _SIZE_LIMIT) -> dict[str, np.ndarray]:
    """Read those of the requested arrays that an npz contains.

    Args:
        npz: Location of the npz.
        keys: Names of arrays.
        size_limit: Largest size in bytes of an array, and of an npz in a zip, which is read into memory.

    Raises:
        DataError: The file cannot be read, or a requested array holds Python objects or exceeds the limit.
    """
    with _open_npz(npz, size_limit) as archive:
        entries = _entries_by_key(archive)
        return {
            key: _read_array(archive, entries[key], size_limit, f"{key} of {npz}") for key in keys if key in entries
        }


@contextmanager
def _open_npz(npz: NpzFile, size_limit: int) -> Iterator[zipfile.ZipFile]:
    """Open an npz, which is a zip of arrays; any damage raises a `DataError` that names it."""
    try:
        with zipfile.ZipFile(npz.path) as outer:
            if not npz.entry:
                yield outer
                return
            entry = outer.getinfo(npz.entry)
            _check_size(entry.file_size, size_limit, str(npz))
            with zipfile.ZipFile(io.BytesIO(outer.read(entry))) as inner:
                yield inner
    except DAMAGE as error:
        raise DataError(f"{npz} cannot be read ({_describe(error)}); replace or remove it.") from error


def _entries_by_key(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    return {
        entry.filename.removesuffix(".npy"): entry for entry in archive.infolist() if entry.filename.endswith(".npy")
    }


def _read_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, size_limit: int, name: str) -> np.ndarray:
    with archive.open(entry) as stream:
        header = read_header(stream)
        if header.dtype.hasobject:
            raise DataError(f"{name} holds Python objects, which are never loaded; save plain numbers or strings.")
        _check_size(header.size, size_limit, name)
        if header.offset + header.size != entry.file_size:
            raise DataError(
                f"{name} has {entry.file_size - header.offset} bytes, but its shape {header.shape} needs "
                f"{header.size}; replace or remove the file."
            )
        stream.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as in read_header
            return np.lib.format.read_array(stream, allow_pickle=False)


def _check_size(size: int, limit: int, name: str) -> None:
    if size > limit:
        raise DataError(
            f"{name} would take {size} bytes, which exceeds the limit of {limit}; cut the image into smaller ones, or "
            "remove the file if you do not trust it."
        )


def _describe(error: BaseException) -> str:
    return first_line(error) or type(error).__name__

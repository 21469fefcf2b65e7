"""Model archives: a published model as one zip, written reproducibly and unpacked only if it was not altered.

    model/model.keras, model/model.json   the model, see `gym.runs.model_files`
    run.json                              the run and its scores
    SHA256SUMS                            checksums of all other files, for ``sha256sum -c SHA256SUMS``
    config.yaml, card.html, ...           further published files

The checksums show that the files belong together. Only the SHA-256 of the zip itself shows who published it.
"""

import hashlib
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PureWindowsPath
from typing import IO

from gym.core.errors import DiskError, RunError, first_line
from gym.core.files import atomic_file, hash_file, translate_disk_errors, write_text

SUFFIX = ".zip"
RUN_FILE = "run.json"

_SUMS = "SHA256SUMS"
_MODEL = "model/model.keras"
_REQUIRED = ("model/model.json", _MODEL, RUN_FILE, _SUMS)
_MAX_SUMS_BYTES = 1 << 20
_MAX_EXPANSION = 20  # times the size of the zip; weights, which are most of a model, hardly compress
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # a constant date makes the bytes reproducible
_READ_SIZE = 1 << 20

# Errors that reading a damaged zip can raise.
DAMAGED_ZIP_ERRORS = (OSError, EOFError, LookupError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)


def write_zip(folder: Path, path: Path) -> str:
    """Write all files of a folder and their checksums to a zip; equal files yield equal bytes.

    Files are stored uncompressed: most are compressed already, and the output of zlib differs between its builds.

    Args:
        folder: The files to publish; ``SHA256SUMS`` is added to them.
        path: The zip.

    Returns:
        The SHA-256 of the zip.
    """
    (folder / _SUMS).unlink(missing_ok=True)
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    write_text(folder / _SUMS, "".join(f"{hash_file(folder / name)}  {name}\n" for name in names))
    with atomic_file(path) as partial:
        with zipfile.ZipFile(partial, "w") as archive:
            for name in [_SUMS, *names]:
                entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
                entry.create_system, entry.external_attr = 3, 0o100644 << 16  # Unix, so that unzip sets the usual mode
                entry.file_size = (folder / name).stat().st_size
                with (folder / name).open("rb") as source, archive.open(entry, "w") as target:
                    shutil.copyfileobj(source, target, _READ_SIZE)
        return hash_file(partial)


def unpack_zip(path: Path, folder: Path) -> None:
    """Unpack a model archive into a folder and check every file against its checksum.

    Raises:
        DataError: The folder cannot be written.
        RunError: The zip is missing, damaged or altered, or not a model archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _read_entries(archive, path)
            sums = _read_sums(archive, entries, path)
            _check_names(sums, entries, path)
            for name, checksum in sums.items():
                with archive.open(entries[name]) as source:
                    found = _unpack_file(source, folder / name)
                if found != checksum:
                    raise _altered(path, f"{name} has the SHA-256 {found[:12]}..., not {checksum[:12]}...")
            _check_model_size(folder / _MODEL, path)
    except FileNotFoundError:
        raise RunError(f"run={path} does not exist; pass the path of a zip written by gym.publish.") from None
    except DiskError:
        raise
    except DAMAGED_ZIP_ERRORS as error:
        reason = first_line(error) or type(error).__name__
        raise RunError(
            f"run={path} is not a readable zip ({reason}); download it again from where it was published."
        ) from error


def _read_entries(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """List the files of a zip by name, after checking their paths and sizes."""
    files = [entry for entry in archive.infolist() if not entry.is_dir()]
    entries = {entry.filename: entry for entry in files}
    for name in entries:
        parts = PureWindowsPath(name)  # understands both kinds of slash
        if parts.anchor or ".." in parts.parts or parts.as_posix() != name:
            raise _altered(path, f"{name} is not a path inside the zip")
    if len(entries) < len(files):
        raise _altered(path, "two of its files have the same name")
    folders = {parent.as_posix() for name in entries for parent in PureWindowsPath(name).parents}
    for name in sorted(folders & entries.keys()):
        raise _altered(path, f"{name} is both a file and a folder")
    _check_expansion(files, path, "its files", path)
    return entries


def _check_expansion(files: Iterable[zipfile.ZipInfo], packed: Path, what: str, path: Path) -> None:
    # zipfile never unpacks more than the declared size, so declared sizes can be trusted.
    size, packed_size = sum(entry.file_size for entry in files), packed.stat().st_size
    if size > _MAX_EXPANSION * packed_size:
        raise _altered(
            path, f"{what} would expand from {packed_size} to {size} bytes, by more than {_MAX_EXPANSION} times"
        )


def _check_model_size(model: Path, path: Path) -> None:
    # A .keras file is a zip, too. If it is not one, its reader reports that.
    if zipfile.is_zipfile(model):
        with zipfile.ZipFile(model) as archive:
            _check_expansion(archive.infolist(), model, f"the files in {_MODEL}", path)


def _read_sums(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], path: Path) -> dict[str, str]:
    """Read the SHA-256 of every file by name, without that of the checksums themselves."""
    for name in _REQUIRED:
        if name not in entries:
            raise RunError(
                f"run={path} is not a model archive, because it has no {name}; pass a zip written by gym.publish."
            )
    if entries[_SUMS].file_size > _MAX_SUMS_BYTES:
        raise _altered(path, f"{_SUMS} is longer than {_MAX_SUMS_BYTES} bytes")
    sums = {}
    for line in archive.read(_SUMS).decode().splitlines():
        match = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if not match:
            raise _altered(path, f"{_SUMS} has a line that is not a checksum and a name")
        sums[match.group(2)] = match.group(1)
    return sums


def _check_names(sums: dict[str, str], entries: dict[str, zipfile.ZipInfo], path: Path) -> None:
    for name in sorted(entries.keys() - sums.keys() - {_SUMS}):
        raise _altered(path, f"{name} has no checksum in {_SUMS}")
    for name in sorted(sums.keys() - entries.keys()):
        raise _altered(path, f"{name} is missing")


def _unpack_file(source: IO[bytes], target: Path) -> str:
    """Write one file of a zip and return its SHA-256."""
    digest = hashlib.sha256()
    with translate_disk_errors(target, "set TMPDIR=..."):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as written:
            for block in _read_blocks(source):
                digest.update(block)
                written.write(block)
    return digest.hexdigest()


def _read_blocks(source: IO[bytes]) -> Iterator[bytes]:
    """Read one file of a zip; an unreadable zip raises `BadZipFile`, unlike a target that cannot be written."""
    try:
        while block := source.read(_READ_SIZE):
            yield block
    except OSError as error:
        raise zipfile.BadZipFile(first_line(error)) from error


def _altered(path: Path, what: str) -> RunError:
    return RunError(
        f"run={path} was altered after it was published: {what}; download it again from where it was published."
    )

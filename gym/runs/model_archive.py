"""A published model as one zip: written the same each time, and taken apart only where it is what was written.

    model/model.keras, model/model.json   as `gym.runs.model_files` reads them
    run.json                              which run it was, and what it came to
    SHA256SUMS                            of every other file, as ``sha256sum -c SHA256SUMS`` checks it
    config.yaml, card.html, ...           whatever else was published

The checksums tell that the files are those of the zip's maker; who that was, the SHA-256 of the zip itself tells.
"""

import hashlib
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PureWindowsPath
from typing import IO

from gym.core.errors import RunError, first_line
from gym.core.files import atomic_file, hash_file, translate_disk_errors, write_text

SUFFIX = ".zip"
RUN_FILE = "run.json"

_SUMS = "SHA256SUMS"
_MODEL = "model/model.keras"
_REQUIRED = ("model/model.json", _MODEL, RUN_FILE, _SUMS)
_LONGEST_SUMS = 1 << 20  # bytes
_MOST_EXPANSION = 20  # times the zip; weights, most of a model, hardly shrink
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # of the zip format: the same bytes whenever it is written
_READ_SIZE = 1 << 20

# What reading a damaged zip can raise.
_DAMAGE = (
    OSError,
    EOFError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def write_zip(folder: Path, path: Path) -> str:
    """Write all files of a folder, and their checksums, as one zip; the same bytes for the same files.

    They are stored as they are: most are compressed already, and what zlib makes differs between its builds.

    Args:
        folder: What to publish; ``SHA256SUMS`` is added to it.
        path: Of the zip.

    Returns:
        The SHA-256 of the zip.
    """
    (folder / _SUMS).unlink(missing_ok=True)
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    write_text(folder / _SUMS, "".join(f"{hash_file(folder / name)}  {name}\n" for name in names))
    with atomic_file(path) as beside:
        with zipfile.ZipFile(beside, "w") as archive:
            for name in [_SUMS, *names]:
                entry = zipfile.ZipInfo(name, _FIRST_DATE)
                entry.create_system, entry.external_attr = 3, 0o100644 << 16  # Unix, so that unzip sets its usual mode
                entry.file_size = (folder / name).stat().st_size
                with (folder / name).open("rb") as source, archive.open(entry, "w") as target:
                    shutil.copyfileobj(source, target, _READ_SIZE)
        return hash_file(beside)


def unpack_zip(path: Path, folder: Path) -> None:
    """Take a published model apart into a folder, every file checked against its checksum.

    Raises:
        DataError: The folder cannot be written.
        RunError: The zip is missing, damaged, no published model, or not as it was published.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = read_entries(archive, path)
            sums = read_sums(archive, entries, path)
            refuse_other_files(sums, entries, path)
            for name, checksum in sums.items():
                with archive.open(entries[name]) as source:
                    found = unpack_file(source, folder / name)
                if found != checksum:
                    raise changed(path, f"{name} has the SHA-256 {found[:12]}..., not {checksum[:12]}...")
            refuse_bomb(folder / _MODEL, path)
    except FileNotFoundError:
        raise RunError(f"run={path} is not there; give the path of a zip that gym.publish wrote.") from None
    except _DAMAGE as error:
        reason = first_line(error) or type(error).__name__
        raise RunError(f"run={path} is no readable zip ({reason}); get it anew from where it was published.") from error


def read_entries(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The files of a zip by name, once none leads out of it or lies in another, and they do not swell beyond measure.

    Raises:
        RunError: One does.
    """
    files = [entry for entry in archive.infolist() if not entry.is_dir()]
    entries = {entry.filename: entry for entry in files}
    for name in entries:
        parts = PureWindowsPath(name)  # takes both kinds of slash
        if parts.anchor or ".." in parts.parts or parts.as_posix() != name:
            raise changed(path, f"{name} is no plain path inside it")
    if len(entries) < len(files):
        raise changed(path, "two of its files have one name")
    folders = {parent.as_posix() for name in entries for parent in PureWindowsPath(name).parents}
    for name in sorted(folders & entries.keys()):
        raise changed(path, f"{name} is a file and a folder")
    refuse_swelling(files, path, "its files", path)
    return entries


def refuse_swelling(files: Iterable[zipfile.ZipInfo], packed: Path, what: str, path: Path) -> None:
    """Raise `RunError` where the files of a zip say that they swell beyond measure; none takes more than it says."""
    size, of = sum(entry.file_size for entry in files), packed.stat().st_size
    if size > _MOST_EXPANSION * of:
        raise changed(path, f"{what} would take {size} bytes, more than {_MOST_EXPANSION} times the {of} they are in")


def refuse_bomb(model: Path, path: Path) -> None:
    """Look into the model of a zip, which is a zip itself, before anything unpacks it; what is none its reader refuses.

    Raises:
        RunError: Its files would swell beyond measure.
    """
    if zipfile.is_zipfile(model):
        with zipfile.ZipFile(model) as archive:
            refuse_swelling(archive.infolist(), model, f"the files in {_MODEL}", path)


def read_sums(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], path: Path) -> dict[str, str]:
    """The SHA-256 of every file of a published model but that of the checksums, by name.

    Raises:
        RunError: It holds no checksums, or those of no model.
    """
    for name in _REQUIRED:
        if name not in entries:
            raise RunError(f"run={path} is no published model: it holds no {name}; give a zip that gym.publish wrote.")
    if entries[_SUMS].file_size > _LONGEST_SUMS:
        raise changed(path, f"{_SUMS} is longer than {_LONGEST_SUMS} bytes")
    sums = {}
    for line in archive.read(_SUMS).decode().splitlines():
        match = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if not match:
            raise changed(path, f"{_SUMS} has a line that is no checksum with a name")
        sums[match.group(2)] = match.group(1)
    return sums


def refuse_other_files(sums: dict[str, str], entries: dict[str, zipfile.ZipInfo], path: Path) -> None:
    """Raise `RunError` where the files of a zip are not those that have a checksum."""
    for name in sorted(entries.keys() - sums.keys() - {_SUMS}):
        raise changed(path, f"{name} has no checksum in {_SUMS}")
    for name in sorted(sums.keys() - entries.keys()):
        raise changed(path, f"{name} is missing")


def unpack_file(source: IO[bytes], target: Path) -> str:
    """Write one file of a zip; gives its SHA-256.

    Raises:
        DataError: It cannot be written.
    """
    digest = hashlib.sha256()
    with translate_disk_errors(target, "set TMPDIR=..."):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as written:
            for block in read_blocks(source):
                digest.update(block)
                written.write(block)
    return digest.hexdigest()


def read_blocks(source: IO[bytes]) -> Iterator[bytes]:
    """Read one file of a zip to its end.

    Raises:
        BadZipFile: It cannot be read, which is not to be taken for a disk that cannot be written.
    """
    try:
        while block := source.read(_READ_SIZE):
            yield block
    except OSError as error:
        raise zipfile.BadZipFile(first_line(error)) from error


def changed(path: Path, what: str) -> RunError:
    """The refusal of a zip that is not as it was published."""
    return RunError(f"run={path} is not as it was published: {what}; get it anew from where it was published.")

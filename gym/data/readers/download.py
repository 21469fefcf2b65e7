"""Download files once and keep them."""

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib import request
from urllib.parse import unquote, urlsplit

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from gym.core.errors import DataError, DiskError, first_line
from gym.core.files import atomic_file, find_disk_error, origin_of
from gym.core.redaction import drop_credentials, redact
from gym.core.text import plain_console

_SCHEMES = ("http", "https", "file")
_TIMEOUT = 60.0  # seconds without any data
_BLOCK_SIZE = 1 << 18

# The default handlers also serve FTP and data URLs, to which a redirection might lead.
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
    """Tell a URL of any scheme from a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def download_file(url: str, folder: Path) -> Path:
    """Download a file unless it was downloaded before.

    Args:
        url: An http, https or file URL.
        folder: Folder to keep the file in; created if necessary.

    Returns:
        The file. Its name contains a hash of the URL, so that no two URLs share one.

    Raises:
        DataError: The scheme is not supported, or the download fails; then no file is kept.
    """
    if url.partition("://")[0].lower() not in _SCHEMES:
        raise DataError(
            f"{url} must start with http://, https:// or file://; download the file yourself and give its path."
        )
    with _translate_errors(url, folder):
        path = folder / download_name(url)
        if not path.is_file():
            log.info("downloading %s", redact(url))
            with atomic_file(path) as temporary, _translate_errors(url, folder):
                _download(url, temporary)
    return path


@contextmanager
def _translate_errors(url: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        reason = first_line(origin_of(error)).removeprefix("<urlopen error ").removesuffix(">")
        kind = DiskError if find_disk_error(error) else DataError
        raise kind(
            f"{url} cannot be downloaded to {folder} ({reason}); download the file yourself and give its path."
        ) from error


def download_name(url: str) -> str:
    """Name the file of a URL, as in ``L8_11_001-1a2b3c4d.zip``.

    A token in the URL does not count, so that an archive is not downloaded again when its token was renewed.
    """
    name = PurePosixPath(
        re.sub(r"[^A-Za-z0-9._-]+", "_", PureWindowsPath(unquote(urlsplit(url).path)).name).lstrip(".")
    )
    digest = hashlib.sha256(drop_credentials(url).encode()).hexdigest()[:8]
    return f"{name.stem[:80] or 'download'}-{digest}{name.suffix[:10]}"


def _download(url: str, path: Path) -> None:
    opener = request.OpenerDirector()
    for handler in _HANDLERS:
        opener.add_handler(handler())
    opener.addheaders = [("User-Agent", "segsweep")]
    with opener.open(url, timeout=_TIMEOUT) as response, path.open("wb") as stream, _progress_bar() as bar:
        length = response.headers.get("Content-Length")
        total = None if length is None else int(length)
        task = bar.add_task("downloading", total=total)
        while block := response.read(_BLOCK_SIZE):
            stream.write(block)
            bar.advance(task, len(block))
        if total not in (None, stream.tell()):
            raise OSError(f"received only {stream.tell()} of {total} bytes")


def _progress_bar() -> Progress:
    console = plain_console()
    columns = TextColumn("{task.description}"), BarColumn(bar_width=16), DownloadColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

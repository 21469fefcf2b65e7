"""Fetch a file from the web once, and keep it."""

import hashlib
import logging
import re
from http.client import HTTPException
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib import request
from urllib.parse import unquote, urlsplit

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from gym.console import plain_console
from gym.errors import DataError, first_line
from gym.files import replacing

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


def fetch(url: str, folder: Path) -> Path:
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
        path = folder / local_name(url)
        if not path.is_file():
            log.info("downloading %s", url)
            with replacing(path) as beside:
                _download(url, beside)
    except (OSError, HTTPException, ValueError) as error:
        reason = first_line(error).removeprefix("<urlopen error ").removesuffix(">")
        raise DataError(
            f"{url} cannot be downloaded to {folder} ({reason}); download it by hand and give its path."
        ) from error
    return path


def local_name(url: str) -> str:
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

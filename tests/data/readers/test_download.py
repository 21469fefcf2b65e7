"""Tests of downloads: complete or absent, made once, and rejected in one line."""

import io
import re
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from gym.core.errors import DataError
from gym.data.readers import download
from gym.data.readers.download import download_file, download_name, is_url

CONTENT = bytes(range(256)) * 4000


# What the server answers to a URL by its first part: status, headers, body.
WHOLE = (200, {"Content-Length": len(CONTENT)}, CONTENT)
ANSWERS = {
    "absent": (404, {}, b"no such page"),
    "truncated": (200, {"Content-Length": len(CONTENT)}, CONTENT[:1000]),
    "unsized": (200, {}, CONTENT),
    "cut_chunk": (200, {"Transfer-Encoding": "chunked"}, b"ff\r\nonly this"),
    "moved": (302, {"Location": "/other/place.zip"}, b""),
    "to_ftp": (302, {"Location": "ftp://127.0.0.1/x.zip"}, b""),
    "to_disk": (302, {"Location": "file:///etc/hostname"}, b""),
}


class Handler(BaseHTTPRequestHandler):
    """Answers, or stays silent, and records the requests."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answer one request; `http.server` prescribes the name."""
        self.server.requests.append(self.path)
        self.server.agents.add(self.headers["User-Agent"])
        first = self.path.split("/")[1]
        if first == "silent":
            self.server.release.wait(10)
        status, headers, body = ANSWERS.get(first, WHOLE)
        self.send_response(status)
        for name, value in {**headers, "Connection": "close"}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Do not log."""


@pytest.fixture
def server(monkeypatch):
    """A local web server, with its address and the requests it received."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.requests, running.agents, running.release = [], set(), threading.Event()
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.release.set()
        running.shutdown()
        thread.join()


def list_files(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_a_file_is_downloaded_once(server, tmp_path):
    """The folder is created, and the second call finds the file."""
    url = f"{server.url}/release/L8_11_001.zip"

    path = download_file(url, tmp_path / "downloads")

    assert path.read_bytes() == CONTENT
    assert re.fullmatch(r"L8_11_001-[0-9a-f]{8}\.zip", path.name)
    assert list_files(tmp_path / "downloads") == [path.name]
    assert download_file(url, tmp_path / "downloads") == path
    assert server.requests == ["/release/L8_11_001.zip"]
    assert server.agents == {"segsweep"}


def test_two_urls_with_one_file_name_do_not_collide(server, tmp_path):
    """Another folder, server or query is another file."""
    paths = {download_file(f"{server.url}/{place}", tmp_path) for place in ("a/x.zip", "b/x.zip", "a/x.zip?version=2")}

    assert len(paths) == 3
    assert len(server.requests) == 3


def test_a_file_of_undeclared_size_is_downloaded(server, tmp_path):
    """Some servers do not send a Content-Length."""
    assert download_file(f"{server.url}/unsized/x.zip", tmp_path).read_bytes() == CONTENT


def test_a_redirection_is_followed(server, tmp_path):
    """The file is named after the original URL."""
    path = download_file(f"{server.url}/moved/x.zip", tmp_path)

    assert path.read_bytes() == CONTENT
    assert path.name.startswith("x-")
    assert server.requests == ["/moved/x.zip", "/other/place.zip"]


def test_the_proxy_of_the_environment_is_used(server, tmp_path, monkeypatch):
    """Many clusters need one; the case of the scheme does not matter."""
    monkeypatch.setenv("http_proxy", server.url)

    assert download_file("HTTP://data.example/x.zip", tmp_path).read_bytes() == CONTENT
    assert server.requests == ["HTTP://data.example/x.zip"]


def test_a_file_url_is_copied(tmp_path):
    """It may point to a mounted archive, but not to a folder."""
    (tmp_path / "a b.npz").write_bytes(CONTENT)

    assert download_file((tmp_path / "a b.npz").as_uri(), tmp_path / "d").read_bytes() == CONTENT
    for url in (tmp_path.as_uri(), (tmp_path / "gone.npz").as_uri()):
        with pytest.raises(
            DataError, match=rf"{url} cannot be downloaded to .*d \(.+\); download the file yourself and give"
        ):
            download_file(url, tmp_path / "d")


FAULTS = {
    "absent": r"HTTP Error 404: Not Found",
    "truncated": r"received only 1000 of 1024000 bytes",
    "cut_chunk": r"IncompleteRead\(.+\)",
    "to_ftp": r".*ftp.*",
    "to_disk": r".*file:///etc/hostname.*",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_incomplete_download_is_rejected_and_not_kept(server, tmp_path, fault):
    """A second attempt starts from scratch, and redirections may not leave the web."""
    url = f"{server.url}/{fault}/x.zip"

    with pytest.raises(
        DataError, match=rf"^{url} cannot be downloaded to .* \({FAULTS[fault]}\); download the file yourself"
    ):
        download_file(url, tmp_path)

    assert list_files(tmp_path) == []


def test_an_unreachable_server_is_named(tmp_path, monkeypatch):
    """No process listens on its port."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/x.zip"
        with pytest.raises(
            DataError,
            match=rf"^{url} cannot be downloaded to .* \(\[Errno [0-9]+\] .*refused\); download the file yourself",
        ):
            download_file(url, tmp_path)


def test_a_silent_server_times_out(server, tmp_path, monkeypatch):
    """The download does not wait forever."""
    monkeypatch.setattr(download, "_TIMEOUT", 0.1)
    started = time.monotonic()

    with pytest.raises(DataError, match=r"cannot be downloaded to .* \(timed out\); download the file yourself"):
        download_file(f"{server.url}/silent/x.zip", tmp_path)

    assert time.monotonic() - started < 5


def test_an_unwritable_folder_is_named(server, tmp_path, monkeypatch):
    """The folder is a file, or the disk is full."""
    (tmp_path / "taken").touch()
    with pytest.raises(
        DataError, match=r"cannot be downloaded to .*taken \(.*File exists.*\); download the file yourself"
    ):
        download_file(f"{server.url}/x.zip", tmp_path / "taken")

    @contextmanager
    def onto_a_full_disk(_):
        yield Path("/dev/full")

    if Path("/dev/full").exists():
        monkeypatch.setattr(download, "atomic_file", onto_a_full_disk)
        with pytest.raises(
            DataError, match=r"cannot be downloaded to .* \(.*No space left on device.*\); download the file yourself"
        ):
            download_file(f"{server.url}/x.zip", tmp_path)


@pytest.mark.parametrize("url", ["ftp://example.org/x.zip", "data:text/plain,x", "x.zip"])
def test_other_schemes_are_rejected(tmp_path, url):
    """Nothing is opened."""
    with pytest.raises(
        DataError,
        match=rf"^{url} must start with http://, https:// or file://; download the file yourself and give its path",
    ):
        download_file(url, tmp_path)


@pytest.mark.parametrize("url", ["http://[::1/x.zip", "http://127.0.0.1:port/x.zip", "http://127.0.0.1/a b.zip"])
def test_malformed_urls_are_rejected(tmp_path, url):
    """The error is a DataError of one line."""
    with pytest.raises(DataError, match=rf"^{re.escape(url)} cannot be downloaded to .+; download the file yourself"):
        download_file(url, tmp_path)


def test_urls_are_distinguished_from_paths():
    """Any scheme is a URL, but a drive letter is not."""
    assert [
        text for text in ("https://x.org/a.zip", "FILE:///a", "ftp://x", "a/b.zip", "C:\\a.zip", "") if is_url(text)
    ] == [
        "https://x.org/a.zip",
        "FILE:///a",
        "ftp://x",
    ]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/L8_11_001.zip?download=1#top", r"L8_11_001-[0-9a-f]{8}\.zip"),
        ("a%2F..%2F..%2Fetc%5Cx.npz", r"x-[0-9a-f]{8}\.npz"),
        ("a/..", r"download-[0-9a-f]{8}"),
        ("", r"download-[0-9a-f]{8}"),
        (".hidden.zip", r"hidden-[0-9a-f]{8}\.zip"),
        ("%00t%C3%A9%20s.zip", r"_t_s-[0-9a-f]{8}\.zip"),
        ("y" * 400 + ".zip", r"y{80}-[0-9a-f]{8}\.zip"),
    ],
)
def test_download_names_are_safe_file_names(path, name):
    """There is no folder, hidden file or special character."""
    assert re.fullmatch(name, download_name(f"https://example.org/{path}"))


def test_a_terminal_shows_a_progress_bar_and_a_log_file_one_line(server, tmp_path, monkeypatch, caplog):
    """The line states the URL."""
    terminal = io.StringIO()
    monkeypatch.setattr(download, "plain_console", lambda: Console(file=terminal, force_terminal=True, width=80))
    download_file(f"{server.url}/a/x.zip", tmp_path)
    assert "downloading" in terminal.getvalue()
    assert "1.0/1.0 MB" in terminal.getvalue()

    log_file = io.StringIO()
    monkeypatch.setattr(download, "plain_console", lambda: Console(file=log_file, force_terminal=False))
    with caplog.at_level("INFO"):
        download_file(f"{server.url}/b/x.zip", tmp_path)
    assert log_file.getvalue() == ""
    assert caplog.messages == [f"downloading {server.url}/b/x.zip"]


@pytest.mark.parametrize("name", ["token", "X-Amz-Signature", "sig"])
def test_a_renewed_token_does_not_change_the_name_of_a_download(name):
    """Other parts of the query do, and what a run has recorded names the same file."""
    old, new, hidden, other = (
        download_name(f"https://host/a.zip?part={part}&{name}={token}")
        for part, token in ((1, "old"), (1, "new"), (1, "***"), (2, "old"))
    )

    assert old == new == hidden != other

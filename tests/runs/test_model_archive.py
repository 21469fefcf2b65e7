"""A model archive is reproducible, and is unpacked only if it was not altered."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.core.errors import DataError, RunError
from gym.runs import model_archive
from gym.runs.model_archive import unpack_zip, write_zip

FILES = {
    "model/model.json": b"{}",
    "model/model.keras": bytes(range(256)) * 40,
    "run.json": json.dumps({"name": "unet cce f2"}).encode(),
    "samples/images/1_plage d'été.tif": b"II*\0",
    "config.yaml": b"",
}


def fill(folder, files=FILES):
    """Write files into a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def contents(folder):
    """The files of a folder, by name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def published(tmp_path):
    """A model archive."""
    write_zip(fill(tmp_path / "made"), tmp_path / "model.zip")
    return tmp_path / "model.zip"


def rewrite(path, change, compression=zipfile.ZIP_STORED):
    """Pack a zip again after applying ``change`` to its list of names and contents."""
    with zipfile.ZipFile(path) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
        warnings.simplefilter("ignore")  # about two files of the same name
        for name, content in change(entries):
            archive.writestr(name, content)


def refusal(path, tmp_path):
    """The error for a zip; nothing may be written outside the folder that it is unpacked to."""
    (tmp_path / "deep" / "inside").mkdir(parents=True)
    with pytest.raises(RunError) as caught:
        unpack_zip(path, tmp_path / "deep" / "inside")
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["inside"]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_unpacking_restores_all_published_files(published, tmp_path):
    """The file of checksums itself is not unpacked."""
    unpack_zip(published, tmp_path / "back")

    assert contents(tmp_path / "back") == FILES


@given(content=st.binary(max_size=300))
@settings(max_examples=20, deadline=None)
def test_equal_files_yield_equal_bytes(tmp_path_factory, content):
    """Time, place and order of writing do not matter; other files yield other bytes."""
    place = tmp_path_factory.mktemp("zips")
    files = FILES | {"card.md": content}
    one = write_zip(fill(place / "one", files), place / "one.zip")
    two = write_zip(fill(place / "two", dict(reversed(files.items()))), place / "two.zip")
    again = write_zip(place / "two", place / "two.zip")
    other = write_zip(fill(place / "three", files | {"card.md": content + b"."}), place / "three.zip")

    assert (place / "one.zip").read_bytes() == (place / "two.zip").read_bytes()
    assert one == two == again == hashlib.sha256((place / "one.zip").read_bytes()).hexdigest() != other


@pytest.mark.process
def test_the_checksums_agree_with_sha256sum(published, tmp_path):
    """The files are unpacked with unzip and are readable."""
    for tool in ("unzip", "sha256sum"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    subprocess.run(["unzip", "-q", published, "-d", tmp_path / "by_hand"], check=True)
    check = ["sha256sum", "-c", "SHA256SUMS"]
    done = subprocess.run(check, cwd=tmp_path / "by_hand", capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.count(": OK"), done.stderr) == (0, len(FILES), "")


def test_a_failed_write_keeps_the_older_zip(published, tmp_path, monkeypatch):
    """No partial file remains."""
    before = published.read_bytes()
    monkeypatch.setattr(model_archive.shutil, "copyfileobj", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))

    with pytest.raises(OSError, match="full"):
        write_zip(tmp_path / "made", published)

    assert published.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "model.zip"]


def test_a_repacked_zip_is_accepted(published, tmp_path):
    """Compression, order and entries of folders do not matter."""
    rewrite(published, lambda entries: [("model/", b""), *reversed(entries)], zipfile.ZIP_DEFLATED)
    unpack_zip(published, tmp_path / "back")

    assert contents(tmp_path / "back").items() >= FILES.items()


def replaced(name, content):
    """A change that replaces the content of one file."""
    return lambda entries: [(known, content if known == name else old) for known, old in entries]


def bombed(entries):
    """A change that adds a file of 40 MB of zeros with a correct checksum."""
    zeros = bytes(40_000_000)
    line = f"{hashlib.sha256(zeros).hexdigest()}  zeros\n".encode()
    return [*((name, old + line if name == "SHA256SUMS" else old) for name, old in entries), ("zeros", zeros)]


def misled(name):
    """A change that adds a file with a misleading name and a correct checksum."""
    line = f"{hashlib.sha256(b'x').hexdigest()}  {name}\n".encode()
    return lambda entries: [
        *((known, old + line if known == "SHA256SUMS" else old) for known, old in entries),
        (name, b"x"),
    ]


def short(content):
    """The beginning of a SHA-256."""
    return f"{hashlib.sha256(content).hexdigest()[:12]}..."


CHANGED = {
    "another content": (
        replaced("model/model.keras", b"another"),
        f"model/model.keras has the SHA-256 {short(b'another')}, not {short(FILES['model/model.keras'])}",
    ),
    "an additional file": (lambda entries: [*entries, ("notes.txt", b"x")], "notes.txt has no checksum in SHA256SUMS"),
    "a missing file": (lambda entries: [e for e in entries if e[0] != "config.yaml"], "config.yaml is missing"),
    "a duplicate file": (lambda entries: [*entries, ("config.yaml", b"x")], "two of its files have the same name"),
    "an invalid line": (
        replaced("SHA256SUMS", b"0 zero\n"),
        "SHA256SUMS has a line that is not a checksum and a name",
    ),
    "too many checksums": (replaced("SHA256SUMS", bytes(1 << 21)), "SHA256SUMS is longer than 1048576 bytes"),
    "a parent folder": (misled("../outside"), "../outside is not a path inside the zip"),
    "a parent folder within the path": (
        misled("model/../../outside"),
        "model/../../outside is not a path inside the zip",
    ),
    "an absolute path": (misled("/etc/outside"), "/etc/outside is not a path inside the zip"),
    "a Windows path": (misled("C:outside"), "C:outside is not a path inside the zip"),
    "a file in a file": (misled("config.yaml/outside"), "config.yaml is both a file and a folder"),
    "a file instead of a folder": (misled("samples/images"), "samples/images is both a file and a folder"),
    "a file instead of the root": (misled("."), ". is both a file and a folder"),
    "a backslash": (misled("model\\outside"), "model\\outside is not a path inside the zip"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_an_altered_zip_is_refused(published, tmp_path, name):
    """The error gives reason and remedy in one line, and nothing is written outside the folder."""
    change, what = CHANGED[name]
    rewrite(published, change)

    remedy = "download it again from where it was published."
    assert refusal(published, tmp_path) == f"run={published} was altered after it was published: {what}; {remedy}"


def test_a_zip_bomb_is_refused_before_it_expands(published, tmp_path):
    """Its declared size is compared with the size of the zip."""
    rewrite(published, bombed, zipfile.ZIP_DEFLATED)

    message = refusal(published, tmp_path)
    size = published.stat().st_size
    assert re.search(
        rf"its files would expand from {size} to 400\d+ bytes, by more than 20 times; download it again", message
    )
    assert not list((tmp_path / "deep" / "inside").iterdir())


def packed(files):
    """The bytes of a compressed zip."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_a_zip_bomb_in_the_model_is_refused_before_it_expands(tmp_path, monkeypatch):
    """The model is a zip itself and must not be unpacked by its reader."""
    bomb = packed({"config.json": b"{}", "model.weights.h5": bytes(40_000_000)})
    write_zip(fill(tmp_path / "made", FILES | {"model/model.keras": bomb}), tmp_path / "bomb.zip")
    opened = zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile,
        "open",
        lambda self, name, *rest, **options: (
            pytest.fail("it is unpacked") if "h5" in str(name) else opened(self, name, *rest, **options)
        ),
    )

    what = f"the files in model/model.keras would expand from {len(bomb)} to 40000002 bytes, by more than 20 times"
    assert what in refusal(tmp_path / "bomb.zip", tmp_path)


def test_a_compressed_model_is_accepted(tmp_path):
    """It expands only moderately."""
    model = packed({"config.json": b"{}" * 10, "model.weights.h5": bytes(range(256)) * 40})
    write_zip(fill(tmp_path / "made", FILES | {"model/model.keras": model}), tmp_path / "model.zip")

    unpack_zip(tmp_path / "model.zip", tmp_path / "back")

    assert (tmp_path / "back" / "model" / "model.keras").read_bytes() == model


@pytest.mark.parametrize("name", ["model/model.json", "model/model.keras", "run.json", "SHA256SUMS"])
def test_another_zip_is_not_a_model_archive(published, tmp_path, name):
    """The error names the first missing file."""
    rewrite(published, lambda entries: [entry for entry in entries if entry[0] != name])

    assert refusal(published, tmp_path) == (
        f"run={published} is not a model archive, because it has no {name}; pass a zip written by gym.publish."
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no zip"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: path.write_bytes(path.read_bytes().replace(bytes(range(256)), bytes(256), 1)),
        lambda path: rewrite(path, replaced("SHA256SUMS", b"\xff\n")),
    ],
    ids=["text", "empty", "half of it", "a flipped part", "checksums in no text"],
)
def test_a_damaged_zip_is_refused(published, tmp_path, damage):
    """The error gives the reason of the reader."""
    damage(published)

    remedy = r"download it again from where it was published\."
    assert re.fullmatch(rf"run={published} is not a readable zip \(.+\); {remedy}", refusal(published, tmp_path))


def test_an_encrypted_zip_is_refused(published, tmp_path):
    """The program never publishes one."""
    content = bytearray(published.read_bytes())
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for match in re.finditer(re.escape(sign), bytes(content)):
            content[match.start() + offset] |= 1
    published.write_bytes(content)

    assert "is encrypted, password required" in refusal(published, tmp_path)


def test_a_missing_zip_is_refused(tmp_path):
    """The error names its path."""
    assert refusal(tmp_path / "no.zip", tmp_path) == (
        f"run={tmp_path}/no.zip does not exist; pass the path of a zip written by gym.publish."
    )


@pytest.mark.parametrize("refused", ["mkdir", "open", "write"])
def test_a_full_disk_is_reported(published, tmp_path, monkeypatch, refused):
    """The error does not blame the zip, whether a folder, a file or the last bytes cannot be written."""
    original = {"mkdir": Path.mkdir, "open": Path.open}

    def full(name, path, *arguments, **options):
        if "back" not in path.parts:
            return original[name](path, *arguments, **options)
        if refused == "write":
            return Path("/dev/full").open("wb")
        raise OSError(28, "No space left on device")

    method = "open" if refused == "write" else refused
    monkeypatch.setattr(Path, method, lambda path, *rest, **options: full(method, path, *rest, **options))

    with pytest.raises(
        DataError,
        match=r"cannot be written \(.*No space left.*\); check its permissions and free space, or set TMPDIR=",
    ):
        unpack_zip(published, tmp_path / "back")


def test_a_read_error_is_not_mistaken_for_a_full_disk(published, tmp_path, monkeypatch):
    """The error names the zip that cannot be read."""

    def fail(self, size=-1):
        raise OSError(5, "Input/output error")

    def read_sums(archive, entries, path):
        sums = original(archive, entries, path)
        monkeypatch.setattr(zipfile.ZipExtFile, "read", fail)
        return sums

    original = model_archive._read_sums
    monkeypatch.setattr(model_archive, "_read_sums", read_sums)

    assert "is not a readable zip ([Errno 5] Input/output error); download it again" in refusal(published, tmp_path)

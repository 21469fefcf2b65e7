"""A published model is one zip, the same each time, and is taken apart only where nothing of it was changed."""

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
    """A published model."""
    write_zip(fill(tmp_path / "made"), tmp_path / "model.zip")
    return tmp_path / "model.zip"


def rewrite(path, change, compression=zipfile.ZIP_STORED):
    """Pack a zip anew with what ``change`` makes of its list of names and contents."""
    with zipfile.ZipFile(path) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
        warnings.simplefilter("ignore")  # of two files of one name
        for name, content in change(entries):
            archive.writestr(name, content)


def refusal(path, tmp_path):
    """What is said of a zip; nothing may be written outside the folder that it is unpacked to."""
    (tmp_path / "deep" / "inside").mkdir(parents=True)
    with pytest.raises(RunError) as caught:
        unpack_zip(path, tmp_path / "deep" / "inside")
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["inside"]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_was_published_comes_back(published, tmp_path):
    """Every file; the checksums are for the way."""
    unpack_zip(published, tmp_path / "back")

    assert contents(tmp_path / "back") == FILES


@given(content=st.binary(max_size=300))
@settings(max_examples=20, deadline=None)
def test_the_same_files_make_the_same_bytes(tmp_path_factory, content):
    """Whenever, wherever and in whatever order they were written; other files make others."""
    place = tmp_path_factory.mktemp("zips")
    files = FILES | {"card.md": content}
    one = write_zip(fill(place / "one", files), place / "one.zip")
    two = write_zip(fill(place / "two", dict(reversed(files.items()))), place / "two.zip")
    again = write_zip(place / "two", place / "two.zip")
    other = write_zip(fill(place / "three", files | {"card.md": content + b"."}), place / "three.zip")

    assert (place / "one.zip").read_bytes() == (place / "two.zip").read_bytes()
    assert one == two == again == hashlib.sha256((place / "one.zip").read_bytes()).hexdigest() != other


@pytest.mark.process
def test_its_checksums_are_those_of_sha256sum(published, tmp_path):
    """Unpacked by unzip, as anyone would: every file is readable, and is what it was."""
    for tool in ("unzip", "sha256sum"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    subprocess.run(["unzip", "-q", published, "-d", tmp_path / "by_hand"], check=True)
    check = ["sha256sum", "-c", "SHA256SUMS"]
    done = subprocess.run(check, cwd=tmp_path / "by_hand", capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.count(": OK"), done.stderr) == (0, len(FILES), "")


def test_a_write_that_fails_leaves_the_older_zip(published, tmp_path, monkeypatch):
    """Whole or absent."""
    before = published.read_bytes()
    monkeypatch.setattr(model_archive.shutil, "copyfileobj", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))

    with pytest.raises(OSError, match="full"):
        write_zip(tmp_path / "made", published)

    assert published.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "model.zip"]


def test_a_zip_that_was_packed_anew_is_taken(published, tmp_path):
    """Compressed, in another order, with entries of folders: the files are what counts."""
    rewrite(published, lambda entries: [("model/", b""), *reversed(entries)], zipfile.ZIP_DEFLATED)
    unpack_zip(published, tmp_path / "back")

    assert contents(tmp_path / "back").items() >= FILES.items()


def replaced(name, content):
    """A change that gives one file another content."""
    return lambda entries: [(known, content if known == name else old) for known, old in entries]


def bombed(entries):
    """A file of 40 MB of zeros, with a right checksum."""
    zeros = bytes(40_000_000)
    line = f"{hashlib.sha256(zeros).hexdigest()}  zeros\n".encode()
    return [*((name, old + line if name == "SHA256SUMS" else old) for name, old in entries), ("zeros", zeros)]


def misled(name):
    """A change that adds a file of a name that leads elsewhere, with a right checksum."""
    line = f"{hashlib.sha256(b'x').hexdigest()}  {name}\n".encode()
    return lambda entries: [
        *((known, old + line if known == "SHA256SUMS" else old) for known, old in entries),
        (name, b"x"),
    ]


def short(content):
    """The beginning of a SHA-256."""
    return f"{hashlib.sha256(content).hexdigest()[:12]}..."


CHANGED = {
    "a file of another content": (
        replaced("model/model.keras", b"another"),
        f"model/model.keras has the SHA-256 {short(b'another')}, not {short(FILES['model/model.keras'])}",
    ),
    "a file more": (lambda entries: [*entries, ("notes.txt", b"x")], "notes.txt has no checksum in SHA256SUMS"),
    "a file less": (lambda entries: [e for e in entries if e[0] != "config.yaml"], "config.yaml is missing"),
    "a file twice": (lambda entries: [*entries, ("config.yaml", b"x")], "two of its files have one name"),
    "a line that is none": (
        replaced("SHA256SUMS", b"0 zero\n"),
        "SHA256SUMS has a line that is no checksum with a name",
    ),
    "checksums without end": (replaced("SHA256SUMS", bytes(1 << 21)), "SHA256SUMS is longer than 1048576 bytes"),
    "a way up": (misled("../outside"), "../outside is no plain path inside it"),
    "a way up on the way": (misled("model/../../outside"), "model/../../outside is no plain path inside it"),
    "a way from the root": (misled("/etc/outside"), "/etc/outside is no plain path inside it"),
    "a way of another system": (misled("C:outside"), "C:outside is no plain path inside it"),
    "a file in a file": (misled("config.yaml/outside"), "config.yaml is a file and a folder"),
    "a file in place of a folder": (misled("samples/images"), "samples/images is a file and a folder"),
    "a file in place of all": (misled("."), ". is a file and a folder"),
    "a backslash": (misled("model\\outside"), "model\\outside is no plain path inside it"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_zip_that_was_changed_is_refused(published, tmp_path, name):
    """With what is wrong and what to do, in one line; nothing lands outside the folder."""
    change, what = CHANGED[name]
    rewrite(published, change)

    remedy = "get it anew from where it was published."
    assert refusal(published, tmp_path) == f"run={published} is not as it was published: {what}; {remedy}"


def test_a_bomb_is_refused_before_it_swells(published, tmp_path):
    """Its size is declared, and held against that of the zip; what lies about its size is damaged."""
    rewrite(published, bombed, zipfile.ZIP_DEFLATED)

    said = refusal(published, tmp_path)
    of = published.stat().st_size
    assert re.search(rf"its files would take 400\d+ bytes, more than 20 times the {of} they are in; get it anew", said)
    assert not list((tmp_path / "deep" / "inside").iterdir())


def packed(files):
    """The bytes of a compressed zip."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_a_bomb_in_the_model_is_refused_before_it_swells(tmp_path, monkeypatch):
    """The model is a zip as well, which is only as large as what is in it once something reads it."""
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

    what = f"the files in model/model.keras would take 40000002 bytes, more than 20 times the {len(bomb)} they are in"
    assert what in refusal(tmp_path / "bomb.zip", tmp_path)


def test_a_model_that_does_not_swell_is_taken(tmp_path):
    """Compressed or not."""
    model = packed({"config.json": b"{}" * 10, "model.weights.h5": bytes(range(256)) * 40})
    write_zip(fill(tmp_path / "made", FILES | {"model/model.keras": model}), tmp_path / "model.zip")

    unpack_zip(tmp_path / "model.zip", tmp_path / "back")

    assert (tmp_path / "back" / "model" / "model.keras").read_bytes() == model


@pytest.mark.parametrize("name", ["model/model.json", "model/model.keras", "run.json", "SHA256SUMS"])
def test_a_zip_of_something_else_is_no_published_model(published, tmp_path, name):
    """The first thing that it lacks is named."""
    rewrite(published, lambda entries: [entry for entry in entries if entry[0] != name])

    assert refusal(published, tmp_path) == (
        f"run={published} is no published model: it holds no {name}; give a zip that gym.publish wrote."
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
    """With the reason that the reader gives."""
    damage(published)

    remedy = r"get it anew from where it was published\."
    assert re.fullmatch(rf"run={published} is no readable zip \(.+\); {remedy}", refusal(published, tmp_path))


def test_an_encrypted_zip_is_refused(published, tmp_path):
    """Nobody published it so."""
    content = bytearray(published.read_bytes())
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for match in re.finditer(re.escape(sign), bytes(content)):
            content[match.start() + offset] |= 1
    published.write_bytes(content)

    assert "is encrypted, password required" in refusal(published, tmp_path)


def test_a_zip_that_is_not_there_is_refused(tmp_path):
    """By its path."""
    assert refusal(tmp_path / "no.zip", tmp_path) == (
        f"run={tmp_path}/no.zip is not there; give the path of a zip that gym.publish wrote."
    )


@pytest.mark.parametrize("refused", ["mkdir", "open", "write"])
def test_a_full_disk_is_named(published, tmp_path, monkeypatch, refused):
    """It is not the zip that is to blame, whether folder, file or the last of its bytes found no room."""
    wholly = {"mkdir": Path.mkdir, "open": Path.open}

    def full(name, path, *arguments, **options):
        if "back" not in path.parts:
            return wholly[name](path, *arguments, **options)
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


def test_a_zip_whose_disk_fails_is_not_taken_for_a_full_one(published, tmp_path, monkeypatch):
    """What cannot be read is the zip."""

    def fail(self, size=-1):
        raise OSError(5, "Input/output error")

    def read_sums(archive, entries, path):
        sums = whole(archive, entries, path)
        monkeypatch.setattr(zipfile.ZipExtFile, "read", fail)
        return sums

    whole = model_archive.read_sums
    monkeypatch.setattr(model_archive, "read_sums", read_sums)

    assert "is no readable zip ([Errno 5] Input/output error); get it anew" in refusal(published, tmp_path)

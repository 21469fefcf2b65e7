"""On a full disk or in a read-only folder, every writer leaves the old state or the new one."""

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

import keras
import matplotlib.figure
import numpy as np
import pytest

from gym.core.errors import DataError, DiskError, RunError
from gym.core.files import (
    HashCache,
    atomic_folder,
    copy_file,
    translate_disk_errors,
    translate_full_disk,
    write_json,
    write_text,
)
from gym.core.temporary import temporary_folder
from gym.data.raster_writer import write_label, write_raster
from gym.reporting.style import save_figure
from gym.runs.model_archive import write_zip
from gym.runs.result import RunResult, find_result, read_result, write_result
from gym.sweeps.ledger import FINISHED, Ledger
from gym.sweeps.sweep_folder import SweepFolder
from gym.training import checkpoint
from gym.training.checkpoint import EarlyStopping, History
from tests.app.commands import run_here
from tests.full_disk import refuse_writes

NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


def _model(value: float) -> keras.Model:
    model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(200)])
    model.compile("adam", "mse")
    model.set_weights([np.full_like(weights, value) for weights in model.get_weights()])
    return model


def _folder(folder: Path, value: int) -> None:
    with atomic_folder(folder / "tree") as temporary:
        write_text(temporary / "a.txt", str(value))
        write_text(temporary / "deep" / "b.txt", str(value) * 10000)


def _archive(folder: Path, value: int) -> None:
    source = folder.with_name(f"source{value}")
    write_text(source / "x", str(value) * 1000)
    write_zip(source, folder / "model.zip")


def _copy(folder: Path, value: int) -> None:
    write_text(folder.with_name(f"source{value}"), str(value))
    copy_file(folder.with_name(f"source{value}"), folder / "artifact")


def _hashes(folder: Path, value: int) -> None:
    cache = HashCache(folder / "hashes.json")
    cache._entries["x"] = (value, value, value, "")
    cache._is_changed = True
    cache.save()


def _figure(folder: Path, value: int) -> None:
    figure = matplotlib.figure.Figure()
    figure.text(0.5, 0.5, str(value))
    save_figure(figure, folder / "figure.png")


def _result(folder: Path, value: int) -> None:
    texts = {"run_id": str(value), "name": "", "fingerprint": "", "weights_sha256": ""}
    lists = {"classes": ["a"], "images": ["i"], "scenes": ["i"]}
    write_result(folder, RunResult(**texts, **lists, settings={}, scores={}, matrices=np.full((1, 1, 1), value)))


WRITERS = {
    "text": lambda folder, value: write_text(folder / "x.txt", str(value) * 20000),
    "json": lambda folder, value: write_json(folder / "deep" / "x.json", [value] * 5000),
    "folder": _folder,
    "copy": _copy,
    "hashes": _hashes,
    "best": lambda folder, value: checkpoint.save_best(_model(value), 1, folder),
    "last": lambda folder, value: checkpoint.save_last(_model(value), History(EarlyStopping(1)), folder),
    "archive": _archive,
    "figure": _figure,
    "png": lambda folder, value: write_raster(folder / "x.png", np.full((3, 40, 40), value, np.uint8)),
    "tif": lambda folder, value: write_label(
        folder / "x.tif", np.full((40, 40), value, np.uint8), None, ["a", "b", "c"]
    ),
    "sweep": lambda folder, value: SweepFolder(folder, "s").write_metadata({"value": value}),
}


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder but locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def refusal(folder: Path, write: Callable[..., object], *arguments: object, **options: object) -> str:
    """Return the message of a refused write to a folder; empty if it succeeded."""
    with translate_disk_errors(folder):
        return refusal_of(write, *arguments, **options)


def refusal_of(write: Callable[..., object], *arguments: object, **options: object) -> str:
    """Return the message of a write that was refused; empty if it succeeded."""
    try:
        write(*arguments, **options)
    except DiskError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", WRITERS)
def test_a_refused_write_leaves_the_old_or_the_new_state(tmp_path, kind):
    """Whichever operation is refused, and whether or not there is an old state, repeating the call succeeds."""
    write, expected = WRITERS[kind], {}
    for value in (1, 2):
        write(tmp_path / "expected" / kind, value)
        expected[value] = contents(tmp_path / "expected" / kind)
    for has_old in (False, True):
        old = expected[1] if has_old else {}
        for allowed in range(200):
            folder, number = tmp_path / str(has_old) / str(allowed) / kind, NUMBERS[allowed % len(NUMBERS)]
            folder.mkdir(parents=True)
            if has_old:
                write(folder, 1)
            with refuse_writes(folder, allowed, number) as disk:
                message = refusal(folder, write, folder, 2)
            assert (str(folder) in message) == (disk.count > allowed)
            assert "\n" not in message
            assert contents(folder) in (old, expected[2])
            write(folder, 2)
            assert contents(folder) == expected[2]
            if disk.count <= allowed:
                break
        assert 0 < allowed < 199


@pytest.mark.parametrize("number", NUMBERS)
def test_a_refused_event_leaves_a_readable_ledger(tmp_path, number):
    """Half a line may be left, which readers ignore; the event can be appended again."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append("queued", 0, name="x")
    for allowed in range(10):
        with refuse_writes(tmp_path, allowed, number) as disk:
            message = refusal(tmp_path, ledger.append, FINISHED, 0, scores={"iou": float(allowed)})
        assert (str(tmp_path) in message) == (disk.count > allowed)
        assert [job.name for job in ledger.jobs()] == ["x"]
        ledger.append(FINISHED, 0, scores={"iou": float(allowed)})
        assert ledger.job(0).scores == {"iou": float(allowed)}
        if disk.count <= allowed:
            return
    raise AssertionError(disk.count)


@pytest.mark.parametrize("has_old", [False, True])
def test_a_refused_result_is_whole_or_missing(tmp_path, has_old):
    """A result has two files; a reader never sees those of different runs together."""
    for allowed in range(100):
        folder = tmp_path / str(allowed)
        if has_old:
            _result(folder, 1)
        with refuse_writes(folder, allowed, errno.ENOSPC) as disk:
            refusal(folder, _result, folder, 2)
        found = find_result(folder)
        assert found is None or found.run_id == str(found.matrices[0, 0, 0])
        _result(folder, 2)
        assert read_result(folder).run_id == "2"
        if disk.count <= allowed:
            return
    raise AssertionError(disk.count)


def fail(error: Exception, cause: Exception | None = None) -> None:
    """Raise an error."""
    raise error from cause


def test_errors_of_other_kinds_are_not_blamed_on_the_disk(tmp_path):
    """A missing file, a bug and our own errors about permissions keep their type."""
    for error in (FileNotFoundError(2, "missing"), KeyError("x"), ZeroDivisionError()):
        with pytest.raises(type(error)), translate_full_disk(tmp_path):
            fail(error)
    with pytest.raises(DataError) as caught, translate_full_disk(tmp_path):
        fail(DataError("image.tif cannot be read"), PermissionError(13, "Permission denied"))
    assert not isinstance(caught.value, DiskError)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EROFS, "Read-only file system", "/data/runs/x.npz"),
        PermissionError(errno.EACCES, "Permission denied", "outputs/runs/x.npz"),
        OSError("5120 requested and 4032 written"),
        sqlite3.OperationalError("database or disk is full"),
        sqlite3.OperationalError("attempt to write a readonly database"),
    ],
)
def test_errors_of_libraries_name_the_folder(error):
    """They name the file's folder if the library does, else the outputs."""
    folder = str(Path(error.filename).parent) if getattr(error, "filename", None) else "outputs"
    message = rf"^{folder} cannot be written \(.+\); .+ and repeat the command\.$"
    with pytest.raises(DiskError, match=message), translate_full_disk("outputs"):
        fail(error)


def test_a_file_that_may_not_be_read_is_no_disk_error():
    """It is outside of what is written."""
    with pytest.raises(PermissionError), translate_full_disk("outputs"):
        fail(PermissionError(errno.EACCES, "Permission denied", "/data/plugin.py"))


def test_an_error_of_mlflow_on_a_full_disk_keeps_its_message(tmp_path):
    """A sweep resumes such a run instead of recording a failure."""
    with pytest.raises(DiskError, match=r"^MLflow is lost$"), translate_full_disk(tmp_path):
        fail(RunError("MLflow is lost"), sqlite3.OperationalError("database or disk is full"))


def test_the_remedy_for_a_full_temporary_folder_is_another_one():
    """The outputs may lie on another disk."""
    with temporary_folder() as folder, refuse_writes(folder, 1, errno.ENOSPC):
        message = refusal_of(write_text, folder / "x.txt", "x")

    assert message == (
        f"{folder} cannot be written (No space left on device); check its permissions, or set TMPDIR=FOLDER, and "
        "repeat the command."
    )


def test_a_command_ends_in_one_line(tmp_path, monkeypatch):
    """Whatever library met the full disk."""

    def refuse(config):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gym.app.clean.clean", refuse)
    assert run_here("clean", f"outputs={tmp_path}") == (
        1,
        "",
        f"error: {tmp_path} cannot be written (No space left on device); check its permissions, or free space there, "
        "and repeat the command.\n",
    )

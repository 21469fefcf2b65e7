"""A copied or moved outputs folder has its own artifacts, and the original keeps its own."""

import logging
import shutil
import sqlite3
from contextlib import closing

import pytest

from gym.config.schema import TrackingConfig
from gym.core.errors import RunError
from gym.runs.artifact_location import correct_locations
from gym.runs.mlflow_client import connect
from gym.runs.mlflow_log import open_mlflow_run, open_run_log
from gym.runs.mlflow_lookup import fetch_model_files, find_model_run

CONFIG = TrackingConfig()
NAMES = ["outputs", "with space", "ümlaut", "a&b=c+(d)'"]


def train(outputs, name, text="weights"):
    """Log a run with a model, as training does; return its id."""
    (files := outputs.parent / "files" / "model").mkdir(parents=True, exist_ok=True)
    (files / "model.keras").write_text(text)
    with open_mlflow_run(CONFIG, outputs, name, {}, name) as run:
        run.log_folder(files.parent)
    return run.run_id


def model_of(outputs, wanted):
    """Return the contents of the model that is found for a run, and where it is."""
    run = find_model_run(CONFIG, outputs, wanted)
    path = fetch_model_files(CONFIG, outputs, run, outputs / "scratch") / "model" / "model.keras"
    return path.read_text(), path


def locations(outputs):
    with closing(sqlite3.connect(outputs / "mlflow.db")) as database:
        found = database.execute("SELECT artifact_location FROM experiments WHERE experiment_id != 0").fetchall()
        found += database.execute("SELECT artifact_uri FROM runs").fetchall()
        found += database.execute("SELECT source FROM model_versions").fetchall()
        found += database.execute("SELECT storage_location FROM model_versions").fetchall()
    return {uri for (uri,) in found if uri}


def contents(outputs):
    """Return the artifacts below a folder with their contents."""
    return {path: path.read_bytes() for path in outputs.rglob("artifacts/**/*") if path.is_file()}


@pytest.fixture
def original(tmp_path):
    """An outputs folder with one run, which is registered as a model."""
    outputs = tmp_path / "first" / "outputs"
    run_id = train(outputs, "one")
    client = connect(CONFIG, outputs)
    client.create_registered_model("shores")
    client.create_model_version("shores", f"{client.get_run(run_id).info.artifact_uri}/model", run_id)
    return outputs


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_moved", [False, True])
def test_a_copy_reads_and_writes_its_own_artifacts(original, tmp_path, name, is_moved):
    """The original is neither changed nor made again, and every location in the database leads to the copy."""
    copy = tmp_path / "second" / name
    copy.parent.mkdir()
    (shutil.move if is_moved else shutil.copytree)(original, copy)
    before = contents(original)

    run_id = train(copy, "two", "others")
    open_run_log(CONFIG, copy, find_model_run(CONFIG, copy, "one").info.run_id).log_folder(original.parent / "files")

    assert contents(original) == before
    assert original.exists() != is_moved
    assert model_of(copy, "one") == ("weights", model_of(copy, "one")[1])
    assert {model_of(copy, wanted)[1].is_relative_to(copy) for wanted in ("one", run_id, "models:/shores/1")} == {True}
    assert {uri.startswith((copy / "artifacts").as_uri()) for uri in locations(copy)} == {True}


def test_the_original_continues_beside_its_copy(original, tmp_path):
    """Both are used in turn, by one process, with the same run."""
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    run_id = find_model_run(CONFIG, original, "one").info.run_id
    for outputs, text in ((original, "a"), (copy, "b")) * 2:
        (note := tmp_path / "note.txt").write_text(text)
        open_run_log(CONFIG, outputs, run_id).log_files([note], "notes")
    notes = [outputs / "artifacts" / run_id / "artifacts" / "notes" / "note.txt" for outputs in (original, copy)]

    assert [path.read_text() for path in notes] == ["a", "b"]


def test_the_correction_is_reported_once(original, tmp_path, caplog):
    """In one line, which names both folders."""
    copy = shutil.copytree(original, tmp_path / "copy")
    with caplog.at_level(logging.INFO):
        connect(CONFIG, copy)
        connect(CONFIG, copy)
        connect(CONFIG, original)

    assert caplog.messages == [f"{copy} was copied or moved from {original}; MLflow now finds its artifacts in it"]


def test_a_copy_of_a_copy_and_a_return_work(original, tmp_path):
    """A folder may be moved away and back."""
    first = shutil.copytree(original, tmp_path / "one")
    model_of(first, "one")
    second = shutil.move(first, tmp_path / "two")
    model_of(second, "one")
    shutil.rmtree(original)
    shutil.move(second, original)

    assert model_of(original, "one")[1].is_relative_to(original)


def test_a_model_is_found_in_a_copy_that_cannot_be_corrected(original, tmp_path, monkeypatch):
    """The database may be read-only."""
    copy = shutil.copytree(original, tmp_path / "copy")
    monkeypatch.setattr("gym.runs.mlflow_client.correct_locations", lambda outputs: None)

    assert model_of(copy, "one")[1].is_relative_to(copy)


def test_artifacts_that_are_only_in_the_original_are_still_found(original, tmp_path):
    """A version that did not correct locations may have written them there after the copy was made."""
    copy = shutil.copytree(original, tmp_path / "copy")
    run_id = find_model_run(CONFIG, copy, "one").info.run_id
    shutil.rmtree(copy / "artifacts" / run_id)
    with closing(sqlite3.connect(copy / "mlflow.db")) as database, database:
        for table, column in (("runs", "artifact_uri"), ("experiments", "artifact_location")):
            change = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"  # noqa: S608 - constants
            database.execute(change, (copy.as_uri(), original.as_uri()))
    correct_locations(copy)

    assert model_of(copy, "one")[1].is_relative_to(original)


def test_artifacts_kept_elsewhere_on_purpose_stay_there(original, tmp_path):
    """With tracking.uri, a database may lie in one folder and the artifacts in another, which has no database."""
    other = tmp_path / "other"
    (other / "artifacts").mkdir(parents=True)
    with closing(sqlite3.connect(original / "mlflow.db")) as database, database:
        database.execute("UPDATE experiments SET artifact_location = ?", [(other / "artifacts").as_uri()])
    before = locations(original)
    correct_locations(original)

    assert locations(original) == before


@pytest.mark.parametrize("content", [None, b"", b"no database", b"SQLite format 3\0" + b"x" * 100])
def test_a_damaged_database_is_left_to_mlflow(tmp_path, content):
    """It is neither changed nor created."""
    if content is not None:
        (tmp_path / "mlflow.db").write_bytes(content)
    correct_locations(tmp_path)

    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([] if content is None else [content])


def test_a_run_without_a_model_is_refused_in_a_moved_folder_too(original, tmp_path):
    """The message names the run."""
    with open_mlflow_run(CONFIG, original, "empty", {}, "empty"):
        pass
    moved = shutil.move(original, tmp_path / "moved")
    with pytest.raises(RunError, match=r"\(empty, FINISHED\) has no model in .*; pass a finished run\."):
        model_of(moved, "empty")

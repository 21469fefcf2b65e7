"""`gym.clean` lists what an outputs folder holds, and removes only what nothing needs."""

import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from mlflow import MlflowClient

from gym.app import inventory
from gym.app.clean import clean
from gym.config.schema import LEFTOVERS, CleanConfig
from gym.core.errors import RunError
from gym.core.temporary import temporary_sibling
from gym.runs.result import RunResult, write_result
from gym.sweeps.ledger import FAILED, FINISHED, QUEUED, STARTED
from gym.sweeps.sweep_folder import SweepFolder
from tests.app.commands import run_here, run_lightly
from tests.databases import copy_database

UNKNOWN = "0" * 32  # id of a run that MLflow does not know


class Outputs:
    """An outputs folder with runs that were never trained."""

    def __init__(self, path: Path) -> None:
        self.path = path
        copy_database(f"sqlite:///{path}/mlflow.db")
        self.client = MlflowClient(f"sqlite:///{path}/mlflow.db")
        self.experiment = self.client.create_experiment("segsweep", (path / "artifacts").as_uri())

    def log(self, name: str, status: str = "FINISHED", **tags: str) -> str:
        """Log a run with one artifact, and return its id."""
        run = self.client.create_run(self.experiment, run_name=name, tags=tags)
        self.write(f"artifacts/{run.info.run_id}/artifacts/model/model.keras", "model")
        self.client.set_terminated(run.info.run_id, status)
        return str(run.info.run_id)

    def write(self, place: str, text: str = "x") -> Path:
        """Write a file."""
        path = self.path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def add_result(self, place: str, run_id: str, settings: dict[str, str] | None = None) -> Path:
        """Write the result of a run to its folder."""
        values = {"name": "", "fingerprint": "", "settings": settings or {}, "scores": {}, "weights_sha256": ""}
        lists = {"classes": ["a"], "images": ["i"], "scenes": ["i"]}
        write_result(self.path / place, RunResult(run_id, **values, **lists, matrices=np.zeros((1, 1, 1), np.int64)))
        return self.path / place

    def clean(self, **options) -> dict[str, str]:
        """Clean, and return what was or would be removed: kind by path."""
        items = clean(CleanConfig(outputs=str(self.path), **options))
        return {str(path.relative_to(self.path)): item.kind for item in items for path in item.paths}

    def snapshot(self) -> dict[str, object]:
        """Describe all files."""
        return {
            str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in sorted(self.path.rglob("*"))
        }


@pytest.fixture
def outputs(tmp_path) -> Outputs:
    return Outputs(tmp_path)


@pytest.fixture
def filled(outputs) -> Outputs:
    """An outputs folder with one leftover of every kind, and one thing of every kind that is needed."""
    outputs.write("stores/synthetic-1/manifest.json", '{"fingerprint": "used"}')
    outputs.write("stores/synthetic-2/manifest.json", '{"fingerprint": "unused"}')
    done = outputs.log("done", data_fingerprint="used", attempt="a1")
    outputs.add_result("runs/done", done)
    outputs.write("runs/done/last.npz")
    outputs.log("lost", "FAILED", attempt="a2")
    outputs.log("stopped", "KILLED", attempt="a3")
    outputs.write("runs/stopped/attempt.json", '{"attempt": "a3"}')
    outputs.write("runs/stopped/last.npz")
    outputs.client.delete_run(outputs.log("removed", attempt="a4"))
    outputs.write(f"artifacts/{UNKNOWN}/artifacts/x")
    outputs.write("artifacts/2/models/x")  # of a server
    dead_temporary(outputs.path / "mlflow.db").touch()
    return outputs


@pytest.mark.parametrize("where", ["result", "artifacts"])
def test_what_runs_logged_elsewhere_need_is_kept(filled, where, capsys):
    """Another database or a server may list the runs that this one does not know; their passwords are not shown."""
    uri = "http://me:secret@host:5000"
    if where == "result":
        filled.add_result("runs/far", "far", {"tracking.uri": uri})
    else:
        filled.write(f"artifacts/{'1' * 32}/artifacts/config.yaml", f"tracking: {{uri: '{uri}'}}")

    filled.clean(yes=True)
    filled.clean(what=["orphaned", "datasets"], yes=True)

    kept = ["stores/synthetic-2/manifest.json", f"artifacts/{UNKNOWN}/artifacts/x"]
    assert all((filled.path / place).exists() for place in kept)
    words = capsys.readouterr().out.replace("│", " ").split()
    assert "http://***@host:5000" in words
    assert not [word for word in words if "secret" in word]


def test_an_interrupted_attempt_of_another_mlflow_is_removed_only_if_named(outputs):
    """Its command would resume it."""
    outputs.write("runs/far/attempt.json", '{"attempt": "a9"}')
    outputs.write("runs/far/last.npz")

    outputs.clean(yes=True)
    assert (outputs.path / "runs/far/last.npz").exists()
    assert outputs.clean(what=["interrupted"], yes=True) == {"runs/far": "interrupted"}
    assert not (outputs.path / "runs/far").exists()


def dead_temporary(path: Path) -> Path:
    """Return the name of a temporary file of a process that has ended."""
    name = temporary_sibling(path).name
    return path.with_name(re.sub(rf"-{os.getpid()}-\d+-", "-99999999-1-", name))


def test_listing_changes_nothing(filled, capsys):
    """Without ``yes=true``, every file stays as it was, locks and the database included."""
    before = filled.snapshot()

    found = filled.clean()

    assert filled.snapshot() == before
    assert set(found.values()) == {*LEFTOVERS} - {"interrupted", "orphaned", "runs"}
    out = capsys.readouterr().out
    for text in ("done (", "synthetic-1", "used by 1 run", "total", f"outputs={filled.path} yes=true"):
        assert text in out


@pytest.mark.parametrize("kind", [kind for kind in LEFTOVERS if kind != "runs"])
def test_each_kind_is_removed_alone(filled, kind):
    """``what=[kind]`` removes what the listing says, and nothing else."""
    listed = filled.clean(what=[kind])
    before = {path for path in filled.path.rglob("*") if "mlflow" not in path.name or path.name[0] == "."}

    assert filled.clean(what=[kind], yes=True) == listed != {}

    gone = {str(path.relative_to(filled.path)) for path in before if not path.exists()}
    assert gone == {name for name in gone if any(Path(name).is_relative_to(place) for place in listed)} != set()
    assert not any((filled.path / name).exists() for name in listed)
    assert filled.clean(what=[kind]) == {}


def test_what_is_needed_stays(filled):
    """All default kinds together leave finished runs, their datasets, and runs that can be resumed."""
    filled.clean(yes=True)

    kept = {str(path.relative_to(filled.path)) for path in filled.path.rglob("*") if path.is_file()}
    assert {"stores/synthetic-1/manifest.json", "runs/done/result.json", "runs/stopped/last.npz"} <= kept
    assert "runs/done/last.npz" not in kept
    assert {run.info.run_name for run in filled.client.search_runs([filled.experiment])} == {"done", "stopped"}


def test_a_new_database_does_not_make_the_old_runs_leftovers(filled):
    """MLflow's database may have been damaged and moved away."""
    moved = filled.path / "moved"
    shutil.copytree(filled.path, moved, ignore=shutil.ignore_patterns("*mlflow*", "moved"))
    before = set(moved.rglob("*"))
    copy_database(f"sqlite:///{moved}/mlflow.db")

    for options in ({}, {"what": ["datasets", "failed", "deleted", "temporary"]}):
        clean(CleanConfig(outputs=str(moved), yes=True, **options))

    assert {path.name for path in before if not path.exists()} == {"last.npz"}
    assert (moved / "runs/stopped/last.npz").exists()


def test_a_run_of_a_sweep_that_has_just_started_stays(outputs):
    """Its folder may not be listed yet, but its sweep holds a lock."""
    outputs.log("live", "RUNNING", sweep="mine", **{"mlflow.parentRunId": "p", "attempt": "x"})
    lock = outputs.write("sweeps/mine/.lock", "")

    with FileLock(lock):
        assert outputs.clean(yes=True) == {}


def test_runs_of_others_in_a_shared_database_stay(outputs):
    """Those of another outputs folder with a sweep of the same name, and those that may be running elsewhere."""
    make_sweep(outputs, FINISHED)
    others = outputs.log("sweep losses", sweep="losses")
    theirs = [
        outputs.log("theirs", "FINISHED", sweep="losses", **{"mlflow.parentRunId": others, "attempt": "t1"}),
        outputs.log("theirs", "RUNNING", sweep="losses", **{"mlflow.parentRunId": others, "attempt": "t2"}),
        outputs.log("alone", "RUNNING", attempt="t3"),
    ]
    for run in theirs:
        outputs.client.log_param(run, "tracking.uri", "sqlite:////shared.db")

    outputs.clean(yes=True)
    outputs.clean(sweep="losses", yes=True)
    outputs.clean(run="alone", yes=True)

    kept = {run.info.run_id for run in outputs.client.search_runs([outputs.experiment])}
    assert {others, *theirs} <= kept
    assert all((outputs.path / "artifacts" / run).exists() for run in theirs)


def test_files_of_the_user_stay(outputs):
    """Only what this program wrote is a leftover."""
    own = [
        outputs.write(place) for place in ("runs/my_notes/a.txt", "artifacts/figures/a.png", "stores/my-images/a.tif")
    ]

    outputs.clean(yes=True)
    outputs.clean(what=["orphaned", "datasets", "failed", "deleted"], yes=True)

    assert all(path.exists() for path in own)


def test_a_version_that_was_registered_from_files_protects_its_run(outputs):
    """MLflow knows only where they are."""
    run = outputs.log("shore", "FAILED")
    outputs.client.create_registered_model("mine")
    outputs.client.create_model_version("mine", f"{outputs.path}/artifacts/{run}/artifacts/model")

    for options in ({}, {"run": "shore"}):
        assert outputs.clean(**options, yes=True) == {}


def test_a_registered_run_stays(outputs):
    """Neither its artifacts nor its run are removed, not even by name, nor if it was deleted in MLflow."""
    run = outputs.log("shore", "FAILED", data_fingerprint="used")
    outputs.write("stores/synthetic-1/manifest.json", '{"fingerprint": "used"}')
    outputs.client.create_registered_model("shore")
    outputs.client.create_model_version("shore", f"{outputs.path}/artifacts/{run}/artifacts/model", run)

    for options in ({}, {"run": "shore"}, {"what": ["failed"]}):
        assert outputs.clean(**options, yes=True) == {}
    outputs.client.delete_run(run)
    assert outputs.clean(yes=True) == {}


def test_the_run_and_the_dataset_of_a_model_archive_stay(outputs):
    """An evaluation of the archive needs the dataset."""
    run = outputs.log("shore", data_fingerprint="used")
    outputs.write("stores/synthetic-1/manifest.json", '{"fingerprint": "used"}')
    (outputs.path / "published").mkdir()
    with zipfile.ZipFile(outputs.path / "published" / "shore.zip", "w") as archive:
        archive.writestr("run.json", json.dumps({"run_id": run, "tags": {"data_fingerprint": "used"}}))
    (outputs.path / "published" / "other.zip").write_text("no archive")

    assert outputs.clean(run="shore", yes=True) == {}
    outputs.client.delete_run(run)
    assert outputs.clean(yes=True) == {}


@pytest.mark.parametrize("lock", ["runs/.stopped.lock", "runs/.done.lock", "stores/synthetic-2.lock"])
def test_what_a_running_process_uses_stays(filled, lock):
    """A lock held by another process protects a run and its files, and any running training the datasets."""
    with FileLock(filled.path / lock):
        found = filled.clean(what=["interrupted", "checkpoints", "datasets"], yes=True)

    assert "stores/synthetic-2" not in found
    assert ("runs/stopped" in found) == (lock != "runs/.stopped.lock")
    assert ("runs/done/last.npz" in found) == (lock != "runs/.done.lock")


def test_a_lock_taken_after_the_listing_is_respected(filled, monkeypatch, capsys):
    """The locks are taken before anything is removed."""
    monkeypatch.setattr(inventory, "is_locked", lambda path: False)
    with FileLock(filled.path / "runs" / ".stopped.lock"):
        assert filled.clean(what=["interrupted"], yes=True) == {}

    assert "kept stopped (" in capsys.readouterr().out
    assert (filled.path / "runs/stopped/last.npz").exists()


def test_temporary_files_of_a_living_process_stay(outputs):
    """The process of the test is alive."""
    path = temporary_sibling(outputs.path / "stores" / "synthetic-1")
    path.mkdir(parents=True)

    assert outputs.clean(yes=True) == {}
    assert path.exists()


def make_sweep(outputs: Outputs, last: str) -> tuple[SweepFolder, list[str]]:
    """Make a sweep of two runs, the first finished."""
    sweep = SweepFolder(outputs.path, "losses")
    parent = outputs.log("sweep losses", sweep="losses")
    sweep.write_metadata({"run_id": parent})
    runs = [parent]
    for number, status in enumerate((FINISHED, last)):
        sweep.ledger.append(QUEUED, number, fingerprint=str(number) * 64, name=f"run{number}")
        sweep.ledger.append(STARTED, number)
        if status != STARTED:
            sweep.ledger.append(status, number)
        tags = {"sweep": "losses", "mlflow.parentRunId": parent, "attempt": f"s{number}"}
        runs.append(outputs.log(f"run{number}", {FINISHED: "FINISHED"}.get(status, "FAILED"), **tags))
        folder = sweep.run_folder(str(number) * 64)
        if status == FINISHED:
            outputs.add_result(str(folder.relative_to(outputs.path)), runs[-1])
        else:
            outputs.write(str((folder / "attempt.json").relative_to(outputs.path)), f'{{"attempt": "s{number}"}}')
            (folder / "last.npz").write_text("x")
    return sweep, runs


@pytest.mark.parametrize("last", [STARTED, FAILED, FINISHED])
def test_what_a_sweep_needs_stays(outputs, last):
    """Results of finished runs and checkpoints of those that it would resume are not leftovers."""
    make_sweep(outputs, last)

    assert outputs.clean(yes=True) == {}
    assert outputs.clean(what=["interrupted", "failed", "checkpoints", "orphaned"], yes=True) == {}


def test_a_sweep_without_logged_runs_keeps_the_datasets(outputs):
    """Its dataset is not known yet."""
    outputs.write("stores/synthetic-2/manifest.json", '{"fingerprint": "unused"}')
    SweepFolder(outputs.path, "new").ledger.append(QUEUED, 0, fingerprint="0" * 64)

    assert outputs.clean(yes=True) == {}


def test_the_runs_of_a_damaged_ledger_stay(outputs):
    """It cannot tell which runs are its own; a folder that a readable one does not list goes."""
    sweep, _ = make_sweep(outputs, FINISHED)
    outputs.add_result("sweeps/losses/runs/unknown", "nobody")
    assert outputs.clean() == {}
    assert outputs.clean(what=["orphaned"]) == {"sweeps/losses/runs/unknown": "orphaned"}

    sweep.ledger.path.write_bytes(b"\0" * 100)

    assert outputs.clean(yes=True) == {}


def test_a_run_that_starts_while_files_are_listed_is_known(outputs, monkeypatch):
    """Its artifacts are not those of no run."""
    listing = inventory._read_archives

    def start(folder):
        outputs.log("new")
        return listing(folder)

    monkeypatch.setattr(inventory, "_read_archives", start)
    assert outputs.clean() == {}


def test_a_sweep_is_removed_by_name(outputs):
    """Its runs are deleted in MLflow, and its folder and their artifacts on disk; other runs stay."""
    other = outputs.log("other")
    sweep, _ = make_sweep(outputs, STARTED)

    outputs.clean(sweep="losses", yes=True)

    assert not sweep.path.exists()
    assert [path.name for path in (outputs.path / "artifacts").iterdir()] == [other]
    assert [run.info.run_id for run in outputs.client.search_runs([outputs.experiment])] == [other]


def test_a_sweep_that_runs_or_has_a_registered_run_is_not_removed_whole(outputs):
    """What is kept is listed with the reason."""
    sweep, runs = make_sweep(outputs, FINISHED)
    with sweep.lock():
        assert outputs.clean(sweep="losses", yes=True) == {}
    outputs.client.create_registered_model("shore")
    outputs.client.create_model_version("shore", f"{outputs.path}/artifacts/{runs[1]}/artifacts/model", runs[1])

    outputs.clean(sweep="losses", yes=True)

    assert {path.name for path in (outputs.path / "artifacts").iterdir()} == {runs[0], runs[1]}
    assert sweep.path.exists()


def test_kinds_can_be_limited_to_a_run_or_a_sweep(filled):
    """Other leftovers of these kinds stay."""
    make_sweep(filled, FINISHED)

    assert filled.clean(run="done", what=["checkpoints", "datasets"], yes=True) == {"runs/done/last.npz": "checkpoints"}
    assert filled.clean(sweep="losses", what=["checkpoints", "interrupted"]) == {}


def test_a_run_is_removed_by_name_or_id(filled):
    """Its folder is removed as well; a name that several runs share is refused."""
    first, second = (filled.log("twin") for _ in range(2))

    with pytest.raises(RunError, match=r"^run=twin is the name of 2 runs; give the id of one: "):
        filled.clean(run="twin", yes=True)
    assert set(filled.clean(run=second, yes=True)) == {f"artifacts/{second}"}
    assert set(filled.clean(run="twin", yes=True)) == {f"artifacts/{first}"}
    assert "runs/stopped" in filled.clean(run="stopped", yes=True)
    assert not (filled.path / "runs/stopped").exists()


def test_without_a_database_only_temporary_files_and_checkpoints_are_judged(filled, capsys):
    """What runs on another server refer to is unknown."""
    (filled.path / "mlflow.db").unlink()

    assert set(filled.clean().values()) == {"temporary", "checkpoints"}
    assert "has no mlflow.db, so only temporary files" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["what=[dataset]"], "what=dataset is not a kind of files; did you mean datasets?"),
        (["what=[zzz]"], f"what=zzz is not a kind of files; choose from {', '.join(LEFTOVERS)}."),
        (["run=a", "sweep=b"], "sweep=b and run=a are both set; set one of them."),
        (["what=[runs]"], "what=runs would remove every run; name them with sweep=NAME or run=NAME."),
    ],
)
def test_clean_refuses_a_mistake(overrides, message):
    """The error is one line, and nothing large is imported."""
    assert run_lightly("clean", *overrides) == (1, "", f"error: {message}\n")


def test_clean_names_what_it_does_not_find(outputs):
    """The folder, the run and the sweep; known sweeps are listed."""
    make_sweep(outputs, FINISHED)
    place = f"outputs={outputs.path}"
    for override, message in (
        ("sweep=x", f"sweep=x does not exist in {place}; choose one of losses."),
        ("run=x", f"run=x does not exist in {place}; python -m gym.clean lists them."),
        ("outputs=/nosuch", "outputs=/nosuch is not a folder; give the folder that training wrote to."),
    ):
        assert run_here("clean", place, override).err == f"error: {message}\n"

"""MLflow runs take their status from their block, can be resumed, and survive many processes on a new database."""

import errno
import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient

from gym.config.schema import TrackingConfig
from gym.core.errors import DiskError, Pruned, RunError, Terminated
from gym.runs.mlflow_client import open_tracking
from gym.runs.mlflow_limits import fit_key
from gym.runs.mlflow_log import RunLog, open_mlflow_run, start_run
from gym.runs.tracking_uri import tracking_uri
from tests.full_disk import refuse_writes
from tests.warm_start import FORKS

CONFIG = TrackingConfig()


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """One database for all tests of this file, because creating one takes seconds."""
    return tmp_path_factory.mktemp("outputs")


def status_of(outputs, run_id):
    return MlflowClient(tracking_uri(CONFIG, outputs)).get_run(run_id).info.status


def test_a_successful_run_is_finished(outputs, tmp_path):
    """Parameters, metrics by step, tags, dataset, files, machine and package versions are logged."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "note.txt").write_text("x")
    with open_mlflow_run(CONFIG, outputs, "a name", {"mine": "1"}, "attempt 1") as run:
        run.log_params({f"key{number}": "v" * 9000 for number in range(130)})
        run.log_metrics({"val/iou": 0.5, "class_iou/sable mouillé": 0.1}, step=1)
        run.log_metrics({"val/iou": 0.75}, step=2)
        run.log_dataset("scenes", "f" * 64, "here", "{}")
        run.log_tags({"later": "2"})
        run.log_folder(tmp_path)

    client = MlflowClient(tracking_uri(CONFIG, outputs))
    stored = client.get_run(run.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.info.run_name == "a name"
    assert len(stored.data.params) == 130
    assert [point.value for point in client.get_metric_history(run.run_id, "val/iou")] == [0.5, 0.75]
    assert stored.data.metrics["class_iou/sable mouillé"] == 0.1
    assert stored.data.tags["mine"] == "1"
    assert stored.data.tags["later"] == "2"
    assert stored.data.tags["version.tensorflow"]
    assert stored.data.tags["git_commit"]
    assert stored.inputs.dataset_inputs[0].dataset.digest == "f" * 36
    assert [item.path for item in client.list_artifacts(run.run_id, "sub")] == ["sub/note.txt"]


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("bad\nday"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (Terminated(), "KILLED")]
)
def test_an_interrupted_run_is_not_left_running(outputs, error, status):
    """An error makes it FAILED and is logged; Ctrl-C and SIGTERM make it KILLED."""
    with pytest.raises(type(error)), open_mlflow_run(CONFIG, outputs, "broken", {}, type(error).__name__) as run:
        raise error

    stored = MlflowClient(tracking_uri(CONFIG, outputs)).get_run(run.run_id)
    assert stored.info.status == status
    assert stored.data.tags.get("error") == ("ValueError: bad" if status == "FAILED" else None)


def log_many_steps(outputs, name):
    """Log a run of 25 steps."""
    with open_mlflow_run(CONFIG, outputs, "parallel", {}, name) as run:
        for step in range(25):
            run.log_metrics({"x": float(step), "y": 1.0}, step=step)


@pytest.mark.process
def test_eight_processes_share_a_new_database_without_losses(tmp_path):
    """The first process creates the tables; processes that find the database locked try again."""
    processes = [FORKS.Process(target=log_many_steps, args=(tmp_path, name)) for name in "abcdefgh"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=300)

    assert [process.exitcode for process in processes] == [0] * 8
    client, experiment = open_tracking(CONFIG, tmp_path)
    runs = client.search_runs([experiment])
    assert [run.info.status for run in runs] == ["FINISHED"] * 8
    for run in runs:
        assert sorted(point.step for point in client.get_metric_history(run.info.run_id, "x")) == list(range(25))


def test_metrics_can_be_logged_in_the_background(outputs, monkeypatch):
    """The call returns at once; the next call, queries and the end of the run wait for it."""
    may_write, write = threading.Event(), RunLog.log_metrics

    def write_when_allowed(self, values, step):
        assert may_write.wait(timeout=60)
        write(self, values, step)

    monkeypatch.setattr(RunLog, "log_metrics", write_when_allowed)
    with open_mlflow_run(CONFIG, outputs, "background", {}, "attempt 8") as run:
        run.log_metrics_in_background({"x": 0.5}, step=1)
        may_write.set()
        run.log_metrics_in_background({"x": 0.25}, step=2)
        assert run.logged_steps("x") == {1, 2}
        run.log_metrics_in_background({"x": 0.125}, step=3)

    history = MlflowClient(tracking_uri(CONFIG, outputs)).get_metric_history(run.run_id, "x")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.25), (3, 0.125)]


@pytest.mark.parametrize(("error", "logged"), [(None, "RunError: MLflow at"), (ValueError("mine"), "ValueError: mine")])
def test_metrics_that_cannot_be_written_fail_the_run(outputs, error, logged):
    """The run fails at its end at the latest; another error is not hidden."""

    def log_invalid_metrics(attempt):
        with open_mlflow_run(CONFIG, outputs, "lost", {}, attempt) as run:
            run.log_metrics_in_background({"x": 0.5}, step="one")  # MLflow refuses it
            if error:
                raise error

    with pytest.raises(type(error) if error else RunError):
        log_invalid_metrics(logged)

    client, experiment = open_tracking(CONFIG, outputs)
    [stored] = client.search_runs([experiment], f"tags.attempt = '{logged}'")
    assert stored.info.status == "FAILED"
    assert stored.data.tags["error"].startswith(logged)


def test_an_attempt_resumes_in_its_own_run(outputs):
    """Status and error reflect its end, and parameters keep their first values."""
    client, experiment = open_tracking(CONFIG, outputs)
    begun = start_run(client, experiment, "killed", {"attempt": "attempt 6"})
    with open_mlflow_run(CONFIG, outputs, "killed", {}, "attempt 6") as run:
        run.log_params({"a": 1})
        assert status_of(outputs, begun) == "RUNNING"
    with open_mlflow_run(CONFIG, outputs, "killed", {}, "attempt 6") as again:
        again.log_params({"a": 2, "b": 3})
    with pytest.raises(ValueError, match="bad day"), open_mlflow_run(CONFIG, outputs, "killed", {}, "attempt 6"):
        raise ValueError("bad day")
    with open_mlflow_run(CONFIG, outputs, "killed", {}, "attempt 6") as last:
        last.log_metrics({"x": 1.0}, step=4)
        assert last.logged_steps("x") == {4}

    stored = client.get_run(begun)
    assert run.run_id == again.run_id == last.run_id == begun
    assert (run.is_resumed, stored.info.status, stored.data.params) == (True, "FINISHED", {"a": "1", "b": "3"})
    assert "error" not in stored.data.tags


def test_a_pruned_run_is_finished(outputs):
    """A tag marks it as pruned."""
    with pytest.raises(Pruned), open_mlflow_run(CONFIG, outputs, "pruned", {}, "attempt 7") as run:
        raise Pruned

    stored = MlflowClient(tracking_uri(CONFIG, outputs)).get_run(run.run_id)
    assert (stored.info.status, stored.data.tags["pruned"]) == ("FINISHED", "true")


def test_different_names_are_different_metrics(outputs):
    """They stay distinct even if they differ only in characters that MLflow rejects."""
    scores = {"class_iou/a+b": 0.25, "class_iou/a&b": 0.5, "class_iou/a_b": 0.75}
    with open_mlflow_run(CONFIG, outputs, "signs", {}, "attempt signs") as run:
        run.log_metrics(scores)

    logged = MlflowClient(tracking_uri(CONFIG, outputs)).get_run(run.run_id).data.metrics
    assert {name: logged[fit_key(name)] for name in scores} == scores


def test_artifacts_are_copied_to_their_paths(outputs, tmp_path):
    """Nested artifacts keep their paths, and missing ones are left out."""
    (tmp_path / "in" / "sub" / "deep").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "sub/deep/c.txt"):
        (tmp_path / "in" / name).write_text(name)
    with open_mlflow_run(CONFIG, outputs, "fetched", {}, "attempt fetched") as run:
        run.log_folder(tmp_path / "in")
        run.fetch_artifacts(["a.txt", "none.txt", "sub/deep/c.txt", "no/such.txt", "a.txt"], tmp_path / "out")
        (tmp_path / "out" / "a.txt").write_text("changed")
        run.fetch_artifacts(["b.txt"], tmp_path / "again")

    found = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*.txt")}
    assert {name: text for name, text in found.items() if not name.startswith("in/")} == {
        "out/a.txt": "changed",
        "out/sub/deep/c.txt": "sub/deep/c.txt",
        "again/b.txt": "b.txt",
    }
    assert found["in/a.txt"] == "a.txt"


def test_final_metrics_are_logged_once(outputs):
    """A run that was killed after it logged them logs them again when it resumes; only changed values are added."""
    for iou in (0.5, 0.5, 0.75):
        with open_mlflow_run(CONFIG, outputs, "b", {}, "attempt of metrics") as run:
            run.log_metrics({"iou": iou, "kld": float("nan"), "class_iou/mouillé (1)": 0.1})

    client = MlflowClient(tracking_uri(CONFIG, outputs))
    assert [point.value for point in client.get_metric_history(run.run_id, "iou")] == [0.5, 0.75]
    for name in ("kld", fit_key("class_iou/mouillé (1)")):
        assert len(client.get_metric_history(run.run_id, name)) == 1


def test_a_full_disk_keeps_the_old_artifacts(outputs, tmp_path):
    """Each artifact is the old or the new one, whichever write is refused."""
    for name in ("a.txt", "deep/b.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("old")
    with open_mlflow_run(CONFIG, outputs, "b", {}, "attempt of artifacts") as run:
        run.log_folder(tmp_path, "place")
        (folder,) = (path.parent for path in (outputs / "artifacts" / run.run_id).rglob("a.txt"))
        for name in ("a.txt", "deep/b.txt"):
            (tmp_path / name).write_text("new")
        for allowed in range(20):
            with refuse_writes(Path(folder), allowed, errno.ENOSPC) as disk:
                try:
                    run.log_folder(tmp_path, "place")
                except DiskError as error:
                    refusal = str(error)
            texts = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
            assert texts.keys() == {"a.txt", "deep/b.txt"}
            assert {*texts.values()} <= {"old", "new"}
            if disk.count <= allowed:
                break
        assert set(texts.values()) == {"new"}
        assert str(folder) in refusal

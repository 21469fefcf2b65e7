"""Grid sweeps, started as a user starts them, can be killed at any time and are resumed by the same command."""

import json
import os
import random
import signal
import subprocess
import time

import pytest
from filelock import FileLock

from gym.runs.result import read_result
from gym.sweeps.grid import launch_unfinished, queue_new_runs
from gym.sweeps.plan import PlannedRun
from gym.sweeps.sweep_folder import SweepFolder
from tests.sweeps.commands import client_of, complete, complete_cold, finish, kill_after, runs_of, start

# Runs of a second or two: one level, two filters.
SMALL = [
    *("+debug=tiny", "model=simple_unet", "model.levels=1", "training.precision=float32", "training.threads=1"),
    *("loss=cce,dice", "seed=1,2", "training.epochs=3", "sweep.name=grid"),
]
TWO = [argument.replace("cce,dice", "cce") for argument in SMALL]
EXPLODES = ["+debug=tiny", "model=simple_unet", "model.levels=1", "sweep.name=grid", "schedule.start_rate=1e-5"]
RATES = ["schedule.max_rate=1e-3,1e30", "schedule.rampup_epochs=0"]


def results_of(outputs):
    """Return weights and scores of the runs of the sweep, by name."""
    folder = SweepFolder(outputs, "grid")
    results = [read_result(folder.run_folder(job.fingerprint)) for job in folder.ledger.jobs()]
    return {
        one.name: (one.weights_sha256, {name: score for name, score in one.scores.items() if name != "seconds"})
        for one in results
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A sweep of four runs that was not interrupted."""
    outputs = tmp_path_factory.mktemp("undisturbed")
    return outputs, complete_cold(outputs, *SMALL)


@pytest.mark.process
def test_a_sweep_is_a_parent_run_with_its_runs_as_children(undisturbed):
    """The parent run contains the comparison of its four children."""
    outputs, output = undisturbed
    runs = runs_of(outputs)
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]

    assert [run.info.status for run in runs] == ["FINISHED"] * 5
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parents[0].info.run_id}
    assert sorted(run.data.tags["job"] for run in children) == ["0", "1", "2", "3"]
    client = client_of(outputs)
    files = {file.path for file in client.list_artifacts(parents[0].info.run_id)}
    assert {"comparison.csv", "comparison.html", "figure4.png", "figure4.html"} <= files
    assert parents[0].data.metrics["runs_finished"] == 4
    assert parents[0].data.tags["mlflow.note.content"].startswith("Recommended: simple_unet")
    assert "4 of 4 runs finished" in output
    assert set(results_of(outputs)) == {
        f"simple_unet {loss} f2 seed={seed}" for loss in ("cce", "dice") for seed in (1, 2)
    }
    assert len({run.data.tags["data_fingerprint"] for run in children}) == 1


@pytest.mark.process
def test_repeating_a_finished_sweep_does_nothing(undisturbed):
    """No run is trained or logged again."""
    outputs, _ = undisturbed
    before = (outputs / "sweeps/grid/ledger.jsonl").read_text()
    code, output = finish(outputs, *SMALL)

    assert code == 0
    assert (outputs / "sweeps/grid/ledger.jsonl").read_text() == before
    assert len(runs_of(outputs)) == 5
    assert "4 of 4 runs finished" in output


@pytest.mark.process
def test_a_named_sweep_can_be_extended(undisturbed, tmp_path):
    """Finished runs keep their numbers, and only new runs are trained."""
    outputs, _ = undisturbed
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", outputs, copy], check=True)
    more = [argument.replace("seed=1,2", "seed=2,3") for argument in SMALL]
    code, _ = finish(copy, *more)
    jobs = SweepFolder(copy, "grid").ledger.jobs()

    assert code == 0
    assert [job.attempts for job in jobs] == [1] * 6
    assert [job.name[-1] for job in jobs] == ["1", "2", "1", "2", "3", "3"]


@pytest.mark.process
def test_a_lost_result_is_trained_again(undisturbed, tmp_path):
    """Only the runs without a readable result are repeated; the comparison covers all four."""
    outputs, _ = undisturbed
    subprocess.run(["cp", "-r", outputs, tmp_path / "copy"], check=True)
    folder = SweepFolder(tmp_path / "copy", "grid")
    missing, damaged = (folder.run_folder(folder.ledger.job(number).fingerprint) for number in (1, 2))
    (missing / "result.json").unlink()
    (damaged / "matrices.npy").write_bytes(b"torn")
    output = complete(tmp_path / "copy", *SMALL)

    assert [job.attempts for job in folder.ledger.jobs()] == [1, 2, 2, 1]
    assert results_of(tmp_path / "copy") == results_of(outputs)
    assert "repeating simple_unet cce f2 seed=2: its result in" in output
    assert "4 of 4 runs finished" in output


@pytest.mark.process
def test_a_sweep_killed_repeatedly_has_the_same_results(undisturbed, tmp_path):
    """Weights and scores are equal, and each run is logged to MLflow once and FINISHED."""
    outputs, _ = undisturbed
    kill_until_done(tmp_path, times=3, longest=8.0)

    assert results_of(tmp_path) == results_of(outputs)
    runs = runs_of(tmp_path)
    assert sorted(run.info.run_name for run in runs) == sorted(run.info.run_name for run in runs_of(outputs))
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        steps = client_of(tmp_path).get_metric_history(run.info.run_id, "val/iou")
        assert sorted(point.step for point in steps) in ([1, 2, 3], [])


def kill_until_done(outputs, times, longest):
    """Kill the sweep after random times, then let it finish."""
    moments = random.Random(0)
    for _ in range(times):
        kill_after(moments.uniform(2, longest), outputs, *SMALL)
    code, output = finish(outputs, *SMALL)
    assert code == 0, output


@pytest.mark.process
def test_a_failed_run_does_not_stop_the_others(tmp_path):
    """It is listed with its error and command, and retried a limited number of times."""
    code, output = finish(tmp_path, *EXPLODES, *RATES, "sweep.attempts=2")

    jobs = SweepFolder(tmp_path, "grid").ledger.jobs()
    assert code == 1
    assert [job.status for job in jobs] == ["finished", "failed"]
    assert "the loss is" in output
    assert "schedule.max_rate=1e+30" in output
    assert "python -m gym.train" in output
    assert "error: 1 of 2 runs did not finish" in output

    finish(tmp_path, *EXPLODES, *RATES, "sweep.attempts=2")
    code, output = finish(tmp_path, *EXPLODES, *RATES, "sweep.attempts=2")
    jobs = SweepFolder(tmp_path, "grid").ledger.jobs()
    assert [job.attempts for job in jobs] == [1, 2]
    assert code == 1
    statuses = sorted(run.info.status for run in runs_of(tmp_path))
    assert statuses == ["FAILED", "FAILED", "FINISHED"]


@pytest.mark.process
def test_a_lost_mlflow_database_stops_the_sweep_with_one_line(tmp_path):
    """Finished runs are kept, and the same command resumes once the database is back."""
    process, ledger = start(tmp_path, *TWO), SweepFolder(tmp_path, "grid").ledger
    wait_for("finished", process, ledger)
    database = tmp_path / "mlflow.db"
    database.rename(tmp_path / "away.db")
    database.write_bytes(b"no database " * 1000)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "error: MLflow at sqlite:///" in output
    assert "Traceback" not in output

    (tmp_path / "away.db").replace(database)
    complete(tmp_path, *TWO)
    assert [job.status for job in ledger.jobs()] == ["finished"] * 2
    assert ledger.job(0).attempts == 1


@pytest.mark.process
def test_a_second_driver_is_rejected(tmp_path):
    """The error names the process that runs the sweep."""
    folder = SweepFolder(tmp_path, "grid")
    folder.path.mkdir(parents=True)
    (folder.path / "holder.txt").write_text("process 1 on here\n")
    with FileLock(folder.path / ".lock"):
        code, output = finish(tmp_path, *SMALL)

    assert code == 1
    assert (
        "error: sweep grid is already running (process 1 on here); wait for it, or use another name with sweep.name="
        in output
    )
    assert not folder.ledger.path.exists()


@pytest.mark.process
def test_a_sweep_rejects_other_data(undisturbed, tmp_path):
    """Runs on other data cannot be added under the same name; nothing changes on disk."""
    outputs, _ = undisturbed
    before = (outputs / "sweeps/grid/ledger.jsonl").read_text()
    code, output = finish(outputs, *SMALL, "data.seed=1")

    assert code == 1
    assert "error: sweep.name=grid contains runs on other data or another split" in output
    assert (outputs / "sweeps/grid/ledger.jsonl").read_text() == before


@pytest.mark.process
@pytest.mark.drill
def test_two_workers_have_the_same_results_as_one(undisturbed, tmp_path):
    """With joblib, weights and scores are equal and every epoch is logged."""
    outputs, _ = undisturbed
    complete(tmp_path, *SMALL, "hydra/launcher=two_at_once")

    assert results_of(tmp_path) == results_of(outputs)
    assert epochs_logged(tmp_path) == [[1, 2, 3]] * 4


def epochs_logged(outputs):
    """Return for each run of a sweep the epochs with a score in MLflow."""
    client = client_of(outputs)
    children = [run.info.run_id for run in runs_of(outputs) if "mlflow.parentRunId" in run.data.tags]
    histories = [client.get_metric_history(run, "val/iou") for run in children]
    return [sorted(point.step for point in history) for history in histories]


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize(("workers", "order"), [(1, [0, 1, 2]), (2, [1, 0, 2])])
def test_workers_begin_with_the_longest_runs(workers, order, is_old, tmp_path):
    """A single worker follows the order of the command.

    The order is the same if an older version queued the runs without their work.
    """
    planned = [PlannedRun(name, name, [], "", work) for name, work in (("b", 2.0), ("a", 9.0), ("c", 2.0))]
    folder = SweepFolder(tmp_path, "grid")
    queue_new_runs(folder, [run._replace(work=0.0) for run in planned] if is_old else planned)
    launched = []

    class Recording:
        def __init__(self):
            self.workers = workers

        def launch(self, jobs):
            launched.extend(job.number for job in jobs)

    launch_unfinished(folder, planned, Recording(), attempts=2)

    assert launched == order


@pytest.mark.process
def test_submitit_has_the_same_results_as_one_process(undisturbed, tmp_path):
    """Submitit runs its jobs on this machine instead of a cluster."""
    complete(tmp_path, *TWO, "hydra/launcher=submitit_local")

    assert_part_of(undisturbed, tmp_path)
    assert {run.info.status for run in runs_of(tmp_path)} == {"FINISHED"}


@pytest.mark.process
def test_a_dying_worker_does_not_affect_other_runs(undisturbed, tmp_path):
    """Its run is restarted, weights and scores are equal, and every epoch is logged."""
    process = start(tmp_path, *TWO, "hydra/launcher=two_at_once")
    ledger = SweepFolder(tmp_path, "grid").ledger
    wait_for("epoch", process, ledger)
    workers = [int(line) for line in pgrep("LokyProcess", process.pid)]
    os.kill(workers[0], signal.SIGKILL)
    output, _ = process.communicate(timeout=600)

    assert process.returncode == 0, output
    assert [job.status for job in ledger.jobs()] == ["finished"] * 2
    assert max(job.attempts for job in ledger.jobs()) == 2
    assert_part_of(undisturbed, tmp_path)
    assert epochs_logged(tmp_path) == [[1, 2, 3]] * 2


def assert_part_of(undisturbed, outputs):
    """Assert that the two runs of a sweep have the same results as in an undisturbed sweep."""
    expected = results_of(undisturbed[0])
    results = results_of(outputs)
    assert results == {name: expected[name] for name in results}
    assert len(results) == 2


@pytest.mark.process
@pytest.mark.parametrize("event", ["epoch", pytest.param("finished", marks=pytest.mark.drill)])
def test_a_worker_exits_after_its_driver_was_killed(event, tmp_path):
    """It finishes its current run first, then frees its memory and closes its output."""
    process = start(tmp_path, *SMALL, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    ledger = SweepFolder(tmp_path, "grid").ledger
    wait_for(event, process, ledger)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=120)  # until no worker holds its end of the pipe

    assert "finished" in {job.status for job in ledger.jobs()}


def wait_for(event, process, ledger):
    """Wait until the ledger of a running sweep contains an event of some kind."""
    while not any(line["event"] == event for line in ledger.read()):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.1)


def pgrep(pattern, parent):
    """Return the child processes of a parent whose command line matches a pattern."""
    done = subprocess.run(["pgrep", "-P", str(parent), "-f", pattern], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.process
def test_the_ledger_has_one_line_of_json_per_event(undisturbed):
    """Four runs are queued before the first one starts."""
    outputs, _ = undisturbed
    lines = (outputs / "sweeps/grid/ledger.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["event"] for line in lines]

    assert kinds[:4] == ["queued"] * 4
    assert kinds[4:12] == ["started", *["epoch"] * 3, *["phase"] * 3, "finished"]

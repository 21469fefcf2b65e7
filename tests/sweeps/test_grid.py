"""A sweep as a user starts it: it can be killed at any instant, and the same command ends it."""

import json
import os
import random
import signal
import subprocess
import time

import pytest
from filelock import FileLock

from gym.runs.result import read_result
from gym.sweeps.grid import enter, launch
from gym.sweeps.plan import Planned
from gym.sweeps.sweep_folder import SweepFolder
from tests.sweeps.commands import client_of, complete, complete_cold, finish, kill_after, runs_of, start

# Runs of a second or two: one level, two filters.
SMALL = [
    *("+debug=tiny", "model=simple_unet", "model.levels=1", "training.precision=float32", "training.threads=1"),
    *("loss=cce,dice", "seed=1,2", "training.epochs=3", "sweep.name=mine"),
]
TWO = [argument.replace("cce,dice", "cce") for argument in SMALL]
EXPLODES = ["+debug=tiny", "model=simple_unet", "model.levels=1", "sweep.name=mine", "schedule.start_rate=1e-5"]
RATES = ["schedule.max_rate=1e-3,1e30", "schedule.rampup_epochs=0"]


def results_of(outputs):
    """Weights and scores of the runs of the sweep, by name."""
    folder = SweepFolder(outputs, "mine")
    results = [read_result(folder.run_folder(job.fingerprint)) for job in folder.ledger.jobs()]
    return {
        one.name: (one.weights_sha256, {name: score for name, score in one.scores.items() if name != "seconds"})
        for one in results
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A sweep of four runs that nothing disturbed."""
    outputs = tmp_path_factory.mktemp("whole")
    return outputs, complete_cold(outputs, *SMALL)


def test_a_sweep_is_a_parent_with_its_runs(whole):
    """Four children hang on one parent, which holds the comparison."""
    outputs, said = whole
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
    assert "4 of 4 runs finished" in said
    assert set(results_of(outputs)) == {
        f"simple_unet {loss} f2 seed={seed}" for loss in ("cce", "dice") for seed in (1, 2)
    }
    assert len({run.data.tags["data_fingerprint"] for run in children}) == 1


def test_a_finished_sweep_has_nothing_left_to_do(whole):
    """The same command trains nothing, and makes no further run in MLflow."""
    outputs, _ = whole
    before = (outputs / "sweeps/mine/ledger.jsonl").read_text()
    code, said = finish(outputs, *SMALL)

    assert code == 0
    assert (outputs / "sweeps/mine/ledger.jsonl").read_text() == before
    assert len(runs_of(outputs)) == 5
    assert "4 of 4 runs finished" in said


def test_a_named_sweep_can_be_added_to(whole, tmp_path):
    """More of the same name: what is finished keeps its number, only the new is trained."""
    outputs, _ = whole
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", outputs, copy], check=True)
    more = [argument.replace("seed=1,2", "seed=2,3") for argument in SMALL]
    code, _ = finish(copy, *more)
    jobs = SweepFolder(copy, "mine").ledger.jobs()

    assert code == 0
    assert [job.attempts for job in jobs] == [1] * 6
    assert [job.name[-1] for job in jobs] == ["1", "2", "1", "2", "3", "3"]


def test_a_result_that_was_removed_is_made_again(whole, tmp_path):
    """Its run alone; the comparison is of all four."""
    outputs, _ = whole
    subprocess.run(["cp", "-r", outputs, tmp_path / "copy"], check=True)
    folder = SweepFolder(tmp_path / "copy", "mine")
    lost, damaged = (folder.run_folder(folder.ledger.job(number).fingerprint) for number in (1, 2))
    (lost / "result.json").unlink()
    (damaged / "matrices.npy").write_bytes(b"torn")
    said = complete(tmp_path / "copy", *SMALL)

    assert [job.attempts for job in folder.ledger.jobs()] == [1, 2, 2, 1]
    assert results_of(tmp_path / "copy") == results_of(outputs)
    assert "simple_unet cce f2 seed=2 is made again" in said
    assert "4 of 4 runs finished" in said


def test_a_sweep_that_is_killed_again_and_again_ends_the_same(whole, tmp_path):
    """SIGKILL at three random moments: the same weights and scores, every run once in MLflow, none left RUNNING."""
    outputs, _ = whole
    kill_until_done(tmp_path, times=3, longest=8.0)

    assert results_of(tmp_path) == results_of(outputs)
    runs = runs_of(tmp_path)
    assert sorted(run.info.run_name for run in runs) == sorted(run.info.run_name for run in runs_of(outputs))
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        steps = client_of(tmp_path).get_metric_history(run.info.run_id, "val/iou")
        assert sorted(point.step for point in steps) in ([1, 2, 3], [])


def kill_until_done(outputs, times, longest):
    """Start the sweep, kill it after a random time, and so on; then let it end."""
    moments = random.Random(0)
    for _ in range(times):
        kill_after(moments.uniform(2, longest), outputs, *SMALL)
    code, said = finish(outputs, *SMALL)
    assert code == 0, said


def test_a_failing_run_stops_no_other(tmp_path):
    """It is named at the end with its message and command; it is tried again, but not without end."""
    code, said = finish(tmp_path, *EXPLODES, *RATES, "sweep.attempts=2")

    jobs = SweepFolder(tmp_path, "mine").ledger.jobs()
    assert code == 1
    assert [job.status for job in jobs] == ["finished", "failed"]
    assert "the loss is" in said
    assert "schedule.max_rate=1e+30" in said
    assert "python -m gym.train" in said
    assert "error: 1 run of 2 did not finish" in said

    finish(tmp_path, *EXPLODES, *RATES, "sweep.attempts=2")
    code, said = finish(tmp_path, *EXPLODES, *RATES, "sweep.attempts=2")
    jobs = SweepFolder(tmp_path, "mine").ledger.jobs()
    assert [job.attempts for job in jobs] == [1, 2]
    assert code == 1
    statuses = sorted(run.info.status for run in runs_of(tmp_path))
    assert statuses == ["FAILED", "FAILED", "FINISHED"]


def test_a_sweep_whose_mlflow_is_gone_ends_in_a_line(tmp_path):
    """What was finished is kept, and the same command makes the rest once MLflow is back."""
    process, ledger = start(tmp_path, *TWO), SweepFolder(tmp_path, "mine").ledger
    wait_for("finished", process, ledger)
    database = tmp_path / "mlflow.db"
    database.rename(tmp_path / "away.db")
    database.write_bytes(b"no database " * 1000)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "error: MLflow at sqlite:///" in said
    assert "Traceback" not in said

    (tmp_path / "away.db").replace(database)
    complete(tmp_path, *TWO)
    assert [job.status for job in ledger.jobs()] == ["finished"] * 2
    assert ledger.job(0).attempts == 1


def test_a_second_driver_is_refused(tmp_path):
    """With who holds the sweep."""
    folder = SweepFolder(tmp_path, "mine")
    folder.path.mkdir(parents=True)
    (folder.path / "holder.txt").write_text("process 1 on here\n")
    with FileLock(folder.path / ".lock"):
        code, said = finish(tmp_path, *SMALL)

    assert code == 1
    assert (
        "error: sweep mine is already running (process 1 on here); wait for it, or choose another name with sweep.name="
        in said
    )
    assert not folder.ledger.path.exists()


def test_a_sweep_holds_to_its_data(whole, tmp_path):
    """A name that stands for runs on other scenes is refused, and nothing is changed."""
    outputs, _ = whole
    before = (outputs / "sweeps/mine/ledger.jsonl").read_text()
    code, said = finish(outputs, *SMALL, "data.seed=1")

    assert code == 1
    assert "error: sweep.name=mine contains runs on other data or another split" in said
    assert (outputs / "sweeps/mine/ledger.jsonl").read_text() == before


@pytest.mark.drill
def test_workers_share_the_cores_and_lose_nothing(whole, tmp_path):
    """With joblib: as many runs, the same weights, every epoch in MLflow."""
    outputs, _ = whole
    complete(tmp_path, *SMALL, "hydra/launcher=two_at_once")

    assert results_of(tmp_path) == results_of(outputs)
    assert epochs_logged(tmp_path) == [[1, 2, 3]] * 4


def epochs_logged(outputs):
    """Of each run of a sweep the epochs that MLflow has a score of."""
    client = client_of(outputs)
    children = [run.info.run_id for run in runs_of(outputs) if "mlflow.parentRunId" in run.data.tags]
    histories = [client.get_metric_history(run, "val/iou") for run in children]
    return [sorted(point.step for point in history) for history in histories]


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize(("workers", "order"), [(1, [0, 1, 2]), (2, [1, 0, 2])])
def test_workers_begin_with_the_longest_runs(workers, order, is_old, tmp_path):
    """So that none is left to one of them at the end; without workers the order is that of the command.

    Also where an older version entered the runs, without their work.
    """
    planned = [Planned(name, name, [], "", work) for name, work in (("b", 2.0), ("a", 9.0), ("c", 2.0))]
    folder = SweepFolder(tmp_path, "mine")
    enter(folder, [run._replace(work=0.0) for run in planned] if is_old else planned)
    handed_on = []

    class Recording:
        def __init__(self):
            self.workers = workers

        def launch(self, jobs):
            handed_on.extend(job.number for job in jobs)

    launch(folder, planned, Recording(), attempts=2)

    assert handed_on == order


def test_a_queue_of_jobs_comes_to_the_same(whole, tmp_path):
    """With submitit, which a cluster is reached through, and its executor on this machine."""
    complete(tmp_path, *TWO, "hydra/launcher=submitit_local")

    assert_part_of(whole, tmp_path)
    assert {run.info.status for run in runs_of(tmp_path)} == {"FINISHED"}


def test_a_worker_that_dies_takes_no_other_with_it(whole, tmp_path):
    """Its run is started again, and the sweep ends: the same weights as without workers, every epoch in MLflow."""
    process = start(tmp_path, *TWO, "hydra/launcher=two_at_once")
    ledger = SweepFolder(tmp_path, "mine").ledger
    wait_for("epoch", process, ledger)
    workers = [int(line) for line in pgrep("LokyProcess", process.pid)]
    os.kill(workers[0], signal.SIGKILL)
    said, _ = process.communicate(timeout=600)

    assert process.returncode == 0, said
    assert [job.status for job in ledger.jobs()] == ["finished"] * 2
    assert max(job.attempts for job in ledger.jobs()) == 2
    assert_part_of(whole, tmp_path)
    assert epochs_logged(tmp_path) == [[1, 2, 3]] * 2


def assert_part_of(whole, outputs):
    """The two runs of a sweep came to what they come to one after another."""
    expected = results_of(whole[0])
    results = results_of(outputs)
    assert results == {name: expected[name] for name in results}
    assert len(results) == 2


@pytest.mark.parametrize("event", ["epoch", pytest.param("finished", marks=pytest.mark.drill)])
def test_a_worker_does_not_outlive_its_driver_for_long(event, tmp_path):
    """It ends its run, if it makes one, and leaves: its memory is given back, and its output closed."""
    process = start(tmp_path, *SMALL, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    ledger = SweepFolder(tmp_path, "mine").ledger
    wait_for(event, process, ledger)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=120)  # until no worker holds its end of the pipe

    assert "finished" in {job.status for job in ledger.jobs()}


def wait_for(event, process, ledger):
    """Wait until a sweep that is under way tells of an event."""
    while not any(told["event"] == event for told in ledger.read()):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.1)


def pgrep(pattern, parent):
    """The processes of a parent whose command line has a pattern."""
    done = subprocess.run(["pgrep", "-P", str(parent), "-f", pattern], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_ledger_can_be_read_by_anyone(whole):
    """A line an event, JSON each."""
    outputs, _ = whole
    lines = (outputs / "sweeps/mine/ledger.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["event"] for line in lines]

    assert kinds[:4] == ["queued"] * 4
    assert kinds[4:9] == ["started", "epoch", "epoch", "epoch", "finished"]

"""A run of a sweep is trained once, in any worker, and every failure is one line."""

import errno
import math
import sqlite3
import threading
from pathlib import Path

import pytest

from gym.app import sweep_worker
from gym.app.sweep_worker import explain_failure, run_job
from gym.config.schema import Config
from gym.core.errors import ConfigError, DiskError, RunError
from gym.runs.spec import RunSpec
from gym.sweeps.ledger import FAILED, FINISHED, PRUNED, QUEUED, STARTED
from gym.sweeps.sweep_folder import SweepFolder

RUN = RunSpec({}, None, None, "a", Path("a"), "f" * 64)


@pytest.fixture
def config(tmp_path):
    """The configuration of the only run of a sweep."""
    config = Config(outputs=str(tmp_path))
    config.sweep.name, config.sweep.job = "mine", 0
    ledger_of(config).append(QUEUED, 0, fingerprint="f" * 64)
    return config


def ledger_of(config):
    return SweepFolder(Path(config.outputs), "mine").ledger


@pytest.fixture
def trained(monkeypatch):
    """The jobs that the worker would train; training itself is replaced."""
    runs = []
    monkeypatch.setattr(sweep_worker, "train_job", lambda config, sweep, job: runs.append(job) or 0.5)
    return runs


@pytest.mark.parametrize(("end", "score"), [(FINISHED, 0.75), (PRUNED, math.nan)])
def test_a_finished_run_is_not_trained_again(config, trained, end, score):
    """Its recorded score is returned; a second MLflow run would be misleading."""
    ledger_of(config).append(STARTED, 0)
    ledger_of(config).append(end, 0, scores={"iou": 0.75} if end == FINISHED else {})

    assert run_job(config) == pytest.approx(score, nan_ok=True)
    assert trained == []


@pytest.mark.parametrize("events", [[], [STARTED], [STARTED, FAILED]])
def test_any_other_run_is_trained(config, trained, events):
    """The run may be new, interrupted or failed."""
    for event in events:
        ledger_of(config).append(event, 0)

    assert run_job(config) == 0.5
    assert [job.attempts for job in trained] == [len(events[:1])]


def test_a_run_locked_by_another_process_is_awaited(config, trained):
    """A worker outlives its killed driver, and its result counts."""
    sweep = SweepFolder(Path(config.outputs), "mine")
    scores = []
    waiting = threading.Thread(target=lambda: scores.append(run_job(config)))
    with sweep.lock_run("f" * 64):
        waiting.start()
        waiting.join(timeout=0.3)
        assert waiting.is_alive()
        sweep.ledger.append(FINISHED, 0, scores={"iou": 0.25})
    waiting.join(timeout=30)

    assert scores == [0.25]
    assert trained == []


def test_a_run_missing_from_the_ledger_is_refused(config):
    """The error names the ledger."""
    config.sweep.job = 7
    with pytest.raises(RunError, match=r"ledger\.jsonl does not contain run 7; repeat the command that started"):
        run_job(config)


def test_a_failure_is_one_line(tmp_path):
    """A user's mistake keeps its message; the traceback of a bug is kept if the disk accepts it."""
    assert explain_failure(ConfigError("seed=x is bad\nand more"), tmp_path / "run") == "seed=x is bad"
    assert not (tmp_path / "run").exists()
    message = explain_failure(ValueError("bad\nday"), tmp_path / "run")
    assert message == f"ValueError: bad (traceback in {tmp_path / 'run' / 'error.txt'})"
    assert "bad\nday" in (tmp_path / "run" / "error.txt").read_text()

    (tmp_path / "file").touch()
    assert explain_failure(OSError("no space"), tmp_path / "file" / "run") == "OSError: no space"


def _mlflow_error(cause):
    error = RunError("MLflow cannot be used")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        DiskError("x cannot be written"),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EROFS, "Read-only file system"),
        PermissionError(errno.EACCES, "Permission denied"),
        _mlflow_error(sqlite3.OperationalError("database or disk is full")),
    ],
)
def test_a_full_disk_is_no_failure_of_the_run(config, monkeypatch, error):
    """The same command resumes the run, however often the disk was full."""

    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(sweep_worker, "plan_run", lambda *_: RUN)
    monkeypatch.setattr(sweep_worker, "execute_run", refuse)
    SweepFolder(Path(config.outputs), "mine").write_metadata({"run_id": "1", "is_search": False})
    for attempts in range(1, 5):
        with pytest.raises(DiskError, match=r"^[^\n]*cannot be (written|used)[^\n]*$"):
            run_job(config)
        job = ledger_of(config).job(0)
        assert (job.status, job.failures, job.attempts) == (STARTED, 0, attempts)


def test_another_error_is_a_failure_of_the_run(config, monkeypatch):
    """For example, one of an image that cannot be read."""

    def refuse(*_, **__):
        raise FileNotFoundError(errno.ENOENT, "No such file", "x.tif")

    monkeypatch.setattr(sweep_worker, "plan_run", lambda *_: RUN)
    monkeypatch.setattr(sweep_worker, "execute_run", refuse)
    SweepFolder(Path(config.outputs), "mine").write_metadata({"run_id": "1", "is_search": False})
    with pytest.raises(RunError, match="No such file"):
        run_job(config)
    assert ledger_of(config).job(0).failures == 1

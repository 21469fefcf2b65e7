"""A run in its worker: made once, whoever else is at it, and every failure in a line."""

import math
import threading
from pathlib import Path

import pytest

from gym.app import sweep_worker as job_module
from gym.app.sweep_worker import explain_failure, run_job
from gym.config.schema import Config
from gym.core.errors import ConfigError, RunError
from gym.sweeps.ledger import FAILED, FINISHED, PRUNED, QUEUED, STARTED
from gym.sweeps.sweep_folder import SweepFolder


@pytest.fixture
def config(tmp_path):
    """That of the only run of a sweep."""
    config = Config(outputs=str(tmp_path))
    config.sweep.name, config.sweep.job = "mine", 0
    ledger_of(config).append(QUEUED, 0, fingerprint="f" * 64)
    return config


def ledger_of(config):
    return SweepFolder(Path(config.outputs), "mine").ledger


@pytest.fixture
def made(monkeypatch):
    """The runs that are made; none is."""
    runs = []
    monkeypatch.setattr(job_module, "make_run", lambda config, sweep, job: runs.append(job) or 0.5)
    return runs


@pytest.mark.parametrize(("end", "score"), [(FINISHED, 0.75), (PRUNED, math.nan)])
def test_a_run_that_has_ended_is_not_made_again(config, made, end, score):
    """Its scores are those it had; it would be trained anew, in a second MLflow run."""
    ledger_of(config).append(STARTED, 0)
    ledger_of(config).append(end, 0, scores={"iou": 0.75} if end == FINISHED else {})

    assert run_job(config) == pytest.approx(score, nan_ok=True)
    assert made == []


@pytest.mark.parametrize("events", [[], [STARTED], [STARTED, FAILED]])
def test_any_other_is_made(config, made, events):
    """New, cut off, or failed before."""
    for event in events:
        ledger_of(config).append(event, 0)

    assert run_job(config) == 0.5
    assert [job.attempts for job in made] == [len(events[:1])]


def test_a_run_that_another_process_makes_is_waited_for(config, made):
    """A worker outlives its driver that was killed; what it comes to counts."""
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
    assert made == []


def test_a_run_that_the_ledger_does_not_know_is_refused(config):
    """With where it is missing."""
    config.sweep.job = 7
    with pytest.raises(RunError, match=r"ledger\.jsonl does not contain run 7; repeat the command that started"):
        run_job(config)


def test_a_failure_is_one_line(tmp_path):
    """A user's mistake as it is; of a defect the traceback is kept, if the disk takes it."""
    assert explain_failure(ConfigError("seed=x is bad\nand more"), tmp_path / "run") == "seed=x is bad"
    assert not (tmp_path / "run").exists()
    message = explain_failure(ValueError("bad\nday"), tmp_path / "run")
    assert message == f"ValueError: bad (traceback in {tmp_path / 'run' / 'error.txt'})"
    assert "bad\nday" in (tmp_path / "run" / "error.txt").read_text()

    (tmp_path / "file").touch()
    assert explain_failure(OSError("no space"), tmp_path / "file" / "run") == "OSError: no space"

"""Train one run of a sweep, in whichever process the launcher starts it."""

import functools
import math
import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from gym.app.train import execute_run, run_experiment
from gym.config.registries import SCORES
from gym.config.schema import Config
from gym.core.errors import DiskError, GymError, Pruned, RunError, first_line
from gym.core.files import translate_full_disk, write_text
from gym.core.redaction import redact_error
from gym.core.signals import signals_first
from gym.runs.mlflow_log import PARENT
from gym.runs.result import RunResult
from gym.runs.run_folder import end_attempt
from gym.runs.spec import plan_run
from gym.sweeps.ledger import EPOCH, FAILED, FINISHED, PHASE, PRUNED, STARTED, Job
from gym.sweeps.precision import MEASURE
from gym.sweeps.sweep_folder import SweepFolder
from gym.training import checkpoint
from gym.training.checkpoint import Epoch
from gym.training.precision import MEASURED, Choice, choose_precision

_training = threading.Lock()  # held while this process trains


def train_configuration(config: Config) -> float | Choice:
    """Train one configuration, as a single run or as a run of a sweep.

    Returns:
        Mean IoU; NaN if a search pruned the run. A job that only measures returns its choice.
    """
    if config.sweep.job == MEASURE:
        return choose_precision(config.training.threads)
    return run_job(config) if config.sweep.job >= 0 else run_experiment(config).scores[SCORES.default]


def run_job(config: Config) -> float:
    """Train a run that the sweeper has queued, and record its outcome in the ledger.

    If the process is terminated or the disk is full, nothing is recorded: the run counts as interrupted, and the next
    call resumes it.

    Returns:
        Mean IoU; NaN if a search pruned the run.

    Raises:
        DiskError: The disk is full or read-only.
        RunError: The run failed. The ledger records it too.
    """
    sweep = SweepFolder(Path(config.outputs), config.sweep.name)
    _exit_with_driver()
    with _training, sweep.lock_run(sweep.ledger.job(config.sweep.job).fingerprint):
        job = sweep.ledger.job(config.sweep.job)  # read again: a worker of a killed driver may have finished it
        if job.status in (FINISHED, PRUNED):
            return job.scores.get(SCORES.default, math.nan)
        return train_job(config, sweep, job)


@functools.cache
def _exit_with_driver() -> None:
    # A worker whose driver was killed would wait for another run for minutes, with its memory and the terminal. It
    # finishes its current run first, because the result counts.
    driver = multiprocessing.parent_process()
    if driver is not None:
        threading.Thread(target=_wait_and_exit, args=[driver.pid], daemon=True).start()


def _wait_and_exit(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(1)
    with _training:
        os._exit(0)


def train_job(config: Config, sweep: SweepFolder, job: Job) -> float:
    """Train a run that this process has locked. Result and errors are those of `run_job`."""
    folder = sweep.run_folder(job.fingerprint)
    sweep.ledger.append(STARTED, job.number, epoch=checkpoint.read_last_epoch(folder), epochs=config.training.epochs)
    try:
        with signals_first(), translate_full_disk(config.outputs):
            result = _execute_job(config, sweep, job)
    except DiskError:
        raise  # not recorded as a failure, because the same command resumes the run once there is space
    except Exception as error:
        message = explain_failure(error, folder)
        sweep.ledger.append(FAILED, job.number, message=message)
        raise RunError(message) from None  # other exceptions may not survive pickling on the way back from a worker
    except Pruned:
        sweep.ledger.append(PRUNED, job.number)
        checkpoint.remove_checkpoints(folder)
        end_attempt(folder)
        return math.nan
    sweep.ledger.append(FINISHED, job.number, scores=result.scores, run_id=result.run_id)
    end_attempt(folder)
    return result.scores[SCORES.default]


def _execute_job(config: Config, sweep: SweepFolder, job: Job) -> RunResult:
    spec = plan_run(config, sweep.runs)
    if spec.fingerprint != job.fingerprint:
        raise RunError(f"the data of {job.name} has changed since the sweep started; start a new sweep.")
    metadata = sweep.read_metadata()
    tags = {PARENT: metadata.get("run_id", ""), "sweep": sweep.name, "job": str(job.number)}
    if metadata.get("precision") == config.training.precision:
        tags[MEASURED] = metadata.get(MEASURED, "")
    should_prune = _pruning_check(config, sweep, job) if metadata.get("is_search") else None
    on_epoch = functools.partial(_record_epoch, sweep, job.number, should_prune)
    on_phase = functools.partial(_record_phase, sweep, job.number)
    result, _ = execute_run(config, spec._replace(name=job.name), tags, on_epoch, on_phase, is_shown=False)
    return result


def _pruning_check(config: Config, sweep: SweepFolder, job: Job) -> Callable[[Epoch], bool] | None:
    """Return a function that decides after each epoch whether to prune the trial; None if the search prunes none."""
    if config.search.pruner == "none":
        return None
    from gym.sweeps.search.pruners import TrialPruner  # Optuna and SQLAlchemy take a second to import
    from gym.sweeps.search.storage import default_url

    url, objective = config.search.storage or default_url(sweep.path), config.search.objective[0]
    pruner = TrialPruner(url, sweep.name, job.number, config.search, config.training.epochs)
    return lambda epoch: pruner.should_prune(epoch.number, float(getattr(epoch, f"val_{objective}")))


def _record_epoch(sweep: SweepFolder, number: int, should_prune: Callable[[Epoch], bool] | None, epoch: Epoch) -> None:
    sweep.ledger.append(EPOCH, number, epoch=epoch.number, iou=epoch.val_iou)
    if should_prune and should_prune(epoch):
        raise Pruned


def _record_phase(sweep: SweepFolder, number: int, phase: str) -> None:
    sweep.ledger.append(PHASE, number, phase=phase)


def explain_failure(error: Exception, folder: Path) -> str:
    """Explain a failure in one line. The traceback of a bug is written to ``error.txt`` in the run's folder."""
    if isinstance(error, GymError):
        return first_line(error)
    message, path = f"{type(error).__name__}: {first_line(error)}", folder / "error.txt"
    try:
        write_text(path, redact_error("".join(traceback.format_exception(error))))
    except OSError:  # the disk may be full, and that may be the failure itself
        return message
    return f"{message} (traceback in {path})"

"""One run of a sweep, in whatever process the launcher starts it.

Whether a trial of a search goes on after an epoch.
"""

import functools
import math
import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from gym.app.train import Listener, RunSpec, carry_out, plan_run, run_experiment
from gym.config.registries import SCORES
from gym.config.schema import Config
from gym.core.errors import GymError, Pruned, RunError, first_line
from gym.runs.mlflow_log import PARENT
from gym.runs.run_folder import end_attempt
from gym.sweeps.ledger import EPOCH, FAILED, FINISHED, PRUNED, STARTED, Job
from gym.sweeps.sweep_folder import SweepFolder
from gym.training import checkpoint
from gym.training.checkpoint import Epoch

Judge = Callable[[Epoch], bool]


def open_judge(config: Config, sweep: SweepFolder, number: int) -> Judge | None:
    """What tells after each epoch of a trial whether to give it up; None where none is.

    Raises:
        RunError: The search's database cannot be used.
    """
    if config.search.pruner == "none":
        return None
    from gym.sweeps.search.pruners import EpochPruner  # imports Optuna
    from gym.sweeps.search.sweeper import pruning_of, storage_of

    pruner = EpochPruner(storage_of(config, sweep), sweep.name, number, pruning_of(config))
    objective = config.search.objective[0]
    return lambda epoch: pruner.report(epoch.number, float(getattr(epoch, f"val_{objective}")))


_making = threading.Lock()  # held while this process makes a run


def train_or_work(config: Config) -> float:
    """Train one configuration, as a single run or as the run of a sweep.

    Returns:
        Mean IoU; NaN where a search gave the run up.
    """
    return run_job(config) if config.sweep.job >= 0 else run_experiment(config).scores[SCORES.default]


def run_job(config: Config) -> float:
    """Make the run that the sweeper planned, and write down what becomes of it.

    Stopping the process writes nothing: the run counts as cut off and goes on with the next call.

    Returns:
        Mean IoU; NaN where a search gave the run up.

    Raises:
        RunError: The run failed; the ledger says so too.
    """
    sweep = SweepFolder(Path(config.outputs), config.sweep.name)
    leave_with_driver()
    with _making, sweep.lock_run(sweep.ledger.job(config.sweep.job).fingerprint):
        job = sweep.ledger.job(config.sweep.job)  # by now: a worker of a driver that was killed may have ended it
        if job.status in (FINISHED, PRUNED):
            return job.scores.get(SCORES.default, math.nan)
        return make_run(config, sweep, job)


@functools.cache
def leave_with_driver() -> None:
    """End this process, if it is a launcher's worker, once its driver is killed: after the run it makes, which counts.

    It would wait for another run otherwise, for minutes, with its memory and the terminal.
    """
    driver = multiprocessing.parent_process()
    if driver is not None:
        threading.Thread(target=_leave_after, args=[driver.pid], daemon=True).start()


def _leave_after(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(1)
    with _making:
        os._exit(0)


def make_run(config: Config, sweep: SweepFolder, job: Job) -> float:
    """Make a run that this process holds; result and errors as those of `run_job`."""
    folder = sweep.run_folder(job.fingerprint)
    sweep.ledger.append(STARTED, job.number, epoch=checkpoint.read_last_epoch(folder), epochs=config.training.epochs)
    try:
        result, _ = carry_out(plan_job(config, sweep, job), listen(config, sweep, job))
    except Exception as error:
        message = explain_failure(error, folder)
        sweep.ledger.append(FAILED, job.number, message=message)
        raise RunError(message) from None  # any other error may not survive the way back from a worker
    except Pruned:
        sweep.ledger.append(PRUNED, job.number)
        checkpoint.remove_checkpoints(folder)
        end_attempt(folder)
        return math.nan
    sweep.ledger.append(FINISHED, job.number, scores=result.scores, run_id=result.run_id)
    end_attempt(folder)
    return result.scores[SCORES.default]


def plan_job(config: Config, sweep: SweepFolder, job: Job) -> RunSpec:
    """What is to be done.

    Raises:
        RunError: The data are no longer those that the sweep was planned with.
    """
    task = plan_run(config, sweep.runs)
    if task.fingerprint != job.fingerprint:
        raise RunError(f"the data of {job.name} changed after the sweep began; start it again.")
    return task._replace(name=job.name)


def listen(config: Config, sweep: SweepFolder, job: Job) -> Listener:
    """Write each epoch down, give up where a search says so, and tie the MLflow run to that of the sweep."""
    known = sweep.read_metadata()
    judge = open_judge(config, sweep, job.number) if known["is_search"] else None

    def tell(epoch: Epoch) -> None:
        sweep.ledger.append(EPOCH, job.number, epoch=epoch.number, iou=epoch.val_iou)
        if judge and judge(epoch):
            raise Pruned

    tags = {PARENT: known["run_id"], "sweep": sweep.name, "job": str(job.number)}
    return Listener(tags, tell, is_shown=False)


def explain_failure(error: Exception, folder: Path) -> str:
    """A failure in one line; the traceback of a defect goes to ``error.txt`` in the run's folder."""
    if isinstance(error, GymError):
        return first_line(error)
    message, place = f"{type(error).__name__}: {first_line(error)}", folder / "error.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:  # a full disk, which may be the very failure
        return message
    return f"{message} (traceback in {place})"

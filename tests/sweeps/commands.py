"""Start sweeps as a user does, and read what they leave behind."""

import os
import signal
import subprocess
import sys

from mlflow import MlflowClient

from gym.runs.result import read_result
from gym.sweeps.sweep_folder import SweepFolder
from tests.databases import copy_database
from tests.warm_start import WarmProcess


def start(outputs, *arguments):
    """Start a sweep in its own process group, in a warm process with an initialized MLflow database."""
    copy_database(f"sqlite:///{outputs / 'mlflow.db'}")
    return WarmProcess("gym.train", "-m", f"outputs={outputs}", *arguments)


def complete_cold(outputs, *arguments):
    """Run a sweep in a new process, assert that it succeeds, and return its output."""
    command = [sys.executable, "-u", "-m", "gym.train", "-m", f"outputs={outputs}", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def finish(outputs, *arguments):
    """Run a sweep to its end, and return its exit code and output."""
    process = start(outputs, *arguments)
    output, _ = process.communicate(timeout=3600)
    return process.returncode, output


def complete(outputs, *arguments):
    """Run a sweep to its end, assert that it succeeds, and return its output."""
    code, output = finish(outputs, *arguments)
    assert code == 0, output
    return output


def kill_after(seconds, outputs, *arguments):
    """Start a sweep, kill it and its workers after some seconds, and return whether it was still running."""
    process = start(outputs, *arguments)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:  # on a busy machine, it may not have made its process group yet
            process.send_signal(signal.SIGKILL)
        process.communicate()
        return True
    return False


def client_of(outputs):
    """Return a client for the MLflow database of a sweep."""
    return MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")


def runs_of(outputs):
    """Return all MLflow runs."""
    client = client_of(outputs)
    return client.search_runs([client.get_experiment_by_name("segsweep").experiment_id])


def rows_of(outputs, sweep):
    """Return name, weights and scores of each run of a sweep, without the seconds that it took."""
    folder = SweepFolder(outputs, sweep)
    results = [read_result(folder.run_folder(job.fingerprint)) for job in folder.ledger.jobs()]
    return sorted(
        (one.name, one.weights_sha256, sorted((key, score) for key, score in one.scores.items() if key != "seconds"))
        for one in results
    )

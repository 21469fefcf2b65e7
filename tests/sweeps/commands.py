"""Sweeps started as a user starts them, and what they leave."""

import os
import signal
import subprocess
import sys

from mlflow import MlflowClient

from tests.databases import copy_database
from tests.warm_start import WarmProcess


def start(outputs, *arguments):
    """Start a sweep, in a process group of its own: in a warm process, with MLflow's tables made."""
    copy_database(f"sqlite:///{outputs / 'mlflow.db'}")
    return WarmProcess("gym.train", "-m", f"outputs={outputs}", *arguments)


def complete_cold(outputs, *arguments):
    """Run a sweep to its end, which is a good one, as a user does, in a fresh process; gives what was said."""
    command = [sys.executable, "-u", "-m", "gym.train", "-m", f"outputs={outputs}", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def finish(outputs, *arguments):
    """Run a sweep to its end; gives exit code and what was said."""
    process = start(outputs, *arguments)
    said, _ = process.communicate(timeout=3600)
    return process.returncode, said


def complete(outputs, *arguments):
    """Run a sweep to its end, which is a good one; gives what was said."""
    code, said = finish(outputs, *arguments)
    assert code == 0, said
    return said


def kill_after(seconds, outputs, *arguments):
    """Start a sweep and kill it after a time, workers and all; tells whether it was still under way."""
    process = start(outputs, *arguments)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    return False


def client_of(outputs):
    """A client of the database of a sweep."""
    return MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")


def runs_of(outputs):
    """All MLflow runs."""
    client = client_of(outputs)
    return client.search_runs([client.get_experiment_by_name("segsweep").experiment_id])

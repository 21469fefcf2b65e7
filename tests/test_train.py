"""The training command as a process: it is reproducible, ends cleanly on signals, sweeps, and works from a wheel."""

import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

import gym
from tests.conftest import ROOT
from tests.databases import copy_database
from tests.sweeps.commands import complete, runs_of
from tests.warm_start import WarmProcess

pytestmark = pytest.mark.process

TINY = ["+debug=tiny", "model.levels=2", "model.kernel=3", "training.epochs=2"]
SMALLEST = ["+debug=tiny", "model=simple_unet", "model.levels=1"]


def train(outputs: Path, *overrides: str, cwd=ROOT, **environment) -> subprocess.CompletedProcess:
    """Run ``python -m gym.train``, and return the finished process."""
    return subprocess.run(
        [sys.executable, "-m", "gym.train", f"outputs={outputs}", *overrides],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_two_processes_train_the_same_weights(tmp_path):
    """Metrics are equal, too, with augmentation, dropout and the default precision of the machine."""
    for side in ("one", "two"):
        copy_database(f"sqlite:///{tmp_path}/{side}/mlflow.db")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "gym.train", f"outputs={tmp_path / side}", *TINY],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for side in ("one", "two")
    ]
    streams = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], streams

    (one,), (two,) = runs_of(tmp_path / "one"), runs_of(tmp_path / "two")
    assert one.data.tags["weights_sha256"] == two.data.tags["weights_sha256"]
    assert one.data.tags["fingerprint"] == two.data.tags["fingerprint"]
    assert {**one.data.metrics, "seconds": 0} == {**two.data.metrics, "seconds": 0}
    assert "error" not in streams[0][1].lower()
    assert streams[0][1] == ""


@pytest.mark.parametrize(
    ("signals", "code"), [([signal.SIGTERM] * 2, 143), ([signal.SIGHUP], 143), ([signal.SIGINT], 130)]
)
def test_an_interrupted_run_is_marked_as_killed(tmp_path, signals, code):
    """The signals are SIGTERM, even twice, as SLURM sends it, SIGHUP of a closed terminal, and Ctrl-C."""
    endless = [*SMALLEST, "training.epochs=5000", "training.patience=5000"]
    copy_database(f"sqlite:///{tmp_path}/mlflow.db")
    process = WarmProcess("gym.train", f"outputs={tmp_path}", *endless)
    next(line for line in process.stdout if line.startswith("epoch 2/"))
    for number in signals:
        process.send_signal(number)
        time.sleep(0.2)
    process.communicate(timeout=120)

    assert process.returncode == code
    assert [run.info.status for run in runs_of(tmp_path)] == ["KILLED"]


def test_hydras_sweep_runs_every_combination(tmp_path):
    """Each combination of architecture and filters is a run with a different number of parameters."""
    small = [*TINY, "model.levels=1", "training.epochs=1"]
    complete(tmp_path, *small, "model=simple_unet,simple_resunet", "loss=cce", "filters=2,4")

    runs = [run for run in runs_of(tmp_path) if "mlflow.parentRunId" in run.data.tags]
    expected = {f"{model} cce f{width}" for model in ("simple_unet", "simple_resunet") for width in (2, 4)}
    assert {run.info.run_name for run in runs} == expected
    assert len({run.data.metrics["parameters"] for run in runs}) == 4
    assert len({run.data.tags["data_fingerprint"] for run in runs}) == 1


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A new environment with the wheel and the dependencies, but without the clone."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", ROOT]
    subprocess.run(build, check=True, capture_output=True)
    wheel = next((folder / "dist").glob("segsweep-*.whl"))
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    install = [sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install", "--quiet"]
    subprocess.run([*install, "--no-deps", "--no-index", wheel], check=True, capture_output=True)
    (site,) = (environment / "lib").glob("python*/site-packages")
    # A .pth file adds the folder of the dependencies. Python does not read the .pth files in that folder, so an
    # editable installation of segsweep there has no effect.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return environment


def in_environment(installed, program, *arguments, cwd):
    """Run a program of the environment outside the clone."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [installed / "bin" / program, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_the_wheel_trains_in_an_empty_folder(installed, tmp_path):
    """``segsweep train`` finds the configuration and the templates inside the package, and logs under ``outputs``."""
    copy_database(f"sqlite:///{tmp_path}/outputs/mlflow.db")

    done = in_environment(installed, "segsweep", "train", *SMALLEST, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert [run.info.status for run in runs_of(tmp_path / "outputs")] == ["FINISHED"]
    assert list((tmp_path / "outputs").rglob("card.html"))
    assert in_environment(installed, "python", "-c", "import gym; print(gym.__file__)", cwd=tmp_path).stdout.startswith(
        str(installed)
    )


def test_the_console_script_prints_its_version_and_its_commands(installed, tmp_path):
    """For a misspelt command, it suggests the closest one."""
    assert in_environment(installed, "segsweep", "--version", cwd=tmp_path).stdout == f"segsweep {gym.__version__}\n"
    assert "  make_dataset   Build a dataset" in in_environment(installed, "segsweep", cwd=tmp_path).stdout
    refused = in_environment(installed, "segsweep", "trian", cwd=tmp_path)
    assert (refused.returncode, refused.stderr) == (1, "error: trian is not a command; did you mean train?\n")


def test_bootstrap_is_fast_after_the_set_up():
    """With its stamp in place, it takes less than 0.3 s."""
    started = time.monotonic()
    subprocess.run(["bash", "-c", "source scripts/bootstrap"], cwd=ROOT, check=True)

    assert time.monotonic() - started < 0.3

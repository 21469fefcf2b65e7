"""A run ends with exit code 0 and all its results in strange environments."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gym.runs.result import find_result
from tests.conftest import ROOT
from tests.databases import copy_database

pytestmark = [pytest.mark.trains, pytest.mark.drill]

COMMAND = (sys.executable, "-m", "gym.train", "+debug=tiny", "training.precision=float32", "outputs=outputs")
# Keeps the right to read the interpreter, which may be installed in the home folder of root.
NAMELESS = (
    "setpriv",
    "--reuid=12345",
    "--regid=12345",
    "--clear-groups",
    *(f"--{kind}-caps=+dac_read_search" for kind in ("inh", "ambient")),
)
ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture
def train(tmp_path):
    """Train in a folder that anyone may write to; check the exit code and the result, and return the output."""
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents[:3]:  # those of pytest, which only their owner can enter
        if folder.owner() == tmp_path.owner() and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)

    def run(*command, prefix=(), unset=(), **environment):
        copy_database(f"sqlite:///{tmp_path}/outputs/mlflow.db")
        for path in (tmp_path / "outputs", tmp_path / "outputs" / "mlflow.db"):
            path.chmod(0o777)
        known = {name: value for name, value in os.environ.items() if name not in unset}
        done = subprocess.run(
            [*prefix, *(command or COMMAND)],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            env={**known, "PYTHONPATH": str(ROOT), **environment},
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (result,) = (tmp_path / "outputs" / "runs").glob("[!.]*")
        assert find_result(result) is not None
        return done.stdout

    return run


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="only root can take another user id")
@pytest.mark.parametrize("home", [None, "relative", "/nonexistent", "/proc"])
def test_a_user_id_without_a_name_can_train(train, tmp_path, home):
    """HOME may be missing, relative, or a folder that cannot be written to; no folder called ~ is made."""
    environment = {} if home is None else {"HOME": home}
    train(prefix=NAMELESS, unset=("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME"), **environment)

    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("width", ["20", "1", "0", "wide"])
def test_a_narrow_terminal_without_unicode_shows_every_score(train, width):
    """The command to continue with is shown whole."""
    output = train(COLUMNS=width, TERM="dumb", **ASCII)

    assert "| whitewater |" in output
    assert "  evaluate: python -m gym.evaluate run=" in output


@pytest.mark.parametrize("redirection", ["| head -1", "2>&1 | true", ">/dev/full 2>&1", ">&- 2>&- <&-"])
def test_output_that_nobody_reads_costs_nothing(train, redirection):
    """The pipe is closed after a line, the disk of a log is full, or there are no streams at all."""
    train("bash", "-c", f'set -o pipefail; "$@" {redirection}', "train", *COMMAND)

"""No output, whatever becomes of its reader, ends a process, and any character can be printed."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.process

WORK = """
import sys
from gym.core.streams import protect_streams
protect_streams()
protect_streams()
for number in range(3000):
    print("wat\\xe9r \\udcff \\u2601" * 10)
    print("wat\\xe9r", file=sys.stderr)
with open(sys.argv[1], "w") as result:
    result.write(f"done {result.fileno()}")
print("the end", flush=True)
"""


def run(tmp_path, redirection, **environment):
    """Run `WORK` in a shell; return its exit code, its output, and what it wrote to its result file."""
    result = tmp_path / "result.txt"
    command = f'set -o pipefail; "$0" -c "$1" "$2" {redirection}'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable, WORK, str(result)],
        cwd=ROOT,
        capture_output=True,
        env={**os.environ, **environment},
        check=False,
    )
    return done.returncode, done.stdout, result.read_text() if result.exists() else ""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "redirection",
    ["| head -1", "2>&1 | head -1", "2> >(head -1)", "| true", ">/dev/full", ">/dev/full 2>&1", ">&-", ">&- 2>&- <&-"],
)
def test_a_lost_reader_or_a_full_disk_does_not_end_a_process(tmp_path, redirection, unbuffered):
    """The exit code is 0, the work is complete, and no file takes the number of a closed stream."""
    code, _, result = run(tmp_path, redirection, PYTHONUNBUFFERED=unbuffered)

    assert code == 0
    assert result.startswith("done ")
    assert int(result.split()[1]) > 2


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1:strict"},
        {"PYTHONIOENCODING": "utf-8:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_a_character_that_the_terminal_cannot_encode_is_shown_as_its_code(tmp_path, environment):
    """So is a byte of a file name that is not valid UTF-8."""
    code, output, result = run(tmp_path, "", **environment)

    assert (code, result[:4]) == (0, "done")
    assert b"\\udcff" in output
    assert output.rstrip().endswith(b"the end")


def test_a_slow_reader_of_a_non_blocking_pipe_gets_everything(tmp_path):
    """The process waits when the pipe is full."""
    slow = "import os, sys; os.set_blocking(1, False)\n" + WORK.strip()
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" "$2" | (sleep 1; wc -l)', sys.executable, slow, str(tmp_path / "result.txt")],
        cwd=ROOT,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        check=False,
    )

    assert done.stdout.strip() == b"3001"
    assert (tmp_path / "result.txt").exists()

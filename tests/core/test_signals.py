"""Signals that ask to stop are heeded, also where Python drops what their handler raises."""

import os
import signal
import subprocess
import sys

import pytest

LOST = """
import os, signal, sys
from gym.core.signals import heed_signals, stop_if_asked

class Deleted:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))

heed_signals()
stop_if_asked()
sys.unraisablehook = lambda lost: print("lost", lost.exc_type.__name__)
Deleted()
stop_if_asked()
"""


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGTERM, "Terminated"), (signal.SIGHUP, "Terminated"), (signal.SIGINT, "KeyboardInterrupt")],
)
def test_a_signal_while_an_object_is_deleted_is_not_lost(number, name):
    """Python drops the exception of the handler there; the next look raises it again."""
    done = subprocess.run([sys.executable, "-c", LOST, str(int(number))], capture_output=True, text=True, check=False)

    assert done.stdout == f"lost {name}\n"
    assert done.returncode != 0
    assert name in done.stderr.splitlines()[-1]


def test_an_ignored_ctrl_c_stays_ignored():
    """As in a job that a shell put into the background."""
    script = (
        "import signal; from gym.core.signals import heed_signals; heed_signals(); signal.raise_signal(signal.SIGINT)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {script}"],
        check=False,
        env=os.environ,
    )

    assert done.returncode == 0

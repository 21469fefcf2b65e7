"""Termination signals take effect even if Python discards the exception of their handler."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

LOST = """
import os, signal, sys
from gym.core.signals import handle_signals, raise_pending_signal

class Deleted:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))

handle_signals()
raise_pending_signal()
sys.unraisablehook = lambda lost: print("lost", lost.exc_type.__name__)
Deleted()
raise_pending_signal()
"""


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGTERM, "Terminated"), (signal.SIGHUP, "Terminated"), (signal.SIGINT, "KeyboardInterrupt")],
)
def test_a_signal_during_a_finalizer_is_not_lost(number, name):
    """Python discards the handler's exception there; the next check raises it again."""
    done = subprocess.run([sys.executable, "-c", LOST, str(int(number))], capture_output=True, text=True, check=False)

    assert done.stdout == f"lost {name}\n"
    assert done.returncode != 0
    assert name in done.stderr.splitlines()[-1]


def test_an_ignored_sigint_stays_ignored():
    """Shells ignore it in background jobs."""
    ignore = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    script = "from gym.core.signals import handle_signals; handle_signals(); signal.raise_signal(signal.SIGINT)"
    done = subprocess.run(
        [sys.executable, "-c", f"{ignore}; {script}"],
        check=False,
        env=os.environ,
    )

    assert done.returncode == 0

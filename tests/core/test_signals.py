"""Termination signals take effect even if Python discards the exception of their handler."""

import os
import signal
import subprocess
import sys
import time

import pytest

from gym.core.signals import hold_signals, signals_first

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


SCRIPTS = {
    # what is done, and what is printed before the signal's exception ends the process
    "held": ("with hold_signals():\n    stop()\n    print('closed')\nprint('not reached')", "closed"),
    "held twice": (
        "with hold_signals():\n    with hold_signals():\n        stop()\n    print('closed')\nprint(1)",
        "closed",
    ),
    "second signal": (
        "with hold_signals():\n    stop()\n    print('waits')\n    stop()\n    print('not reached')",
        "waits",
    ),
    "closing": ("try:\n    stop()\nfinally:\n    with hold_signals():\n        print('closed')", "closed"),
    "error instead": (
        "with signals_first():\n    try:\n        stop()\n    except BaseException:\n        raise ValueError('x')",
        "",
    ),
    "error in a thread": (
        "import threading\ntry:\n    stop()\nfinally:\n    thread = threading.Thread(target=lambda: 1 / 0)\n"
        "    thread.start()\n    thread.join()",
        "",
    ),
    "error in a callback": ("with signals_first():\n    Deleted()\n    raise OSError('closed pipe')", ""),
}
PREPARED = """
import os, signal, sys
from gym.core.signals import handle_signals, hold_signals, raise_pending_signal, signals_first
handle_signals()
number = int(sys.argv[1])
def stop():
    os.kill(os.getpid(), number)
class Deleted:
    def __del__(self):
        stop()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("script", "printed"), SCRIPTS.values(), ids=SCRIPTS)
def test_a_signal_ends_what_it_interrupts(script, printed, number):
    """It waits for a block that holds it, and is raised instead of errors that came after it; nothing else is said."""
    if number == signal.SIGTERM and printed == "waits":
        pytest.skip("a second SIGTERM is ignored, as SLURM sends two")
    done = subprocess.run(
        [sys.executable, "-c", PREPARED + script, str(int(number))], capture_output=True, text=True, check=False
    )

    assert done.stdout.strip() == printed
    assert done.stderr.splitlines()[-1].endswith(
        {signal.SIGTERM: "Terminated", signal.SIGINT: "KeyboardInterrupt"}[number]
    )
    assert "Exception ignored" not in done.stderr
    assert "Exception in thread" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143), (signal.SIGINT, 130)])
def test_a_signal_before_anything_has_begun_is_one_line(number, code):
    """While the modules of a command are imported; afterwards it raises its exception."""
    script = (
        "from gym.core.signals import exit_on_signals, handle_signals; import os, sys; exit_on_signals(); {}os.kill("
    )
    end = "os.getpid(), int(sys.argv[1]))"
    early, late = (
        subprocess.run(
            [sys.executable, "-c", script.format(then) + end, str(int(number))],
            capture_output=True,
            text=True,
            check=False,
        )
        for then in ("", "handle_signals(); ")
    )

    assert (early.returncode, early.stdout, early.stderr) == (code, "", "stopped; repeat the command to continue\n")
    assert late.stderr.splitlines()[-1].endswith(("Terminated", "KeyboardInterrupt"))


def test_an_exit_is_forced_if_workers_are_left():
    """A second Ctrl-C may interrupt the wait for them; threads that serve them wait, too."""
    script = (
        "import multiprocessing, sys, threading, time; from gym.core.signals import force_exit; "
        "multiprocessing.get_context('fork').Process(target=time.sleep, args=[60]).start(); "
        "threading.Thread(target=time.sleep, args=[60]).start(); force_exit(130, 0.5); sys.exit(130)"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    assert time.monotonic() - start < 20


def test_errors_without_a_signal_are_not_changed():
    """Both blocks let them pass."""
    for block in (hold_signals, signals_first):
        with pytest.raises(ValueError, match="mine"), block():
            raise ValueError("mine")


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

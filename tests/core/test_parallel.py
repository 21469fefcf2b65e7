"""Scenes are worked on in order, by one process or several, and nothing is left running."""

import multiprocessing
import operator
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from gym.core import parallel
from gym.core.errors import ConfigError, DataError
from gym.core.parallel import available_cores, each_in_order

ROOT = Path(__file__).parents[2]  # not from conftest, which each worker would have to import


def square(number: int) -> int:
    return number * number


def worker_and_square(number: int) -> tuple[int, int]:
    return os.getpid(), square(number)


def fail_at_nine(number: int) -> int:
    if number == 9:
        raise DataError(f"scene {number} is broken")
    return number


def touch_slowly(folder: Path, number: int) -> None:
    time.sleep(0.01)
    (folder / str(number)).touch()


def refuse_the_disk(number: int) -> int:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_outcomes_come_in_order_whoever_works(workers):
    """As many as there are items, also more than one worker is given at once; what the work holds travels along."""
    times_three = partial(operator.mul, 3)
    assert list(each_in_order(times_three, range(11), workers, "multiplying", "workers")) == list(range(0, 33, 3))


def test_nothing_to_do_is_done():
    """Without a division by no items."""
    for workers in (0, 1):
        assert list(each_in_order(square, [], workers, "squaring", "workers")) == []


def test_several_workers_are_other_processes():
    """And no more of them than asked for."""
    outcomes = list(each_in_order(worker_and_square, range(20), 2, "squaring", "workers"))

    assert [outcome for _, outcome in outcomes] == [number * number for number in range(20)]
    assert os.getpid() not in {worker for worker, _ in outcomes}
    assert len({worker for worker, _ in outcomes}) <= 2


def test_little_work_starts_no_process(monkeypatch):
    """With ``workers=0`` the first items show whether processes are worth their start."""
    monkeypatch.setattr(parallel, "available_cores", lambda: 2)
    here = {worker for worker, _ in each_in_order(worker_and_square, range(9), 0, "squaring", "workers")}
    assert here == {os.getpid()}

    monkeypatch.setattr(parallel, "_WORTH_PROCESSES", -1.0)
    workers = [worker for worker, _ in each_in_order(worker_and_square, range(9), 0, "squaring", "workers")]
    assert workers[:4] == [os.getpid()] * 4
    assert os.getpid() not in workers[4:]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("work", "kind"), [(fail_at_nine, DataError), (refuse_the_disk, OSError)])
def test_an_exception_reaches_the_caller_and_no_process_stays(workers, work, kind):
    """Of the type and with the words it was raised with."""
    before = {child.pid for child in psutil.Process().children(recursive=True) if not is_tracker(child)}
    with pytest.raises(kind, match=r"scene 9 is broken|No space left on device"):
        list(each_in_order(work, range(40), workers, "failing", "workers"))

    assert multiprocessing.active_children() == []
    after = {child.pid for child in psutil.Process().children(recursive=True) if not is_tracker(child)}
    assert after <= before


def is_tracker(process: psutil.Process) -> bool:
    """Python's own helper, which lives as long as the program."""
    return "resource_tracker" in " ".join(process.cmdline())


def test_a_caller_that_stops_early_drops_the_rest(tmp_path):
    """Only what was begun is finished, and no process stays."""
    outcomes = each_in_order(partial(touch_slowly, tmp_path), range(400), 2, "touching", "workers")
    next(outcomes)
    outcomes.close()

    assert multiprocessing.active_children() == []
    assert 1 <= len(list(tmp_path.iterdir())) < 200


KILLED = """
import time
from gym.core.parallel import each_in_order

def wait(number):
    print(number, flush=True)
    time.sleep(0.05)

if __name__ == "__main__":
    list(each_in_order(wait, range(100000), 2, "waiting", "workers"))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    """No process waits for work that nobody will send any more."""
    (tmp_path / "work.py").write_text(KILLED)
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(tmp_path / "work.py")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout
    process.stdout.readline()
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    process.stdout.close()

    gone, alive = psutil.wait_procs(workers, timeout=20)
    assert len(gone) >= 2
    assert alive == []


def test_the_cores_are_those_this_process_may_use(monkeypatch):
    """One at least, and no more than the machine has or the user allows."""
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):
        code = f"import os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})\n"
        code += "from gym.core.parallel import available_cores; print(available_cores())"
        assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == "1"
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert available_cores() == 1
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "two")
    with pytest.raises(ConfigError, match=r"^LOKY_MAX_CPU_COUNT=two must be a whole number of cores; unset it"):
        available_cores()


def test_an_outcome_is_handed_on_as_soon_as_it_is_there():
    """Not when all are."""
    finished = []
    outcomes = each_in_order(finished.append, range(3), 1, "working", "workers")

    next(outcomes)
    assert finished == [0]
    outcomes.close()


def end_oneself(item):
    """What the system does to a process that takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("key", ["workers", "data.workers"])
def test_a_worker_that_is_ended_from_outside_is_a_line(key):
    """No traceback of a pool: what happened and which key to set."""
    with pytest.raises(DataError, match=rf"a worker process was ended from outside.*; set {re.escape(key)}=1\."):
        list(each_in_order(end_oneself, range(8), 2, "ending", key))

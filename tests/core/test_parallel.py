"""`map_in_order` yields results in order, in one process or several, and leaves no process running."""

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
from gym.core.parallel import available_cores, map_in_order

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


@pytest.mark.process
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_come_in_the_order_of_the_items(workers):
    """Any number of workers gives the same results; arguments bound to the function reach the workers."""
    times_three = partial(operator.mul, 3)
    assert list(map_in_order(times_three, range(11), workers, "multiplying", "workers")) == list(range(0, 33, 3))


def test_no_items_give_no_results():
    """Timing the first items does not divide by zero."""
    for workers in (0, 1):
        assert list(map_in_order(square, [], workers, "squaring", "workers")) == []


@pytest.mark.process
def test_workers_are_separate_processes():
    """There are no more of them than requested."""
    results = list(map_in_order(worker_and_square, range(20), 2, "squaring", "workers"))

    assert [result for _, result in results] == [number * number for number in range(20)]
    assert os.getpid() not in {worker for worker, _ in results}
    assert len({worker for worker, _ in results}) <= 2


@pytest.mark.process
def test_a_small_job_starts_no_process(monkeypatch):
    """With ``workers=0`` the first items are timed to decide whether processes are worth starting."""
    monkeypatch.setattr(parallel, "available_cores", lambda: 2)
    here = {worker for worker, _ in map_in_order(worker_and_square, range(9), 0, "squaring", "workers")}
    assert here == {os.getpid()}

    monkeypatch.setattr(parallel, "_WORTH_PROCESSES", -1.0)
    workers = [worker for worker, _ in map_in_order(worker_and_square, range(9), 0, "squaring", "workers")]
    assert workers[:4] == [os.getpid()] * 4
    assert os.getpid() not in workers[4:]


@pytest.mark.process
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("work", "kind"), [(fail_at_nine, DataError), (refuse_the_disk, OSError)])
def test_an_exception_reaches_the_caller_and_stops_the_workers(workers, work, kind):
    """Its type and message are unchanged."""
    before = {child.pid for child in psutil.Process().children(recursive=True) if not is_tracker(child)}
    with pytest.raises(kind, match=r"scene 9 is broken|No space left on device"):
        list(map_in_order(work, range(40), workers, "failing", "workers"))

    assert multiprocessing.active_children() == []
    after = {child.pid for child in psutil.Process().children(recursive=True) if not is_tracker(child)}
    assert after <= before


def is_tracker(process: psutil.Process) -> bool:
    """Whether a process is Python's resource tracker, which lives as long as the program."""
    return "resource_tracker" in " ".join(process.cmdline())


@pytest.mark.process
def test_closing_the_iterator_cancels_the_remaining_items(tmp_path):
    """Only items already started are finished, and no process stays."""
    results = map_in_order(partial(touch_slowly, tmp_path), range(400), 2, "touching", "workers")
    next(results)
    results.close()

    assert multiprocessing.active_children() == []
    assert 1 <= len(list(tmp_path.iterdir())) < 200


KILLED = """
import time
from gym.core.parallel import map_in_order

def wait(number):
    print(number, flush=True)
    time.sleep(0.05)

if __name__ == "__main__":
    list(map_in_order(wait, range(100000), 2, "waiting", "workers"))
"""


@pytest.mark.process
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_workers_exit_when_their_parent_is_killed(tmp_path):
    """They would otherwise wait for items forever."""
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


@pytest.mark.process
def test_available_cores_respects_affinity_and_the_environment_variable(monkeypatch):
    """At least one, and at most the number of cores of the machine."""
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


def test_a_result_is_yielded_as_soon_as_it_is_computed():
    """The caller need not wait for the remaining items."""
    finished = []
    results = map_in_order(finished.append, range(3), 1, "working", "workers")

    next(results)
    assert finished == [0]
    results.close()


def kill_own_process(item):
    """Kill this process, as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.process
@pytest.mark.parametrize("key", ["workers", "data.workers"])
def test_a_killed_worker_is_reported_in_one_line(key):
    """The error names the key to set instead of showing a traceback of the pool."""
    with pytest.raises(
        DataError, match=rf"a worker process died, probably because memory ran out; set {re.escape(key)}=1 to use"
    ):
        list(map_in_order(kill_own_process, range(8), 2, "ending", key))

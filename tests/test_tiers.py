"""The guard of the test tiers fails unmarked tests, and the summary counts what each tier leaves out."""

import multiprocessing
import subprocess
import sys
from types import SimpleNamespace

import keras
import pytest

from tests.tiers import TierReport, guard, join_fixtures, rank, work_unit


def test_a_process_without_its_marker_fails_the_test():
    """The message names the marker, the test and the tier it would be left to."""
    message = (
        r"test_a_process_without_its_marker\S* starts a process without .*mark it with @pytest\.mark\.process, .*--all"
    )

    with pytest.raises(pytest.fail.Exception, match=message):
        subprocess.run([sys.executable, "-c", ""], check=True)
    with pytest.raises(pytest.fail.Exception, match=message):
        multiprocessing.get_context("spawn").Process().start()


def test_training_without_its_marker_fails_the_test():
    """All training goes through the loop of Keras."""
    with pytest.raises(pytest.fail.Exception, match=r"trains a network without .*@pytest\.mark\.trains"):
        keras.Sequential().fit()


def test_a_golden_fixture_may_start_what_it_needs():
    """The guard is open within the block, and closed after it."""
    with guard.opened():
        done = subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, text=True, check=True)

    assert done.stdout == "1\n"
    with pytest.raises(pytest.fail.Exception, match="starts a process"):
        subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.process
def test_a_test_with_its_marker_may_start_a_process():
    """The guard does not fail it."""
    assert subprocess.run([sys.executable, "-c", ""], check=True).returncode == 0


def item(name: str, *markers: str, shared: tuple[str, ...] = ()) -> SimpleNamespace:
    """A collected test with the attributes that tiers use."""
    fixtures = {name: [SimpleNamespace(scope="module")] for name in shared} | {
        "one": [SimpleNamespace(scope="function")]
    }
    return SimpleNamespace(
        nodeid=f"tests/test_x.py::{name}",
        get_closest_marker=lambda marker: marker if marker in markers else None,
        _fixtureinfo=SimpleNamespace(name2fixturedefs=fixtures),
    )


def test_the_summary_counts_tests_by_tier_and_skips_by_reason():
    """A test with two markers counts once, and tests deselected by ``-k`` do not count."""
    config = SimpleNamespace(option=SimpleNamespace(keyword=""))
    report = TierReport(config)
    assert report.summary() == "skipped: 0"

    report.pytest_deselected([item("a", "trains", "process"), item("b", "process"), item("c", "drill"), item("d")])
    report.pytest_testnodedown(SimpleNamespace(workeroutput={"left": {"tests/test_x.py::e": "process"}}))
    for reason in ("no GPU", "no imagery", "no GPU"):
        skip = SimpleNamespace(skipped=True, longrepr=("test_x.py", 1, f"Skipped: {reason}"))
        report.pytest_runtest_logreport(skip)

    assert report.summary() == (
        "left to ./scripts/test --all: 3 (1 train, 2 start processes); left to ./scripts/test -m drill: 1; "
        "skipped: 3 (2 no GPU, 1 no imagery)"
    )
    by_keyword = TierReport(SimpleNamespace(option=SimpleNamespace(keyword="dice")))
    by_keyword.pytest_deselected([item("a", "trains")])
    assert by_keyword.summary() == "skipped: 0"


def test_fixtures_used_together_belong_together():
    """A fixture that two tests share joins their other fixtures; the tests of a file may form several groups."""
    items = [item("a", shared=("run",)), item("b", shared=("model", "run")), item("c", shared=("sweep",)), item("d")]
    items += [item("e", shared=("model", "page"))]

    joined = {name.partition("::")[2]: fixtures for name, fixtures in join_fixtures(items).items()}

    assert joined["a"] == joined["b"] == joined["e"] == {"run", "model", "page"}
    assert joined["c"] == {"sweep"}
    assert joined["d"] == set()


def test_tests_with_a_shared_fixture_run_in_one_worker():
    """An expensive test without one may run in any worker, and expensive tests run first."""
    assert work_unit(item("a"), set()) == "tests/test_x.py"
    assert work_unit(item("a", "trains"), set()) is None
    assert work_unit(item("a", "trains"), {"whole", "model"}) == "tests/test_x.py+model+whole"
    assert work_unit(item("a", shared=("golden_run",)), set()) == "golden_run"
    assert work_unit(item("a", "trains", shared=("golden_run", "golden_sweep")), set()) == "golden_sweep"
    assert sorted([item("a"), item("b", "process"), item("c", "trains")], key=rank)[0].nodeid.endswith("c")

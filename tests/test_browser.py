"""The MLflow UI and the pages of a sweep in a real browser.

The tests need Debian's ``chromium``, which ``./scripts/test --outside`` installs.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from gym.runs.result import read_result
from gym.sweeps.sweep_folder import SweepFolder
from tests.conftest import ROOT
from tests.golden import RUN, SWEEP, copy_outputs, run_successfully

pytestmark = pytest.mark.outside

VIEW = "#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=scores"
# A separate profile keeps it from joining an open browser, and its sandbox does not work for root in a container.
_CHROMIUM = ("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
_DRAWN = 20_000  # milliseconds of virtual time, which passes as fast as the page becomes idle


@pytest.fixture(scope="module", autouse=True)
def chromium():
    """Skip all tests if there is no browser."""
    if not shutil.which("chromium"):
        pytest.skip("no chromium; as root, ./scripts/test --outside installs it")


def open_page(address, folder):
    """Open a page, wait until it is drawn, and return its HTML and a screenshot, ``(rows, columns, 3)``."""
    options = [f"--user-data-dir={folder / 'profile'}", "--window-size=1500,1000", f"--virtual-time-budget={_DRAWN}"]
    run = {"cwd": folder, "capture_output": True, "text": True, "check": True, "timeout": 180}
    page = subprocess.run([*_CHROMIUM, *options, "--dump-dom", address], **run).stdout
    subprocess.run([*_CHROMIUM, *options, f"--screenshot={folder / 'page.png'}", address], **run)
    with Image.open(folder / "page.png") as picture:
        return page, np.asarray(picture.convert("RGB"))


def assert_not_blank(picture):
    """Assert that a page was drawn: a blank one has few colours, and a uniform lower half."""
    assert picture.shape == (1000, 1500, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    assert picture[300:].std() > 5


@pytest.fixture
def ui(golden_sweep):
    """Serve the golden sweep with ``scripts/ui``, and return the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(ROOT / "scripts" / "ui"), str(port), str(golden_sweep.outputs)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    address, until = f"http://127.0.0.1:{port}/", time.monotonic() + 120
    try:
        while True:
            try:
                urlopen(f"{address}health", timeout=5).close()  # noqa: S310 - a local address
                break
            except OSError:
                assert time.monotonic() < until, "the UI does not answer"
                time.sleep(0.5)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def test_the_ui_shows_the_runs_by_their_scores(ui, golden_sweep, tmp_path):
    """The table of the shared view has both runs with their mean IoU."""
    page, picture = open_page(ui + VIEW, tmp_path)

    folder = SweepFolder(golden_sweep.outputs, SWEEP)
    for seed, job in zip((42, 1), folder.ledger.jobs(), strict=True):
        assert f"{RUN} seed={seed}" in page
        assert repr(read_result(folder.run_folder(job.fingerprint)).scores["iou"])[:6] in page
    assert_not_blank(picture)


def test_the_ui_draws_the_charts_of_the_runs(ui, tmp_path):
    """The shared view has charts of scores and of curves by epoch."""
    page, picture = open_page(f"{ui}{VIEW}&compareRunsMode=CHART", tmp_path)

    assert "Whole runs" in page
    assert "By epoch" in page
    assert page.count("<svg") > 3
    assert_not_blank(picture)


def test_the_report_of_a_sweep_is_drawn(golden_sweep, tmp_path):
    """The page lists the runs and is shown without a server."""
    outputs = copy_outputs(golden_sweep.outputs, tmp_path / "outputs")
    run_successfully("report", f"sweep={SWEEP}", f"output={tmp_path / 'report'}", f"outputs={outputs}")

    page, picture = open_page((tmp_path / "report" / "report.html").as_uri(), tmp_path)

    assert f"{RUN} seed=42" in page
    assert_not_blank(picture)


def test_the_interactive_figure_4_is_drawn(golden_sweep, tmp_path):
    """Its script draws a point for each run."""
    (page_file,) = (golden_sweep.outputs / "artifacts").glob("*/artifacts/figure4.html")

    page, picture = open_page(page_file.as_uri(), tmp_path)

    assert 'class="main-svg"' in page
    assert page.count('class="point"') == 2
    assert_not_blank(picture)

"""Take the README's screenshots of the MLflow UI with a real browser.

    python scripts/ui_pictures.py outputs               # the table and the charts of the runs there; a minute

Needs Debian's ``chromium`` and the Python package ``playwright`` (``python -m pip install playwright``), without
playwright's own browsers. The outputs folder should hold a sweep such as ``+experiment=pocket_matrix``.
"""

import argparse
import io
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
RUNS = "/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=scores"
PAGES = {"ui_table": RUNS, "ui_charts": f"{RUNS}&compareRunsMode=CHART"}
_SIZE = {"width": 1500, "height": 1000}
_DRAWN = 10_000  # milliseconds until the last chart is drawn
# MLflow opens a chat next to the first page of a new browser; these settings mark it as closed.
_CLOSED = (
    'localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");'
    'localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");'
)


@contextmanager
def served(outputs: Path):
    """Serve the UI on a free port with ``scripts/ui``, and yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([ROOT / "scripts" / "ui", str(port), outputs], stdout=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/health")
        yield address
    finally:
        server.terminate()
        server.wait()


def wait_for(url: str, seconds: float = 120) -> None:
    """Wait until a page answers."""
    until = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - a local address
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


def take(address: str, folder: Path) -> None:
    """Open each page, wait until it is drawn, and write it as a small PNG."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("error: playwright is not installed; run: python -m pip install playwright")
    if not (browser := shutil.which("chromium")):
        sys.exit("error: chromium is not installed; run: apt-get install chromium")
    with sync_playwright() as playwright:
        window = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        tab = window.new_page(viewport=_SIZE)
        tab.add_init_script(_CLOSED)
        for name, page in PAGES.items():
            tab.goto(address + page)
            tab.reload()  # a change of the fragment alone loads nothing
            tab.wait_for_timeout(_DRAWN)
            picture = Image.open(io.BytesIO(tab.screenshot())).convert("RGB").quantize(128, dither=Image.Dither.NONE)
            picture.save(folder / f"{name}.png", optimize=True)
            print(folder / f"{name}.png")


def main() -> None:
    """Serve the UI, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outputs", type=Path, help="folder of the runs")
    parser.add_argument("--to", type=Path, default=ROOT / "docs", help="folder of the pictures")
    chosen = parser.parse_args()
    with served(chosen.outputs.resolve()) as address:
        take(address, chosen.to)


if __name__ == "__main__":
    main()

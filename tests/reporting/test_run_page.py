"""The report on a run shows the scores of both sides, and says what is missing."""

import re
from dataclasses import replace

import pytest

from gym.reporting.figure3_data import Examples
from gym.reporting.run_page import RunReport, side_tables, total_rows, write_run_report
from tests.reporting.test_comparison import cells_of
from tests.reporting.test_figure3 import BANDS, CLASSES, TWO, example
from tests.reporting.test_page_tables import shown
from tests.reporting.test_run_table import made_run
from tests.reporting.test_training_curves import epochs_of

SCORES = {
    "overall_accuracy": 0.75,
    "class_iou/water": 0.5,
    "class_iou/land": 0.25,
    "class_recall/water": 0.875,
    "legacy/iou": 0.7,
    "test/iou": 0.4,
    "test/class_iou/land": 0.125,
    "training_pairs": 12.0,
}


def report_of(**more):
    """The report on a finished run whose data are missing."""
    known = {
        "name": "unet cce f4",
        "about": [("MLflow run", "0123"), ("status", "FINISHED")],
        "result": made_run(**SCORES),
        "epochs": epochs_of(0.9, 0.5, 0.6),
        "command": "python -m gym.train model.name=unet",
        "environment": [("machine", "m 2 cores")],
        "sites": {"scene0": "duck", "scene1": "sunset"},
        "examples": "Figure 3 is left out: the data are missing.",
    }
    return RunReport(**known | more)


def test_scores_are_tabulated_by_side_and_class():
    """A score that a side lacks is a dash."""
    tables = side_tables(made_run(**SCORES))

    assert shown(tables["All classes"]) == (
        ["score", "validation", "test"],
        [
            ["mean IoU", "0.500", "0.400"],
            ["mean Dice", f"{made_run().scores['dice']:.3f}", "-"],
            ["overall accuracy", "0.750", "-"],
            ["KLD per pixel, nats", "0.500", "-"],
        ],
    )
    assert shown(tables["By class, validation"]) == (
        ["class", "IoU", "recall"],
        [["water", "0.500", "0.875"], ["land", "0.250", "-"]],
    )
    assert shown(tables["By class, test"]) == (["class", "IoU"], [["water", "-"], ["land", "0.125"]])


def test_sizes_and_epochs_are_whole_numbers():
    """The training time is formatted, and the hash of the weights is complete."""
    assert dict(total_rows(made_run(**SCORES, weights="0123456789abcdef" * 4))) == {
        "parameters": "16,000",
        "stopping epoch": "12",
        "best epoch": "9",
        "training pairs": "12",
        "training time": "1 min 05 s",
        "weights (SHA-256)": "0123456789abcdef" * 4,
    }


def test_a_report_has_all_its_files_and_needs_no_network(tmp_path):
    """The page embeds two pictures; each is also written for print, with the same bytes every time."""
    examples = Examples([example(outputs=1)], TWO[:1], ["one run"], ["the image of median mean IoU"], BANDS, CLASSES)
    files = write_run_report(tmp_path, report_of(examples=examples))
    again = write_run_report(tmp_path / "again", report_of(examples=examples))
    page = files[0].read_text(encoding="utf-8")

    names = ["report.html", "learning_curves.png", "learning_curves.svg", "figure3.png", "figure3.svg"]
    assert [path.name for path in files] == names
    assert [path.read_bytes() for path in files] == [path.read_bytes() for path in again]
    sources = re.findall(r'src="(.*?)"', page)
    assert len(sources) == 2
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in re.sub(r'src=".*?"', "", page)
    assert "and the output of (c) one run, laid over the image" in page
    assert "Shown is the image of median mean IoU." in page


def test_the_page_shows_scores_sites_environment_and_command(tmp_path):
    """It also shows the numbers of the original program."""
    page = write_run_report(tmp_path, report_of())[0].read_text(encoding="utf-8")
    sites = cells_of(page.split('id="sites"')[1].split("</table>")[0])

    assert [row[0][1] for row in sites] == ["duck", "sunset", "all sites"]
    assert sites[2][2][1] == f"{made_run().scores['dice']:.3f}"
    assert re.search(r'absent class counts as perfect</td><td class="number">0\.700</td>', page)
    assert '<tr><th scope="row">machine</th><td class="words">m 2 cores</td></tr>' in page
    assert "<code>python -m gym.train model.name=unet</code>" in page
    assert '<p class="note">Figure 3 is left out: the data are missing.</p>' in page


@pytest.mark.parametrize("epochs", [[], epochs_of(0.9)])
def test_an_unfinished_run_has_a_note(tmp_path, epochs):
    """It has no scores, but curves of the epochs that it reached."""
    report = report_of(result=None, epochs=epochs, notes=["The run is FAILED: the loss is <nan>."])
    page = write_run_report(tmp_path, report)[0].read_text(encoding="utf-8")

    assert '<p class="note">The run is FAILED: the loss is &lt;nan&gt;.</p>' in page
    assert page.count("The run has no scores.") == 2
    assert (tmp_path / "learning_curves.svg").is_file()


def test_names_are_escaped(tmp_path):
    """They may be names of runs or classes, or commands."""
    evil = '"><script>alert(1)</script>'
    report = report_of(
        name=evil, command=evil, about=[("sweep", evil)], result=replace(made_run(), classes=[evil, "b"])
    )

    assert "<script>alert" not in write_run_report(tmp_path, report)[0].read_text(encoding="utf-8")

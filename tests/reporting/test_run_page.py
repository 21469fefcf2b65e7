"""The report of a run has its scores, also those of its test side, and says what did not come about."""

import re
from dataclasses import replace

import pytest

from gym.reporting.figure3 import Examples
from gym.reporting.run_page import RunFacts, score_tables, word_counts, write_run_report
from tests.reporting.test_comparison import cells_of
from tests.reporting.test_figure3 import BANDS, CLASSES, TWO, example
from tests.reporting.test_figures import epochs_of
from tests.reporting.test_run_table import made_run

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


def facts_of(**more):
    """What is known of a finished run whose data are gone."""
    known = {
        "name": "unet cce f4",
        "about": [("MLflow run", "0123"), ("status", "FINISHED")],
        "result": made_run(**SCORES),
        "epochs": epochs_of(0.9, 0.5, 0.6),
        "command": "python -m gym.train model.name=unet",
        "environment": [("machine", "m 2 cores")],
        "sites": {"scene0": "duck", "scene1": "sunset"},
        "examples": "Figure 3 is left out: the data are gone.",
    }
    return RunFacts(**known | more)


def shown(table):
    """Titles and texts."""
    return [column["title"] for column in table.columns], [
        [cell["shown"] for cell in row["cells"]] for row in table.rows
    ]


def test_scores_stand_by_side_and_class():
    """In words; what a side does not have is a dash."""
    tables = dict(score_tables(made_run(**SCORES)))

    assert shown(tables["Over all classes"]) == (
        ["score", "validation", "test"],
        [
            ["mean IoU", "0.500", "0.400"],
            ["mean Dice", f"{made_run().scores['dice']:.3f}", "-"],
            ["share of right pixels", "0.750", "-"],
            ["KLD per pixel, nats", "0.500", "-"],
        ],
    )
    assert shown(tables["By class, validation"]) == (
        ["class", "IoU", "recall"],
        [["water", "0.500", "0.875"], ["land", "0.250", "-"]],
    )
    assert shown(tables["By class, test"]) == (["class", "IoU"], [["water", "-"], ["land", "0.125"]])


def test_sizes_and_epochs_are_whole():
    """With the time in words and the whole hash of the weights."""
    assert dict(word_counts(made_run(**SCORES))) == {
        "parameters": "16,000",
        "stopping epoch": "12",
        "best epoch": "9",
        "training pairs": "12",
        "training time": "1 min 05 s",
        "weights (SHA-256)": "0123456789abcdef" * 4,
    }


def test_a_report_has_all_its_files_and_needs_no_network(tmp_path):
    """The page with two pictures, each for print beside it, and the same bytes again."""
    examples = Examples([example(outputs=1)], TWO[:1], ["one run"], ["the image of median mean IoU"], BANDS, CLASSES)
    files = write_run_report(tmp_path, facts_of(examples=examples))
    again = write_run_report(tmp_path / "again", facts_of(examples=examples))
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


def test_the_page_tells_of_a_run(tmp_path):
    """Scores, sites, the original's numbers, environment and command."""
    page = write_run_report(tmp_path, facts_of())[0].read_text(encoding="utf-8")
    sites = cells_of(page.split('id="sites"')[1].split("</table>")[0])

    assert [row[0][1] for row in sites] == ["duck", "sunset", "all sites"]
    assert sites[2][2][1] == f"{made_run().scores['dice']:.3f}"
    assert re.search(r'absent class counts as perfect</td><td class="number">0\.700</td>', page)
    assert '<tr><th scope="row">machine</th><td class="words">m 2 cores</td></tr>' in page
    assert "<code>python -m gym.train model.name=unet</code>" in page
    assert '<p class="note">Figure 3 is left out: the data are gone.</p>' in page


@pytest.mark.parametrize("epochs", [[], epochs_of(0.9)])
def test_a_run_that_did_not_come_to_its_end_is_told_so(tmp_path, epochs):
    """It has no scores, and the epochs that it came to, if any."""
    facts = facts_of(result=None, epochs=epochs, notes=["The run is FAILED: the loss is <nan>."])
    page = write_run_report(tmp_path, facts)[0].read_text(encoding="utf-8")

    assert '<p class="note">The run is FAILED: the loss is &lt;nan&gt;.</p>' in page
    assert page.count("The run has no scores.") == 2
    assert (tmp_path / "learning_curves.svg").is_file()


def test_names_are_no_markup(tmp_path):
    """Of runs, classes and commands."""
    evil = '"><script>alert(1)</script>'
    facts = facts_of(name=evil, command=evil, about=[("sweep", evil)], result=replace(made_run(), classes=[evil, "b"]))

    assert "<script>alert" not in write_run_report(tmp_path, facts)[0].read_text(encoding="utf-8")

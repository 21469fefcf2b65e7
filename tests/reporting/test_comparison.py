"""The report of a sweep is whole, readable, and takes no name for markup."""

import csv
import re

import pytest
from PIL import Image

from gym.reporting.comparison import write_comparison
from tests.reporting.test_figure4 import paper_matrix
from tests.reporting.test_run_table import made_run

FILES = ["comparison.csv", "comparison.html", "figure4.html", "figure4.png", "pareto.png", "stopping_epochs.png"]


def page_of(folder, runs, title="a sweep"):
    """The page of a report."""
    write_comparison(folder, runs, title)
    return (folder / "comparison.html").read_text(encoding="utf-8")


def cells_of(page):
    """Value to sort by and shown text of each cell, by row."""
    rows = re.findall(r"<tr[^>]*>(<td.*?)</tr>", page)
    return [re.findall(r'<td data-value="([^"]*)"[^>]*>(.*?)</td>', row) for row in rows]


def test_a_report_has_all_its_files(tmp_path):
    """And takes away nothing that is in the folder."""
    (tmp_path / "ledger.jsonl").write_text("{}")

    recommendation = write_comparison(tmp_path, paper_matrix(), "a sweep")

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*FILES, "ledger.jsonl"])
    for name in (name for name in FILES if name.endswith(".png")):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 300
    assert recommendation.chosen.scores["iou"] >= recommendation.best.scores["iou"] - recommendation.standard_error


def test_the_table_has_a_row_a_run(tmp_path):
    """With what was varied; the page shows few digits, and sorts by all; the CSV has them all."""
    runs = paper_matrix()
    page = page_of(tmp_path, runs)

    heads = re.findall(r'<button type="button">(.*?)</button>', page)
    assert heads[:7] == ["name", "model.name", "loss.name", "model.filters", "mean IoU", "KLD", "mean Dice"]
    assert heads[7:] == ["stopping epoch", "best epoch", "parameters", "training time", "weights", "MLflow run"]
    rows = cells_of(page)
    assert len(rows) == 30
    assert rows[1][4] == (repr(runs[1].scores["iou"]), "0.5300")
    assert rows[1][9:11] == [("1002692", "1,002,692"), ("65.4", "1 min 05 s")]
    assert rows[1][11:] == [("0123456789ab", "0123456789ab"), ("0123456789abcdef", "0123456789abcdef")]
    with (tmp_path / "comparison.csv").open(newline="", encoding="utf-8") as stream:
        assert [float(row["iou"]) for row in csv.DictReader(stream)] == [run.scores["iou"] for run in runs]


def test_the_recommended_run_is_marked(tmp_path):
    """In the sentence on top and in the table; the best too."""
    page = page_of(tmp_path, [made_run([90, 50], filters=8), made_run([88, 48]), made_run([20, 10], filters=2)])

    assert '<p class="good">Recommended: unet cce f4 (16,000 parameters' in page
    marks = [re.findall(r'class="mark">(\w+)', row[0][1]) for row in cells_of(page)]
    assert marks == [["best"], ["recommended"], []]


@pytest.mark.parametrize(("tiles", "is_said"), [(1, False), (2, True)])
def test_a_standard_error_of_few_scenes_is_said_to_be_small(tmp_path, tiles, is_said):
    """Below twenty, however many tiles they are cut into."""
    images = [f"scene{number}" for number in range(20)]
    run = made_run([50] * 20, images=images, scenes=[f"{number // tiles}" for number in range(20)])

    assert ("From fewer than 20 scenes it tends to be too small" in page_of(tmp_path, [run])) == is_said


def test_runs_on_different_images_are_not_recommended(tmp_path):
    """The page says why, in a note."""
    page = page_of(tmp_path, [made_run(), made_run(images=["a", "b"])])

    assert '<p class="note">No recommendation: the runs were validated on different images' in page
    assert 'class="mark"' not in page


def test_what_a_run_does_not_have_is_a_dash(tmp_path):
    """It sorts as nothing; a setting that is null is called so."""
    runs = [made_run(kld=None, settings={"data.remap": None}), made_run(settings={"data.remap": {"1": 0}})]
    first, second = cells_of(page_of(tmp_path, runs))

    assert first[1] == ("", "null")
    assert first[3] == ("", "-")
    assert second[1] == ("{&#34;1&#34;: 0}", "{&#34;1&#34;: 0}")


def test_the_page_is_one_file(tmp_path):
    """Its pictures are within, and nothing is fetched."""
    page = page_of(tmp_path, [made_run()])

    sources = re.findall(r'src="(.*?)"', page)
    assert len(sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in re.sub(r'src=".*?"', "", page)


def test_names_are_no_markup(tmp_path):
    """Of runs, in settings and in the title, also within quotes."""
    evil = '"><script>alert(1)</script>'
    runs = [made_run(name=evil, settings={"data.labels": evil}), made_run(name="b", settings={"data.labels": "c"})]

    page = page_of(tmp_path, runs, title=evil)

    assert "<script>alert" not in page
    assert 'data-value=""' not in page.split("<tbody>")[1].split("</tbody>")[0]
    assert page.count("&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;") >= 5


def test_before_any_run_has_finished_there_is_a_report(tmp_path):
    """It says that there is nothing yet."""
    page = page_of(tmp_path, [])

    assert "No run has finished yet." in page
    assert "No recommendation: no run has a mean IoU." in page
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)

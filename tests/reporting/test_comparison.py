"""The comparison of a sweep is one readable page that escapes every name."""

import csv
import re
from dataclasses import replace

import pytest
from PIL import Image

from gym.reporting.comparison import write_comparison
from tests.reporting.test_figure4 import paper_matrix
from tests.reporting.test_run_table import made_run

FILES = ["comparison.csv", "comparison.html", "figure4.html", "figure4.png", "pareto.png", "stopping_epochs.png"]


def page_of(folder, runs, title="a sweep"):
    """The page of a comparison."""
    write_comparison(folder, runs, title)
    return (folder / "comparison.html").read_text(encoding="utf-8")


def cells_of(page):
    """The value to sort by and the text of each cell, by row."""
    rows = re.findall(r"<tr[^>]*>(<td.*?)</tr>", page)
    return [re.findall(r'<td data-value="([^"]*)"[^>]*>(.*?)</td>', row) for row in rows]


def test_a_comparison_has_all_its_files(tmp_path):
    """Other files in the folder stay."""
    (tmp_path / "ledger.jsonl").write_text("{}")

    recommendation = write_comparison(tmp_path, paper_matrix(), "a sweep")

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*FILES, "ledger.jsonl"])
    for name in (name for name in FILES if name.endswith(".png")):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 300
    assert recommendation.chosen.scores["iou"] >= recommendation.best.scores["iou"] - recommendation.standard_error


def test_the_table_has_a_row_per_run(tmp_path):
    """It has the swept settings; the page shows few digits and sorts by all, and the CSV has them all."""
    runs = paper_matrix()
    page = page_of(tmp_path, runs)

    heads = re.findall(r'<button type="button">(.*?)</button>', page)
    assert heads[:7] == ["name", "model.name", "loss.name", "model.filters", "mean IoU", "KLD", "mean Dice"]
    assert heads[7:] == ["stopping epoch", "best epoch", "parameters", "training time", "weights", "MLflow run"]
    rows = cells_of(page)
    assert len(rows) == 30
    assert rows[1][4] == (repr(runs[1].scores["iou"]), "0.5300")
    assert rows[1][9:11] == [("1002692", "1,002,692"), ("65.4", "1 min 05 s")]
    weights = runs[1].weights_sha256[:12]
    assert rows[1][11:] == [(weights, weights), ("0123456789abcdef", "0123456789abcdef")]
    with (tmp_path / "comparison.csv").open(newline="", encoding="utf-8") as stream:
        assert [float(row["iou"]) for row in csv.DictReader(stream)] == [run.scores["iou"] for run in runs]


def test_the_recommended_run_is_marked(tmp_path):
    """It is named at the top and marked in the table, as the best is."""
    page = page_of(tmp_path, [made_run([90, 50], filters=8), made_run([88, 48]), made_run([20, 10], filters=2)])

    assert '<p class="good">Recommended: unet cce f4 (16,000 parameters' in page
    marks = [re.findall(r'class="mark">(\w+)', row[0][1]) for row in cells_of(page)]
    assert marks == [["best"], ["recommended"], []]


@pytest.mark.parametrize(("tiles", "is_few"), [(1, False), (2, True)])
def test_a_standard_error_from_few_scenes_has_a_warning(tmp_path, tiles, is_few):
    """Scenes count, not the tiles that they are cut into."""
    images = [f"scene{number}" for number in range(20)]
    run = made_run([50] * 20, images=images, scenes=[f"{number // tiles}" for number in range(20)])

    assert ("With fewer than about 20 scenes, standard errors are too small." in page_of(tmp_path, [run])) == is_few


def test_the_standard_error_is_that_of_the_units(tmp_path):
    """The page names them."""
    run = replace(made_run([90, 80, 50, 40]), unit_kind="place", unit_names=["cape", "cape", "bay", "bay"])

    page = page_of(tmp_path, [run])

    assert "from 2 validation places" in page
    assert "The standard error measures the choice of the 2 validation places." in page
    assert "With fewer than about 20 places, standard errors are too small." in page


def test_runs_on_different_images_are_not_recommended(tmp_path):
    """A note gives the reason."""
    page = page_of(tmp_path, [made_run(), made_run(images=["a", "b"])])

    assert '<p class="note">No recommendation: the runs have different validation images' in page
    assert 'class="mark"' not in page


def test_a_missing_score_is_a_dash(tmp_path):
    """It has no value to sort by; a setting that is null is shown as null."""
    runs = [made_run(kld=None, settings={"data.remap": None}), made_run(settings={"data.remap": {"1": 0}})]
    first, second = cells_of(page_of(tmp_path, runs))

    assert first[1] == ("", "null")
    assert first[3] == ("", "-")
    assert second[1] == ("{&#34;1&#34;: 0}", "{&#34;1&#34;: 0}")


def test_the_page_is_one_file(tmp_path):
    """Its pictures are embedded, and nothing is fetched."""
    page = page_of(tmp_path, [made_run()])

    sources = re.findall(r'src="(.*?)"', page)
    assert len(sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in re.sub(r'src=".*?"', "", page)


def test_names_are_escaped(tmp_path):
    """They may be in names of runs, in settings and in the title, and contain quotes."""
    evil = '"><script>alert(1)</script>'
    runs = [made_run(name=evil, settings={"data.labels": evil}), made_run(name="b", settings={"data.labels": "c"})]

    page = page_of(tmp_path, runs, title=evil)

    assert "<script>alert" not in page
    assert 'data-value=""' not in page.split("<tbody>")[1].split("</tbody>")[0]
    assert page.count("&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;") >= 5


def test_a_sweep_without_finished_runs_has_a_comparison(tmp_path):
    """It says that no run has finished."""
    page = page_of(tmp_path, [])

    assert "No run has finished yet." in page
    assert "No recommendation: no run has a mean IoU." in page
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)

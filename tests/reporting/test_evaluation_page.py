"""The page and the terminal show the scores of an assessment, with warnings where they mislead."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gym.evaluation.against_baselines import BaselineComparison, BaselineReport
from gym.evaluation.bootstrap import COVERAGE_OF_FEW_UNITS, Interval
from gym.reporting.evaluation_page import baseline_tables, make_tables, print_assessment, summary_table, write_page
from tests.evaluation.test_document import assessed
from tests.evaluation.test_scores import UNKNOWN, drawn
from tests.reporting.test_page_tables import shown

NAN = float("nan")


def read_sample(sample):
    """Image and label of a sample."""
    truth, _ = drawn(4)
    return np.full((*truth.shape[1:], 3), 7, np.uint8), truth[sample % 4]


def with_baselines():
    """An assessment of a model and one baseline."""
    names = ("iou", "dice", "overall_accuracy")
    scores = {name: dict.fromkeys(names, Interval(0.2, 0.1, 0.3)) for name in ("model", "majority")}
    comparison = BaselineComparison("all classes", scores, {"majority": Interval(0.7, 0.6, 0.8)})
    return assessed(baselines=BaselineReport([comparison], {"majority": "m"}))


@pytest.mark.parametrize(("sides", "is_georeferenced"), [(UNKNOWN, False), ((10.0, 10.0), True)])
def test_distances_in_metres_need_georeferenced_imagery(sides, is_georeferenced):
    """The terminal and the tables of classes and sites show them only then; pixels are always shown."""
    assessment = assessed(sides=sides)
    tables = make_tables(assessment, {})
    columns = {name: [column.title for column in tables[name].columns] for name in ("classes", "sites")}

    assert ("boundary distance, m" in list(summary_table(assessment).columns[0].cells)) == is_georeferenced
    assert all(("boundary distance, m" in titles) == is_georeferenced for titles in columns.values())
    assert all("boundary distance, pixels" in titles for titles in columns.values())


@pytest.mark.parametrize(("side", "title"), [("test", "model on 4 test images of"), ("all", "model on 4 images of")])
def test_the_terminal_shows_warnings_first(capsys, side, title):
    """The table and the path of the page follow."""
    print_assessment("model", replace(assessed(), side=side), {}, Path("page.html"))

    printed = capsys.readouterr().out
    assert title in printed
    assert printed.index("warning: a goat ate them") < printed.index("mean IoU") < printed.index("page.html")


def test_the_terminal_shows_differences_and_baselines(capsys):
    """Each has its interval."""
    differences = {"other": {"iou": Interval(0.1, 0.0, 0.2)}}
    print_assessment("model", with_baselines(), differences, Path("page.html"))

    printed = capsys.readouterr().out
    assert "mean IoU minus that of other: 0.100 (0.000 to 0.200)" in printed
    assert "IoU on a lattice, all classes: majority │ 0.200 (0.100 to 0.300)" in printed


def test_the_model_is_compared_with_its_baselines():
    """The model itself has no lead."""
    (title, table), *_ = baseline_tables(with_baselines()).items()
    columns, rows = shown(table)

    assert title == "all classes"
    assert columns[0] == ""
    assert columns[-1] == "lead of the model"
    assert [(row[0], row[-1]) for row in rows] == [("model", "-"), ("majority", "0.700 (0.600 to 0.800)")]


def test_the_page_holds_all_results(tmp_path):
    """Pictures are embedded, names are escaped, and there is no section without content."""
    files = write_page(tmp_path, with_baselines(), "it", {"data": "<b>"}, list("abc"), read_sample, 0, {})

    page = (tmp_path / "evaluation.html").read_text()
    for text in ("&lt;south&gt;", "&lt;b&gt;", "fitted on the moon", "0.700 (0.600 to 0.800)", "1.50", "4 scenes"):
        assert text in page
    assert page.count("boundary missed, share of images</button>") == 2  # by class and by site
    assert page.count("data:image/png;base64") == 5
    assert "other-runs" not in page
    assert set(files) == set(tmp_path.iterdir())
    assert {path.name for path in files} == {
        *("evaluation.html", "confusion_matrix.png", "reliability.png", "errors_by_distance.png", "worst.png"),
        "best.png",
    }


@pytest.mark.parametrize("first", ["water", "land", "padding"])
@pytest.mark.parametrize("null_class", [True, False])
def test_the_page_says_why_the_mean_iou_of_2022_is_left_out(blank_pictures, tmp_path, first, null_class):
    """It depends on the role of the first class, not on its name."""
    plain = assessed()
    classes = [first, *plain.evaluation.classes[1:]]
    evaluation = replace(plain.evaluation, classes=classes, null_class=null_class)
    write_page(tmp_path, replace(plain, evaluation=evaluation), "it", {}, list("abc"), read_sample, 0, {})

    page = (tmp_path / "evaluation.html").read_text()
    assert ("(iou_2022) is left out" in page) != null_class
    assert (f"the first class here is {first}" in page) != null_class


def test_the_page_shows_legacy_numbers_with_the_correct_scores(blank_pictures, tmp_path):
    """The correct score of a number from 2022 is the one of the same name."""
    assessment = assessed()
    write_page(tmp_path, assessment, "it", {}, list("abc"), read_sample, 0, {})

    page = (tmp_path / "evaluation.html").read_text()
    for original, name in (("0.250", "iou"), ("0.500", "kld")):
        numbers = (original, f"{assessment.overall[name].value:.3f}")
        assert "".join(f'<td class="number">{number}</td>' for number in numbers) in page


def test_one_scene_has_no_interval_and_no_temperature(blank_pictures, tmp_path):
    """The page says so."""
    write_page(tmp_path, assessed(1, NAN), "it", {}, ["a", "b", "c"], read_sample, 0, {})

    page = (tmp_path / "evaluation.html").read_text()
    assert "A single scene has no interval" in page
    assert "No temperature: fitted on the moon" in page


@pytest.mark.parametrize(("value", "is_at_limit"), [(20.0, True), (1.5, False)])
def test_a_temperature_at_the_limit_of_its_range_is_not_shown_as_fitted(blank_pictures, tmp_path, value, is_at_limit):
    """The page names the limit."""
    write_page(tmp_path, assessed(temperature=value), "it", {}, ["a", "b", "c"], read_sample, 0, {})

    page = (tmp_path / "evaluation.html").read_text()
    assert ("No temperature could be fitted: 20.00 is the limit" in page) == is_at_limit


@pytest.mark.parametrize(("scenes", "is_few"), [(2, True), (19, True), (20, False)])
def test_intervals_from_few_scenes_have_a_warning(blank_pictures, tmp_path, scenes, is_few):
    """Sites have fewer scenes, so their table always has one."""
    write_page(tmp_path, assessed(scenes), "it", {}, ["a", "b", "c"], read_sample, 0, {})

    page = (tmp_path / "evaluation.html").read_text()
    assert (COVERAGE_OF_FEW_UNITS in page) == is_few
    assert (
        "A site with one scene has no interval; with fewer than about 20 scenes, it covers less than it says." in page
    )


@pytest.mark.parametrize(
    ("images", "kind", "texts"),
    [
        (6, "place", ("of the 3 places of these 6 images, the unit that the split", "A site with one place has no")),
        (6, "scene", ("of the 6 scenes of these 6 images. It does not", "A site with one scene has no interval")),
        (4, "site", ("of the 2 sites of these 4 images, the", "the scores of a single site have no interval")),
        (2, "place", ("of the 1 place of these 2 images, the", "A single place has no interval.")),
    ],
)
def test_the_page_says_what_the_intervals_redraw(blank_pictures, tmp_path, images, kind, texts):
    """It names the unit and their number."""
    write_page(tmp_path, assessed(images, kind=kind), "it", {}, ["a", "b", "c"], read_sample, 0, {})

    page = (tmp_path / "evaluation.html").read_text()
    for text in texts:
        assert text in page


def test_the_page_and_the_terminal_say_why_other_units_are_redrawn(blank_pictures, tmp_path, capsys):
    """The note of the units follows their number, and is escaped."""
    assessment = assessed(note="The split kept every <b> together.")
    write_page(tmp_path, assessment, "it", {}, ["a", "b", "c"], read_sample, 0, {})
    print_assessment("model", assessment, {}, Path("page.html"))

    page, printed = (tmp_path / "evaluation.html").read_text(), capsys.readouterr().out
    assert "of the 4 scenes of these 4 images. The split kept every &lt;b&gt; together. It does not" in page
    assert "over 4 scenes\nThe split kept every <b> together.\nfull report: page.html" in printed


def test_a_site_alone_has_a_score_without_an_interval(blank_pictures, tmp_path):
    """If sites are the units, the interval of one is undefined; the table shows only its score, not a width of 0."""
    assessment = assessed(kind="site")
    columns, rows = shown(make_tables(assessment, {})["sites"])

    ious = [row[columns.index("mean IoU")] for row in rows]
    assert ious == [f"{scores['iou'].value:.3f}" for scores in assessment.sites.values()]
    assert "(" in shown(make_tables(assessment, {})["overall"])[1][0][1]


@pytest.mark.parametrize(
    ("images", "kind", "text"),
    [
        (4, "place", "in parentheses: 95 % interval over 2 places\n"),
        (2, "place", "no intervals: all images are of 1 place\n"),
        (4, "scene", "in parentheses: 95 % interval over 4 scenes\n"),
    ],
)
def test_the_terminal_says_what_the_intervals_redraw(capsys, images, kind, text):
    """A single unit has no interval."""
    print_assessment("model", assessed(images, kind=kind), {}, Path("page.html"))

    assert text in capsys.readouterr().out

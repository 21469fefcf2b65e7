"""What is written of an evaluation: tables, JSON, pictures, from an assessment made by hand."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gym.data.labels import IGNORE
from gym.evaluation.against_baselines import BaselineComparison, BaselineReport, compare_label_maps, iou_lead
from gym.evaluation.assessment import Assessment, Temperature
from gym.evaluation.bootstrap import Interval
from gym.evaluation.document import describe_assessment, write_document
from gym.evaluation.run_model import Evaluation
from gym.evaluation.scores import (
    class_scores,
    image_scores,
    mean_image_scores,
    overall_scores,
    score_differences,
    site_scores,
)
from gym.reporting.evaluation_figures import (
    distance_labels,
    draw_differences,
    draw_errors_by_distance,
    draw_reliability,
    rates_by_distance,
)
from gym.reporting.evaluation_page import (
    legacy_rows,
    make_tables,
    score_table,
    show_assessment,
    show_score,
    summary_table,
    write_page,
)
from tests.evaluation.test_scores import CLASS_NAMES, UNKNOWN, counted, drawn

NAN = float("nan")


def assessed(images=4, temperature=1.5, baselines=None, sides=UNKNOWN):
    """An assessment of some drawn images, each a scene, at two sites."""
    truth, scores = drawn(images)
    counts = counted(truth, scores, sides, temperature)
    scenes = [f"scene{index}" for index in range(images)]
    sites = ["north" if index % 2 else "<south>" for index in range(images)]
    evaluation = Evaluation(
        names=scenes,
        sites=sites,
        samples=list(range(images)),
        classes=CLASS_NAMES,
        matrices=counts.matrix,
        kld_sums=counts.kld_sum,
        predicted=scores.argmax(axis=-1).astype(np.uint8),
        legacy={"iou": 0.25, "kld_2022": 0.5},
    )
    return Assessment(
        side="test",
        warnings=["a goat ate them"],
        evaluation=evaluation,
        scenes=scenes,
        counts=counts,
        width=1,
        temperature=Temperature(temperature, "fitted on the moon"),
        overall=overall_scores(scenes, counts, 0),
        images=mean_image_scores(scenes, counts, 0),
        classes=class_scores(scenes, counts, CLASS_NAMES, 0),
        sites=site_scores(sites, scenes, counts, CLASS_NAMES, 0),
        baselines=baselines,
    )


def read_sample(sample):
    """Image and label of a sample."""
    truth, _ = drawn(4)
    return np.full((*truth.shape[1:], 3), 7, np.uint8), truth[sample % 4]


def test_a_score_is_shown_with_its_interval():
    """Three digits, of large values one; a dash where there is none, without ends where these are unknown."""
    assert show_score(Interval(0.5, 0.25, 0.75)) == {"shown": "0.500 (0.250 to 0.750)", "value": "0.5"}
    assert show_score(Interval(12.345, NAN, NAN))["shown"] == "12.3"
    assert show_score(Interval(NAN, NAN, NAN)) == show_score(None) == {"shown": "-", "value": ""}


@pytest.mark.parametrize(("sides", "shows"), [(UNKNOWN, False), ((10.0, 10.0), True)])
def test_metres_stand_wherever_pixels_do_where_imagery_is_georeferenced(sides, shows):
    """In the terminal, and on the page of all pixels, of classes and of sites."""
    assessment = assessed(sides=sides)
    tables = make_tables(assessment, {})
    columns = {name: [column["title"] for column in tables[name].columns] for name in ("classes", "sites")}

    assert ("boundary distance, m" in list(summary_table(assessment).columns[0].cells)) == shows
    assert all(("boundary distance, m" in titles) == shows for titles in columns.values())
    assert all("boundary distance, pixels" in titles for titles in columns.values())


@pytest.mark.parametrize(("side", "title"), [("test", "model on 4 test images of"), ("all", "model on 4 images of")])
def test_the_terminal_says_what_misleads(capsys, side, title):
    """Before the table, as the page does."""
    show_assessment("model", replace(assessed(), side=side), {}, Path("page.html"))

    said = capsys.readouterr().out
    assert title in said
    assert said.index("beware: a goat ate them") < said.index("mean IoU") < said.index("page.html")


def test_a_column_without_a_score_is_left_out():
    """As metres, where nothing is georeferenced."""
    nothing, something = Interval(NAN, NAN, NAN), Interval(1.0, 1.0, 1.0)

    table = score_table(["class", "pixels", "metres"], {"a": [something, nothing], "b": [nothing, nothing]})

    assert [column["title"] for column in table.columns] == ["class", "pixels"]
    assert [[cell["shown"] for cell in row["cells"]] for row in table.rows] == [
        ["a", "1.000 (1.000 to 1.000)"],
        ["b", "-"],
    ]


def test_legacy_numbers_stand_beside_the_right_ones():
    """Each beside that of its kind, in words that say what is wrong with it."""
    assessment = assessed()

    rows = legacy_rows(assessment)

    assert [row["legacy"] for row in rows] == ["0.250", "0.500"]
    assert [row["right"] for row in rows] == [f"{assessment.overall[name].value:.3f}" for name in ("iou", "kld")]
    assert "absent class counts as perfect" in rows[0]["meaning"]


def test_distance_classes_are_named():
    """Pixels on the boundary are at 0."""
    assert distance_labels() == ["0", "1", "2", "3-4", "5-8", "9-16", "17-32", "33+"]


def test_the_json_holds_every_score_and_null_for_none(tmp_path):
    """It reads back the same; the CSV has the same numbers."""
    other = assessed(temperature=2.0)
    beside = {"other": score_differences(other.scenes, assessed().counts, other.counts, 0)}
    document = describe_assessment(assessed(), {"id": "x", "name": "y"}, {"source": "z", "fingerprint": "f"}, beside)
    files = write_document(tmp_path, document, assessed())

    assert sorted(files) == sorted(tmp_path.iterdir())
    read = json.loads((tmp_path / "evaluation.json").read_text())

    assert read == json.loads(json.dumps(document))
    assert read["overall"]["boundary_distance_metres"] == [None, None, None]
    assert read["overall"]["boundary_missed"] == [*other.overall["boundary_missed"]]
    assert read["differences"]["other"]["iou"] == [0, 0, 0]
    assert read["warnings"] == ["a goat ate them"]
    with (tmp_path / "scores.csv").open() as stream:
        rows = {(row["group"], row["of"], row["score"]): row for row in csv.DictReader(stream)}
    assert float(rows["sites", "north", "iou/water"]["value"]) == read["sites"]["north"]["iou/water"][0]
    assert rows["overall", "", "boundary_distance_metres"]["value"] == ""
    with (tmp_path / "images.csv").open() as stream:
        missed = [float(row["boundary_missed"]) for row in csv.DictReader(stream)]
    np.testing.assert_allclose(missed, image_scores(assessed().counts)["boundary_missed"])


def test_the_csv_has_every_score_of_the_json(tmp_path):
    """Differences to other runs, and how far the model is ahead of its baselines, too; each has one row."""
    scores = {name: {"iou": Interval(0.2, 0.1, 0.3)} for name in ("model", "majority")}
    contest_of_two = BaselineComparison("all classes", scores, {"majority": Interval(0.7, 0.6, 0.8)})
    assessment = assessed(baselines=BaselineReport([contest_of_two], {"majority": "m"}))
    beside = {"other": score_differences(assessment.scenes, assessment.counts, assessment.counts, 0)}

    write_document(tmp_path, describe_assessment(assessment, {}, {}, beside), assessment)

    with (tmp_path / "scores.csv").open() as stream:
        rows = {(row["group"], row["of"], row["score"]): row for row in csv.DictReader(stream)}
    with (tmp_path / "scores.csv").open() as stream:
        assert len(rows) == len(list(csv.DictReader(stream)))
    assert rows["differences", "other", "iou"]["value"] == "0.0"
    assert rows["all classes", "model", "iou"]["value"] == "0.2"
    assert rows["all classes", "majority", "iou_model_leads_by"]["low"] == "0.6"
    assert {group for group, _, _ in rows} == {
        *("overall", "image_means", "classes", "sites", "differences"),
        "all classes",
    }


def test_the_page_holds_it_all(tmp_path):
    """Pictures within it, names that are no markup, no word of what is not there."""
    names = ("iou", "dice", "overall_accuracy")
    scores = {name: dict.fromkeys(names, Interval(0.2, 0.1, 0.3)) for name in ("model", "majority")}
    baselines = BaselineReport(
        [BaselineComparison("all classes", scores, {"majority": Interval(0.7, 0.6, 0.8)})], {"majority": "m"}
    )

    files = write_page(tmp_path, assessed(baselines=baselines), "it", {"data": "<b>"}, list("abc"), read_sample, 0, {})

    page = (tmp_path / "evaluation.html").read_text()
    for text in ("&lt;south&gt;", "&lt;b&gt;", "fitted on the moon", "0.700 (0.600 to 0.800)", "1.50", "4 scenes"):
        assert text in page
    assert page.count("boundary missed, share of images</button>") == 2  # of classes, of sites
    assert page.count("data:image/png;base64") == 5
    assert "other-runs" not in page
    assert set(files) == set(tmp_path.iterdir())
    assert {path.name for path in files} == {
        *("evaluation.html", "confusion_matrix.png", "reliability.png", "errors_by_distance.png", "worst.png"),
        "best.png",
    }


def test_one_scene_and_no_temperature_are_said(tmp_path):
    """No interval, no line with temperature."""
    write_page(tmp_path, assessed(1, NAN), "it", {}, ["a", "b", "c"], read_sample, 0, {})

    page = (tmp_path / "evaluation.html").read_text()
    assert "Of one scene there is no interval" in page
    assert "No temperature: fitted on the moon" in page
    assert len(draw_reliability(assessed(1, NAN)).axes[0].lines) == 2


def test_a_temperature_at_the_end_of_its_range_is_not_shown_as_fitted(tmp_path):
    """On the page and in the JSON."""
    for value, is_said in ((20.0, True), (1.5, False)):
        assessment = assessed(temperature=value)
        write_page(tmp_path, assessment, "it", {}, ["a", "b", "c"], read_sample, 0, {})

        assert ("No temperature is fitted: 20.00 is an end" in (tmp_path / "evaluation.html").read_text()) == is_said
        assert describe_assessment(assessment, {}, {}, {})["temperature"]["at_limit"] == is_said


@pytest.mark.parametrize(("scenes", "is_said"), [(2, True), (19, True), (20, False)])
def test_intervals_from_few_scenes_are_said_to_be_narrow(tmp_path, scenes, is_said):
    """Where they stand; of a site, which has fewer, always."""
    write_page(tmp_path, assessed(scenes), "it", {}, ["a", "b", "c"], read_sample, 0, {})

    page = (tmp_path / "evaluation.html").read_text()
    assert ("From fewer than 20 scenes intervals tend to be too narrow." in page) == is_said
    assert "one from fewer than 20 scenes tends to be too narrow" in page


def test_pictures_show_the_numbers():
    """Bars are the shares of wrong pixels; dots are the differences."""
    assessment = assessed()
    errors = assessment.counts.errors.sum(axis=0)
    bars = draw_errors_by_distance(assessment, 0).axes[0].patches

    assert [bar.get_height() for bar in bars][:2] == pytest.approx(100 * errors[:2, 1] / errors[:2, 0])
    apart = {"other": {name: Interval(0.1, 0.0, 0.2) for name in ("iou", "boundary_iou", "kld")}}
    (span, dot, zero) = draw_differences(apart).axes[0].lines
    assert span.get_xdata().tolist() == [0.0, 0.2]
    assert dot.get_xdata().tolist() == [0.1]
    assert zero.get_xdata()[0] == 0


def test_draws_without_a_pixel_so_far_out_have_no_rate_there():
    """Of two scenes one has pixels at 33 and more, all wrong: a draw without any says nothing, and not 0 %."""
    errors = np.zeros((2, 8, 2))
    errors[:, 0] = 4, 1
    errors[1, 7] = 5, 5

    rates = rates_by_distance(["a", "b"], errors, seed=0)

    assert rates[0] == (0.25, 0.25, 0.25)
    assert rates[7] == (1, 1, 1)
    assert np.isnan(rates[3]).all()


def test_a_baseline_is_scored_on_the_same_pixels():
    """A model that is right everywhere leads one that says the first class by what that misses."""
    truth = np.array([[[0, 1]], [[1, IGNORE]]], np.uint8)
    given = {"model": np.where(truth == IGNORE, 0, truth), "first": np.zeros_like(truth)}

    found = compare_label_maps("x", truth, given, 2, ["a", "b"], seed=0)

    assert found.scores["model"]["iou"].value == 1
    assert found.scores["first"]["iou"].value == pytest.approx((1 / 3 + 0) / 2)
    assert found.leads["first"].value == pytest.approx(1 - 1 / 6)
    matrices = np.array([[[1, 0], [0, 1]], [[0, 0], [0, 1]]])
    assert iou_lead(["a", "b"], matrices, matrices, seed=0) == (0, 0, 0)

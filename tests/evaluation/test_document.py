"""The files of an evaluation hold every score of an assessment."""

import csv
import json

import numpy as np
import pytest

from gym.data.units import Units
from gym.evaluation.against_baselines import BaselineComparison, BaselineReport
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
from tests.evaluation.test_scores import CLASS_NAMES, UNKNOWN, counted, drawn


def assessed(images=4, temperature=1.5, baselines=None, sides=UNKNOWN, kind="scene", note=""):
    """An assessment of random images, each a scene of its own, at two sites; a place holds two images."""
    truth, scores = drawn(images)
    counts = counted(truth, scores, sides, temperature)
    scenes = [f"scene{index}" for index in range(images)]
    sites = ["north" if index % 2 else "<south>" for index in range(images)]
    names = {"scene": scenes, "site": sites, "place": [f"place{index // 2}" for index in range(images)]}
    units = Units(kind, names[kind], note)
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
        units=units,
        counts=counts,
        width=1,
        temperature=Temperature(temperature, "fitted on the moon"),
        overall=overall_scores(units.names, counts, 0),
        images=mean_image_scores(units.names, counts, 0),
        classes=class_scores(units.names, counts, CLASS_NAMES, 0),
        sites=site_scores(sites, units.names, counts, CLASS_NAMES, 0),
        baselines=baselines,
    )


def test_the_json_holds_every_score(tmp_path):
    """An undefined score is null; the CSV files have the same numbers."""
    other = assessed(temperature=2.0)
    differences = {"other": score_differences(other.scenes, assessed().counts, other.counts, 0)}
    data = {"source": "z", "fingerprint": "f"}
    document = describe_assessment(assessed(), {"id": "x", "name": "y"}, data, differences)
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
    """Differences to other runs and leads over baselines are included, each in one row."""
    scores = {name: {"iou": Interval(0.2, 0.1, 0.3)} for name in ("model", "majority")}
    comparison = BaselineComparison("all classes", scores, {"majority": Interval(0.7, 0.6, 0.8)})
    assessment = assessed(baselines=BaselineReport([comparison], {"majority": "m"}))
    differences = {"other": score_differences(assessment.scenes, assessment.counts, assessment.counts, 0)}

    write_document(tmp_path, describe_assessment(assessment, {}, {}, differences), assessment)

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


@pytest.mark.parametrize("note", ["", "Why not places."])
def test_the_files_say_what_the_intervals_redraw(tmp_path, note):
    """The JSON has the kind of unit and their number, and images.csv the unit of each image."""
    assessment = assessed(kind="place", note=note)
    document = describe_assessment(assessment, {}, {}, {})
    write_document(tmp_path, document, assessment)

    assert document["units"] == {"kind": "place", "number": 2, "note": note}
    assert (document["images"], document["scenes"]) == (4, 4)
    with (tmp_path / "images.csv").open() as stream:
        rows = [(row["scene"], row["unit"]) for row in csv.DictReader(stream)]
    assert rows == [("scene0", "place0"), ("scene1", "place0"), ("scene2", "place1"), ("scene3", "place1")]


@pytest.mark.parametrize(("value", "is_at_limit"), [(20.0, True), (1.5, False)])
def test_a_temperature_at_the_limit_of_its_range_is_flagged(value, is_at_limit):
    """The fit would have gone further."""
    document = describe_assessment(assessed(temperature=value), {}, {}, {})

    assert document["temperature"]["at_limit"] == is_at_limit

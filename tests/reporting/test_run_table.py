"""Runs are set beside each other with what was varied, exact numbers, and none is called best that is beaten."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.evaluation import confusion
from gym.reporting.run_table import comparison_rows, pareto_front, run_labels, score_of, swept_keys, write_csv
from gym.runs.result import RunResult


def made_run(
    ious=(60, 40), model="unet", loss="cce", filters=4, images=None, scenes=None, settings=None, name=None, **scores
):
    """A run of two classes whose images have these IoUs, in hundredths, of equally many pixels.

    Each image is a scene unless scenes are given.

    ``scores`` are set beside or over those of the matrices; None leaves one out.
    """
    names = images or [f"scene{number}" for number in range(len(ious))]
    matrices = np.array([[[2 * iou, 100 - iou], [100 - iou, 2 * iou]] for iou in ious], np.int64)
    known = {
        "iou": float(confusion.mean_iou(matrices.sum(axis=0))),
        "kld": 0.5,
        "dice": float(confusion.mean_dice(matrices.sum(axis=0))),
        "stopping_epoch": 12.0,
        "best_epoch": 9.0,
        "parameters": 1000.0 * filters**2,
        "seconds": 65.4,
    } | scores
    return RunResult(
        run_id="0123456789abcdef",
        name=f"{model} {loss} f{filters}" if name is None else name,
        fingerprint="f" * 64,
        settings={"model.name": model, "loss.name": loss, "model.filters": filters, "seed": 1} | (settings or {}),
        scores={name: score for name, score in known.items() if score is not None},
        weights_sha256="0123456789abcdef" * 4,
        classes=["water", "land"],
        images=names,
        scenes=scenes or names,
        matrices=matrices,
    )


def test_made_runs_have_the_ious_they_are_made_of():
    """The mean of scenes of equally many pixels, since only hits and misses of one size are added."""
    assert made_run([60, 40]).scores["iou"] == pytest.approx(0.5)
    assert made_run([90]).scores["iou"] == pytest.approx(0.9)


def test_swept_keys_are_those_that_differ():
    """Also where one run does not have the key; names and places do not count."""
    one = made_run(filters=4, settings={"data.remap": None, "name": "a", "outputs": "x", "tracking.uri": "sqlite"})
    other = made_run(filters=8, settings={"data.remap": {"1": 0}, "name": "b", "outputs": "y", "model.kernel": 3})

    assert swept_keys([one, other]) == ["model.filters", "data.remap", "model.kernel"]
    assert swept_keys([one, one]) == []
    assert swept_keys([]) == []


@pytest.mark.parametrize(("scores", "score"), [({"kld": 0.25}, 0.25), ({"kld": None}, None), ({"kld": np.nan}, None)])
def test_what_is_not_finite_is_no_score(scores, score):
    """As is what is absent."""
    assert score_of(made_run(**scores), "kld") == score


def test_counts_are_whole():
    """MLflow gives them back as floats."""
    assert repr(score_of(made_run(stopping_epoch=12.0), "stopping_epoch")) == "12"


def test_a_name_that_is_shared_is_told_apart_by_what_was_varied():
    """A name of its own is enough; runs that differ in nothing have their fingerprints."""
    first, second = made_run(settings={"seed": 1}), made_run(settings={"seed": 2})
    twins = [replace(made_run(name="twin"), fingerprint=digit * 64) for digit in "ab"]

    assert run_labels([first, second, made_run(filters=8), *twins]) == [
        "unet cce f4 seed=1",
        "unet cce f4 seed=2",
        "unet cce f8",
        "twin aaaaaaaa",
        "twin bbbbbbbb",
    ]


def test_a_row_has_what_was_varied_and_what_came_of_it():
    """Columns in this order, exact numbers, None where there is no score."""
    (row,) = comparison_rows([made_run([90], parameters=251236.0, kld=None)], ["loss.name", "seed"])

    assert row == {
        "name": "unet cce f4",
        "loss.name": "cce",
        "seed": 1,
        "iou": pytest.approx(0.9),
        "kld": None,
        "dice": pytest.approx(180 / 190),
        "stopping_epoch": 12,
        "best_epoch": 9,
        "parameters": 251236,
        "seconds": 65.4,
        "weights_sha256": "0123456789ab",
        "run_id": "0123456789abcdef",
        "fingerprint": "f" * 64,
    }
    assert list(row)[:4] == ["name", "loss.name", "seed", "iou"]


def test_a_csv_gives_back_the_very_numbers(tmp_path):
    """Floats to the last bit, counts whole, what is absent empty, names with commas and lines in them whole."""
    run = made_run([60, 41, 7], name='a,"b"\nc', settings={"data.indices": ["NDWI"], "data.strict": True}, kld=None)
    write_csv(tmp_path / "runs.csv", comparison_rows([run], ["data.indices", "data.strict"]))

    with (tmp_path / "runs.csv").open(newline="", encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)

    assert float(row["iou"]) == run.scores["iou"]
    assert (row["name"], row["stopping_epoch"], row["kld"]) == ('a,"b"\nc', "12", "")
    assert (row["data.indices"], row["data.strict"]) == ('["NDWI"]', "true")


def test_without_runs_a_csv_is_empty(tmp_path):
    """There are no columns to name."""
    write_csv(tmp_path / "runs.csv", [])

    assert (tmp_path / "runs.csv").read_bytes() == b""


def on_front(*points, cost="seconds"):
    """Which of these points, of IoU and cost, are on the front."""
    runs = [made_run(iou=iou, **{cost: price}) for iou, price in points]
    front = pareto_front(runs, cost)
    return [next(place for place, run in enumerate(runs) if run is one) for one in front]


def test_a_front_by_hand():
    """A dearer run is on it only if it is better; an equally good or equally dear one beats if the other is worse."""
    assert on_front((0.5, 10), (0.4, 20), (0.7, 30)) == [0, 2]
    assert on_front((0.5, 20), (0.5, 10)) == [1]
    assert on_front((0.5, 10), (0.6, 10)) == [1]


def test_equal_runs_are_on_the_front_together():
    """Neither beats the other."""
    assert on_front((0.5, 10), (0.5, 10), (0.4, 12)) == [0, 1]


def test_runs_without_a_score_are_on_no_front():
    """Nor do they keep others from it."""
    assert on_front((None, 1), (0.5, None), (0.4, 5), (np.nan, 1)) == [2]
    assert on_front() == []


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12),
    st.sampled_from(["seconds", "parameters"]),
)
def test_a_run_is_on_the_front_if_and_only_if_none_beats_it(points, cost):
    """And the front rises with its cost."""
    front = on_front(*points, cost=cost)

    def is_beaten(iou, price):
        return any(a >= iou and b <= price and (a, b) != (iou, price) for a, b in points)

    assert sorted(front) == [place for place, point in enumerate(points) if not is_beaten(*point)]
    assert [points[place][::-1] for place in front] == sorted(points[place][::-1] for place in front)

"""Runs become rows with their swept settings and exact numbers, groups, and a Pareto front."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.core.files import hash_value
from gym.evaluation import confusion
from gym.reporting.page_tables import runs_table
from gym.reporting.recommendation import Recommendation
from gym.reporting.run_table import (
    comparison_rows,
    group_runs,
    pareto_front,
    run_labels,
    score_of,
    swept_keys,
    write_csv,
)
from gym.runs.result import RunResult


def made_run(
    ious=(60, 40),
    model="unet",
    loss="cce",
    filters=4,
    images=None,
    scenes=None,
    settings=None,
    name=None,
    weights="",
    **scores,
):
    """A run of two classes whose images have these IoUs, in hundredths, and equally many pixels.

    Each image is a separate scene unless ``scenes`` are given. Runs that differ in name, settings or matrices have
    other weights, unless ``weights`` are given. ``scores`` add to or replace those of the confusion
    matrices; None removes one.
    """
    settings = {"model.name": model, "loss.name": loss, "model.filters": filters, "seed": 1} | (settings or {})
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
        settings=settings,
        scores={name: score for name, score in known.items() if score is not None},
        weights_sha256=weights or hash_value([name, settings, matrices.tolist()]),
        classes=["water", "land"],
        images=names,
        scenes=scenes or names,
        matrices=matrices,
    )


def test_made_runs_have_the_given_ious():
    """The IoU of several scenes is their mean, because they have equally many pixels."""
    assert made_run([60, 40]).scores["iou"] == pytest.approx(0.5)
    assert made_run([90]).scores["iou"] == pytest.approx(0.9)


def test_swept_keys_differ_between_runs():
    """A key that one run lacks differs, too; names and output locations do not count."""
    one = made_run(filters=4, settings={"data.remap": None, "name": "a", "outputs": "x", "tracking.uri": "sqlite"})
    other = made_run(filters=8, settings={"data.remap": {"1": 0}, "name": "b", "outputs": "y", "model.kernel": 3})

    assert swept_keys([one, other]) == ["model.filters", "data.remap", "model.kernel"]
    assert swept_keys([one, one]) == []
    assert swept_keys([]) == []


@pytest.mark.parametrize(("scores", "score"), [({"kld": 0.25}, 0.25), ({"kld": None}, None), ({"kld": np.nan}, None)])
def test_a_missing_or_infinite_score_is_none(scores, score):
    """MLflow may have either."""
    assert score_of(made_run(**scores), "kld") == score


def test_counts_are_integers():
    """MLflow returns them as floats."""
    assert repr(score_of(made_run(stopping_epoch=12.0), "stopping_epoch")) == "12"


def test_runs_that_share_a_name_are_labelled_by_their_settings():
    """A unique name is enough; runs with equal settings are labelled by their fingerprints."""
    first, second = made_run(settings={"seed": 1}), made_run(settings={"seed": 2})
    twins = [replace(made_run(name="twin"), fingerprint=digit * 64) for digit in "ab"]

    assert run_labels([first, second, made_run(filters=8), *twins]) == [
        "unet cce f4 seed=1",
        "unet cce f4 seed=2",
        "unet cce f8",
        "twin aaaaaaaa",
        "twin bbbbbbbb",
    ]


def test_a_row_has_swept_settings_and_scores():
    """Numbers are exact, and a missing score is None."""
    run = made_run([90], parameters=251236.0, kld=None, weights="0123456789abcdef")
    (row,) = comparison_rows([run], ["loss.name", "seed"])

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
        "equal_weights": "",
        "weights_sha256": "0123456789ab",
        "run_id": "0123456789abcdef",
        "fingerprint": "f" * 64,
    }
    assert list(row)[:4] == ["name", "loss.name", "seed", "iou"]


def test_runs_with_equal_weights_share_a_letter():
    """The table in CSV and on the page shows it; a page without such runs has no such column."""
    runs = [made_run(loss=loss, weights=weights) for loss, weights in (("cce", "a1"), ("dice", "b2"), ("kld", "a1"))]

    rows = comparison_rows(runs, ["loss.name"])
    page, other = (runs_table(some, Recommendation("none")) for some in (runs, runs[:2]))

    assert [row["equal_weights"] for row in rows] == ["a", "", "a"]
    titles = [column.title for column in page.columns]
    assert [row.cells[titles.index("equal weights")].text for row in page.rows] == ["a", "", "a"]
    assert "equal weights" not in [column.title for column in other.columns]


def test_a_csv_has_exact_numbers(tmp_path):
    """Floats are exact to the last bit, missing scores are empty, and names may contain commas and newlines."""
    run = made_run([60, 41, 7], name='a,"b"\nc', settings={"data.indices": ["NDWI"], "data.strict": True}, kld=None)
    write_csv(tmp_path / "runs.csv", comparison_rows([run], ["data.indices", "data.strict"]))

    with (tmp_path / "runs.csv").open(newline="", encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)

    assert float(row["iou"]) == run.scores["iou"]
    assert (row["name"], row["stopping_epoch"], row["kld"]) == ('a,"b"\nc', "12", "")
    assert (row["data.indices"], row["data.strict"]) == ('["NDWI"]', "true")


def test_a_csv_without_runs_is_empty(tmp_path):
    """There are no columns to name."""
    write_csv(tmp_path / "runs.csv", [])

    assert (tmp_path / "runs.csv").read_bytes() == b""


def on_front(*points, cost="seconds"):
    """The positions of the points, each of IoU and cost, that are on the front."""
    runs = [made_run(iou=iou, **{cost: price}) for iou, price in points]
    front = pareto_front(runs, cost)
    return [next(place for place, run in enumerate(runs) if run is one) for one in front]


def test_a_front_worked_out_by_hand():
    """A more expensive run is on it only if it is better; a tie in one score is decided by the other."""
    assert on_front((0.5, 10), (0.4, 20), (0.7, 30)) == [0, 2]
    assert on_front((0.5, 20), (0.5, 10)) == [1]
    assert on_front((0.5, 10), (0.6, 10)) == [1]


def test_equal_runs_are_on_the_front_together():
    """Neither dominates the other."""
    assert on_front((0.5, 10), (0.5, 10), (0.4, 12)) == [0, 1]


def test_runs_without_a_score_are_on_no_front():
    """They do not keep others from it either."""
    assert on_front((None, 1), (0.5, None), (0.4, 5), (np.nan, 1)) == [2]
    assert on_front() == []


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12),
    st.sampled_from(["seconds", "parameters"]),
)
def test_a_run_is_on_the_front_if_and_only_if_no_other_dominates_it(points, cost):
    """IoU rises along the front with cost."""
    front = on_front(*points, cost=cost)

    def is_dominated(iou, price):
        return any(a >= iou and b <= price and (a, b) != (iou, price) for a, b in points)

    assert sorted(front) == [place for place, point in enumerate(points) if not is_dominated(*point)]
    assert [points[place][::-1] for place in front] == sorted(points[place][::-1] for place in front)


def test_runs_of_several_seeds_are_grouped():
    """Groups have the order of their first runs; names, locations and numbers within the sweep do not matter."""
    runs = [
        made_run(model=model, settings={"seed": seed, "name": f"run {place}", "sweep.job": place})
        for place, (model, seed) in enumerate([("unet", 1), ("resunet", 1), ("unet", 2), ("resunet", 2)])
    ]
    first, second = group_runs(runs, ["seed"])

    assert (first.label, first.settings) == ("unet", {"model.name": "unet"})
    assert (second.label, second.settings) == ("resunet", {"model.name": "resunet"})
    assert [run.settings["sweep.job"] for run in first.runs] == [0, 2]
    assert [run.settings["sweep.job"] for run in second.runs] == [1, 3]


def test_an_only_group_has_no_label():
    """There is no other group to distinguish it from."""
    (group,) = group_runs([made_run(settings={"seed": seed}) for seed in (1, 2)], ["seed"])

    assert (group.label, group.settings, len(group.runs)) == ("", {}, 2)
    assert group_runs([], ["seed"]) == []


def test_a_group_label_begins_with_the_model():
    """Other settings follow as they are written on the command line."""
    runs = [
        made_run(model=model, loss=loss, filters=filters, settings={"data.indices": [loss], "seed": 1})
        for model, loss, filters in (("unet", "cce", 4), ("resunet", "dice", 8))
    ]

    assert [group.label for group in group_runs(runs, [])] == [
        'unet cce f4 data.indices=["cce"]',
        'resunet dice f8 data.indices=["dice"]',
    ]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12))
def test_each_run_is_in_the_group_of_its_settings(values):
    """Two runs share a group if and only if they differ only in the keys set apart."""
    runs = [
        made_run(filters=filters, settings={"seed": seed, "model.kernel": kernel}) for filters, kernel, seed in values
    ]
    groups = group_runs(runs, ["seed"])

    assert sorted(id(run) for group in groups for run in group.runs) == sorted(map(id, runs))
    kinds = [{(run.settings["model.filters"], run.settings["model.kernel"]) for run in group.runs} for group in groups]
    assert all(len(kind) == 1 for kind in kinds)
    assert len(set.union(*kinds)) == len(groups)

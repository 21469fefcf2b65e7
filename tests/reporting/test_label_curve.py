"""The curve through runs of several sizes is the one they were made from, and says no more than they do."""

import csv
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gym.evaluation import confusion
from gym.reporting.label_curve import (
    PowerLaw,
    curve_rows,
    draw_curves,
    find_curve,
    fit_power_laws,
    redraw_curves,
    word_curve,
    write_learning_curve,
)
from gym.reporting.run_table import RunGroup
from tests.reporting.test_figure4 import lines_of
from tests.reporting.test_figures import nothing_is_cut_off, texts
from tests.reporting.test_run_table import made_run

SIZES = (15, 30, 60, 105, 150)
LAW = PowerLaw(0.84, 0.6, 0.45)


def made_curve(law=LAW, sizes=SIZES, seeds=(1,), noise=0.0, **more):
    """Runs of 20 scenes, some hard, some easy, whose mean IoU is that of a law, give or take some noise."""
    runs = []
    for size in sizes:
        for seed in seeds:
            level = law.at(size) + np.random.default_rng([seed, size]).normal(0, noise)
            of_scenes = level + np.tile([-0.08, -0.03, 0.03, 0.08], 5)
            cells = np.stack([2 * of_scenes, 1 - of_scenes, 1 - of_scenes, 2 * of_scenes], axis=1)
            matrices = (1e5 * cells).round().astype(np.int64).reshape(-1, 2, 2)
            own = {"split.training_share": size / 150, "seed": seed, "sweep.job": len(runs)}
            iou = confusion.mean_iou(matrices.sum(axis=0))
            run = made_run([0] * 20, iou=iou, training_pairs=float(size), settings=own, **more)
            runs.append(replace(run, matrices=matrices))
    return runs


def curve_of(runs):
    return find_curve(RunGroup("", {}, runs))


def fit_power_law(sizes, ious):
    """One curve through some points."""
    return PowerLaw(*(value.item() for value in fit_power_laws(np.asarray(sizes), np.asarray(ious)[None])))


def test_a_law_by_hand():
    """A half less a whole over the root: at 4 nothing is left, at 16 a quarter, at 100 four tenths."""
    np.testing.assert_allclose(PowerLaw(0.5, 1, 0.5).at([4, 16, 100]), [0, 0.25, 0.4])


@settings(max_examples=60, deadline=None)
@given(
    end=st.floats(0.5, 1),
    missing=st.floats(0.02, 0.3),
    rate=st.floats(0.1, 3),
    sizes=st.lists(st.integers(5, 2000), min_size=4, max_size=8, unique=True).filter(
        lambda sizes: max(sizes) > 4 * min(sizes)
    ),
)
def test_a_fit_goes_through_what_lies_on_a_curve(end, missing, rate, sizes):
    """Whatever the curve; at the sizes there are it is the same one."""
    largest = max(sizes)
    law = PowerLaw(end, missing * largest**rate, rate)
    fit = fit_power_law(sizes, law.at(sizes))

    np.testing.assert_allclose(fit.at(sizes), law.at(sizes), atol=3e-3 * max(1, np.ptp(law.at(sizes))))
    assert 0 <= fit.a <= 1
    assert fit.b >= 0
    assert fit.c > 0


def test_a_fit_finds_the_numbers_of_a_curve():
    """And with them what lies beyond."""
    fit = fit_power_law(SIZES, LAW.at(SIZES))

    np.testing.assert_allclose(fit, LAW, rtol=0.02)
    assert fit.at(300) == pytest.approx(LAW.at(300), abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1)), min_size=3, max_size=10))
def test_more_labels_never_do_harm(points):
    """Whatever the points: the fit rises or stays level, within what an IoU may be."""
    assume(len({size for size, _ in points}) > 1)
    fit = fit_power_law(*zip(*points, strict=True))
    largest = max(size for size, _ in points)
    values = fit.at(np.linspace(largest, 10 * largest, 20))

    assert (np.diff(values) >= -1e-12).all()
    assert values[0] >= -1e-6
    assert values[-1] <= 1 + 1e-6


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 300), st.floats(0, 1)), min_size=3, max_size=8),
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 5)),
)
def test_no_other_curve_lies_nearer(points, other):
    """Than the one that is fitted, but for the steps between rates."""
    sizes, ious = (np.array(values) for values in zip(*points, strict=True))
    assume(len(set(sizes.tolist())) > 1)
    end, missing, rate = other
    fit = fit_power_law(sizes, ious)
    drawn = PowerLaw(end, missing * float(sizes.max()) ** rate, rate)

    assert ((fit.at(sizes) - ious) ** 2).sum() <= ((drawn.at(sizes) - ious) ** 2).sum() + 1e-3


def test_many_fits_at_once_are_those_of_one_at_a_time():
    """Each draw has its own curve."""
    draws = np.random.default_rng(0).uniform(0.3, 0.9, (7, 5))
    fits = fit_power_laws(np.array(SIZES), draws)

    np.testing.assert_array_equal(np.hstack(fits), [fit_power_law(SIZES, ious) for ious in draws])


def test_scores_that_fall_make_a_level_curve():
    """Their mean: more labels are not expected to do harm, and nothing is promised."""
    fit = fit_power_law([10, 20, 40], [0.8, 0.7, 0.6])

    np.testing.assert_allclose(fit.at([10, 40, 80]), 0.7, atol=2e-3)


def test_the_sentence_says_what_twice_the_labels_would_bring():
    """Sizes, the fitted level now and then, the interval of it and of the rise."""
    curve = curve_of(made_curve())
    told = re.fullmatch(
        r"with twice the labels \(300 training pairs instead of 150\), mean IoU is expected to rise from 0\.777 to "
        r"0\.794 \(90% interval (0\.\d{3}) to (0\.\d{3}), of the rise (0\.\d{3}) to (0\.\d{3})\)\.",
        word_curve(curve),
    )
    low, high, least, most = map(float, told.groups())

    assert low < 0.794 < high
    assert 0.01 < least <= 0.017 <= most < 0.025
    assert (high - low) == pytest.approx(2 * 1.645 * 0.06 / 20**0.5, rel=0.25)


def test_a_curve_at_its_end_stays_where_it_is():
    """What the shown digits cannot tell is no rise."""
    assert "mean IoU is expected to stay at 0.800 (90%" in word_curve(curve_of(made_curve(PowerLaw(0.8, 40, 2.5))))


def test_chance_in_training_widens_the_interval():
    """Redrawn scenes alone would not show that the runs lie beside the curve."""
    still, moved = (curve_of(made_curve(noise=noise, seeds=(1, 2, 3))).redrawn.at(300).std() for noise in (0, 0.04))

    assert moved > 1.3 * still


def test_the_interval_holds_the_truth_nine_times_in_ten():
    """Over drawn sweeps of three seeds, about."""
    rise, held = LAW.at(300) - LAW.at(150), []
    for number in range(20):
        runs = made_curve(seeds=tuple(range(3 * number, 3 * number + 3)), noise=0.008)
        sizes = np.array([run.scores["training_pairs"] for run in runs])
        redrawn = redraw_curves(runs, sizes, fit_power_law(sizes, [run.scores["iou"] for run in runs]), 0, draws=300)
        gains = redrawn.at(300) - redrawn.at(150)
        low, high = np.percentile(gains, (5, 95))
        held.append(low <= rise <= high)

    assert sum(held) >= 15


@pytest.mark.parametrize(
    ("runs", "obstacle"),
    [
        (made_curve(sizes=SIZES[:2]), "too few points, 2 sizes of the training side where 3 are needed"),
        (made_curve(sizes=SIZES[:2], seeds=(1, 2, 3)), "too few points, 2 sizes of the training side where 3 are need"),
        (made_curve(sizes=SIZES[:1]), "too few points, 1 size of the training side where 3 are needed"),
        ([made_run(training_pairs=None)], "too few points, 0 sizes of the training side where 3 are needed"),
        (
            [*made_curve(), *made_curve(sizes=[9], images=[f"other{number}" for number in range(20)])],
            "the runs were validated on different images",
        ),
        (
            made_curve(scenes=["one"] * 20),
            "there is one validation scene only, so chance cannot be estimated",
        ),
    ],
    ids=["two sizes", "two sizes of many runs", "one size", "no sizes", "other scenes", "one scene"],
)
def test_what_cannot_be_said_is_not_said(runs, obstacle):
    """With the reason; the runs are drawn and listed all the same."""
    curve = curve_of(runs)

    assert word_curve(curve).startswith(f"what twice the labels would bring cannot be said: {obstacle}")
    assert all(row["fitted"] is None for row in curve_rows(curve))
    assert nothing_is_cut_off(draw_curves([curve]))


def test_three_runs_are_said_to_leave_no_doubt():
    """A curve of three numbers goes through three points, wherever they are."""
    assert "; three runs alone leave nothing to judge the curve by)." in word_curve(
        curve_of(made_curve(sizes=SIZES[2:]))
    )
    assert "three runs" not in word_curve(curve_of(made_curve(sizes=SIZES[1:])))


def test_rows_have_each_size_and_twice_the_largest():
    """Mean and deviation over its runs, exact; the last row has no runs."""
    runs = made_curve(seeds=(1, 2), noise=0.01)
    rows = curve_rows(curve_of(runs))

    assert [row["training_pairs"] for row in rows] == [*SIZES, 300]
    assert [row["split.training_share"] for row in rows] == [0.1, 0.2, 0.4, 0.7, 1.0, None]
    assert [row["runs"] for row in rows] == [2] * 5 + [0]
    pair = [run.scores["iou"] for run in runs[:2]]
    assert rows[0]["iou"] == pytest.approx(sum(pair) / 2)
    assert rows[0]["iou_deviation"] == pytest.approx(abs(pair[0] - pair[1]) / 2**0.5)
    assert (rows[5]["iou"], rows[5]["iou_deviation"]) == (None, None)
    assert all(row["low"] < row["fitted"] < row["high"] for row in rows)


def test_the_picture_shows_runs_curve_and_what_is_expected():
    """The curve over the sizes there are, dashed from the largest to twice it, where its value is written."""
    curve = curve_of(made_curve())
    figure = draw_curves([curve])
    (axes,) = figure.axes
    lines = lines_of(axes)

    np.testing.assert_allclose(lines["a run"].get_xydata(), list(zip(SIZES, LAW.at(SIZES), strict=True)), atol=1e-5)
    assert list(lines["fitted curve"].get_xdata()[[0, -1]]) == [15, 150]
    assert list(lines["expected with more labels"].get_xdata()[[0, -1]]) == [150, 300]
    assert lines["expected with more labels"].get_linestyle() == "--"
    np.testing.assert_allclose(lines["with twice the labels"].get_xydata(), [(300, curve.fit.at(300))])
    assert [text.get_text() for text in axes.texts] == ["0.794"]
    assert set(texts(figure.legends[0])) == {*lines, "90% interval"}
    assert axes.get_xlim()[1] > 300
    assert nothing_is_cut_off(figure)


@pytest.mark.parametrize(("count", "panels"), [(1, 1), (2, 2), (4, 4), (5, 6), (7, 9)])
def test_each_group_has_a_panel(count, panels):
    """With its label, dollar signs and all; empty places stay empty."""
    curve = curve_of(made_curve())
    curves = [curve._replace(group=RunGroup(f"${number}$", {}, curve.group.runs)) for number in range(count)]
    figure = draw_curves(curves)

    assert len(figure.axes) == panels
    assert [axes.axison for axes in figure.axes] == [True] * count + [False] * (panels - count)
    assert figure.axes[0].get_title().startswith("\\$0\\$\nfit: 0.840 - 0.60")
    assert nothing_is_cut_off(figure)


def test_a_sweep_over_shares_has_files_and_a_line_for_each_model(tmp_path):
    """Seeds and numbers in the sweep part nothing."""
    runs = [*made_curve(seeds=(1, 2), model="unet"), *made_curve(sizes=SIZES[:2], model="resunet")]
    first, second = write_learning_curve(tmp_path, runs).splitlines()

    assert first.startswith("unet: with twice the labels (300 training pairs instead of 150), mean IoU is expected to")
    assert second.startswith("resunet: what twice the labels would bring cannot be said: too few points")
    with (tmp_path / "learning_curve.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["model.name"] for row in rows] == ["unet"] * 6 + ["resunet"] * 2
    assert float(rows[4]["iou"]) == pytest.approx(LAW.at(150), abs=1e-5)
    assert [rows[5][name] for name in ("split.training_share", "runs", "iou")] == ["", "0", ""]
    assert (tmp_path / "learning_curve.png").stat().st_size > 10_000


def test_another_sweep_has_no_learning_curve(tmp_path):
    """Nothing is written."""
    runs = [made_run(filters=filters, settings={"split.training_share": 1.0}) for filters in (4, 8)]

    assert write_learning_curve(tmp_path, runs) == ""
    assert write_learning_curve(tmp_path, []) == ""
    assert list(tmp_path.iterdir()) == []

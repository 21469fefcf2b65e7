"""The label curve recovers the law that its runs follow, and says what they cannot support."""

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
    bootstrap_curves,
    curve_rows,
    describe_curve,
    draw_label_curves,
    fit_label_curve,
    fit_power_laws,
    write_label_curve,
)
from gym.reporting.run_table import RunGroup
from tests.reporting.figure_checks import legend_texts, lines_by_label, nothing_is_cut_off
from tests.reporting.test_run_table import made_run

SIZES = (15, 30, 60, 105, 150)
LAW = PowerLaw(0.84, 0.6, 0.45)


def made_curve(law=LAW, sizes=SIZES, seeds=(1,), noise=0.0, **more):
    """Runs of 20 scenes, some hard and some easy, whose mean IoU follows a law with some noise."""
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
    """The label curve of some runs."""
    return fit_label_curve(RunGroup("", {}, runs))


def fit_power_law(sizes, ious):
    """One curve fitted to some points."""
    return PowerLaw(*(value.item() for value in fit_power_laws(np.asarray(sizes), np.asarray(ious)[None])))


def test_a_power_law_worked_out_by_hand():
    """One half minus one over the square root is 0 at 4, a quarter at 16 and 0.4 at 100."""
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
def test_a_fit_passes_through_points_on_a_curve(end, missing, rate, sizes):
    """Any curve is recovered at the given sizes."""
    largest = max(sizes)
    law = PowerLaw(end, missing * largest**rate, rate)
    fit = fit_power_law(sizes, law.at(sizes))

    np.testing.assert_allclose(fit.at(sizes), law.at(sizes), atol=3e-3 * max(1, np.ptp(law.at(sizes))))
    assert 0 <= fit.a <= 1
    assert fit.b >= 0
    assert fit.c > 0


def test_a_fit_recovers_the_parameters_of_a_curve():
    """It therefore extrapolates correctly."""
    fit = fit_power_law(SIZES, LAW.at(SIZES))

    np.testing.assert_allclose(fit, LAW, rtol=0.02)
    assert fit.at(300) == pytest.approx(LAW.at(300), abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1)), min_size=3, max_size=10))
def test_a_fit_never_falls(points):
    """It rises or stays level within [0, 1], whatever the points."""
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
def test_no_other_curve_fits_better(points, other):
    """The tolerance covers the steps between the rates of the grid."""
    sizes, ious = (np.array(values) for values in zip(*points, strict=True))
    assume(len(set(sizes.tolist())) > 1)
    end, missing, rate = other
    fit = fit_power_law(sizes, ious)
    drawn = PowerLaw(end, missing * float(sizes.max()) ** rate, rate)

    assert ((fit.at(sizes) - ious) ** 2).sum() <= ((drawn.at(sizes) - ious) ** 2).sum() + 1e-3


def test_many_fits_at_once_equal_single_fits():
    """Each draw has its own curve."""
    draws = np.random.default_rng(0).uniform(0.3, 0.9, (7, 5))
    fits = fit_power_laws(np.array(SIZES), draws)

    np.testing.assert_array_equal(np.hstack(fits), [fit_power_law(SIZES, ious) for ious in draws])


def test_falling_scores_have_a_level_fit():
    """It is their mean: more labels are expected neither to harm nor to help."""
    fit = fit_power_law([10, 20, 40], [0.8, 0.7, 0.6])

    np.testing.assert_allclose(fit.at([10, 40, 80]), 0.7, atol=2e-3)


def test_the_sentence_gives_the_gain_from_twice_the_labels():
    """It has the sizes, the fitted values, and the intervals of the new value and of the gain."""
    curve = curve_of(made_curve())
    match = re.fullmatch(
        r"with twice the labels \(300 training pairs instead of 150\), mean IoU is expected to rise from 0\.777 to "
        r"0\.794 \(90 % interval (0\.\d{3}) to (0\.\d{3}), of the gain (0\.\d{3}) to (0\.\d{3})\)\.",
        describe_curve(curve),
    )
    low, high, least, most = map(float, match.groups())

    assert low < 0.794 < high
    assert 0.01 < least <= 0.017 <= most < 0.025
    assert (high - low) == pytest.approx(2 * 1.645 * 0.06 / 20**0.5, rel=0.25)


def test_a_curve_at_its_limit_stays_there():
    """A gain below the shown digits is not mentioned."""
    assert "mean IoU is expected to stay at 0.800 (90 %" in describe_curve(curve_of(made_curve(PowerLaw(0.8, 40, 2.5))))


def test_the_randomness_of_training_widens_the_interval():
    """Resampling scenes alone would not show that the runs scatter around the curve."""
    still, moved = (curve_of(made_curve(noise=noise, seeds=(1, 2, 3))).bootstrap.at(300).std() for noise in (0, 0.04))

    assert moved > 1.3 * still


def test_the_interval_contains_the_true_gain_about_nine_times_in_ten():
    """The sweeps are simulated and have three seeds each."""
    rise, held = LAW.at(300) - LAW.at(150), []
    for number in range(20):
        runs = made_curve(seeds=tuple(range(3 * number, 3 * number + 3)), noise=0.008)
        sizes = np.array([run.scores["training_pairs"] for run in runs])
        samples = bootstrap_curves(runs, sizes, fit_power_law(sizes, [run.scores["iou"] for run in runs]), 0, draws=300)
        gains = samples.at(300) - samples.at(150)
        low, high = np.percentile(gains, (5, 95))
        held.append(low <= rise <= high)

    assert sum(held) >= 15


def test_the_curve_redraws_the_units_of_the_split():
    """With four scenes of equal difficulty in each place, the interval is wider than over scenes."""
    runs = made_curve()
    of_place = [f"{number % 4}" for number in range(20)]
    by_place = [replace(run, unit_kind="place", unit_names=of_place) for run in runs]
    mixed = [by_place[0], *runs[1:]]

    widths = [np.subtract(*np.percentile(curve_of(of).bootstrap.at(150), [95, 5])) for of in (runs, by_place, mixed)]

    assert widths[1] > 1.5 * widths[0]
    assert widths[2] == widths[1]


@pytest.mark.parametrize(
    ("runs", "obstacle"),
    [
        (made_curve(sizes=SIZES[:2]), "the training side has 2 sizes, and a curve needs 3"),
        (made_curve(sizes=SIZES[:2], seeds=(1, 2, 3)), "the training side has 2 sizes, and a curve needs 3"),
        (made_curve(sizes=SIZES[:1]), "the training side has 1 size, and a curve needs 3"),
        ([made_run(training_pairs=None)], "the training side has 0 sizes, and a curve needs 3"),
        (
            [*made_curve(), *made_curve(sizes=[9], images=[f"other{number}" for number in range(20)])],
            "the runs have different validation images",
        ),
        (
            made_curve(scenes=["one"] * 20),
            "there is only one validation scene, so the standard error cannot be estimated",
        ),
    ],
    ids=["two sizes", "two sizes of many runs", "one size", "no sizes", "other scenes", "one scene"],
)
def test_a_gain_that_cannot_be_estimated_is_not_given(runs, obstacle):
    """The sentence gives the reason; the runs are still drawn and listed."""
    curve = curve_of(runs)

    assert describe_curve(curve).startswith(f"the gain from twice the labels cannot be estimated: {obstacle}")
    assert all(row["fitted"] is None for row in curve_rows(curve))
    assert nothing_is_cut_off(draw_label_curves([curve]))


def test_a_fit_to_three_runs_has_a_warning():
    """A curve with three parameters passes through any three points."""
    assert "; with only three runs, the fit itself cannot be checked)." in describe_curve(
        curve_of(made_curve(sizes=SIZES[2:]))
    )
    assert "only three runs" not in describe_curve(curve_of(made_curve(sizes=SIZES[1:])))


def test_each_size_and_twice_the_largest_have_a_row():
    """A row has the exact mean and deviation of its runs; the last row has no runs."""
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


def test_the_figure_shows_runs_curve_and_extrapolation():
    """The curve is dashed from the largest size to twice that, where its value is written."""
    curve = curve_of(made_curve())
    figure = draw_label_curves([curve])
    (axes,) = figure.axes
    lines = lines_by_label(axes)

    np.testing.assert_allclose(lines["run"].get_xydata(), list(zip(SIZES, LAW.at(SIZES), strict=True)), atol=1e-5)
    assert list(lines["fitted curve"].get_xdata()[[0, -1]]) == [15, 150]
    assert list(lines["extrapolation"].get_xdata()[[0, -1]]) == [150, 300]
    assert lines["extrapolation"].get_linestyle() == "--"
    np.testing.assert_allclose(lines["twice the labels"].get_xydata(), [(300, curve.fit.at(300))])
    assert [text.get_text() for text in axes.texts] == ["0.794"]
    assert set(legend_texts(figure.legends[0])) == {*lines, "90 % interval"}
    assert axes.get_xlim()[1] > 300
    assert nothing_is_cut_off(figure)


@pytest.mark.parametrize(("count", "panels"), [(1, 1), (2, 2), (4, 4), (5, 6), (7, 9)])
def test_each_group_has_a_panel(count, panels):
    """Its title is the label of the group, in which dollar signs are shown; places left over stay empty."""
    curve = curve_of(made_curve())
    curves = [curve._replace(group=RunGroup(f"${number}$", {}, curve.group.runs)) for number in range(count)]
    figure = draw_label_curves(curves)

    assert len(figure.axes) == panels
    assert [axes.axison for axes in figure.axes] == [True] * count + [False] * (panels - count)
    assert figure.axes[0].get_title().startswith("\\$0\\$\nfit: 0.840 - 0.60")
    assert nothing_is_cut_off(figure)


def test_a_sweep_over_shares_has_files_and_a_line_per_model(tmp_path):
    """Seeds and numbers within the sweep do not separate groups."""
    runs = [*made_curve(seeds=(1, 2), model="unet"), *made_curve(sizes=SIZES[:2], model="resunet")]
    first, second = write_label_curve(tmp_path, runs).splitlines()

    assert first.startswith("unet: with twice the labels (300 training pairs instead of 150), mean IoU is expected to")
    assert second.startswith(
        "resunet: the gain from twice the labels cannot be estimated: the training side has 2 sizes"
    )
    with (tmp_path / "learning_curve.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["model.name"] for row in rows] == ["unet"] * 6 + ["resunet"] * 2
    assert float(rows[4]["iou"]) == pytest.approx(LAW.at(150), abs=1e-5)
    assert [rows[5][name] for name in ("split.training_share", "runs", "iou")] == ["", "0", ""]
    assert (tmp_path / "learning_curve.png").stat().st_size > 10_000


def test_another_sweep_has_no_label_curve(tmp_path):
    """No file is written."""
    runs = [made_run(filters=filters, settings={"split.training_share": 1.0}) for filters in (4, 8)]

    assert write_label_curve(tmp_path, runs) == ""
    assert write_label_curve(tmp_path, []) == ""
    assert list(tmp_path.iterdir()) == []

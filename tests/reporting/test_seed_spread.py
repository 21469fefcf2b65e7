"""The spread over seeds is measured on runs that differ only in their seed."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.reporting.run_table import RunGroup
from gym.reporting.seed_spread import describe_spread, draw_spread, measure_spread, spread_row, write_seed_spread
from tests.reporting.figure_checks import legend_texts, lines_by_label, nothing_is_cut_off, visible_ticks
from tests.reporting.test_run_table import made_run


def made_seeds(ious, **more):
    """One run per seed, with these mean IoUs."""
    return [
        made_run(settings={"seed": seed, "sweep.job": seed}, **({"iou": iou} | more))
        for seed, iou in enumerate(ious, start=1)
    ]


def test_a_spread_worked_out_by_hand():
    """0.7, 0.8 and 0.9 have a deviation of 0.1; Student's t with two degrees of freedom is 4.302653."""
    spread = measure_spread(RunGroup("", {}, made_seeds([0.7, 0.8, 0.9])), "iou")
    half = 4.302653 * 0.1 / 3**0.5

    assert spread == pytest.approx((3, 0.8, 0.1, 0.8 - half, 0.8 + half), abs=1e-6)


def test_one_run_has_only_a_mean():
    """Its deviation and interval are undefined."""
    runs, mean, *rest = measure_spread(RunGroup("", {}, made_seeds([0.7])), "iou")

    assert (runs, mean) == (1, 0.7)
    assert np.isnan(rest).all()


def test_runs_without_a_score_are_left_out_of_its_spread():
    """If no run has the score, there is no spread."""
    group = RunGroup("", {}, [*made_seeds([0.7, 0.8]), *made_seeds([None], kld=None)])

    assert measure_spread(group, "iou")[:2] == pytest.approx((2, 0.75))
    assert measure_spread(RunGroup("", {}, made_seeds([0.7], kld=None)), "kld") is None


@given(st.lists(st.integers(0, 100), min_size=3, max_size=8), st.integers(1, 4), st.floats(-0.5, 0.5, allow_nan=False))
def test_a_spread_shifts_and_scales_with_its_values(values, factor, shift):
    """The interval is centred on the mean; a shift changes neither deviation nor width."""
    first, second = (
        measure_spread(RunGroup("", {}, made_seeds([scale * value / 100 + move for value in values])), "iou")
        for scale, move in ((1, 0), (factor, shift))
    )

    assert second.mean == pytest.approx(factor * first.mean + shift)
    assert second.deviation == pytest.approx(factor * first.deviation)
    assert second.high - second.low == pytest.approx(factor * (first.high - first.low))
    assert (second.low + second.high) / 2 == pytest.approx(second.mean)


def test_two_seeds_have_no_interval():
    """It would mostly be wider than the range of the score."""
    two = measure_spread(RunGroup("", {}, made_seeds([0.5, 0.7])), "iou")

    assert np.isnan([two.low, two.high]).all()
    assert two.deviation > 0


def test_a_row_has_the_spread_of_each_score():
    """The settings of the group come first, and an undefined number is None."""
    row = spread_row(RunGroup("unet", {"model.name": "unet"}, made_seeds([0.7, 0.9], kld=None)))

    assert list(row)[:3] == ["model.name", "iou_runs", "iou_mean"]
    assert len(row) == 1 + 3 * 5
    assert (row["model.name"], row["iou_runs"], row["kld_runs"]) == ("unet", 2, 0)
    assert row["iou_deviation"] == pytest.approx(0.2 / 2**0.5)
    assert (row["kld_mean"], row["kld_low"]) == (None, None)
    assert (row["stopping_epoch_mean"], row["stopping_epoch_deviation"]) == (12.0, 0.0)


def test_the_sentence_about_one_group_has_all_scores():
    """Epochs have one decimal, a single value has no deviation, and a score that no run has is left out."""
    group = RunGroup(
        "", {}, [*made_seeds([0.7, 0.8, 0.9], kld=None), made_run(iou=None, kld=0.25, stopping_epoch=14.0)]
    )

    assert describe_spread([group]) == (
        "4 seeds, mean ± standard deviation: mean IoU 0.800 ± 0.100 (95 % interval of the mean 0.552 to 1.048), "
        "KLD 0.250, stopping epoch 12.5 ± 1.0 (95 % interval of the mean 10.9 to 14.1)."
    )


def test_the_sentence_about_several_groups_has_the_range_of_deviations():
    """Groups of one run have no deviation."""
    groups = [RunGroup("", {}, made_seeds(ious)) for ious in ([0.7, 0.8, 0.9], [0.80, 0.81, 0.82], [0.5])]

    assert describe_spread(groups) == (
        "Between seeds, the mean IoU of otherwise equal runs has a standard deviation of 0.010 to 0.100 "
        "(2 of 3 groups have several seeds)."
    )
    assert describe_spread([groups[2]._replace(runs=made_seeds([None, None])), groups[2]]) == (
        "None of the 2 groups has two runs with a mean IoU that differ only in their seed."
    )


def test_the_figure_shows_each_run_and_the_means():
    """Each group has a line and each score a panel; an interval is drawn for three runs or more."""
    groups = [RunGroup("a$", {}, made_seeds([0.7, 0.8, 0.9])), RunGroup("b", {}, made_seeds([0.5, 0.6], kld=None))]
    figure = draw_spread(groups)
    ious, klds, epochs = figure.axes

    assert [axes.get_xlabel() for axes in figure.axes] == ["mean IoU", "KLD", "stopping epoch"]
    assert [label.get_text() for label in ious.get_yticklabels()] == ["a\\$", "b"]
    assert ious.get_ylim()[0] > ious.get_ylim()[1]
    runs = [line for line in ious.get_lines() if line.get_label() == "run"]
    assert [list(line.get_xdata()) for line in runs] == [[0.7, 0.8, 0.9], [0.5, 0.6]]
    means = [line.get_xydata()[0] for line in ious.get_lines() if line.get_label() == "mean"]
    np.testing.assert_allclose(means, [(0.8, 0), (0.55, 1)])
    assert len(ious.collections) == 1
    assert len([line for line in klds.get_lines() if line.get_label() == "run"]) == 1
    places = lines_by_label(epochs)["run"].get_ydata()
    assert len(set(places)) == len(places)
    assert legend_texts(figure.legends[0]) == ["run", "mean", "95 % interval of the mean"]
    assert nothing_is_cut_off(figure)


@pytest.mark.parametrize("epochs", [(12, 12, 12), (12, 13, 12)])
def test_epoch_ticks_are_whole_numbers(epochs):
    """All runs may have stopped at the same epoch."""
    runs = [run for epoch in epochs for run in made_seeds([0.7], stopping_epoch=float(epoch))]
    figure = draw_spread([RunGroup("", {}, runs)])
    figure.draw_without_rendering()

    ticks = visible_ticks(figure.axes[2].xaxis)
    assert ticks
    assert all(tick.isdecimal() for tick in ticks)


@pytest.mark.parametrize(("count", "named"), [(1, 0), (2, 2), (100, 100), (101, 0)])
def test_any_number_of_groups_fits(count, named):
    """An only group needs no name, and more than a hundred have none."""
    figure = draw_spread([RunGroup(f"group {number}", {}, made_seeds([0.7, 0.8])) for number in range(count)])

    assert len(figure.axes[0].get_yticklabels()) == named
    assert figure.get_figheight() < 35
    assert nothing_is_cut_off(figure)


def test_a_sweep_over_seeds_has_files(tmp_path):
    """Other keys may be swept as well."""
    runs = [
        made_run(model=model, iou=0.7 + seed / 100, settings={"seed": seed, "sweep.job": place})
        for place, (model, seed) in enumerate((model, seed) for model in ("unet", "resunet") for seed in (1, 2, 3))
    ]
    sentence = write_seed_spread(tmp_path, runs)

    assert sentence.startswith("Between seeds, the mean IoU of otherwise equal runs has a standard deviation of 0.010 ")
    with (tmp_path / "spread.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["model.name"], row["iou_runs"]) for row in rows] == [("unet", "3"), ("resunet", "3")]
    assert float(rows[0]["iou_mean"]) == pytest.approx(0.72)
    assert (tmp_path / "spread.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    "runs",
    [
        [],
        made_seeds([0.7]),
        [made_run(filters=filters) for filters in (4, 8)],
        [made_run(filters=filters, settings={"seed": filters}) for filters in (4, 8)],
    ],
    ids=["none", "one", "one seed", "a seed each"],
)
def test_another_sweep_has_no_spread(tmp_path, runs):
    """If no two runs differ only in their seed, no file is written."""
    assert write_seed_spread(tmp_path, runs) == ""
    assert list(tmp_path.iterdir()) == []

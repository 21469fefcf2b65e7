"""The figures show when runs stopped, and mean IoU against cost with its Pareto front."""

import numpy as np
import pytest

from gym.reporting.comparison_figures import draw_pareto, draw_stopping_epochs
from tests.reporting.figure_checks import legend_texts, lines_by_label, nothing_is_cut_off
from tests.reporting.test_figure4 import paper_matrix
from tests.reporting.test_run_table import made_run

NOTHING = "No run has finished with a score."


def test_each_run_shows_its_stopping_and_best_epoch():
    """The first run is on top; runs without epochs are left out."""
    runs = [made_run(stopping_epoch=20.0, best_epoch=15.0), made_run(stopping_epoch=None), made_run(filters=8)]
    (axes,) = draw_stopping_epochs(runs).axes

    np.testing.assert_array_equal(lines_by_label(axes)["stopping epoch"].get_xydata(), [(20, 0), (12, 1)])
    np.testing.assert_array_equal(lines_by_label(axes)["best epoch"].get_xydata(), [(15, 0), (9, 1)])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["unet cce f4", "unet cce f8"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


@pytest.mark.parametrize(("count", "named"), [(1, 1), (30, 30), (100, 100), (101, 0), (400, 0)])
def test_any_number_of_runs_fits(count, named):
    """More than a hundred are not named, and the figure stops growing."""
    figure = draw_stopping_epochs([made_run(filters=number + 1) for number in range(count)])

    assert len(figure.axes[0].get_yticklabels()) == named
    assert figure.get_figheight() < 21
    assert nothing_is_cut_off(figure)


def test_the_panels_show_cost_score_and_front():
    """Parameters have a logarithmic axis, time is in minutes from 2 minutes on, and the front is a line of steps."""
    cheap, middle, beaten = (
        made_run(iou=iou, parameters=size, seconds=time, filters=size)
        for iou, size, time in ((0.5, 1000, 60), (0.7, 4000, 120), (0.6, 8000, 180))
    )
    figure = draw_pareto([beaten, middle, cheap], chosen=cheap)
    sizes, times = figure.axes[:2]

    assert (sizes.get_xlabel(), times.get_xlabel()) == ("parameters", "training time (min)")
    assert (sizes.get_xscale(), times.get_xscale(), sizes.get_ylabel()) == ("log", "linear", "mean IoU")
    for axes, costs in ((sizes, (1000, 4000, 8000)), (times, (1, 2, 3))):
        lines = lines_by_label(axes)
        np.testing.assert_allclose(lines["UNet"].get_xydata(), [(costs[2], 0.6), (costs[1], 0.7), (costs[0], 0.5)])
        np.testing.assert_allclose(lines["Pareto front"].get_xydata(), [(costs[0], 0.5), (costs[1], 0.7)])
        assert lines["Pareto front"].get_drawstyle() == "steps-post"
        np.testing.assert_allclose(lines["recommended"].get_xydata(), [(costs[0], 0.5)])
        assert [text.get_text() for text in axes.texts] == ["1", "2"]
    listed = "1  unet cce f1000  0.500\n2  unet cce f4000  0.700"
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes[2:]] == [[listed]] * 2
    assert legend_texts(figure.legends[0]) == ["UNet", "recommended", "Pareto front"]


@pytest.mark.parametrize(("seconds", "unit"), [(119, "s"), (120, "min"), (7199, "min"), (7200, "h")])
def test_time_has_a_suitable_unit(seconds, unit):
    """The longest run takes at least two of it."""
    assert draw_pareto([made_run(seconds=seconds)]).axes[1].get_xlabel() == f"training time ({unit})"


def test_runs_in_the_same_place_share_a_label():
    """Their numbers would overlap."""
    sizes = draw_pareto([made_run(), made_run(loss="kld"), made_run(loss="dice", parameters=1.0, iou=0.1)]).axes[0]

    assert [text.get_text() for text in sizes.texts] == ["1", "2, 3"]


def test_a_long_front_is_listed_partly():
    """The list has fifteen runs and says how many more there are."""
    runs = [made_run(iou=0.01 * place, parameters=1000.0 + place, filters=place) for place in range(1, 21)]
    figure = draw_pareto(runs)

    entries = figure.axes[2].texts[0].get_text().splitlines()
    assert (len(entries), entries[14], entries[15]) == (16, "15  unet cce f15  0.150", "and 5 more")
    assert nothing_is_cut_off(figure)


def test_a_cost_that_no_run_has_has_no_panel():
    """An empty panel would mislead."""
    figure = draw_pareto([made_run(seconds=None)])

    assert [axes.get_xlabel() for axes in figure.axes] == ["parameters", ""]
    assert nothing_is_cut_off(figure)


@pytest.mark.parametrize("draw", [draw_pareto, draw_stopping_epochs])
@pytest.mark.parametrize("runs", [[], [made_run(iou=None, stopping_epoch=None)]])
def test_a_figure_without_runs_says_so(draw, runs):
    """It has no panels."""
    assert [text.get_text() for text in draw(runs).texts] == [NOTHING]


def test_the_papers_matrix_fits():
    """Neither panel nor list is cut off."""
    runs = paper_matrix()

    assert nothing_is_cut_off(draw_pareto(runs, chosen=runs[0]))


@pytest.mark.parametrize("draw", [draw_pareto, draw_stopping_epochs])
def test_any_name_fits(draw):
    """Dollar signs are not mathematics, and long names are cut at their start."""
    figure = draw([made_run(name=r"$\q$"), made_run(name="long " * 30 + "end", loss="kld", iou=0.9, parameters=1e6)])

    assert nothing_is_cut_off(figure)
    labels = [text.get_text() for axes in figure.axes for text in (*axes.get_yticklabels(), *axes.texts)]
    assert any("…" in label and "end" in label for label in labels)
    assert any(r"\$\q\$" in label for label in labels)

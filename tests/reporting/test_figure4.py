"""Figure 4 shows any set of runs as the paper's figure does."""

from dataclasses import replace

import numpy as np
import pytest

from gym.reporting.figure4 import draw_figure4
from gym.reporting.recommendation import standard_error
from tests.reporting.figure_checks import legend_texts, lines_by_label, nothing_is_cut_off, visible_ticks
from tests.reporting.test_run_table import made_run

FILTERS = (2, 4, 6, 8, 12)
PAPER_SIZES = {
    "unet": (251_236, 1_002_692, 2_254_372, 4_006_276, 9_010_756),
    "resunet": (388_772, 1_550_436, 3_484_996, 6_192_452, 13_926_052),
}


def paper_matrix(losses=("cce", "dice", "kld"), models=("unet", "resunet")):
    """Runs like the 30 of the paper, validated on two scenes."""
    return [
        made_run([50 + filters, 40 + 3 * filters], model, loss, filters, parameters=float(size), kld=1 / filters)
        for model in models
        for loss in losses
        for filters, size in zip(FILTERS, PAPER_SIZES[model], strict=True)
    ]


def bars_of(axes):
    """Ends and width of each bar of a panel, by its position."""
    bars = {}
    for bar in axes.collections:
        ((place, low), (_, high)) = bar.get_segments()[0]
        bars[round(place)] = (low, high, bar.get_linewidth()[0])
    return bars


def test_the_papers_thirty_runs_are_drawn_as_in_the_paper():
    """IoU is above KLD, each loss has a column; Res-UNets are dashed with squares, UNets solid with circles."""
    figure = draw_figure4(paper_matrix())

    assert [axes.get_title() for axes in figure.axes] == ["loss dice", "loss cce", "loss kld", "", "", ""]
    assert [axes.get_ylabel() for axes in figure.axes] == ["mean IoU", "", "", "KLD", "", ""]
    for axes in figure.axes:
        lines = lines_by_label(axes)
        assert (lines["UNet"].get_linestyle(), lines["UNet"].get_marker()) == ("-", "o")
        assert (lines["Res-UNet"].get_linestyle(), lines["Res-UNet"].get_marker()) == ("--", "s")
        assert lines["UNet"].get_color() != lines["Res-UNet"].get_color()
        np.testing.assert_array_equal(lines["UNet"].get_xdata(), PAPER_SIZES["unet"])
        np.testing.assert_array_equal(lines["Res-UNet"].get_xdata(), PAPER_SIZES["resunet"])
    ious, klds = lines_by_label(figure.axes[0])["UNet"].get_ydata(), lines_by_label(figure.axes[3])["UNet"].get_ydata()
    np.testing.assert_allclose(ious, [(45 + 2 * filters) / 100 for filters in FILTERS])
    np.testing.assert_allclose(klds, [1 / filters for filters in FILTERS])
    assert legend_texts(figure.legends[0]) == ["UNet", "Res-UNet", "bar: standard error over scenes"]


def test_sizes_have_a_readable_logarithmic_axis():
    """All columns have the same ticks, and the panels of a row share their score axis."""
    figure = draw_figure4(paper_matrix())
    figure.draw_without_rendering()

    for axes in figure.axes:
        assert axes.get_xscale() == "log"
        assert axes.get_xlim() == figure.axes[0].get_xlim()
    for axes in figure.axes[3:]:
        assert axes.get_xlabel() == "parameters"
        assert visible_ticks(axes.xaxis) == ["0.3M", "1M", "3M", "10M"]
    for row in (figure.axes[:3], figure.axes[3:]):
        assert len({axes.get_ylim() for axes in row}) == 1


def test_points_are_labelled_with_their_filters():
    """A label has the colour of its line."""
    panel = draw_figure4(paper_matrix(models=["unet"])).axes[0]

    assert [text.get_text() for text in panel.texts] == ["2", "4", "6", "8", "12"]
    assert {text.get_color() for text in panel.texts} == {lines_by_label(panel)["UNet"].get_color()}
    assert [text.xy for text in panel.texts] == [(x, y) for x, y in lines_by_label(panel)["UNet"].get_xydata()]


def test_bars_are_thin_over_scenes_and_thick_over_runs():
    """KLD has bars only over runs, and a single scene has none."""
    single = made_run([90, 50], filters=2)
    seeds = [made_run(iou=iou, kld=kld) for iou, kld in ((0.5, 0.2), (0.7, 0.4))]
    above, below = draw_figure4([single, *seeds, made_run([60], filters=8)]).axes

    error, (thin, thick) = standard_error(single), (0.8, 2.2)
    assert bars_of(above) == {
        4000: (pytest.approx(0.7 - error), pytest.approx(0.7 + error), thin),
        16000: (pytest.approx(0.6 - 0.02**0.5), pytest.approx(0.6 + 0.02**0.5), thick),
    }
    assert bars_of(below) == {16000: (pytest.approx(0.3 - 0.02**0.5), pytest.approx(0.3 + 0.02**0.5), thick)}
    np.testing.assert_allclose(lines_by_label(above)["UNet"].get_ydata(), [0.7, 0.6, 0.6])


def test_the_legend_names_the_units_of_the_bars():
    """Runs may have different units; a column of the table may have any name."""
    over_places = replace(made_run([90, 50]), unit_kind="place", unit_names=["cape", "bay"])
    over_columns = replace(made_run([80, 50], filters=8), unit_kind="$a$", unit_names=["cape", "bay"])

    assert legend_texts(draw_figure4([over_places, over_columns]).legends[0]) == [
        "UNet",
        "bar: standard error over places",
        r"bar: standard error over units by \$a\$",
    ]


@pytest.mark.parametrize(
    ("runs", "columns", "legend"),
    [
        (paper_matrix(losses=["cce"]), ["loss cce"], ["UNet", "Res-UNet", "bar: standard error over scenes"]),
        ([made_run([50], loss="hinge", model="resunet")], ["loss hinge"], ["Res-UNet"]),
        ([made_run([50], kld=None)], ["loss cce"], ["UNet"]),
        (
            [made_run([50], model=name) for name in ("simple_resunet", "simple_unet", "resunet", "unet")],
            ["loss cce"],
            ["UNet", "Res-UNet", "simple UNet", "simple Res-UNet"],
        ),
    ],
    ids=["one loss", "one run", "no KLD", "all architectures"],
)
def test_any_runs_can_be_drawn(runs, columns, legend):
    """Losses and architectures without runs have neither a column nor a line."""
    figure = draw_figure4(runs)

    assert [axes.get_title() for axes in figure.axes[: len(columns)]] == columns
    assert len(figure.axes) == 2 * len(columns)
    assert legend_texts(figure.legends[0]) == legend
    assert nothing_is_cut_off(figure)


def test_the_full_figure_fits():
    """It has three columns."""
    assert nothing_is_cut_off(draw_figure4(paper_matrix()))


@pytest.mark.parametrize("runs", [[], [made_run(iou=None, kld=None)], [made_run(parameters=None)]])
def test_a_figure_without_scores_says_so(runs):
    """It has no panels."""
    figure = draw_figure4(runs)

    assert figure.axes == []
    assert [text.get_text() for text in figure.texts] == ["No run has finished with a score."]
    assert nothing_is_cut_off(figure)

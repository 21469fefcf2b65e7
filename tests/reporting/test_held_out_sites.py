"""Each held-out site is compared with the validation scenes, and the site with the lowest score is named."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.reporting.held_out_sites import describe_sites, draw_sites, site_rows, summarize_sites, write_site_report
from gym.reporting.run_table import RunGroup
from tests.reporting.figure_checks import legend_texts, nothing_is_cut_off
from tests.reporting.test_run_table import made_run


def made_site(site, test_iou, iou=0.8, seed=1, by="site", **more):
    """A run that holds out a site; its Dice is 0.1 above its IoU."""
    dice = None if test_iou is None else test_iou + 0.1
    scores = {"test/iou": test_iou, "test/dice": dice, "iou": iou, "dice": iou + 0.1}
    own = {"split.held_out": site, "split.by": by, "seed": seed, "sweep.job": len(site)}
    return made_run(settings=own, **(scores | more))


SITES = [made_site("duck", 0.7), made_site("sunset", 0.5, iou=0.84), made_site("ventura", 0.6)]


def summary_of(runs):
    """The summary of a single group."""
    return summarize_sites(RunGroup("", {}, runs))


def test_sites_are_sorted_with_the_lowest_score_first():
    """Sites without a score come last."""
    table = summary_of([*SITES, made_site("klamath", None)])

    assert [site.site for site in table.sites] == ["sunset", "ventura", "duck", "klamath"]
    assert table.sites[0].scores == pytest.approx({"test/iou": 0.5, "test/dice": 0.6, "iou": 0.84, "dice": 0.94})
    assert np.isnan(table.sites[3].scores["test/iou"])


def test_several_seeds_of_a_site_are_averaged():
    """Its row has the number of runs."""
    (site,) = summary_of([made_site("duck", 0.7, seed=1), made_site("duck", 0.6, seed=2)]).sites

    assert (site.site, site.runs) == ("duck", 2)
    assert site.scores["test/iou"] == pytest.approx(0.65)


def test_rows_end_with_the_mean_and_the_lowest():
    """They are computed for each score; an undefined number is None."""
    rows = site_rows(summary_of([*SITES, made_site("klamath", None)]))

    assert [row["split.held_out"] for row in rows] == ["sunset", "ventura", "duck", "klamath", "(mean)", "(lowest)"]
    assert [row["runs"] for row in rows] == [1, 1, 1, 1, 4, 4]
    assert (rows[3]["test/iou"], rows[3]["iou"]) == (None, 0.8)
    assert [rows[4][name] for name in ("test/iou", "test/dice", "iou")] == pytest.approx([0.6, 0.7, 0.81])
    assert [rows[5][name] for name in ("test/iou", "test/dice", "iou")] == pytest.approx([0.5, 0.6, 0.8])


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=8))
def test_sites_without_a_score_count_in_neither_mean_nor_lowest(scores):
    """If no site has a score, both are None."""
    *_, mean, lowest = site_rows(summary_of([made_site(f"site{number}", of) for number, of in enumerate(scores)]))
    known = [score for score in scores if score is not None]

    assert lowest["test/iou"] == (min(known) if known else None)
    assert mean["test/iou"] == (pytest.approx(sum(known) / len(known)) if known else None)


def test_the_sentence_names_the_site_with_the_lowest_score():
    """It also gives the validation score of the same runs."""
    assert describe_sites(summary_of(SITES)) == (
        "3 held-out sites: mean IoU 0.600 on average, lowest 0.500 (sunset); validation scenes of the other sites: "
        "0.813."
    )
    dates = [made_site("2020", 0.7, by="date"), made_site("2021", None, by="date")]
    assert describe_sites(summary_of(dates)).startswith(
        "1 held-out date: mean IoU 0.700 on average, lowest 0.700 (2020);"
    )
    assert describe_sites(summary_of([made_site("duck", None)])) == "no held-out site has a mean IoU."


def test_each_site_has_two_bars():
    """Test is above validation, the lowest site on top; a bar contains its value, or a short one is followed by it."""
    figure = draw_sites([summary_of([*SITES, made_site("klamath", None, iou=0.05)])])
    ious, dices = figure.axes

    assert (ious.get_xlabel(), dices.get_xlabel(), ious.get_ylabel()) == ("mean IoU", "mean Dice", "held-out site")
    assert [label.get_text() for label in ious.get_yticklabels()] == ["sunset", "ventura", "duck", "klamath"]
    assert ious.get_ylim()[0] > ious.get_ylim()[1]
    test, validation = ([bar.get_width() for bar in bars] for bars in ious.containers)
    np.testing.assert_allclose(test, [0.5, 0.6, 0.7, 0])
    np.testing.assert_allclose(validation, [0.84, 0.8, 0.8, 0.05])
    assert all(above.get_y() < below.get_y() for above, below in zip(*ious.containers, strict=True))
    written = [(text.get_text(), text.get_position()[0]) for text in ious.texts]
    assert written == [
        *(("0.500", 0.01), ("0.600", 0.01), ("0.700", 0.01), ("-", 0.01)),
        *(("0.840", 0.01), ("0.800", 0.01), ("0.800", 0.01), ("0.050", pytest.approx(0.06))),
    ]
    means = {line.get_label(): line.get_xdata()[0] for line in ious.get_lines()}
    assert means == pytest.approx({"mean, test": 0.6, "mean, validation": 0.6225})
    assert set(legend_texts(figure.legends[0])) == {*means, "test: held-out site", "validation: other sites"}
    assert nothing_is_cut_off(figure)


@pytest.mark.parametrize(("groups", "sites"), [(1, 1), (2, 3), (6, 8)])
def test_each_group_has_a_row_of_panels(groups, sites):
    """Its title is the label of the group, in which dollar signs are shown."""
    runs = [made_site(f"site {number}", 0.5) for number in range(sites)]
    figure = draw_sites([summarize_sites(RunGroup(f"model$ {number}", {}, runs)) for number in range(groups)])

    titles = [axes.get_title("left") for axes in figure.axes[::2]]
    assert titles == [f"model\\$ {number}" for number in range(groups)]
    assert nothing_is_cut_off(figure)


def test_a_sweep_over_sites_has_files_and_a_line_per_model(tmp_path):
    """Seeds and numbers within the sweep do not separate groups."""
    runs = [
        made_site(site, iou, model=model, seed=seed)
        for model, ious in (("unet", (0.5, 0.7)), ("resunet", (0.6, 0.8)))
        for site, iou in zip(("duck", "sunset"), ious, strict=True)
        for seed in (1, 2)
    ]
    first, second = write_site_report(tmp_path, runs).splitlines()

    assert first.startswith("unet: 2 held-out sites: mean IoU 0.600 on average, lowest 0.500 (duck);")
    assert second.startswith("resunet: 2 held-out sites: mean IoU 0.700 on average, lowest 0.600 (duck);")
    with (tmp_path / "leave_one_site_out.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["model.name"], row["split.held_out"], row["runs"]) for row in rows[:4]] == [
        ("unet", "duck", "2"),
        ("unet", "sunset", "2"),
        ("unet", "(mean)", "4"),
        ("unet", "(lowest)", "4"),
    ]
    assert float(rows[0]["test/iou"]) == 0.5
    assert (tmp_path / "leave_one_site_out.png").stat().st_size > 10_000


def test_another_sweep_has_no_site_report(tmp_path):
    """No file is written."""
    assert write_site_report(tmp_path, [made_site("duck", 0.5, filters=filters) for filters in (4, 8)]) == ""
    assert write_site_report(tmp_path, []) == ""
    assert list(tmp_path.iterdir()) == []

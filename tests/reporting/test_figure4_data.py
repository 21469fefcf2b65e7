"""Runs are grouped by loss, architecture and size, as in the paper's Figure 4."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.config.registries import ARCHITECTURES, SCORES
from gym.reporting.figure4_data import SizePoint, format_size, level_of, size_range, size_series, size_ticks
from gym.reporting.recommendation import standard_error
from tests.reporting.test_run_table import made_run


def test_every_architecture_has_its_own_style():
    """No two share a title, a colour, a marker or a dash."""
    styles = [(entry.title, entry.style.colour, entry.style.marker, entry.style.dash) for entry in ARCHITECTURES]

    for shared in zip(*styles, strict=True):
        assert len(set(shared)) == len(ARCHITECTURES.names)


def test_losses_have_the_order_of_the_paper():
    """Other losses follow; architectures have the order of registration, and points are sorted by size."""
    runs = [made_run(loss=loss, model="resunet") for loss in ("hinge", "kld", "cce", "dice")]
    series = size_series([*runs, made_run(filters=8), made_run(filters=2)])

    assert list(series) == ["dice", "cce", "kld", "hinge"]
    assert list(series["cce"]) == ["unet", "resunet"]
    assert [point.filters for point in series["cce"]["unet"]] == [2, 8]


def test_runs_of_one_size_form_one_point():
    """Several seeds do; a run with another kernel has another size and a point of its own."""
    seeds = [made_run(settings={"seed": seed}) for seed in (1, 2)]
    other = made_run(parameters=9000.0)

    points = size_series([*seeds, other])["cce"]["unet"]

    assert [(point.parameters, len(point.runs)) for point in points] == [(9000, 1), (16000, 2)]
    assert points[1].runs[0] is seeds[0]


def test_runs_without_size_or_score_form_no_point():
    """One of the two scores is enough."""
    assert size_series([made_run(parameters=None), made_run(iou=None, kld=None)]) == {}
    assert list(size_series([made_run(iou=None), made_run(loss="kld", kld=None)])) == ["cce", "kld"]


def test_the_bar_of_several_runs_is_their_standard_deviation():
    """That of 0.5, 0.6 and 0.7 is 0.1; runs without the score do not count."""
    point = SizePoint(4, 16000, [made_run(iou=iou, kld=iou) for iou in (0.5, 0.7, 0.6, None)])

    assert level_of(point, SCORES.get("iou")) == (pytest.approx(0.6), pytest.approx(0.1))
    assert level_of(point, SCORES.get("kld")) == (pytest.approx(0.6), pytest.approx(0.1))


def test_the_bar_of_one_run_is_its_standard_error():
    """KLD has no bar, because it is not known per scene; runs without the score do not count."""
    run = made_run([90, 50])
    point = SizePoint(4, 16000, [made_run(iou=None, kld=None), run])

    assert level_of(point, SCORES.get("iou")) == (pytest.approx(0.7), standard_error(run))
    assert level_of(point, SCORES.get("kld")).mean == 0.5
    assert np.isnan(level_of(point, SCORES.get("kld")).bar)
    assert level_of(SizePoint(4, 16000, [made_run(iou=None)]), SCORES.get("iou")) is None


def test_the_ticks_of_the_papers_sizes():
    """They span its smallest UNet to its largest Res-UNet."""
    ticks = size_ticks(*size_range([251_236, 13_926_052]))

    assert [format_size(tick) for tick in ticks] == ["0.25M", "0.5M", "1M", "2.5M", "5M", "10M"]
    fewer = size_ticks(*size_range([251_236, 13_926_052]), most=5)
    assert [format_size(tick) for tick in fewer] == ["0.3M", "1M", "3M", "10M"]


@pytest.mark.parametrize(
    ("size", "text"),
    [(500, "500"), (2500, "2.5k"), (10_000, "10k"), (100_000, "0.1M"), (250_000, "0.25M"), (25e6, "25M")],
)
def test_sizes_have_a_short_format(size, text):
    """They are given in thousands or millions."""
    assert format_size(size) == text


@given(st.lists(st.integers(50, 10**9), max_size=4))
def test_any_sizes_have_ticks_within_their_range(sizes):
    """There are one to nine ticks, and the range contains all sizes."""
    low, high = size_range(sizes)
    ticks = size_ticks(low, high)

    assert all(low < size < high for size in sizes)
    assert 1 <= len(ticks) <= 9
    assert all(low <= tick <= high for tick in ticks)

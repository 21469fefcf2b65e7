"""Runs are set out by loss, architecture and size, as in the paper's Figure 4."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.config.registries import ARCHITECTURES, SCORES
from gym.reporting.figure4_data import SizePoint, level_of, size_range, size_series, size_ticks, word_size
from gym.reporting.recommendation import standard_error
from tests.reporting.test_run_table import made_run


def test_every_architecture_has_a_look_of_its_own():
    """No two share title, colour, marker or dash."""
    looks = [(entry.title, entry.style.colour, entry.style.marker, entry.style.dash) for entry in ARCHITECTURES]

    for shared in zip(*looks, strict=True):
        assert len(set(shared)) == len(ARCHITECTURES.names)


def test_losses_come_in_the_order_of_the_paper():
    """Then others; architectures in that of the configuration, points by size."""
    runs = [made_run(loss=loss, model="resunet") for loss in ("hinge", "kld", "cce", "dice")]
    series = size_series([*runs, made_run(filters=8), made_run(filters=2)])

    assert list(series) == ["dice", "cce", "kld", "hinge"]
    assert list(series["cce"]) == ["unet", "resunet"]
    assert [point.filters for point in series["cce"]["unet"]] == [2, 8]


def test_runs_of_one_size_are_one_point():
    """Of several seeds; one with another kernel has another size, and so a point of its own."""
    seeds = [made_run(settings={"seed": seed}) for seed in (1, 2)]
    other = made_run(parameters=9000.0)

    points = size_series([*seeds, other])["cce"]["unet"]

    assert [(point.parameters, len(point.runs)) for point in points] == [(9000, 1), (16000, 2)]
    assert points[1].runs[0] is seeds[0]


def test_runs_without_size_or_score_have_no_point():
    """One of the two scores is enough."""
    assert size_series([made_run(parameters=None), made_run(iou=None, kld=None)]) == {}
    assert list(size_series([made_run(iou=None), made_run(loss="kld", kld=None)])) == ["cce", "kld"]


def test_the_bar_of_several_runs_is_their_deviation():
    """Of 0.5, 0.6 and 0.7 it is 0.1; runs without the score are not counted."""
    point = SizePoint(4, 16000, [made_run(iou=iou, kld=iou) for iou in (0.5, 0.7, 0.6, None)])

    assert level_of(point, SCORES.get("iou")) == (pytest.approx(0.6), pytest.approx(0.1))
    assert level_of(point, SCORES.get("kld")) == (pytest.approx(0.6), pytest.approx(0.1))


def test_the_bar_of_one_run_is_its_standard_error():
    """KLD has none, since it is not known by scene; where a point has one run with the score, it is that run's."""
    run = made_run([90, 50])
    point = SizePoint(4, 16000, [made_run(iou=None, kld=None), run])

    assert level_of(point, SCORES.get("iou")) == (pytest.approx(0.7), standard_error(run))
    assert level_of(point, SCORES.get("kld")).mean == 0.5
    assert np.isnan(level_of(point, SCORES.get("kld")).bar)
    assert level_of(SizePoint(4, 16000, [made_run(iou=None)]), SCORES.get("iou")) is None


def test_the_ticks_of_the_papers_sizes():
    """From its smallest UNet to its largest Res-UNet."""
    ticks = size_ticks(*size_range([251_236, 13_926_052]))

    assert [word_size(tick) for tick in ticks] == ["0.25M", "0.5M", "1M", "2.5M", "5M", "10M"]
    fewer = size_ticks(*size_range([251_236, 13_926_052]), most=5)
    assert [word_size(tick) for tick in fewer] == ["0.3M", "1M", "3M", "10M"]


@pytest.mark.parametrize(
    ("size", "words"),
    [(500, "500"), (2500, "2.5k"), (10_000, "10k"), (100_000, "0.1M"), (250_000, "0.25M"), (25e6, "25M")],
)
def test_sizes_are_worded_short(size, words):
    """In thousands or millions."""
    assert word_size(size) == words


@given(st.lists(st.integers(50, 10**9), max_size=4))
def test_any_sizes_have_ticks_within_their_range(sizes):
    """At least one, and not so many that they run into each other; all sizes are within."""
    low, high = size_range(sizes)
    ticks = size_ticks(low, high)

    assert all(low < size < high for size in sizes)
    assert 1 <= len(ticks) <= 9
    assert all(low <= tick <= high for tick in ticks)

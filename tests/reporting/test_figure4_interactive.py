"""The interactive Figure 4 is a separate page that lists the runs of each point."""

import json
import re

import pytest

from gym.reporting.figure4_interactive import figure4_html
from tests.reporting.test_figure4 import paper_matrix
from tests.reporting.test_run_table import made_run


def drawn(page):
    """Traces and layout of a page."""
    start = page.index("[", page.rindex("Plotly.newPlot("))
    traces, end = json.JSONDecoder().raw_decode(page, start)
    layout, _ = json.JSONDecoder().raw_decode(page, page.index("{", end))
    return traces, layout


def test_the_page_needs_no_network():
    """Its script is embedded, and the same runs have the same page."""
    page = figure4_html(paper_matrix())

    assert page.startswith("<html>")
    assert len(page) > 3_000_000
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=", page)
    assert figure4_html(paper_matrix()) == page


def test_lines_have_the_style_of_the_printed_figure():
    """Each panel has a trace per architecture, and the legend names each architecture once."""
    traces, layout = drawn(figure4_html(paper_matrix()))

    assert len(traces) == 12
    looks = {trace["name"]: (trace["line"]["dash"], trace["marker"]["symbol"]) for trace in traces}
    assert looks == {"UNet": ("solid", "circle"), "Res-UNet": ("dash", "square")}
    assert [trace["name"] for trace in traces if trace["showlegend"]] == ["UNet", "Res-UNet"]
    assert [note["text"] for note in layout["annotations"]] == ["loss dice", "loss cce", "loss kld"]
    assert layout["xaxis"]["ticktext"] == ["0.25M", "0.5M", "1M", "2.5M", "5M", "10M"]
    assert (layout["yaxis"]["title"]["text"], layout["yaxis4"]["title"]["text"]) == ("mean IoU", "KLD")


def test_hovering_over_a_point_describes_its_run():
    """The text has name, filters, parameters, scores, stopping epoch and time."""
    (above, below), _ = drawn(figure4_html([made_run([60, 41], parameters=251236.0)]))

    text = (
        "<b>unet cce f4</b><br>filters 4, parameters 251,236<br>mean IoU 0.5050, KLD 0.5000"
        "<br>stopping epoch 12, training time 1 min 05 s"
    )
    assert above["hovertext"] == below["hovertext"] == [text]
    assert (above["x"], above["y"], below["y"]) == ([251236], [pytest.approx(0.505)], [0.5])


def test_hovering_over_several_runs_describes_six():
    """The line passes through their mean; a missing score is a dash."""
    runs = [made_run([50], iou=0.1 * seed, kld=None, seconds=None, settings={"seed": seed}) for seed in range(1, 9)]
    trace = drawn(figure4_html(runs))[0][0]

    assert trace["y"] == [pytest.approx(0.45)]
    assert [f"seed={seed}<" in trace["hovertext"][0] for seed in range(1, 9)] == [True] * 6 + [False] * 2
    assert trace["hovertext"][0].endswith("<br>and 2 more")
    assert "mean IoU 0.1000, KLD -<br>stopping epoch 12, training time -<br>" in trace["hovertext"][0]


def test_names_are_escaped():
    """The page and the text of a point both escape them."""
    page = figure4_html([made_run(name="<script>alert(1)</script>")])

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in drawn(page)[0][0]["hovertext"][0]


def test_without_runs_the_page_says_so():
    """It shows no axes."""
    traces, layout = drawn(figure4_html([]))

    assert traces == []
    assert layout["annotations"][0]["text"] == "No run has finished with a score."
    assert layout["xaxis"]["visible"] is layout["yaxis"]["visible"] is False

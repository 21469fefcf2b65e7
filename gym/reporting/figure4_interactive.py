"""Figure 4 to hover over: as a page, one file that needs no network, or as a part of one."""

import html
import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gym.config.registries import ARCHITECTURES, SCORES, Place, ScoreEntry, Style
from gym.core.text import format_duration, format_score
from gym.reporting.figure4_data import (
    SizePoint,
    level_of,
    size_range,
    size_series,
    size_ticks,
    word_size,
)
from gym.reporting.run_table import run_labels, score_of
from gym.runs.result import RunResult

_MOST_TOLD = 6  # runs of one point
# What plotly calls the markers and dashes of matplotlib.
_SYMBOLS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "v": "triangle-down",
    "<": "triangle-left",
    ">": "triangle-right",
    "D": "diamond",
    "d": "diamond-tall",
    "p": "pentagon",
    "h": "hexagon",
    "*": "star",
    "X": "x",
    "P": "cross",
}
_DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}


def figure4_html(results: Sequence[RunResult]) -> str:
    """The paper's Figure 4 as one HTML page, drawn as `gym.reporting.figure4.draw_figure4` does.

    Hovering over a point shows which runs it stands for, and what they came to. The same results give the same page.
    """
    return to_html(results, is_whole=True)


def figure4_part(results: Sequence[RunResult]) -> str:
    """The same as a part of a page that has plotly.js in its head."""
    return to_html(results, is_whole=False)


def to_html(results: Sequence[RunResult], is_whole: bool) -> str:
    """The figure as HTML: a whole page, or a part of one."""
    figure = chart_of(results)
    options = {"include_plotlyjs": is_whole, "full_html": is_whole, "config": {"displaylogo": False}}
    return figure.to_html(div_id="figure4", **options)


def chart_of(results: Sequence[RunResult]) -> go.Figure:
    """Both scores by size, a column a loss."""
    series, scores = size_series(results), SCORES.at(Place.FIGURE4)
    figure = make_subplots(
        rows=len(scores),
        cols=max(1, len(series)),
        shared_xaxes="all",
        shared_yaxes=True,
        column_titles=[f"loss {html.escape(loss)}" for loss in series],
        horizontal_spacing=0.02,
        vertical_spacing=0.04,
    )
    labels = {id(run): label for run, label in zip(results, run_labels(results), strict=True)}
    for column, models in enumerate(series.values(), start=1):
        for row, score in enumerate(scores, start=1):
            for model, points in models.items():
                figure.add_trace(trace_of(model, points, score, labels), row=row, col=column)
    for entry in ARCHITECTURES:
        for trace in list(figure.select_traces(selector={"legendgroup": entry.name}))[:1]:
            trace.showlegend = True
    lay_out(figure, [point.parameters for models in series.values() for line in models.values() for point in line])
    return figure


def trace_of(model: str, points: Sequence[SizePoint], score: ScoreEntry, labels: Mapping[int, str]) -> go.Scatter:
    """One architecture in one panel."""
    entry = ARCHITECTURES.get(model)
    style = entry.style
    levels = [(point, level) for point in points if (level := level_of(point, score)) is not None]
    bars = [None if math.isnan(level.bar) else level.bar for _, level in levels]
    return go.Scatter(
        x=[point.parameters for point, _ in levels],
        y=[level.mean for _, level in levels],
        error_y={"array": bars, "thickness": 1, "width": 0},
        mode="lines+markers+text",
        name=entry.title,
        text=[str(point.filters) for point, _ in levels],
        textposition=place_numbers(style, score),
        textfont={"size": 10, "color": style.colour},
        hovertext=[word_point(point, labels) for point, _ in levels],
        hoverinfo="text",
        line={"color": style.colour, "dash": _DASHES.get(style.dash, "solid"), "width": 2},
        marker={"symbol": _SYMBOLS.get(style.marker, "circle"), "size": 9},
        legendgroup=model,
        showlegend=False,
    )


def place_numbers(style: Style, score: ScoreEntry) -> str:
    """Where the numbers of filters stand: off the lines, which rise to the right if a high score is best."""
    return f"{'top' if (style.side == 'left') == score.highest_is_best else 'bottom'} {style.side}"


def word_point(point: SizePoint, labels: Mapping[int, str]) -> str:
    """The runs of a point, for the box that appears beside it."""
    told = [word_run(run, labels[id(run)]) for run in point.runs[:_MOST_TOLD]]
    more = len(point.runs) - len(told)
    return "<br>".join([*told, *([f"and {more} more"] if more else [])])


def word_run(run: RunResult, label: str) -> str:
    """One run: name, size, scores, epochs and time; plotly reads the text as HTML."""
    seconds, epoch = (score_of(run, name) for name in ("seconds", "stopping_epoch"))
    values = [(entry.title, score_of(run, entry.name)) for entry in SCORES.at(Place.FIGURE4)]
    told = [f"{title} {format_score(math.nan if value is None else value, 4)}" for title, value in values]
    told_time = "-" if seconds is None else format_duration(seconds)
    return "<br>".join(
        [
            f"<b>{html.escape(label)}</b>",
            f"filters {run.settings['model.filters']}, parameters {score_of(run, 'parameters'):,}",
            html.escape(", ".join(told)),
            f"stopping epoch {'-' if epoch is None else epoch}, training time {told_time}",
        ]
    )


def lay_out(figure: go.Figure, sizes: Sequence[int]) -> None:
    """Set axes, legend and fonts; without sizes, say that there is nothing to show."""
    ticks = size_ticks(*size_range(sizes))
    # No range: plotly 6.9 then takes no heed of the data when it sets the matched y axes.
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[word_size(tick) for tick in ticks])
    figure.update_xaxes(title_text="parameters", row=len(SCORES.at(Place.FIGURE4)))
    for row, score in enumerate(SCORES.at(Place.FIGURE4), start=1):
        figure.update_yaxes(title_text=score.title, row=row, col=1)
    figure.update_layout(
        template="plotly_white",
        font={"family": "system-ui, sans-serif", "size": 13, "color": "#1c2733"},
        legend={"orientation": "h", "yref": "container", "y": 0.01, "yanchor": "bottom", "x": 0.5, "xanchor": "center"},
        margin={"l": 70, "r": 20, "t": 50, "b": 90},
        hoverlabel={"align": "left"},
    )
    if not sizes:
        figure.update_xaxes(visible=False).update_yaxes(visible=False)
        figure.add_annotation(text="No run has finished with a score.", showarrow=False, xref="paper", yref="paper")

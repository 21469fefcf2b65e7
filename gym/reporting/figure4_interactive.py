"""The interactive version of Figure 4, as an HTML page in one file that needs no network, or as part of a page."""

import html
import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gym.config.registries import ARCHITECTURES, SCORES, Place, ScoreEntry, Style
from gym.core.text import format_duration, format_score
from gym.reporting import figure4_data
from gym.reporting.figure4_data import NO_SCORES, SizePoint, iterate_levels
from gym.reporting.run_table import run_labels, score_of
from gym.runs.result import RunResult

_MOST_DESCRIBED = 6  # runs of one point
# Plotly's names of the markers and dashes of matplotlib.
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


def figure4_html(results: Sequence[RunResult], is_page: bool = True) -> str:
    """Return the figure as an HTML page, or as part of a page that has plotly.js in its head.

    It shows what `gym.reporting.figure4.draw_figure4` draws; hovering over a point lists its runs with their scores.
    The same results always yield the same HTML.
    """
    options = {"include_plotlyjs": is_page, "full_html": is_page, "config": {"displaylogo": False}}
    return _build_figure(results).to_html(div_id="figure4", **options)


def _build_figure(results: Sequence[RunResult]) -> go.Figure:
    series, scores = figure4_data.size_series(results), SCORES.at(Place.FIGURE4)
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
                figure.add_trace(_build_trace(model, points, score, labels), row=row, col=column)
    for model in ARCHITECTURES.names:
        for trace in list(figure.select_traces(selector={"legendgroup": model}))[:1]:
            trace.showlegend = True
    _lay_out(figure, figure4_data.all_sizes(series))
    return figure


def _build_trace(model: str, points: Sequence[SizePoint], score: ScoreEntry, labels: Mapping[int, str]) -> go.Scatter:
    """Build the trace of one architecture in one panel."""
    entry = ARCHITECTURES.get(model)
    style, levels = entry.style, list(iterate_levels(points, score))
    bars = [None if math.isnan(level.bar) else level.bar for _, level in levels]
    return go.Scatter(
        x=[point.parameters for point, _ in levels],
        y=[level.mean for _, level in levels],
        error_y={"array": bars, "thickness": 1, "width": 0},
        mode="lines+markers+text",
        name=entry.title,
        text=[f"{point.filters}{point.mark}" for point, _ in levels],
        textposition=_text_position(style, score),
        textfont={"size": 10, "color": style.colour},
        hovertext=[_describe_point(point, labels) for point, _ in levels],
        hoverinfo="text",
        line={"color": style.colour, "dash": _DASHES.get(style.dash, "solid"), "width": 2},
        marker={"symbol": _SYMBOLS.get(style.marker, "circle"), "size": 9},
        legendgroup=model,
        showlegend=False,
    )


def _text_position(style: Style, score: ScoreEntry) -> str:
    # Off the lines, which rise to the right if a high score is best.
    return f"{'top' if (style.side == 'left') == score.highest_is_best else 'bottom'} {style.side}"


def _describe_point(point: SizePoint, labels: Mapping[int, str]) -> str:
    runs = [_describe_run(run, labels[id(run)]) for run in point.runs[:_MOST_DESCRIBED]]
    more = len(point.runs) - len(runs)
    equal = [f"{point.mark}: weights equal to those of the other points with this letter"] if point.mark else []
    return "<br>".join([*runs, *([f"and {more} more"] if more else []), *equal])


def _describe_run(run: RunResult, label: str) -> str:
    """Describe a run in lines of HTML, which is how plotly reads them."""
    seconds, epoch = (score_of(run, name) for name in ("seconds", "stopping_epoch"))
    values = [(entry.title, score_of(run, entry.name)) for entry in SCORES.at(Place.FIGURE4)]
    scores = ", ".join(f"{title} {format_score(math.nan if value is None else value, 4)}" for title, value in values)
    time = "-" if seconds is None else format_duration(seconds)
    return "<br>".join(
        [
            f"<b>{html.escape(label)}</b>",
            f"filters {run.settings['model.filters']}, parameters {score_of(run, 'parameters'):,}",
            html.escape(scores),
            f"stopping epoch {'-' if epoch is None else epoch}, training time {time}",
        ]
    )


def _lay_out(figure: go.Figure, sizes: Sequence[int]) -> None:
    ticks = figure4_data.size_ticks(*figure4_data.size_range(sizes))
    # Without a range: given one, plotly 6.9 ignores the data when it scales the matched y axes.
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[figure4_data.format_size(tick) for tick in ticks])
    scores = SCORES.at(Place.FIGURE4)
    figure.update_xaxes(title_text="parameters", row=len(scores))
    for row, score in enumerate(scores, start=1):
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
        figure.add_annotation(text=NO_SCORES, showarrow=False, xref="paper", yref="paper")
